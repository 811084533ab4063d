//! Why a request failed, in the session link's terms: the one place where errors of the crates below are translated.
//! What an operator must know is logged here too, once, with ids only.

use crate::pool::PoolError;
use crate::volume::VolumeError;
use model::MailboxId;
use vault::VaultError;
use wire::convert::ConvertError;
use wire::node::{Outcome, Verdict};
use wire::session::{Failure, FailureCode};

/// A failure that can be answered to any number of requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Fault {
    /// What it is on the wire.
    pub code: FailureCode,
    /// One line for people; no address, no content.
    pub text: String,
}

impl Fault {
    /// A fault with this code and text.
    pub fn new(code: FailureCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// The frame that says so.
    pub fn failure(self) -> Failure {
        Failure { code: self.code.into(), text: self.text }
    }

    /// What a delivery that failed so is told after its body.
    pub fn outcome(&self) -> Outcome {
        match self.code {
            FailureCode::DiskFull => Outcome::DiskFull,
            FailureCode::OverQuota => Outcome::NoRoom,
            _ => Outcome::Failed,
        }
    }

    /// What a delivery that failed so is told before its body.
    pub fn verdict(&self) -> Verdict {
        match self.code {
            FailureCode::DiskFull => Verdict::DiskFull,
            FailureCode::OverQuota => Verdict::NoRoom,
            FailureCode::TooBig => Verdict::TooBig,
            FailureCode::WrongNode => Verdict::WrongNode,
            _ => Verdict::Unavailable,
        }
    }

    /// Tells the operator when the mailbox itself is in trouble; what clients do wrong is no news.
    pub fn report(&self, mailbox: &MailboxId) {
        match self.code {
            FailureCode::Internal | FailureCode::Damaged | FailureCode::Missing | FailureCode::NewerSchema => {
                tracing::error!(%mailbox, code = self.code.as_str_name(), "{}", self.text);
            }
            FailureCode::DiskFull | FailureCode::WrongKey => {
                tracing::warn!(%mailbox, code = self.code.as_str_name(), "{}", self.text);
            }
            _ => {}
        }
    }
}

/// The request is not what this version understands.
pub fn malformed(text: impl Into<String>) -> Fault {
    Fault::new(FailureCode::Malformed, text)
}

/// The mailbox was erased.
pub fn erased() -> Fault {
    Fault::new(FailureCode::WrongNode, "the mailbox was erased")
}

/// Try again.
pub fn unavailable(text: impl Into<String>) -> Fault {
    Fault::new(FailureCode::Unavailable, text)
}

/// A fault of ours.
pub fn internal(text: impl Into<String>) -> Fault {
    Fault::new(FailureCode::Internal, text)
}

/// A named limit was reached.
pub fn limit(what: &str) -> Fault {
    Fault::new(FailureCode::Limit, format!("the limit on {what} is reached"))
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Busy => unavailable(error.to_string()),
            PoolError::Failed => internal(error.to_string()),
        }
    }
}

impl From<ConvertError> for Fault {
    fn from(error: ConvertError) -> Self {
        let code =
            if matches!(error, ConvertError::FolderName(_)) { FailureCode::BadName } else { FailureCode::Malformed };
        Self::new(code, error.to_string())
    }
}

impl From<VolumeError> for Fault {
    fn from(error: VolumeError) -> Self {
        // Paths are the operator's, not the client's.
        tracing::error!("{error}");
        match error {
            VolumeError::Ambiguous(_) => {
                Self::new(FailureCode::Damaged, "the mailbox has two files: its node refuses to choose")
            }
            VolumeError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Self::new(FailureCode::DiskFull, "the volume is full")
            }
            VolumeError::None | VolumeError::InUse(_) | VolumeError::Twice(_) | VolumeError::Io { .. } => {
                unavailable("the volume cannot be used")
            }
        }
    }
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        let code = match error {
            VaultError::WrongPassword | VaultError::WrongKey => FailureCode::WrongKey,
            VaultError::Malformed(_)
            | VaultError::UnknownVersion(_)
            | VaultError::Truncated
            | VaultError::Policy(_) => FailureCode::Malformed,
            VaultError::Random | VaultError::Encryption | VaultError::Io { .. } | VaultError::Exposed(_) => {
                FailureCode::Internal
            }
        };
        Self::new(code, error.to_string())
    }
}

impl From<mailbox::Error> for Fault {
    fn from(error: mailbox::Error) -> Self {
        use mailbox::Error;
        let code = match &error {
            Error::WrongKey => FailureCode::WrongKey,
            Error::Missing => FailureCode::Missing,
            Error::Damaged(_) | Error::SchemaDiffers(_) | Error::WrongMailbox(_) => FailureCode::Damaged,
            Error::NewerSchema { .. } => FailureCode::NewerSchema,
            // A batch is undone by the engine when the disk was full for one of its operations.
            Error::DiskFull | Error::Undone => FailureCode::DiskFull,
            Error::Busy
            | Error::Interrupted
            | Error::UploadIncomplete
            | Error::Gone
            | Error::GivenUp
            | Error::Device { .. }
            | Error::Io { .. } => FailureCode::Unavailable,
            Error::NoSuchFolder => FailureCode::NoSuchFolder,
            Error::NoSuchMessage => FailureCode::NoSuchMessage,
            Error::FolderExists => FailureCode::FolderExists,
            Error::HasChildren => FailureCode::HasChildren,
            Error::CannotInbox | Error::BelowItself | Error::SpecialUseTaken | Error::NoSuchSpecialUse => {
                FailureCode::Cannot
            }
            Error::OverQuota => FailureCode::OverQuota,
            Error::LimitReached(_) | Error::BadSearch(_) => FailureCode::Limit,
            Error::TooBig => FailureCode::TooBig,
            Error::Exists
            | Error::NoCipher(_)
            | Error::EngineTooOld(_)
            | Error::NoSuchDelivery
            | Error::NoRecipients
            | Error::NoSuchEntry
            | Error::NoSuchLease
            | Error::NotLeased
            | Error::StillWaiting
            | Error::Vault(_)
            | Error::Sql(_) => FailureCode::Internal,
        };
        Self::new(code, error.to_string())
    }
}

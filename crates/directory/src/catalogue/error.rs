//! What can go wrong with the catalogue, in its own terms; `server` translates it to gRPC.

use std::path::PathBuf;
use std::sync::Arc;

/// Why the catalogue refused or failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The domain is not in the catalogue.
    #[error("unknown domain")]
    UnknownDomain,
    /// The alias is not in the catalogue.
    #[error("unknown alias")]
    UnknownAlias,
    /// No alias belongs to it.
    #[error("unknown account")]
    UnknownAccount,
    /// No alias has this mailbox.
    #[error("unknown mailbox")]
    UnknownMailbox,
    /// The node never registered.
    #[error("unknown node")]
    UnknownNode,
    /// The alias has no credential of this label.
    #[error("unknown credential")]
    UnknownCredential,
    /// The domain is there already.
    #[error("the domain exists already")]
    DomainExists,
    /// The alias is there already.
    #[error("the alias exists already")]
    AliasExists,
    /// The mailbox id belongs to another alias.
    #[error("the mailbox id is taken")]
    MailboxExists,
    /// The alias has a credential of this label or id.
    #[error("the alias has a credential of this name already")]
    CredentialExists,
    /// The alias has as many credentials as it may have.
    #[error("the alias has {0} credentials, as many as it may have; revoke one first")]
    TooManyCredentials(usize),
    /// Without it nothing would open the mailbox any more.
    #[error("this is the last credential: without it the mail is lost for ever; add another first")]
    LastCredential,
    /// It takes mail and lets its owner in: it is to be closed first.
    #[error("the alias is not closed")]
    AliasOpen,
    /// There is nowhere to place a mailbox.
    #[error("no storage node has registered; start one first")]
    NoNode,
    /// No rule has this name.
    #[error("there is no such rule")]
    UnknownRule,
    /// There is a rule of this name.
    #[error("there is a rule for this already; change it, or remove it first")]
    RuleExists,
    /// The rule cannot be taken; the text says why.
    #[error("{0}")]
    BadRule(String),
    /// No webhook has this id.
    #[error("unknown webhook")]
    UnknownWebhook,
    /// Rules call the webhook.
    #[error("rules call this webhook; take it out of them first")]
    WebhookInUse,
    /// The domain has no key of this selector.
    #[error("the domain has no DKIM key of this selector")]
    UnknownKey,
    /// The domain has a key of this selector.
    #[error("the domain has a DKIM key of this selector already")]
    KeyExists,
    /// The key signs, or will.
    #[error("this key is not retired: retire it first, and keep its record for a week")]
    KeyInUse,
    /// There is nothing to rotate to.
    #[error("the domain has no next DKIM key: add one, publish its record, then rotate")]
    NoNextKey,
    /// The domain has as many keys as it may have.
    #[error("the domain has {0} DKIM keys, as many as it may have; remove retired ones first")]
    TooManyKeys(usize),
    /// There is no such setting, or it cannot have this value.
    #[error("{0}")]
    BadSetting(String),
    /// The directory's key file cannot be used.
    #[error("{path}: the directory's key cannot be used: {why}")]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The key file is gone, and the catalogue holds what it sealed.
    #[error(
        "{path}: the directory's key is gone, and the catalogue holds DKIM keys and secrets that only it opens; put it back"
    )]
    KeyLost {
        /// The key file.
        path: PathBuf,
    },
    /// The directory's key does not open what stands in the catalogue.
    #[error("the directory's key does not open {0} of the catalogue; it is another catalogue's key")]
    Sealed(&'static str),
    /// What was kept beside a backup is not of this directory and this mailbox.
    #[error(
        "what is kept with the backup was sealed by another directory, or is of another mailbox: the directory's key of then opens it"
    )]
    ForeignKept,
    /// The alias is being erased.
    #[error("the alias is being erased")]
    AliasClosed,
    /// The operating system gave no random bytes.
    #[error("no random bytes could be had; try again")]
    Random,
    /// More rows than one answer may hold.
    #[error("more than {0} to list at once; ask for one domain")]
    TooManyToList(usize),
    /// The database was written by a later version.
    #[error("{path}: the catalogue has schema {found}, this program knows up to {known}; run the newer version")]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// The version in the file.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The SQLite that was linked is too old to be safe.
    #[error("SQLite {0} has the WAL-reset bug, 3.51.3 or later is needed; rebuild with the workspace's sqlite-engine")]
    OldEngine(String),
    /// Another process has the catalogue open.
    #[error("{path}: another process has this catalogue open; stop that directory first")]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// The file could not be opened or its schema brought up to date.
    #[error("{path}: the catalogue cannot be opened: {source}; check that the folder exists and may be written")]
    Open {
        /// The database file.
        path: PathBuf,
        /// What SQLite or the migration said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The catalogue stopped; trying again later helps.
    #[error("the catalogue is shutting down; try again")]
    Stopped,
    /// SQLite failed.
    #[error("the catalogue's database failed: {0}")]
    Storage(Arc<sqlx::Error>),
    /// A row holds what this program never writes.
    #[error("the catalogue is damaged: {0}")]
    Damaged(&'static str),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Storage(Arc::new(error))
    }
}

impl Error {
    /// Whether SQLite refused a row because its key is taken.
    pub(crate) fn is_unique_violation(error: &sqlx::Error) -> bool {
        error.as_database_error().is_some_and(|error| error.is_unique_violation())
    }
}

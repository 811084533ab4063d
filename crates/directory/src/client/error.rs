//! What a call of the directory can end with, in words that an operator can use.

use tonic::{Code, Status};

/// Why the directory gave no answer, or no good one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It could not be reached in time, or is draining. Trying again helps.
    #[error("the directory cannot be reached: {0}; check that it runs, or try again")]
    Unavailable(String),
    /// What was named is not there.
    #[error("{0}")]
    NotFound(String),
    /// What was to be made is there already.
    #[error("{0}")]
    AlreadyExists(String),
    /// The directory does not take the request; the text says why.
    #[error("{0}")]
    Refused(String),
    /// The certificate's role may not ask this.
    #[error("the directory does not allow this to this certificate: {0}")]
    Forbidden(String),
    /// The directory failed; its log says why.
    #[error("the directory failed: {0}")]
    Failed(String),
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let text = status.message().to_owned();
        match status.code() {
            Code::NotFound => Self::NotFound(text),
            Code::AlreadyExists => Self::AlreadyExists(text),
            Code::InvalidArgument | Code::FailedPrecondition | Code::ResourceExhausted | Code::OutOfRange => {
                Self::Refused(text)
            }
            Code::PermissionDenied | Code::Unauthenticated => Self::Forbidden(text),
            // A broken connection surfaces as Unknown or Cancelled, depending on how far the call was.
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown | Code::Aborted => {
                Self::Unavailable(text)
            }
            Code::Ok | Code::Unimplemented | Code::Internal | Code::DataLoss => Self::Failed(text),
        }
    }
}

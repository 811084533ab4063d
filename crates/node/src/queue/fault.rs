//! Errors of the file in gRPC's terms: the one place where they are translated. What an operator must know is logged here.

use crate::pool::PoolError;
use mailbox::Error;
use model::QueueId;
use tonic::{Code, Status};

/// The status that the caller of a verb sees.
pub fn status(queue: &QueueId, error: &Error) -> Status {
    let code = match error {
        Error::DiskFull | Error::Undone | Error::LimitReached(_) => Code::ResourceExhausted,
        Error::TooBig => Code::OutOfRange,
        Error::NoRecipients | Error::NotLeased => Code::InvalidArgument,
        Error::NoSuchEntry | Error::NoSuchLease => Code::NotFound,
        Error::Busy | Error::Interrupted | Error::UploadIncomplete => Code::Unavailable,
        other => {
            tracing::error!(%queue, "{other}");
            return Status::unavailable("the queue file cannot be used");
        }
    };
    if matches!(error, Error::DiskFull | Error::Undone) {
        tracing::warn!(%queue, "{error}");
    }
    Status::new(code, error.to_string())
}

/// The pool is full or failed.
pub fn pool(error: PoolError) -> Status {
    Status::unavailable(error.to_string())
}

/// The request is not what this version understands.
pub fn malformed(what: &str) -> Status {
    Status::invalid_argument(what.to_owned())
}

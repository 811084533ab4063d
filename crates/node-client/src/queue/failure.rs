//! Why a queue did not do what it was asked, translated from gRPC once.

use std::fmt::Display;
use tonic::{Code, Status};

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnqueueError {
    /// The queue, or the disk that it is on, is full; later there may be room (452 4.3.1).
    #[error("the queue is full: {0}")]
    Full(String),
    /// No retry helps: the envelope or the message is not what a queue takes (554 5.6.0, or 552 5.3.4 for the size).
    #[error("the queue does not take it: {0}")]
    Refused(String),
    /// The node cannot be reached or asked (451 4.3.0). In rare cases the message was taken all the same.
    #[error("the queue cannot be reached: {0}")]
    Unavailable(String),
}

/// Why a queue did not answer a worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The lease is no longer this worker's: it ended, was settled before, or the entry was dropped.
    #[error("the lease is gone: {0}")]
    Lost(String),
    /// The question makes no sense to the node; no retry helps.
    #[error("the queue refused: {0}")]
    Refused(String),
    /// The node cannot be reached or asked; try again.
    #[error("the queue cannot be reached: {0}")]
    Unavailable(String),
}

impl QueueError {
    pub(super) fn unavailable(why: impl Display) -> Self {
        Self::Unavailable(why.to_string())
    }
}

impl From<QueueError> for EnqueueError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Lost(why) | QueueError::Unavailable(why) => Self::Unavailable(why),
            QueueError::Refused(why) => Self::Refused(why),
        }
    }
}

impl From<Status> for EnqueueError {
    fn from(status: Status) -> Self {
        let why = status.message().to_owned();
        match status.code() {
            Code::ResourceExhausted => Self::Full(why),
            code if is_final(code) => Self::Refused(why),
            _ => Self::Unavailable(why),
        }
    }
}

impl From<Status> for QueueError {
    fn from(status: Status) -> Self {
        let why = status.message().to_owned();
        match status.code() {
            Code::NotFound => Self::Lost(why),
            code if is_final(code) => Self::Refused(why),
            _ => Self::Unavailable(why),
        }
    }
}

/// Whether the same question gets the same answer for ever.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::OutOfRange
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented
            | Code::FailedPrecondition
    )
}

//! Why a request to a node did not succeed, in terms that a front-end translates into its protocol.

use wire::session::FailureCode;

/// Why a request did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The node refused or failed, with its code and one line for people.
    #[error("{1}")]
    Failure(FailureCode, String),
    /// The node could not be reached for [`crate::limits::WAIT_MS_MAX`]. Nothing was done; trying again helps.
    #[error("the mailbox's node cannot be reached; try again")]
    Unavailable,
    /// The link broke after the request was sent. Whether it was done is not known, and asking again might do it twice.
    #[error("the connection to the mailbox's node broke; whether the request was done is not known")]
    Interrupted,
    /// The node sent what the protocol does not allow.
    #[error("the node's answer makes no sense: {0}")]
    Protocol(&'static str),
}

impl From<wire::convert::ConvertError> for ClientError {
    fn from(_: wire::convert::ConvertError) -> Self {
        Self::Protocol("malformed field")
    }
}

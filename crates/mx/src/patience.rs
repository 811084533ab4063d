//! How long the MX waits for clients and nodes; handed in, so that tests can be less patient.

use crate::limits::{
    ADMISSION_SECONDS_MAX, COMMAND_SECONDS_MAX, COMMIT_SECONDS_MAX, DOUBT_SECONDS_MAX, HANDSHAKE_SECONDS_MAX,
    MESSAGE_SECONDS_MAX, SETTLE_SECONDS_MAX, STALL_SECONDS_MAX, TEXT_SECONDS_MAX, WRITE_SECONDS_MAX,
};
use std::time::Duration;

/// The waits; the constants of [`crate::limits`] say why they are what they are.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the client's next command.
    pub command: Duration,
    /// For more of the client's text.
    pub text: Duration,
    /// For a whole message.
    pub message: Duration,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For the client to read.
    pub write: Duration,
    /// For a node's verdict on a recipient.
    pub admission: Duration,
    /// For a node's credit.
    pub stall: Duration,
    /// For a node's commit.
    pub commit: Duration,
    /// For what became of a delivery.
    pub settle: Duration,
    /// For a node to think better of saying that it has not committed a delivery.
    pub doubt: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            command: Duration::from_secs(COMMAND_SECONDS_MAX),
            text: Duration::from_secs(TEXT_SECONDS_MAX),
            message: Duration::from_secs(MESSAGE_SECONDS_MAX),
            handshake: Duration::from_secs(HANDSHAKE_SECONDS_MAX),
            write: Duration::from_secs(WRITE_SECONDS_MAX),
            admission: Duration::from_secs(ADMISSION_SECONDS_MAX),
            stall: Duration::from_secs(STALL_SECONDS_MAX),
            commit: Duration::from_secs(COMMIT_SECONDS_MAX),
            settle: Duration::from_secs(SETTLE_SECONDS_MAX),
            doubt: Duration::from_secs(DOUBT_SECONDS_MAX),
        }
    }
}

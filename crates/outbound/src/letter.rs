//! What is to be sent: the envelope of one leased entry.

use jiff::Timestamp;
use smtp::client::{Notify, ReturnText};

/// What the recipients of one transaction share.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Empty: the null reverse-path.
    pub reverse_path: String,
    /// What a notice brings back (RFC 3461 §4.3).
    pub ret: Option<ReturnText>,
    /// As it stood in ENVID; empty when there was none.
    pub envelope_id: String,
    /// Asked for with SMTPUTF8.
    pub utf8: bool,
    /// BODY=8BITMIME.
    pub eight_bit: bool,
    /// REQUIRETLS.
    pub require_tls: bool,
    /// A notice or a report of our own.
    pub of_system: bool,
    /// Octets.
    pub size: u64,
    /// When it came into the queue.
    pub arrived: Timestamp,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The address; of a webhook, its id.
    pub address: String,
    /// When the sender wants to hear.
    pub notify: Notify,
    /// As it stood in ORCPT; empty when there was none.
    pub original: String,
    /// Attempts before this one.
    pub attempts: u32,
    /// The sender was told of the delay.
    pub delay_notified: bool,
}

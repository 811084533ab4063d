//! The limits of the POP3 front-end: name, unit, reason.

use std::time::Duration;

/// Octets of a command line. RFC 2449 §4 has 255, but a password may be longer than that.
pub const LINE_BYTES_MAX: usize = 1024;
/// Octets of a line of a SASL exchange (RFC 5034 §4).
pub const SASL_LINE_BYTES_MAX: usize = 12 * 1024;
/// Octets that are taken from the socket at once; also what may be pipelined ahead.
pub const READ_BYTES: usize = 8 * 1024;
/// Octets of answers that gather before they are written although more commands wait.
pub const OUTPUT_BYTES_HIGH: usize = 16 * 1024;
/// Commands that make no sense before the connection is closed: scanners and HTTP clients come by.
pub const BAD_COMMANDS_MAX: u32 = 10;
/// Failed sign-ins on one connection before it is closed.
pub const FAILED_SIGN_INS_MAX: u32 = 3;
/// How long a connection may stay silent before sign-in.
pub const IDLE_BEFORE_SIGN_IN: Duration = Duration::from_secs(60);
/// How long a client may take nothing of what is written to it.
pub const WRITE_STALL: Duration = Duration::from_secs(5 * 60);
/// Messages of an INBOX: what is held of each is 8 octets and two bits.
pub const MESSAGES_MAX: usize = 4_000_000;
/// Messages that one request at the end changes; more of them take several, so that none holds up the mailbox's others.
pub const UPDATE_MESSAGES_AT_ONCE: usize = 10_000;

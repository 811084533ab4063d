//! What one connection may take beside the session's own limits, which are `smtp::limits`.

use std::time::Duration;

/// Octets that are taken from the socket at once.
pub const READ_BYTES: usize = 16 * 1024;
/// Octets of replies that gather before they are written although more commands wait: a client may pipeline without end.
pub const OUTPUT_BYTES_HIGH: usize = 8 * 1024;
/// How long a closed connection is still read from, and what comes is thrown away: closing with octets unread makes TCP reset
/// the connection, and the client may never see the last reply.
pub const LINGER_WAIT: Duration = Duration::from_secs(2);
/// Octets that are thrown away so.
pub const LINGER_BYTES_MAX: usize = 1024 * 1024;

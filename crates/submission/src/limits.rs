//! The limits of submission: name, unit, reason. Those of SMTP itself are `smtp::limits`.

use std::time::Duration;

/// Octets of a message's header: it is held whole, because fields of it are taken out and others put in. What a person sends
/// has a few kilobytes.
pub const HEADER_BYTES_MAX: usize = 256 * 1024;
/// How long a client may say nothing between commands (RFC 5321 §4.5.3.2.7 asks a server for 5 minutes).
pub const COMMAND_WAIT: Duration = Duration::from_secs(5 * 60);
/// The same before it has signed in.
pub const STRANGER_WAIT: Duration = Duration::from_secs(60);
/// How long it may send nothing in the middle of a message (RFC 5321 §4.5.3.2.5).
pub const TEXT_WAIT: Duration = Duration::from_secs(3 * 60);
/// How long a whole message may take: 64 MiB over a slow phone.
pub const MESSAGE_WAIT: Duration = Duration::from_secs(60 * 60);
/// How long a client may take nothing of what is written to it.
pub const WRITE_WAIT: Duration = Duration::from_secs(5 * 60);
/// How long the copy in Sent may take once the message is in the queue; then the client is answered without it.
pub const SENT_COPY_WAIT: Duration = Duration::from_secs(20);
/// The window in which recipients are counted.
pub const COUNT_WINDOW: Duration = Duration::from_secs(60 * 60);
/// Addresses in From: each is asked about. More than one is rare already (RFC 5322 §3.6.2).
pub const AUTHORS_MAX: usize = 10;

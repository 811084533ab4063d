//! Every limit of the MX that is not SMTP's own: name, unit, reason.

/// Seconds that a client may be silent between commands (RFC 5321 §4.5.3.2.7).
pub const COMMAND_SECONDS_MAX: u64 = 300;
/// Seconds that a client may be silent within the text of a message (RFC 5321 §4.5.3.2.5).
pub const TEXT_SECONDS_MAX: u64 = 180;
/// Seconds that one message may take to come in, however steadily it trickles.
pub const MESSAGE_SECONDS_MAX: u64 = 3_600;
/// Seconds for a TLS handshake: slow links and slow machines, but no parking place.
pub const HANDSHAKE_SECONDS_MAX: u64 = 30;
/// Seconds that a client may take to read its replies.
pub const WRITE_SECONDS_MAX: u64 = 120;

/// Seconds for a node to say what it will do with mail for a recipient, which includes asking front-ends for the key; the
/// client waits five minutes (RFC 5321 §4.5.3.2.3).
pub const ADMISSION_SECONDS_MAX: u64 = 20;
/// Seconds without credit from a node before its part of a delivery is given up; the client waits three minutes.
pub const STALL_SECONDS_MAX: u64 = 60;
/// Seconds for a node to commit.
pub const COMMIT_SECONDS_MAX: u64 = 60;
/// Seconds for a queue to take the notice of a success: the message is kept already, and its sender waits for the reply.
pub const NOTICE_SECONDS_MAX: u64 = 20;
/// Seconds to find out what became of a delivery whose answer was lost: a node's restart takes less. With
/// [`COMMIT_SECONDS_MAX`] it stays well under the ten minutes that a client waits (RFC 5321 §4.5.3.2.6).
pub const SETTLE_SECONDS_MAX: u64 = 120;
/// Seconds for which a node's word that it has not committed a delivery is doubted, when the text cannot be sent again: a
/// node that was started again can look into a mailbox only once a front-end has brought its key back.
pub const DOUBT_SECONDS_MAX: u64 = 5;
/// Milliseconds before a node that was lost is asked again; doubled each time.
pub const SETTLE_PAUSE_MS_MIN: u64 = 25;
/// Milliseconds between two such questions at most.
pub const SETTLE_PAUSE_MS_MAX: u64 = 1_000;

/// Octets of a message that are kept until it is committed, so that a node that was lost can be sent them again. Most
/// messages are smaller; a larger one is put off, and its sender has it still.
pub const REPLAY_BYTES_MAX: usize = 128 * 1024;
/// Octets of text in one frame to a node: a sealed segment's worth.
pub const FRAME_TEXT_BYTES: usize = vault::sealing::SEGMENT_BYTES;
/// Frames to one node that wait to be sent: the transport has a window of its own.
pub const FRAMES_QUEUED_MAX: usize = 4;
/// Octets of the fields that are put in front of a message, which with them must not be over what a node takes.
pub const TRACE_BYTES_MAX: u64 = message::limits::PREFIX_BYTES_MAX as u64;
/// Endpoints of nodes that connections are kept to.
pub const NODE_ENDPOINTS_MAX: usize = 1_024;
/// Seconds for the health check.
pub const HEALTH_SECONDS_MAX: u64 = 5;

/// Block lists that are asked for one message: each is a look-up, and a handful is what people use.
pub const LISTS_MAX: usize = 16;
/// Domains of links that lists are asked for.
pub const URI_DOMAINS_MAX: usize = 20;
/// Octets of a message's text that are kept to look into: what people read, and where links and names of attachments are.
pub const SAMPLE_BYTES_MAX: usize = 256 * 1024;
/// Links of one message that are looked at.
pub const LINKS_MAX: usize = 200;
/// Names within archives that are looked at.
pub const ARCHIVE_NAMES_MAX: usize = 200;
/// Octets of reasons in the field that tells the score.
pub const REASONS_BYTES_MAX: usize = 2048;
/// Octets of a header that is held until it is known whether From is written anew.
pub const FORWARD_HEADER_BYTES_MAX: usize = authentication::limits::HEADER_BYTES_MAX;
/// Labels of an author's domain whose DMARC record is looked for: the domain and those above it (RFC 9989 §4.10: 8).
pub const DMARC_LABELS_MAX: usize = 8;
/// Octets of text that are handed to rspamd and clamd at once.
pub const ENGINE_FRAME_BYTES: usize = 64 * 1024;
/// Frames that wait for one of them.
pub const ENGINE_FRAMES_MAX: usize = 4;
/// Octets of an answer of theirs: a score with every symbol takes some 10 KB.
pub const ENGINE_ANSWER_BYTES_MAX: u64 = 256 * 1024;

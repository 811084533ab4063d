//! The limits of the IMAP front-end: name, unit, reason. What other crates share stands in `model::limits`.

use crate::codec::Limits;
use std::time::Duration;

/// Octets of one literal that is not a message: a folder name, a search string.
pub const LITERAL_BYTES_MAX: u64 = 32 * 1024;
/// Commands after sign-in. RFC 7162 §4 asks for 8192 octets at least; a client that lists the UIDs of a fragmented folder of
/// 10,000 messages needs about 64 KiB. A message that is somewhat too big is read and refused politely, a flood closes the
/// connection (RFC 7888 §4).
pub const SIGNED_IN: Limits =
    Limits { command_bytes_max: 64 * 1024, skipped_bytes_max: 2 * model::limits::MESSAGE_BYTES_MAX };
/// Commands before sign-in: a name, a password, a SASL response. Strangers get little, but an ID of 30 fields with the 30 and
/// 1024 octets that RFC 2971 §3.3 allows must fit.
pub const STRANGER: Limits = Limits { command_bytes_max: 34 * 1024, skipped_bytes_max: 64 * 1024 };
/// Octets of a tag; longer ones are no client's.
pub const TAG_BYTES_MAX: usize = 128;
/// Parts of one message that CATENATE puts together: each URL is a question to the node.
pub const CATENATE_PARTS_MAX: usize = 256;
/// Data items of one FETCH: bounds what the node prepares for each message.
pub const FETCH_ITEMS_MAX: usize = 128;
/// Header field names in one HEADER.FIELDS list.
pub const HEADER_FIELDS_MAX: usize = 256;
/// Flags and keywords in one list of a STORE or APPEND.
pub const FLAGS_IN_LIST_MAX: usize = 64;
/// Fields of one ID command (RFC 2971 §3.3 allows 30).
pub const ID_FIELDS_MAX: usize = 30;
/// Results of one session that the client is told changes of (RFC 5267 §4.3.1 asks for one at least): each costs a search a
/// change.
pub const CONTEXTS_MAX: usize = 16;
/// Messages in one of them that is sorted: their order is kept here, 4 octets each, and made anew at the node.
pub const CONTEXT_SORTED_MAX: usize = 100_000;
/// Runs of UIDs that the view of a folder may be at its SELECT: 8 octets each. A folder that is emptied here and there has a run
/// for some messages, at the worst for each.
pub const VIEW_RUNS_MAX: usize = 2_000_000;
/// Flag changes that a view holds back until they may be told; beyond it only the UIDs are kept and the flags are fetched.
pub const PENDING_FLAGS_MAX: usize = 256;
/// Messages whose flags one STORE changes in one go at the node; it goes on with the next when their new flags are written.
pub const STORE_MESSAGES_AT_ONCE: usize = 10_000;
/// How long a command may be silent before its client is told that it is being worked on (RFC 9585 §4 has 10 to 15 seconds).
pub const IN_PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// Octets of answers that gather before they are written although more commands wait: most messages with all that is told of
/// them leave in one write. Each costs some 8 µs, and the client a waking.
pub const OUTPUT_BYTES_HIGH: usize = 32 * 1024;
/// Octets of a piece of a message that are worth a write of their own instead of a copy, which takes 2 µs.
pub const DIRECT_WRITE_BYTES_MIN: usize = 32 * 1024;
/// Octets taken from the socket at once, on the stack of the poll.
pub const READ_BYTES: usize = 8 * 1024;
/// Octets of an APPEND's message that go to the node in one piece.
pub const UPLOAD_PIECE_BYTES: usize = 64 * 1024;
/// Commands that were refused as malformed before the connection is closed, after sign-in: a client that has lost step does
/// not find it again.
pub const BAD_COMMANDS_MAX: u32 = 50;
/// The same before sign-in, where scanners and HTTP clients come by.
pub const BAD_COMMANDS_BEFORE_SIGN_IN_MAX: u32 = 5;
/// Failed sign-ins on one connection before it is closed.
pub const FAILED_SIGN_INS_MAX: u32 = 3;
/// How long a connection may stay silent before sign-in.
pub const IDLE_BEFORE_SIGN_IN: Duration = Duration::from_secs(60);
/// How long a client may take nothing of what is written to it. Phones lose the network for a minute or two.
pub const WRITE_STALL: Duration = Duration::from_secs(5 * 60);
/// How long a client may send nothing in the middle of a command or message.
pub const READ_STALL: Duration = Duration::from_secs(5 * 60);

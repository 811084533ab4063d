//! Every limit of the links and sessions: name, unit, reason.

/// Milliseconds that a request waits for its node to come back before it is unavailable: a restart takes a few seconds, and
/// mail clients wait a minute.
pub const WAIT_MS_MAX: u64 = 20_000;
/// How often one request is sent again over broken links: one that brings its node down must not do so for ever.
pub const REPEATS_MAX: u32 = 4;
/// Milliseconds for one try to connect: TCP, TLS, the WebSocket handshake and the node's Welcome.
pub const DIAL_MS_MAX: u64 = 5_000;
/// Milliseconds before the first new try to connect or to open; doubled after each failure, each with jitter.
pub const RETRY_MS_MIN: u64 = 25;
/// Milliseconds between two tries at most.
pub const RETRY_MS_MAX: u64 = 2_000;
/// Milliseconds after which a session that waits for a link asks the directory again where its node is.
pub const RELOCATE_MS: u64 = 2_000;
/// Milliseconds of silence after which the link is pinged.
pub const PING_MS: u64 = 5_000;
/// Milliseconds of silence after which the link is given up: its node answers pings, so it is gone.
pub const SILENCE_MS_MAX: u64 = 20_000;
/// Octets that wait to be written to one link before requests wait for room.
pub const OUTBOX_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Octets of frames that are handed to the socket before it is flushed: fewer writes, and still little to hold.
pub const WRITE_BYTES: usize = 128 * 1024;
/// Octets of one answer that comes in several frames: a SELECT of a folder of a million messages, all of them changed.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Octets of a FETCH that the caller has taken before credit for them is given back: a quarter of the window, so that the
/// node never runs dry and small fetches need no frame for it.
pub const CREDIT_RETURN_BYTES: u64 = model::limits::CREDIT_BYTES / 4;
/// Octets of pushes that wait in one session; beyond it they are dropped and the session selects again.
pub const PUSH_BYTES_MAX: usize = 1024 * 1024;
/// Octets of one frame of an upload; smaller pieces are put together.
pub const UPLOAD_FRAME_BYTES: usize = 64 * 1024;
/// Octets of an upload that are kept to be sent again over a new link; what is longer its client sends again.
pub const REPLAY_BYTES_MAX: usize = 256 * 1024;
/// Sessions that are opened again at once after a break: each costs the node a file to open.
pub const REOPENS_AT_ONCE: usize = 32;
/// Folders with events that wait for a session that watches; beyond it the session looks at all of them.
pub const WATCHED_FOLDERS_MAX: usize = 10_000;
/// Names of annotations that wait likewise, of 512 octets at most: more than a mailbox can have.
pub const WATCHED_ENTRIES_MAX: usize = 2_048;

//! The queue file: messages that leave, until every recipient is decided. What a destination is, how often it is tried and
//! what is said about failures is others' matter.
//!
//! Invariants: one [`QueueFile`] per file in one process, any number of [`QueueReader`]s beside it. A message is in the queue
//! once its arrival is written, in the same commit as its shares; one without is dropped on open, because nobody was told
//! that it was kept. `destination.due_ms` is the earliest `due_ms` of its shares, `destination.recipients` their number of
//! recipients, after every operation. A share is handed out to one lease at a time; lease numbers only grow, also over a
//! crash, because they are committed before anybody is given one.

mod batch;
mod change;
mod enqueue;
mod file;
mod lease;
mod look;
mod lost;
mod restore;
mod row;
mod settle;
mod types;
mod upkeep;

pub(crate) use file::check_id;

pub use batch::{QueueBatch, QueueTx, WriteBehind};
pub use enqueue::{Incoming, Message, Taken};
pub use file::{QueueFile, QueueOptions};
pub use lease::Handed;
pub use look::QueueReader;
pub use restore::{Merged, QueueBackup};
pub use types::*;

/// Octets of one stored chunk of text.
pub const CHUNK_BYTES: usize = 128 * 1024;
/// Octets that go before a message: trace fields, two signatures and a seal of RSA-4096, with room to spare.
pub const PREFIX_BYTES_MAX: usize = 128 * 1024;
/// Milliseconds for which the id of a message that was taken is remembered: longer than anybody asks again.
pub const REMEMBERED_MS: i64 = 36 * 3600 * 1000;
/// Milliseconds ahead that anything may be put off: a clock that was wrong must not hide mail for years.
pub const AHEAD_MS_MAX: i64 = 8 * 24 * 3600 * 1000;
/// Milliseconds that a pause of a destination may last.
pub const PAUSE_MS_MAX: i64 = 6 * 3600 * 1000;
/// Octets of envelopes that one lease hands out, or one page of a list shows: bounds the answer.
pub const ENVELOPE_BYTES_MAX: usize = 1024 * 1024;
/// Shares that one step of a change touches: bounds how long others wait for it.
pub const CHANGED_PER_STEP_MAX: usize = 500;

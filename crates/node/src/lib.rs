//! The primary: owns volumes of mailbox files, serves sessions to front-ends and deliveries to the MX.
//!
//! A session's way: `socket` → `link` → `session` and `verb` → the verb's own module → `resident` (one open mailbox) →
//! `writer` (group commit) or the mailbox's `Reader` → frames → `outbox` → `socket`. A delivery's way: `service` →
//! `deliver` → `leg` → `upload::Staging` or `waiting`. What waits is moved by `drain`.

mod answer;
mod aside;
mod backup;
mod beside;
mod change;
mod check;
mod checkpoint;
mod credit;
mod damage;
mod deliver;
mod deliveries;
mod drain;
mod erase;
mod exchange;
mod fault;
mod fetch;
mod folder;
mod intake;
mod integrity;
mod keyed;
mod leg;
pub mod limits;
mod link;
mod metadata;
mod open;
mod outbox;
mod pool;
mod primary;
mod push;
mod queue;
mod quota;
mod register;
mod resident;
mod residents;
mod run;
mod scrub;
mod search;
mod select;
mod service;
mod session;
mod shard;
mod snapshot;
mod socket;
mod sort;
mod thread;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod trials;
mod upload;
mod verb;
mod view;
mod volume;
mod waiting;
mod wanted;
mod writer;

pub use primary::{Settings, StartError};
pub use run::{Node, RunError, run};
pub use volume::VolumeError;

//! Snapshots of this node's files: when they are taken, where they wait for the worker that carries them into a store, and how one
//! becomes the mailbox again. How a file is copied is `mailbox::snapshot`'s; stores are the worker's matter.
//!
//! A snapshot's way: `resident::backup` (it is due) → `take` → `staging` (file and ledger) → `service` (the worker reads it, and
//! says that it is kept). What has no owner to wait for, waiting mail and queues, is copied by `round`.
//! Of whom nobody keeps backups no copy is made (`kept`). Back: `service` →
//! `restore` → `shard` (the mailbox is closed) → `restore` (the files change places); what has no owner: `service` → `merge`, into the file
//! that is used.

pub mod kept;
pub mod limits;
pub mod merge;
pub mod restore;
mod round;
pub mod schedule;
mod service;
mod staging;
pub mod take;

pub use round::{keep_copied, queue_files};
pub use service::Service;
pub use staging::Staging;

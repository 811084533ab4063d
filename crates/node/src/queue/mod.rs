//! The queues of this node, one file per volume: messages that leave, put in by front-ends and leased to outbound workers.
//! What is done with a message that is leased is the workers'; what the file looks like is `mailbox::queue`'s.
//!
//! A message's way: `service` → `enqueue` → `writer` (group commit). A lease's: `work` → `writer`, and `read` for the text.

mod admin;
mod convert;
mod enqueue;
mod fault;
mod files;
mod limits;
mod merge;
mod meters;
pub mod place;
mod read;
mod service;
mod work;
pub mod writer;

pub use convert::said;
pub use files::Queues;
pub use place::Found;
pub use service::Service;

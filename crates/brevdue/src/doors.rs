//! The doors of a mailbox: all of it out into open formats, and mail in from them and from other servers.
//!
//! Both are sessions of the owner, as any front-end's. What is read goes through a bounded channel to who writes it, so that
//! neither holds a whole message.

mod export;
mod import;
mod limits;
mod manifest;
mod names;
mod piece;
mod place;
mod progress;
mod quote;
mod remote;
mod source;

pub use export::run as export;
pub use import::run as import;

use node_client::ClientError;

/// What a failure of the mailbox means for who sits at the command line.
fn mailbox_failed(error: &ClientError) -> crate::failure::Failure {
    crate::failure::Failure::refused(format!("the mailbox: {error}"))
}

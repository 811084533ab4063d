//! A front-end's links to the primaries: one multiplexed connection per node shard, which heals itself, and the sessions on
//! it. Knows nothing of IMAP; what the verbs mean is the node's.
//!
//! Invariants:
//! - A link's reader never waits for a consumer: what a request may hold is bounded by its credit or by [`limits`], and a
//!   stalled consumer stalls its own request only.
//! - No lock is held across an await.
//! - Changes reach [`Session::take_changes`] in commit order, also over a broken link: what was missed is put together from
//!   a new SELECT before anything that was pushed after it.
//! - A request is repeated only where that cannot do it twice; otherwise the caller hears [`ClientError::Interrupted`].

mod attach;
mod backoff;
mod check;
mod client;
mod connection;
mod dial;
mod error;
mod fetch;
pub mod limits;
mod link;
mod merge;
mod outbox;
mod pending;
pub mod queue;
mod resume;
mod search;
mod session;
mod track;
mod upload;
mod watch;

pub use check::CheckStream;
pub use client::{NodeClient, Opening};
pub use dial::{Dial, Io, Locate, LocateError, TlsDial};
pub use error::ClientError;
pub use fetch::Stream;
pub use search::SearchStream;
pub use session::Session;
pub use upload::Upload;
pub use watch::Happened;

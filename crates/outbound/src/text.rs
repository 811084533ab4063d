//! The text of a message, read anew for each transaction.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

/// Pieces of a message in order; an error when it cannot be read to its end.
pub type Pieces = BoxStream<'static, Result<Bytes, String>>;

/// Where a message's text comes from: the node that queues it.
pub trait Source: Send + Sync {
    /// The text from its first octet.
    fn open(&self) -> BoxFuture<'static, Result<Pieces, String>>;
}

//! The text of a message, read anew for each transaction.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use smtp::notice::{HEADER_BYTES_MAX, Original};

/// Pieces of a message in order; an error when it cannot be read to its end.
pub type Pieces = BoxStream<'static, Result<Bytes, String>>;

/// Where a message's text comes from: the node that queues it.
pub trait Source: Send + Sync {
    /// The text from its first octet.
    fn open(&self) -> BoxFuture<'static, Result<Pieces, String>>;
}

/// The header of a message: whole lines, as far as it can be read, and no more than [`HEADER_BYTES_MAX`].
pub async fn header(source: &dyn Source) -> Original {
    let mut text = Vec::new();
    if let Ok(mut pieces) = source.open().await {
        while !has_header(&text)
            && let Some(Ok(piece)) = pieces.next().await
        {
            text.extend_from_slice(&piece);
        }
    }
    Original::header_of(&text)
}

fn has_header(text: &[u8]) -> bool {
    text.len() > HEADER_BYTES_MAX || text.windows(4).any(|window| window == b"\r\n\r\n")
}

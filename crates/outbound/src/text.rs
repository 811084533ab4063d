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
    original(source, false).await.unwrap_or_else(|_| nothing())
}

/// A message's header, whole lines, and no more than [`HEADER_BYTES_MAX`]; or the whole message.
///
/// # Errors
/// It could not be read so far.
pub async fn original(source: &dyn Source, whole: bool) -> Result<Original, String> {
    let (mut text, mut pieces) = (Vec::new(), source.open().await?);
    while (whole || !has_header(&text))
        && let Some(piece) = pieces.next().await
    {
        text.extend_from_slice(&piece?);
    }
    Ok(if whole { Original { text, whole } } else { Original::header_of(&text) })
}

/// What comes back of a message that cannot be read.
pub fn nothing() -> Original {
    Original::header_of(b"")
}

fn has_header(text: &[u8]) -> bool {
    text.len() > HEADER_BYTES_MAX || text.windows(4).any(|window| window == b"\r\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, stream};

    /// These pieces, and then the stream breaks.
    struct Broken(&'static [&'static str]);

    impl Source for Broken {
        fn open(&self) -> BoxFuture<'static, Result<Pieces, String>> {
            let pieces = self.0.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
            let pieces: Vec<_> = pieces.chain([Err("the node went away".to_owned())]).collect();
            async { Ok(stream::iter(pieces).boxed()) }.boxed()
        }
    }

    #[tokio::test]
    async fn a_part_is_not_taken_for_the_whole() {
        let broken = Broken(&["Subject: x\r\n\r", "\nText"]);
        assert_eq!(original(&broken, true).await, Err("the node went away".to_owned()));
        let text = b"Subject: x\r\n".to_vec();
        assert_eq!(original(&broken, false).await, Ok(Original { text, whole: false }));
        assert_eq!(original(&Broken(&["Subject: x\r\n"]), false).await, Err("the node went away".to_owned()));
    }
}

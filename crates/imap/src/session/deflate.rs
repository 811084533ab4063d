//! COMPRESS=DEFLATE (RFC 4978): a transport inside which everything is deflated.
//!
//! Invariants: what is written is packed in blocks that refer to nothing before themselves, by a compressor that the thread
//! lends, so that no connection keeps one. At most one packed piece in each direction is held. What the client sends is
//! inflated only as far as there is room for it.

mod inflater;

use super::transport::Transport;
use inflater::Inflater;
use miniz_oxide::DataFormat;
use miniz_oxide::deflate::CompressionLevel;
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, TDEFLStatus, compress_to_output};
use std::cell::RefCell;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets that are packed as one piece: what deflate can look back on.
const PIECE_BYTES: usize = 32 * 1024;
/// Octets up to which packing gains nothing.
const STORED_BYTES_MAX: usize = 64;
/// Packed octets taken from the socket at once.
const READ_BYTES: usize = 4 * 1024;

thread_local! {
    // Some 350 KB: one for each thread, not for each connection.
    static COMPRESSOR: RefCell<Option<Box<CompressorOxide>>> = const { RefCell::new(None) };
}

/// A transport inside which everything is deflated.
pub struct Deflated {
    inner: Transport,
    inflater: Inflater,
    arrived: Pending,
    leaving: Pending,
}

/// Packed octets that wait.
#[derive(Default)]
struct Pending {
    octets: Vec<u8>,
    used: usize,
}

impl Pending {
    fn rest(&self) -> &[u8] {
        self.octets.get(self.used..).unwrap_or_default()
    }
    fn advance(&mut self, octets: usize) {
        self.used += octets;
        if self.rest().is_empty() {
            self.octets.clear();
            self.used = 0;
        }
    }
    fn shrink(&mut self) {
        if self.octets.is_empty() {
            self.octets = Vec::new();
        }
    }
}

impl Deflated {
    /// Goes on inside a transport; nothing packed has been sent in either direction.
    pub fn new(inner: Transport) -> Self {
        Self { inner, inflater: Inflater::new(), arrived: Pending::default(), leaving: Pending::default() }
    }

    /// What is inside which.
    pub fn inner(&self) -> &Transport {
        &self.inner
    }

    /// Gives back what is not needed while the client is silent.
    pub fn rest(&mut self) {
        if self.arrived.octets.is_empty() {
            self.inflater.rest();
        }
        self.arrived.shrink();
        self.leaving.shrink();
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.leaving.rest().is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, self.leaving.rest()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.leaving.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes packed octets from the socket; `false` at its end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut octets = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut octets);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
        self.arrived.octets.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(!buffer.filled().is_empty()))
    }

    /// Inflates what is here into the room that is there.
    fn inflate(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let room = buffer.remaining();
        let inflated = self.inflater.inflate(self.arrived.rest(), room, &mut |octets| buffer.put_slice(octets));
        let used = inflated.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not a deflate stream"))?;
        self.arrived.advance(used);
        Ok(())
    }
}

impl AsyncRead for Deflated {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if !this.arrived.rest().is_empty() || this.inflater.has_more() {
                this.inflate(buffer)?;
            }
            // A piece may hold nothing but the end of a block.
            if buffer.filled().len() > before || !ready!(this.poll_fill(cx))? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Deflated {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        let piece = bytes.get(..PIECE_BYTES).unwrap_or(bytes);
        pack(piece, &mut this.leaving.octets)?;
        // What the socket does not take now goes before the next piece, or with the flush.
        if let Poll::Ready(drained) = this.poll_drain(cx) {
            drained?;
        }
        Poll::Ready(Ok(piece.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

/// Appends blocks that hold the piece and end at an octet's end, so that the client has all of it at once.
fn pack(piece: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    if piece.len() > STORED_BYTES_MAX {
        let start = out.len();
        let packed = COMPRESSOR.with_borrow_mut(|slot| {
            let compressor = slot.get_or_insert_with(|| {
                Box::new(CompressorOxide::with_format_and_level(DataFormat::Raw, CompressionLevel::BestSpeed))
            });
            // Nothing before it may be referred to: it may have been another connection's.
            compressor.reset();
            let sink = |octets: &[u8]| {
                out.extend_from_slice(octets);
                true
            };
            compress_to_output(compressor, piece, TDEFLFlush::Sync, sink)
        });
        if packed != (TDEFLStatus::Okay, piece.len()) {
            return Err(io::Error::other("the compressor failed"));
        }
        if out.len() - start < piece.len() {
            return Ok(());
        }
        out.truncate(start);
    }
    store(piece, out)
}

/// A stored block (RFC 1951 §3.2.4): the length, its complement, and the octets as they are.
fn store(piece: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let length = u16::try_from(piece.len()).map_err(io::Error::other)?;
    out.push(0);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(piece);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::pair;
    use daemon::stream::Stream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_goes_in_comes_out_at_the_other_end() {
        let (near, far) = pair().await;
        let (mut near, mut far) =
            (Deflated::new(Transport::Open(Stream::Plain(near))), Deflated::new(Transport::Open(Stream::Plain(far))));
        let long: Vec<u8> = (0..300_000u32).map(|at| (at / 7).wrapping_mul(at) as u8).collect();
        for text in [&b"a OK Done\r\n"[..], &[b'x'; 1000], &long, b"", b"b"] {
            let sending = async {
                near.write_all(text).await.unwrap();
                near.flush().await.unwrap();
            };
            let reading = async {
                // More room than there is text, however it is cut on its way: so all that was read is used.
                let mut came = Vec::with_capacity(text.len() + READ_BYTES);
                while came.len() < text.len() {
                    far.read_buf(&mut came).await.unwrap();
                }
                came
            };
            let (_, came) = tokio::join!(sending, reading);
            assert!(came == text);
            near.rest();
            far.rest();
            assert_eq!((far.arrived.octets.capacity(), near.leaving.octets.capacity()), (0, 0));
        }
        drop(near);
        assert_eq!(far.read(&mut [0; 9]).await.unwrap(), 0);
    }

    #[test]
    fn what_cannot_be_packed_is_stored() {
        let noise: Vec<u8> = (0..PIECE_BYTES as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut out = Vec::new();
        pack(&noise, &mut out).unwrap();
        assert!(out.len() <= noise.len() + 5);
        out.clear();
        pack(b"a OK\r\n", &mut out).unwrap();
        assert_eq!(out, b"\x00\x06\x00\xf9\xffa OK\r\n");
    }

    #[tokio::test]
    async fn damage_is_an_error() {
        let (mut near, far) = pair().await;
        near.write_all(b"\x07\x07").await.unwrap();
        let error = Deflated::new(Transport::Open(Stream::Plain(far))).read(&mut [0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}

//! One client's connection: lines in, answers out, each through a small bounded buffer.
//!
//! Invariants: nothing is read while much waits to be written, so a client that does not read is not read from; a line is
//! bounded, and what is over the bound is thrown away without being kept; reading is cancel-safe.

use crate::limits::{OUTPUT_BYTES_HIGH, READ_BYTES, WRITE_STALL};
use bytes::BytesMut;
use daemon::doors::HANDSHAKE;
use daemon::stream::Stream;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::rustls::ServerConfig;
use zeroize::{Zeroize, Zeroizing};

/// What a line came to.
pub enum Line {
    /// Without its end.
    Whole(Zeroizing<Vec<u8>>),
    /// Longer than the limit; it has been passed over.
    TooLong,
    /// The client hung up.
    End,
}

/// A connection.
pub struct Connection {
    /// `None` only while a handshake has it.
    stream: Option<Stream>,
    input: BytesMut,
    /// Octets of the input that were looked at and hold no line's end.
    scanned: usize,
    /// In the middle of a line that is too long.
    skips: bool,
    /// What is to be written.
    pub out: Vec<u8>,
}

impl Connection {
    /// Nothing has been read from it.
    pub fn new(stream: Stream) -> Self {
        Self { stream: Some(stream), input: BytesMut::new(), scanned: 0, skips: false, out: Vec::new() }
    }

    /// Whether it is encrypted.
    pub fn is_tls(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_tls)
    }

    /// Whether a client has sent more than was asked for.
    pub fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// The next line of at most so many octets. What waits to be written is written before anything is waited for. Cancel-safe.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn line(&mut self, bytes_max: usize) -> io::Result<Line> {
        loop {
            if let Some(line) = self.next_line(bytes_max) {
                return Ok(line);
            }
            self.flush().await?;
            let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            self.input.reserve(READ_BYTES);
            if (&mut *stream).take(READ_BYTES as u64).read_buf(&mut self.input).await? == 0 {
                return Ok(Line::End);
            }
        }
    }

    fn next_line(&mut self, bytes_max: usize) -> Option<Line> {
        let fresh = self.input.get(self.scanned..).unwrap_or_default();
        let Some(at) = memchr::memchr(b'\n', fresh) else {
            self.scanned = self.input.len();
            if self.input.len() > bytes_max {
                self.skips = true;
                self.input.clear();
                self.scanned = 0;
            }
            return None;
        };
        let mut line = self.input.split_to(self.scanned + at + 1);
        self.scanned = 0;
        let was_skipped = std::mem::take(&mut self.skips);
        let text = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n")).unwrap_or_default();
        let whole = Zeroizing::new(text.to_vec());
        // A password may have been in it.
        line.as_mut().zeroize();
        Some(if was_skipped || whole.len() > bytes_max { Line::TooLong } else { Line::Whole(whole) })
    }

    /// Writes what gathered, if it is much.
    ///
    /// # Errors
    /// The connection broke, or the client takes nothing.
    pub async fn relieve(&mut self) -> io::Result<()> {
        if self.out.len() < OUTPUT_BYTES_HIGH { Ok(()) } else { self.flush().await }
    }

    /// Writes everything.
    ///
    /// # Errors
    /// The connection broke, or the client takes nothing.
    pub async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let mut rest = self.out.as_slice();
        while !rest.is_empty() {
            // Every piece that the client takes starts the clock again: a slow client is served, a dead one is not.
            let written = stalled(poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, rest))).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = rest.get(written..).unwrap_or_default();
        }
        stalled(stream.flush()).await?;
        self.out.clear();
        Ok(())
    }

    /// The handshake of STLS. What came in the clear after the command is not read as if it had come inside (CVE-2011-0411):
    /// the caller looks at [`Connection::has_input`] before.
    ///
    /// # Errors
    /// It failed; the connection is closed.
    pub async fn start_tls(&mut self, tls: &Arc<ServerConfig>) -> io::Result<()> {
        self.flush().await?;
        let stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        self.stream = Some(stream.start_tls(tls, HANDSHAKE).await?);
        Ok(())
    }

    /// Writes what gathered and says the end.
    pub async fn close(mut self) {
        if self.flush().await.is_ok()
            && let Some(stream) = &mut self.stream
        {
            // The conversation is over however this ends.
            let _ = stalled(stream.shutdown()).await;
        }
    }
}

async fn stalled<T>(write: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(WRITE_STALL, write).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

//! One client's connection with its input and output, each in a small bounded buffer that is given back when idle.
//!
//! Invariants: nothing is read while answers wait to be written, so a client that does not read is not read from; the output
//! buffer grows past `OUTPUT_BYTES_HIGH` by at most what one call appends; reading is cancel-safe.

use super::answer::End;
use super::transport::Transport;
use crate::codec::Decoder;
use crate::limits::{DIRECT_WRITE_BYTES_MIN, OUTPUT_BYTES_HIGH, READ_BYTES, STRANGER, UPLOAD_PIECE_BYTES, WRITE_STALL};
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::ready;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

/// A connection.
pub struct Connection {
    /// The octets.
    pub transport: Transport,
    /// What has been read.
    pub input: Decoder,
    /// What is to be written.
    pub out: Vec<u8>,
    /// The transport may hold what was written to it.
    unflushed: bool,
}

impl Connection {
    /// Over a transport from which nothing has been read.
    pub fn new(transport: Transport) -> Self {
        Self { transport, input: Decoder::new(STRANGER), out: Vec::new(), unflushed: false }
    }

    /// Reads what has arrived into the input. Waits on no memory: the octets pass through the stack of the poll.
    ///
    /// # Errors
    /// [`End::Io`] at the end of the stream too.
    pub async fn read(&mut self) -> Result<(), End> {
        let Self { transport, input, .. } = self;
        let read = poll_fn(|cx| {
            let mut octets = [MaybeUninit::uninit(); READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut octets);
            ready!(Pin::new(&mut *transport).poll_read(cx, &mut buffer))?;
            input.input().extend_from_slice(buffer.filled());
            std::task::Poll::Ready(io::Result::Ok(buffer.filled().len()))
        });
        match read.await? {
            0 => Err(End::Io(io::ErrorKind::UnexpectedEof.into())),
            _ => Ok(()),
        }
    }

    /// Reads a large piece of a message straight into the input, without the way over the stack.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_much(&mut self) -> Result<(), End> {
        self.input.input().reserve(UPLOAD_PIECE_BYTES);
        match self.transport.read_buf(self.input.input()).await? {
            0 => Err(End::Io(io::ErrorKind::UnexpectedEof.into())),
            _ => Ok(()),
        }
    }

    /// Writes what gathered, if it is much.
    pub async fn relieve(&mut self) -> Result<(), End> {
        if self.out.len() < OUTPUT_BYTES_HIGH { Ok(()) } else { self.write_out().await }
    }

    /// Writes everything, down to the socket.
    pub async fn flush(&mut self) -> Result<(), End> {
        self.write_out().await?;
        if self.unflushed {
            stalled(self.transport.flush()).await?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Writes a piece of a message: copied when small, directly when large.
    pub async fn send(&mut self, piece: &[u8]) -> Result<(), End> {
        if piece.len() < DIRECT_WRITE_BYTES_MIN {
            self.out.extend_from_slice(piece);
            return self.relieve().await;
        }
        self.write_out().await?;
        self.unflushed = true;
        Ok(write_all(&mut self.transport, piece).await?)
    }

    /// Gives back what the buffers hold, when they are empty.
    pub fn shrink(&mut self) {
        self.input.shrink();
        self.transport.rest();
        if self.out.is_empty() && self.out.capacity() > 0 {
            self.out = Vec::new();
        }
    }

    async fn write_out(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.unflushed = true;
        write_all(&mut self.transport, &self.out).await?;
        self.out.clear();
        Ok(())
    }
}

/// Every piece that the client takes starts the clock again: a slow client is served, a dead one is not.
async fn write_all(transport: &mut Transport, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = stalled(poll_fn(|cx| Pin::new(&mut *transport).poll_write(cx, bytes))).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

async fn stalled<T>(write: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(WRITE_STALL, write).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

//! The octets of one client, in the clear or through TLS, deflated or not.

use super::deflate::Deflated;
use daemon::stream::Stream;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One client's connection.
pub enum Transport {
    /// As it is.
    Open(Stream),
    /// Deflated, in the other.
    Deflated(Box<Deflated>),
    /// Closed, or in the middle of STARTTLS.
    Closed,
}

impl Transport {
    /// Whether it is encrypted.
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Open(stream) => stream.is_tls(),
            Self::Deflated(deflated) => deflated.inner().is_tls(),
            Self::Closed => false,
        }
    }

    /// Whether it is deflated.
    pub fn is_compressed(&self) -> bool {
        matches!(self, Self::Deflated(_))
    }

    /// Deflates what follows, in both directions (RFC 4978).
    pub fn compress(&mut self) {
        let inner = std::mem::replace(self, Self::Closed);
        *self = Self::Deflated(Box::new(Deflated::new(inner)));
    }

    /// Gives back what is not needed while the client is silent.
    pub fn rest(&mut self) {
        if let Self::Deflated(deflated) = self {
            deflated.rest();
        }
    }
}

macro_rules! on_stream {
    ($self:ident, $stream:ident => $call:expr, $closed:expr) => {
        match $self.get_mut() {
            Transport::Open($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Transport::Deflated($stream) => {
                let $stream = Pin::new($stream.as_mut());
                $call
            }
            Transport::Closed => Poll::Ready($closed),
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_read(cx, buffer), Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => stream.poll_write(cx, bytes), Err(io::ErrorKind::BrokenPipe.into()))
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_flush(cx), Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_shutdown(cx), Ok(()))
    }
}

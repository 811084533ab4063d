//! A client's connection of a public protocol: in the clear, inside TLS, or from the one to the other (STARTTLS, STLS).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ProtocolVersion, ServerConfig};
use tokio_rustls::server::TlsStream;

/// The octets' way.
#[derive(Debug)]
pub enum Stream {
    /// In the clear.
    Plain(TcpStream),
    /// Inside TLS; boxed, because most of it is rustls's state.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether it is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Version and cipher suite, as they are commonly written (`TLSv1.3`, `TLS_AES_256_GCM_SHA384`).
    pub fn tls(&self) -> Option<(&'static str, String)> {
        let Self::Tls(stream) = self else { return None };
        let (_, connection) = stream.get_ref();
        let version = match connection.protocol_version()? {
            ProtocolVersion::TLSv1_3 => "TLSv1.3",
            ProtocolVersion::TLSv1_2 => "TLSv1.2",
            // Nothing else is on offer.
            _ => return None,
        };
        let suite = connection.negotiated_cipher_suite()?.suite();
        Some((version, suite.as_str()?.replacen("TLS13_", "TLS_", 1)))
    }

    /// The handshake, within the limit. What is encrypted already stays as it is.
    ///
    /// # Errors
    /// It failed, or took too long.
    pub async fn start_tls(self, tls: &Arc<ServerConfig>, limit: Duration) -> io::Result<Self> {
        let stream = match self {
            Self::Tls(stream) => return Ok(Self::Tls(stream)),
            Self::Plain(stream) => stream,
        };
        // Boxed: a handshake is short, and its room is not to be carried by the session that follows.
        let accepted = Box::pin(timeout(limit, TlsAcceptor::from(Arc::clone(tls)).accept(stream)));
        let stream = accepted.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(Self::Tls(Box::new(stream)))
    }
}

/// Octets both ways, whatever is below.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}

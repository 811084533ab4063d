//! A client's connection, in the clear or inside TLS.

use crate::limits::{LINGER_BYTES_MAX, LINGER_MS_MAX};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ProtocolVersion;
use tokio_rustls::server::TlsStream;

/// The octets' way.
pub enum Transport {
    /// In the clear.
    Plain(TcpStream),
    /// Inside TLS; boxed, for it is forty times the other.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// Reads what is there; 0 at the end. Cancel-safe.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer).await,
            Self::Tls(stream) => stream.read(buffer).await,
        }
    }

    /// Writes all of it within the limit.
    pub async fn write_all(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        let written = async {
            match self {
                Self::Plain(stream) => stream.write_all(bytes).await,
                Self::Tls(stream) => {
                    stream.write_all(bytes).await?;
                    stream.flush().await
                }
            }
        };
        tokio::time::timeout(limit, written).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// Says the end (close_notify inside TLS), then waits a moment for the client's, so that the last reply arrives.
    pub async fn close(&mut self) {
        let closed = async {
            match self {
                Self::Plain(stream) => stream.shutdown().await?,
                Self::Tls(stream) => stream.shutdown().await?,
            }
            let stream = match self {
                Self::Plain(stream) => stream,
                Self::Tls(stream) => stream.get_mut().0,
            };
            let (mut thrown_away, mut buffer) = (0, [0; 4096]);
            while thrown_away < LINGER_BYTES_MAX {
                match stream.read(&mut buffer).await? {
                    0 => break,
                    octets => thrown_away += octets,
                }
            }
            Ok::<_, io::Error>(())
        };
        // The conversation is over however this ends.
        let _ = tokio::time::timeout(Duration::from_millis(LINGER_MS_MAX), closed).await;
    }

    /// Whether the client has said something already.
    pub fn has_input(&self) -> bool {
        match self {
            Self::Plain(stream) => {
                let mut byte = [0; 1];
                futures_util::FutureExt::now_or_never(stream.peek(&mut byte))
                    .is_some_and(|peeked| peeked.is_ok_and(|n| n > 0))
            }
            Self::Tls(_) => false,
        }
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

    /// The handshake of STARTTLS.
    pub async fn start_tls(self, acceptor: &TlsAcceptor, limit: Duration) -> io::Result<Self> {
        match self {
            Self::Tls(stream) => Ok(Self::Tls(stream)),
            Self::Plain(stream) => {
                let handshake = tokio::time::timeout(limit, acceptor.accept(stream));
                let stream = handshake.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                Ok(Self::Tls(Box::new(stream)))
            }
        }
    }
}

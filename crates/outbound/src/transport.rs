//! A connection's octets, in the clear or inside TLS, with a limit on each wait.

use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// The octets' way.
pub(crate) enum Transport {
    /// In the clear.
    Plain(TcpStream),
    /// Inside TLS; boxed, for it is forty times the other.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// Reads what is there; 0 at the end.
    pub(crate) async fn read(&mut self, buffer: &mut [u8], limit: Duration) -> io::Result<usize> {
        let reading = async {
            match self {
                Self::Plain(stream) => stream.read(buffer).await,
                Self::Tls(stream) => stream.read(buffer).await,
            }
        };
        within(limit, reading).await
    }

    /// Writes all of it.
    pub(crate) async fn write_all(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        let writing = async {
            match self {
                Self::Plain(stream) => stream.write_all(bytes).await,
                Self::Tls(stream) => {
                    stream.write_all(bytes).await?;
                    stream.flush().await
                }
            }
        };
        within(limit, writing).await
    }

    /// Says the end; what the other side says of it does not matter.
    pub(crate) async fn shut(&mut self, limit: Duration) {
        let shutting = async {
            match self {
                Self::Plain(stream) => stream.shutdown().await,
                Self::Tls(stream) => stream.shutdown().await,
            }
        };
        let _ = within(limit, shutting).await;
    }

    /// The handshake, as the client.
    pub(crate) async fn start_tls(
        self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        limit: Duration,
    ) -> io::Result<Self> {
        match self {
            Self::Tls(stream) => Ok(Self::Tls(stream)),
            Self::Plain(stream) => {
                let stream = within(limit, TlsConnector::from(config).connect(name, stream)).await?;
                Ok(Self::Tls(Box::new(stream)))
            }
        }
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

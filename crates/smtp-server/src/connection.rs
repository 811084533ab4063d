//! One client's octets: written within a limit, and closed so that the last reply arrives.

use crate::limits::{LINGER_BYTES_MAX, LINGER_WAIT};
use daemon::stream::Stream;
use futures_util::FutureExt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::rustls::ServerConfig;

/// The connection; without its stream only while a handshake has it.
pub struct Connection(Option<Stream>);

impl Connection {
    pub fn new(stream: Stream) -> Self {
        Self(Some(stream))
    }

    /// Whether the client has said something already, in the clear.
    pub fn has_input(&self) -> bool {
        let Some(Stream::Plain(stream)) = &self.0 else { return false };
        let mut byte = [0; 1];
        stream.peek(&mut byte).now_or_never().is_some_and(|peeked| peeked.is_ok_and(|octets| octets > 0))
    }

    /// Version and cipher suite.
    pub fn tls(&self) -> Option<(&'static str, String)> {
        self.0.as_ref().and_then(Stream::tls)
    }

    /// Reads what is there; 0 at the end. Cancel-safe.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream()?.read(buffer).await
    }

    /// Writes all of it within the limit.
    pub async fn write(&mut self, octets: &[u8], limit: Duration) -> io::Result<()> {
        let stream = self.stream()?;
        let written = async {
            stream.write_all(octets).await?;
            stream.flush().await
        };
        timeout(limit, written).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// The handshake of STARTTLS.
    pub async fn start_tls(&mut self, tls: &Arc<ServerConfig>, limit: Duration) -> io::Result<()> {
        let stream = self.0.take().ok_or(io::ErrorKind::NotConnected)?;
        self.0 = Some(stream.start_tls(tls, limit).await?);
        Ok(())
    }

    /// Says the end (close_notify inside TLS), then waits a moment for the client's.
    pub async fn close(&mut self) {
        let closed = async {
            let stream = self.stream()?;
            stream.shutdown().await?;
            let socket = match stream {
                Stream::Plain(socket) => socket,
                Stream::Tls(stream) => stream.get_mut().0,
            };
            let (mut thrown_away, mut buffer) = (0, [0; 4096]);
            while thrown_away < LINGER_BYTES_MAX {
                match socket.read(&mut buffer).await? {
                    0 => break,
                    octets => thrown_away += octets,
                }
            }
            Ok::<_, io::Error>(())
        };
        // The conversation is over however this ends.
        let _ = timeout(LINGER_WAIT, closed).await;
    }

    fn stream(&mut self) -> io::Result<&mut Stream> {
        self.0.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

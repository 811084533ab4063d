//! Accepts TCP connections and makes mutual TLS ones of them, each handshake in a task of its own and all of them bounded.
//!
//! Invariants: a connection reaches the HTTP/2 server only after its handshake, with a role. At most [`CONNECTIONS_MAX`]
//! connections and [`HANDSHAKES_MAX`] handshakes exist; what comes beyond waits in the kernel's backlog. The accept loop
//! ends only when the stream is dropped.

use crate::peer::{self, Peer};
use rustls::ServerConfig;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::Stream;
use tonic::transport::server::Connected;

/// Connections of one server: every process of a large fleet, and some to spare.
pub(super) const CONNECTIONS_MAX: usize = 1024;
/// Handshakes at once: keeps strangers, who can get no further, from taking the connections.
pub(super) const HANDSHAKES_MAX: usize = 64;
/// Seconds for a handshake: several round trips around the world on a bad line.
pub(super) const HANDSHAKE_SECONDS_MAX: u64 = 10;
/// Milliseconds to wait when accepting fails, as it does when file descriptors have run out (EMFILE).
pub(super) const ACCEPT_PAUSE_MS: u64 = 100;

/// The stream of established connections.
pub(super) struct Incoming {
    ready: mpsc::Receiver<PeerStream>,
    accepting: AbortHandle,
}

impl Incoming {
    /// Starts to accept.
    pub(super) fn spawn(listener: TcpListener, tls: Arc<ServerConfig>) -> Self {
        let (established, ready) = mpsc::channel(HANDSHAKES_MAX);
        let accepting = tokio::spawn(accept(listener, TlsAcceptor::from(tls), established)).abort_handle();
        Self { ready, accepting }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Closes the listener and drops the handshakes, which live in the task's JoinSet.
        self.accepting.abort();
    }
}

impl Stream for Incoming {
    type Item = io::Result<PeerStream>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.ready.poll_recv(context).map(|stream| stream.map(Ok))
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, established: mpsc::Sender<PeerStream>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let mut tasks = JoinSet::new();
    loop {
        let (Ok(connection), Ok(handshake)) =
            (Arc::clone(&connections).acquire_owned().await, Arc::clone(&handshakes).acquire_owned().await)
        else {
            return;
        };
        while tasks.try_join_next().is_some() {}
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept an internal connection; trying again");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                continue;
            }
        };
        let (tls, established) = (tls.clone(), established.clone());
        tasks.spawn(async move {
            let shaken =
                tokio::time::timeout(Duration::from_secs(HANDSHAKE_SECONDS_MAX), shake_hands(stream, &tls)).await;
            match shaken.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long")))
            {
                Ok((stream, role)) => {
                    let peer = Peer { role, address };
                    let _ = established.send(PeerStream { stream, peer, _connection: connection }).await;
                }
                Err(error) => tracing::info!(peer = %address, %error, "an internal connection was refused"),
            }
            drop(handshake);
        });
    }
}

async fn shake_hands(stream: TcpStream, tls: &TlsAcceptor) -> io::Result<(Box<TlsStream<TcpStream>>, model::Role)> {
    stream.set_nodelay(true)?;
    let stream = Box::new(tls.accept(stream).await?);
    let role = peer::role_of(stream.get_ref().1)
        .ok_or_else(|| io::Error::new(io::ErrorKind::PermissionDenied, "the certificate names no single role"))?;
    Ok((stream, role))
}

/// A connection with a role; gives its place back when it is dropped.
pub(super) struct PeerStream {
    stream: Box<TlsStream<TcpStream>>,
    peer: Peer,
    _connection: OwnedSemaphorePermit,
}

impl Connected for PeerStream {
    type ConnectInfo = Peer;
    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

//! The accept loop of a public protocol: bounded connections, a word for those that are too many, and no way to die.
//!
//! Invariants: a connection is served only with a permit of every limit. The loop ends only at shutdown. A refusal costs one
//! write that cannot block, and no task.

use crate::limits::{Limit, Permit, SourceLimit, SourcePermit};
use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Milliseconds to wait when accepting fails for want of something (EMFILE, ENFILE, ENOBUFS): the reason does not go away
/// at once, and a tight loop would take the processor from those who could end it.
pub const PAUSE_MS: u64 = 100;

/// Counter: connections accepted.
pub const ACCEPTED: &str = "brevdue_connections_total";
/// Counter: connections refused by a limit.
pub const REFUSED: &str = "brevdue_connections_refused_total";

/// A connection with its places under the limits.
#[derive(Debug)]
pub struct Connection {
    /// TCP_NODELAY is set.
    pub stream: TcpStream,
    /// The client's address; IPv4 in its own form, also on a dual-stack socket.
    pub address: SocketAddr,
    /// Keep them as long as the connection lives.
    pub permits: Permits,
}

/// Places under the limits, given back when dropped.
#[derive(Debug)]
pub struct Permits {
    _connection: Permit,
    _source: Option<SourcePermit>,
}

/// A listener with its limits.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    connections: Limit,
    per_source: Option<SourceLimit>,
    refusal: &'static [u8],
}

impl Acceptor {
    /// Accepts from `listener` within the limits. The name of `connections` is the label in the metrics.
    pub fn new(listener: TcpListener, connections: Limit, per_source: Option<SourceLimit>) -> Self {
        Self { listener, connections, per_source, refusal: b"" }
    }

    /// What a connection that is too many is told before it is closed. Leave it out inside TLS, where it would be noise.
    #[must_use]
    pub fn refuse_with(mut self, line: &'static [u8]) -> Self {
        self.refusal = line;
        self
    }

    /// Serves each connection in a task of `tasks` until `shutdown`, then closes the listener. Tasks go on: the caller
    /// waits for them with [`TaskTracker::wait`].
    pub async fn run<F, S>(self, shutdown: &CancellationToken, tasks: &TaskTracker, serve: S)
    where
        S: Fn(Connection) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        while let Some(connection) = shutdown.run_until_cancelled(self.next()).await {
            tasks.spawn(serve(connection));
        }
    }

    /// The next connection that is within the limits; those that are not are refused on the way. Cancel-safe.
    pub async fn next(&self) -> Connection {
        let name = self.connections.name();
        loop {
            let (stream, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.failed(&error).await;
                    continue;
                }
            };
            let address = SocketAddr::new(address.ip().to_canonical(), address.port());
            let Some(permits) = self.permits(address) else {
                metrics::counter!(REFUSED, "limit" => name).increment(1);
                self.refuse(stream);
                continue;
            };
            if stream.set_nodelay(true).is_err() {
                // The peer has gone already.
                continue;
            }
            metrics::counter!(ACCEPTED, "limit" => name).increment(1);
            return Connection { stream, address, permits };
        }
    }

    fn permits(&self, address: SocketAddr) -> Option<Permits> {
        let source = match &self.per_source {
            Some(limit) => Some(limit.try_take(address.ip())?),
            None => None,
        };
        Some(Permits { _connection: self.connections.try_take()?, _source: source })
    }

    fn refuse(&self, stream: TcpStream) {
        // A fresh socket has room for a line, so one write that does not block suffices; if not, it just closes.
        if let (false, Ok(mut stream)) = (self.refusal.is_empty(), stream.into_std()) {
            let _ = stream.write(self.refusal);
        }
    }

    async fn failed(&self, error: &std::io::Error) {
        // accept(2): errors of the new socket itself come out here; they concern that connection alone.
        use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
            return;
        }
        tracing::warn!(%error, limit = self.connections.name(), "cannot accept a connection; trying again");
        tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;

    struct Running {
        address: SocketAddr,
        /// Bound and never listening: nobody else is given the port when the acceptor has closed its own.
        _port: TcpSocket,
        shutdown: CancellationToken,
        tasks: TaskTracker,
        accepting: tokio::task::JoinHandle<()>,
    }

    /// Echoes until the client closes.
    async fn start(connections: usize, per_source: usize) -> Running {
        let port = TcpSocket::new_v4().unwrap();
        port.set_reuseaddr(true).unwrap();
        port.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = port.local_addr().unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let acceptor =
            Acceptor::new(listener, Limit::new("echo", connections), SourceLimit::new("echo-source", per_source))
                .refuse_with(b"* BYE full\r\n");
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        let accepting = {
            let (shutdown, tasks) = (shutdown.clone(), tasks.clone());
            tokio::spawn(async move {
                acceptor
                    .run(&shutdown, &tasks, |connection| async move {
                        let Connection { mut stream, permits, .. } = connection;
                        assert!(stream.nodelay().unwrap());
                        let (mut read, mut write) = stream.split();
                        let _ = tokio::io::copy(&mut read, &mut write).await;
                        drop(permits);
                    })
                    .await;
            })
        };
        Running { address, _port: port, shutdown, tasks, accepting }
    }

    async fn echo(stream: &mut TcpStream) -> String {
        let mut got = vec![0; 12];
        let _ = stream.write_all(b"hello world.").await;
        let read = stream.read(&mut got).await.unwrap_or(0);
        String::from_utf8(got[..read].to_vec()).unwrap()
    }

    async fn connected(running: &Running) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let heard = echo(&mut stream).await;
        (stream, heard)
    }

    #[tokio::test]
    async fn one_too_many_is_told_and_a_freed_place_is_taken() {
        let running = start(2, 0).await;
        let (first, heard) = connected(&running).await;
        assert_eq!(heard, "hello world.");
        let (_second, heard) = connected(&running).await;
        assert_eq!(heard, "hello world.");
        let mut third = TcpStream::connect(running.address).await.unwrap();
        let mut told = String::new();
        third.read_to_string(&mut told).await.unwrap();
        assert_eq!(told, "* BYE full\r\n");
        drop(first);
        // The place is free once the echo task has seen the end; until then the answer is the refusal.
        while connected(&running).await.1 != "hello world." {}
        running.shutdown.cancel();
        running.accepting.await.unwrap();
        assert!(TcpStream::connect(running.address).await.is_err());
    }

    #[tokio::test]
    async fn a_source_has_its_share() {
        let running = start(10, 1).await;
        let (_first, heard) = connected(&running).await;
        assert_eq!(heard, "hello world.");
        let mut told = String::new();
        TcpStream::connect(running.address).await.unwrap().read_to_string(&mut told).await.unwrap();
        assert_eq!(told, "* BYE full\r\n");
        running.shutdown.cancel();
        running.accepting.await.unwrap();
    }

    #[tokio::test]
    async fn shutdown_lets_connections_finish() {
        let running = start(2, 0).await;
        let (mut stream, _) = connected(&running).await;
        running.shutdown.cancel();
        running.accepting.await.unwrap();
        assert_eq!(echo(&mut stream).await, "hello world.");
        drop(stream);
        running.tasks.close();
        running.tasks.wait().await;
    }
}

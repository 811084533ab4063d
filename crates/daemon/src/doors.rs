//! The doors of a front-end that people sign in at: one that begins in the clear, one that begins with TLS, and what happens
//! at each of them before the protocol's own session begins.

use crate::accept::{self, Acceptor};
use crate::limits::{Limit, SourceLimit};
use crate::listen::{ListenError, Listeners};
use crate::stream::Stream;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Time for a TLS handshake.
pub const HANDSHAKE: Duration = Duration::from_secs(30);

/// What a front-end configures of one door.
#[derive(Debug, Clone, Copy)]
pub struct Listen {
    /// The socket's name, when it is inherited.
    pub name: &'static str,
    /// `None`: the door is not there.
    pub address: Option<SocketAddr>,
    /// Whether it begins with TLS.
    pub through_tls: bool,
}

/// How many may come in, and what those hear who may not.
#[derive(Debug)]
pub struct Crowd {
    /// Connections of all doors.
    pub connections: Limit,
    /// Connections of one source.
    pub per_source: Option<SourceLimit>,
    /// What a connection that is too many is told, where it would understand it: in the clear.
    pub full: &'static [u8],
}

/// Where one door is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The address that is bound.
    pub bound: SocketAddr,
    /// Whether it begins with TLS.
    pub through_tls: bool,
}

/// The doors that are open.
pub struct Doors {
    doors: Vec<(Acceptor, Way)>,
    tls: Arc<ServerConfig>,
}

impl Doors {
    /// Opens those that have an address.
    ///
    /// # Errors
    /// A socket cannot be had.
    pub fn open(
        listeners: &mut Listeners,
        wanted: &[Listen],
        crowd: &Crowd,
        tls: Arc<ServerConfig>,
    ) -> Result<Self, ListenError> {
        let mut doors = Vec::new();
        for &Listen { name, address, through_tls } in wanted {
            let Some(address) = address else { continue };
            let listener = listeners.take(name, address)?;
            let bound = listener.local_addr();
            let bound = bound.map_err(|problem| ListenError::Bind { name: name.to_owned(), address, problem })?;
            tracing::info!(address = %bound, name, "ready");
            let acceptor = Acceptor::new(listener, crowd.connections.clone(), crowd.per_source.clone());
            let acceptor = if through_tls { acceptor } else { acceptor.refuse_with(crowd.full) };
            doors.push((acceptor, Way { bound, through_tls }));
        }
        Ok(Self { doors, tls })
    }

    /// Where they are.
    pub fn ways(&self) -> Vec<Way> {
        self.doors.iter().map(|(_, way)| *way).collect()
    }

    /// Serves whoever comes in until `shutdown`, and returns when the last one has gone. A session has its place under the
    /// limits until its future ends.
    pub async fn serve<S, F>(self, shutdown: &CancellationToken, session: S)
    where
        S: Fn(Stream, SocketAddr) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let tasks = TaskTracker::new();
        let (tls, tasks, session) = (&self.tls, &tasks, &session);
        let open = self.doors.into_iter().map(|(acceptor, way)| async move {
            let serve = |connection| come_in(connection, way, Arc::clone(tls), session.clone());
            acceptor.run(shutdown, tasks, serve).await;
        });
        futures_util::future::join_all(open).await;
        tasks.close();
        tasks.wait().await;
    }
}

async fn come_in<S, F>(connection: accept::Connection, way: Way, tls: Arc<ServerConfig>, session: S)
where
    S: Fn(Stream, SocketAddr) -> F,
    F: Future<Output = ()>,
{
    let accept::Connection { stream, address, permits } = connection;
    let mut stream = Stream::Plain(stream);
    if way.through_tls {
        stream = match stream.start_tls(&tls, HANDSHAKE).await {
            Ok(stream) => stream,
            Err(error) => return tracing::debug!(%error, "no TLS came about"),
        };
    }
    session(stream, address).await;
    drop(permits);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    fn crowd(connections: usize) -> Crowd {
        Crowd { connections: Limit::new("door", connections), per_source: None, full: b"full\r\n" }
    }

    fn loopback(name: &'static str, through_tls: bool) -> Listen {
        Listen { name, address: Some(SocketAddr::from(([127, 0, 0, 1], 0))), through_tls }
    }

    async fn heard(way: Way) -> String {
        let mut said = String::new();
        TcpStream::connect(way.bound).await.unwrap().read_to_string(&mut said).await.unwrap();
        said
    }

    #[tokio::test]
    async fn each_comes_in_by_its_door_and_the_last_one_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let issued =
            crate::ca::public_self_signed(&["localhost"], &home.path().join("public"), jiff::Timestamp::now()).unwrap();
        let tls = crate::tls::public_server(&issued.cert, &issued.key).unwrap();
        let absent = Listen { name: "absent", address: None, through_tls: false };
        let wanted = [loopback("clear", false), loopback("tls", true), absent];
        let doors = Doors::open(&mut Listeners::none(), &wanted, &crowd(1), tls).unwrap();
        let ways = doors.ways();
        assert_eq!(ways.iter().map(|way| way.through_tls).collect::<Vec<_>>(), [false, true]);
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn({
            let shutdown = shutdown.clone();
            async move {
                let session = |mut stream: Stream, _| async move {
                    let _ = stream.write_all(b"hello").await;
                    let _ = stream.read(&mut [0]).await;
                };
                doors.serve(&shutdown, session).await;
            }
        });
        let mut first = TcpStream::connect(ways[0].bound).await.unwrap();
        let mut hello = [0; 5];
        first.read_exact(&mut hello).await.unwrap();
        assert_eq!(&hello, b"hello");
        assert_eq!(heard(ways[0]).await, "full\r\n");
        // Inside TLS it would be noise.
        assert_eq!(heard(ways[1]).await, "");
        shutdown.cancel();
        assert!(!serving.is_finished());
        drop(first);
        serving.await.unwrap();
    }
}

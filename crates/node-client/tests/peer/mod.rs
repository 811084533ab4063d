//! A node's shard as a script: a WebSocket on a loopback port that a test reads frames from, sends frames on, and breaks.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "helpers of tests; each test file uses some of them")]

use bytes::Bytes;
use directory::client::NodeInfo;
use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use model::{MailboxId, NodeId};
use node_client::{Dial, Io, Locate, LocateError, NodeClient, Opening, Session};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use vault::MailboxKey;
use vault::transit::BootKey;
use wire::directory::Placement;
use wire::session::client_frame::Body as Ask;
use wire::session::server_frame::Body as Answer;
use wire::session::*;
use zeroize::Zeroizing;

/// Longer than anything takes on the slowest machine; nothing is asserted about time.
const PATIENCE: Duration = Duration::from_secs(60);

pub const NODE: &str = "node-1";
pub const MAILBOX: MailboxId = MailboxId::from_bytes([7; 12]);

pub fn key() -> MailboxKey {
    MailboxKey::from_bytes(Zeroizing::new([5; 32]))
}

/// Where the script listens, as the directory would say.
struct Here(NodeInfo);

impl Locate for Here {
    fn locate<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, Result<Option<NodeInfo>, LocateError>> {
        let found = (node.as_str() == self.0.id).then(|| self.0.clone());
        Box::pin(async move { Ok(found) })
    }
}

/// Plain TCP.
struct Plain;

impl Dial for Plain {
    fn dial<'a>(&'a self, endpoint: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Io>>> {
        Box::pin(async move { Ok(Box::new(TcpStream::connect(endpoint).await?) as Box<dyn Io>) })
    }
}

/// A node with one shard.
pub struct Peer {
    listener: TcpListener,
    pub boot: Arc<BootKey>,
    pub node: NodeId,
}

impl Peer {
    /// Listens, and makes a client that finds it.
    pub async fn start() -> (Self, NodeClient) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client_of(listener.local_addr().unwrap());
        (Self { listener, boot: Arc::new(BootKey::generate().unwrap()), node: NODE.parse().unwrap() }, client)
    }

    /// Takes a connection and greets it.
    pub async fn accept(&self) -> Script {
        let mut script = self.accept_silently().await;
        script.send(0, 0, self.welcome(), true).await;
        script
    }

    pub fn welcome(&self) -> Answer {
        Answer::Welcome(Welcome {
            protocol: wire::frame::PROTOCOL,
            node_id: NODE.to_owned(),
            boot_key: Bytes::copy_from_slice(self.boot.public_bytes()),
            shard: 0,
            shards: 1,
        })
    }

    /// Takes a connection up to its Hello.
    pub async fn accept_silently(&self) -> Script {
        let (tcp, _) = soon(self.listener.accept()).await.unwrap();
        let mut script = Script(soon(tokio_tungstenite::accept_async(tcp)).await.unwrap());
        let hello = Hello { protocol: wire::frame::PROTOCOL, front_end: "imap-1".to_owned() };
        assert_eq!(script.next().await, ClientFrame { request: 0, session: 0, body: Some(Ask::Hello(hello)) });
        script
    }

    /// Takes a connection and answers the session that is opened on it; the script and the session's number.
    pub async fn accept_session(&self) -> (Script, u64) {
        let mut script = self.accept().await;
        let (session, _) = script.open().await;
        (script, session)
    }
}

fn client_of(at: SocketAddr) -> NodeClient {
    let session_endpoints = vec![at.to_string()];
    let record = NodeInfo { id: NODE.to_owned(), session_endpoints, grpc_endpoint: String::new() };
    NodeClient::over(Here(record), Plain, "imap-1")
}

/// A client whose node is away for as long as the socket is kept: it has the port and does not listen, so that no other test's
/// listener is given it.
pub fn nobody() -> (TcpSocket, NodeClient) {
    let port = TcpSocket::new_v4().unwrap();
    port.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let client = client_of(port.local_addr().unwrap());
    (port, client)
}

pub fn opening() -> Opening {
    Opening {
        mailbox: MAILBOX,
        placement: Placement { node_id: NODE.to_owned(), epoch: 3 },
        key: key(),
        wrapped_sealing_key: vec![1, 2, 3],
        birth: true,
    }
}

/// A peer with one open session.
pub async fn opened() -> (Peer, NodeClient, Script, Session, u64) {
    let (peer, client) = Peer::start().await;
    let (session, (script, number)) = tokio::join!(client.open(opening()), peer.accept_session());
    (peer, client, script, session.unwrap(), number)
}

/// One connection, frame by frame.
pub struct Script(WebSocketStream<TcpStream>);

impl Script {
    /// The next frame from the client.
    pub async fn next(&mut self) -> ClientFrame {
        // In all: pings come for ever.
        soon(async {
            loop {
                match self.0.next().await.unwrap().unwrap() {
                    Message::Binary(bytes) => return wire::frame::decode(bytes).unwrap(),
                    Message::Ping(_) | Message::Pong(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        })
        .await
    }

    /// The next frame, its octets with it.
    pub async fn next_sized(&mut self) -> (ClientFrame, usize) {
        let frame = self.next().await;
        let octets = wire::frame::encode(&frame).unwrap().len();
        (frame, octets)
    }

    /// The next request: its number and body.
    pub async fn ask(&mut self) -> (u64, Ask) {
        let frame = self.next().await;
        (frame.request, frame.body.unwrap())
    }

    /// Answers Open.
    pub async fn open(&mut self) -> (u64, Open) {
        let frame = self.next().await;
        let Some(Ask::Open(open)) = frame.body else { panic!("{frame:?}") };
        self.send(frame.request, frame.session, Answer::Opened(Opened {}), true).await;
        (frame.session, open)
    }

    pub async fn send(&mut self, request: u64, session: u64, body: Answer, last: bool) -> usize {
        let bytes = wire::frame::encode(&ServerFrame { request, session, last, body: Some(body) }).unwrap();
        let octets = bytes.len();
        self.send_bytes(bytes).await;
        octets
    }

    pub async fn send_bytes(&mut self, bytes: Bytes) {
        soon(self.0.send(Message::Binary(bytes))).await.unwrap();
    }

    /// Whether the connection still took the bytes.
    pub async fn try_send(&mut self, bytes: Bytes) -> bool {
        soon(self.0.send(Message::Binary(bytes))).await.is_ok()
    }

    pub async fn push(&mut self, session: u64, changes: Changes) {
        self.send(0, session, Answer::Changes(changes), false).await;
    }

    pub async fn done(&mut self, request: u64) {
        self.send(request, 0, Answer::Done(Done {}), true).await;
    }

    pub async fn fail(&mut self, request: u64, code: FailureCode) {
        let failure = Failure { code: code.into(), text: "as the script has it".to_owned() };
        self.send(request, 0, Answer::Failure(failure), true).await;
    }

    /// The client closes the connection, or breaks it.
    pub async fn ended(&mut self) {
        soon(async { while let Some(Ok(Message::Binary(_) | Message::Ping(_))) = self.0.next().await {} }).await;
    }
}

pub fn failure(code: FailureCode) -> node_client::ClientError {
    node_client::ClientError::Failure(code, "as the script has it".to_owned())
}

pub fn runs(bounds: &[u32]) -> Option<UidRuns> {
    Some(UidRuns { bounds: bounds.to_vec() })
}

pub fn flags(uid: u32, modseq: u64) -> FlagChange {
    FlagChange { uid, modseq, ..FlagChange::default() }
}

pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

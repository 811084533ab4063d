//! Many sessions at once, on links that break again and again, on several threads: everything is answered.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may take the short way too")]

use bytes::Bytes;
use directory::client::NodeInfo;
use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use model::{MailboxId, NodeId};
use node_client::{Dial, Io, Locate, LocateError, NodeClient, Opening};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use vault::MailboxKey;
use vault::transit::BootKey;
use wire::directory::Placement;
use wire::session::client_frame::Body as Ask;
use wire::session::server_frame::Body as Answer;
use wire::session::*;

const NODE: &str = "node-1";

/// The node's record, which a test may change.
#[derive(Clone, Default)]
struct Record(Arc<Mutex<Vec<String>>>);

impl Locate for Record {
    fn locate<'a>(&'a self, _: &'a NodeId) -> BoxFuture<'a, Result<Option<NodeInfo>, LocateError>> {
        let session_endpoints = self.0.lock().unwrap().clone();
        let record = NodeInfo { id: NODE.to_owned(), session_endpoints, grpc_endpoint: String::new() };
        Box::pin(async move { Ok(Some(record)) })
    }
}

struct Plain;

impl Dial for Plain {
    fn dial<'a>(&'a self, endpoint: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Io>>> {
        Box::pin(async move { Ok(Box::new(TcpStream::connect(endpoint).await?) as Box<dyn Io>) })
    }
}

/// A shard that answers by itself.
#[derive(Clone)]
struct Robot {
    boot: Arc<BootKey>,
    shard: u32,
    shards: u32,
    /// Connections that it takes part in.
    links: Arc<AtomicUsize>,
    /// Frames after which a connection breaks.
    frames_max: usize,
}

impl Robot {
    async fn serve(self, listener: TcpListener) {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tokio::spawn(self.clone().link(tcp));
        }
    }

    /// One connection; it may end anywhere, also in the handshake.
    async fn link(self, tcp: TcpStream) -> Option<()> {
        let mut socket = tokio_tungstenite::accept_async(tcp).await.ok()?;
        self.links.fetch_add(1, Ordering::Relaxed);
        for _ in 0..self.frames_max {
            let Message::Binary(bytes) = socket.next().await?.ok()? else { continue };
            let frame = wire::frame::decode::<ClientFrame>(bytes).unwrap();
            let Some(body) = self.answer(frame.body.unwrap()) else { continue };
            let answer = ServerFrame { request: frame.request, session: frame.session, last: true, body: Some(body) };
            socket.send(Message::Binary(wire::frame::encode(&answer).unwrap())).await.ok()?;
        }
        None
    }

    fn answer(&self, body: Ask) -> Option<Answer> {
        match body {
            Ask::Hello(_) => Some(Answer::Welcome(Welcome {
                protocol: wire::frame::PROTOCOL,
                node_id: NODE.to_owned(),
                boot_key: Bytes::copy_from_slice(self.boot.public_bytes()),
                shard: self.shard,
                shards: self.shards,
            })),
            Ask::Open(open) => {
                let mailbox: MailboxId = open.mailbox_id.parse().unwrap();
                assert_eq!(wire::shard_of(&mailbox, self.shards as usize), self.shard as usize);
                Some(Answer::Opened(Opened {}))
            }
            Ask::Select(_) => Some(Answer::Selected(Selected { folder: 1, uid_validity: 1, ..Selected::default() })),
            Ask::Status(status) => Some(Answer::FolderStatus(FolderStatus {
                messages: status.name.parse().unwrap(),
                ..FolderStatus::default()
            })),
            Ask::Close(_) | Ask::Cancel(_) => None,
            other => panic!("{other:?}"),
        }
    }
}

/// Starts so many shards and says where they are.
async fn start(shards: u32, frames_max: usize, record: &Record) -> Arc<AtomicUsize> {
    let links = Arc::new(AtomicUsize::new(0));
    let boot = Arc::new(BootKey::generate().unwrap());
    let mut endpoints = Vec::new();
    for shard in 0..shards {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        endpoints.push(listener.local_addr().unwrap().to_string());
        let robot = Robot { boot: Arc::clone(&boot), shard, shards, links: Arc::clone(&links), frames_max };
        tokio::spawn(robot.serve(listener));
    }
    *record.0.lock().unwrap() = endpoints;
    links
}

fn opening(number: u8) -> Opening {
    Opening {
        mailbox: MailboxId::from_bytes([number.wrapping_mul(37); 12]),
        placement: Placement { node_id: NODE.to_owned(), epoch: 1 },
        key: MailboxKey::generate().unwrap(),
        wrapped_sealing_key: Vec::new(),
        birth: false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_is_answered_over_links_that_break() {
    const SESSIONS: u8 = 40;
    const REQUESTS: u32 = 40;
    let record = Record::default();
    let links = start(2, 300, &record).await;
    let client = NodeClient::over(record, Plain, "imap-1");
    let sessions = (0..SESSIONS).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let session = client.open(opening(number)).await.unwrap();
            session.select(Select { name: "INBOX".to_owned(), ..Select::default() }).await.unwrap();
            for wanted in 0..REQUESTS {
                let status = session.status(Status { name: wanted.to_string() }).await.unwrap();
                assert_eq!(status.messages, wanted);
            }
        })
    });
    for session in sessions.collect::<Vec<_>>() {
        session.await.unwrap();
    }
    // 40 sessions of 42 frames at least, at most 300 to a link.
    assert!(links.load(Ordering::Relaxed) > 4, "{links:?}");
}

#[tokio::test]
async fn a_node_that_comes_back_with_other_shards_is_found() {
    let record = Record::default();
    start(1, 4, &record).await;
    let client = NodeClient::over(record.clone(), Plain, "imap-1");
    // Of three shards the last one serves this mailbox.
    let mailbox = MailboxId::from_bytes([0x26; 12]);
    assert_eq!(wire::shard_of(&mailbox, 3), 2);
    let session = client.open(Opening { mailbox, ..opening(0) }).await.unwrap();
    let status = |wanted: u32| session.status(Status { name: wanted.to_string() });
    assert_eq!(status(1).await.unwrap().messages, 1);
    start(3, 1000, &record).await;
    // The fourth frame is the last on the old link; what follows finds the new one.
    for wanted in 2..5 {
        assert_eq!(status(wanted).await.unwrap().messages, wanted);
    }
}

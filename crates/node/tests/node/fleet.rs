//! Two nodes and a real directory: three mailboxes of one account, on both nodes.

use crate::client::{Client, INBOX};
use crate::delivery::Stream;
use crate::world::{Owner, PATIENCE, World, eventually, issue};
use daemon::{ca, tls};
use directory::client::{CredentialKind, DirectoryClient, NodeInfo};
use directory::{Catalogue, server};
use jiff::Timestamp;
use model::{AccountId, DeliveryId, Role};
use node::Settings;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::directory::{AddAliasRequest, Credential, StoredAlias};
use wire::node::deliver_request::Step;
use wire::node::{Outcome, Sealed, Verdict, Wrap};
use wire::session::client_frame::Body;
use wire::session::server_frame::Body as Answer;
use wire::session::{Close, List};

pub const OWNERS: usize = 3;

pub struct Directory {
    stop: CancellationToken,
    served: JoinHandle<()>,
    catalogue: Weak<Catalogue>,
}

impl Directory {
    async fn start(dir: &Path, at: SocketAddr) -> Self {
        let tls = issue(&dir.join("ca"), Role::Directory).server;
        let catalogue = Arc::new(Catalogue::open(&dir.join("catalogue.db"), &dir.join("directory.key")).await.unwrap());
        let (kept, listener) = (Arc::downgrade(&catalogue), TcpListener::bind(at).await.unwrap());
        let stop = CancellationToken::new();
        let until = stop.clone();
        let served = tokio::spawn(async move { server::serve(catalogue, listener, tls, until).await.unwrap() });
        Self { stop, served, catalogue: kept }
    }

    /// Afterwards the catalogue's lock is free: the transport's own tasks may let go of it a moment after its end.
    async fn stop(self) {
        self.stop.cancel();
        self.served.await.unwrap();
        eventually("the catalogue is let go", || self.catalogue.strong_count() == 0).await;
    }
}

/// A port that is this test's own, also while nobody listens there: another socket can take it for listening, and no test that
/// wants any port, nor a connection, is given it.
fn reserved() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let at = socket.local_addr().unwrap();
    (socket, at)
}

pub struct Fleet {
    dir: TempDir,
    directory: Option<Directory>,
    at: SocketAddr,
    _port: TcpSocket,
    quiet: Duration,
    pub admin: DirectoryClient,
    pub worlds: Vec<Option<World>>,
    pub owners: Vec<Owner>,
}

fn account() -> AccountId {
    "family".parse().unwrap()
}

impl Fleet {
    pub async fn start(quiet: Duration) -> Self {
        tls::install_provider();
        let dir = tempfile::tempdir().unwrap();
        ca::create(&dir.path().join("ca"), Timestamp::now()).unwrap();
        let (port, at) = reserved();
        let directory = Directory::start(dir.path(), at).await;
        let admin =
            DirectoryClient::connect(&at.to_string(), issue(&dir.path().join("ca"), Role::Admin).client).unwrap();
        let mut fleet = Self {
            dir,
            directory: Some(directory),
            at,
            _port: port,
            quiet,
            admin,
            worlds: Vec::new(),
            owners: Vec::new(),
        };
        fleet.people().await;
        for _ in 0..2 {
            let settings = fleet.settings();
            fleet.worlds.push(Some(World::with(settings).await));
        }
        fleet
    }

    async fn people(&mut self) {
        let node = NodeInfo {
            id: "node-1".into(),
            session_endpoints: vec!["127.0.0.1:1".into()],
            grpc_endpoint: "127.0.0.1:1".into(),
        };
        self.admin.register_node(node).await.unwrap();
        self.admin.add_domain(&"x.test".parse().unwrap()).await.unwrap();
        for number in 1..=OWNERS as u8 {
            let owner = Owner::new(number);
            let recovery = Credential {
                id: format!("{number:016x}"),
                label: "recovery".into(),
                kind: CredentialKind::Recovery.into(),
                wrapped_key: vec![1; 77].into(),
                created_ms: 0,
            };
            let request = AddAliasRequest {
                address: format!("u{number}@x.test"),
                account: account().to_string(),
                mailbox_id: owner.mailbox.to_string(),
                sealing_public_key: owner.public.to_bytes().to_vec().into(),
                wrapped_sealing_key: owner.wrapped_sealing_key.clone().into(),
                credentials: vec![recovery],
                ..AddAliasRequest::default()
            };
            self.admin.add_alias(request).await.unwrap();
            self.owners.push(owner);
        }
    }

    /// How its nodes are set up.
    pub fn settings(&self) -> impl FnOnce(&mut Settings) + use<> {
        let tls = issue(&self.dir.path().join("ca"), Role::Node).client;
        let pools = DirectoryClient::connect(&self.at.to_string(), tls).unwrap();
        let quiet = self.quiet;
        move |settings| {
            settings.pools = Some(pools);
            settings.quota_quiet = quiet;
        }
    }

    pub fn world(&self, owner: usize) -> &World {
        self.worlds[owner % 2].as_ref().unwrap()
    }

    pub async fn limit(&self, bytes: u64, messages: u64) {
        self.admin.limit_account(&account(), Some(bytes), Some(messages)).await.unwrap();
    }

    /// What the directory knows of each.
    pub async fn stored(&self) -> Vec<StoredAlias> {
        self.admin.show_account(&account()).await.unwrap().aliases
    }

    pub async fn stop_directory(&mut self) {
        self.directory.take().unwrap().stop().await;
    }

    pub async fn start_directory(&mut self) {
        self.directory = Some(Directory::start(self.dir.path(), self.at).await);
    }

    /// A node ends and starts again; with `told` it has told the directory what its mailboxes hold, and else it has not, as when
    /// it was killed.
    pub async fn restart(&mut self, node: usize, told: bool) {
        if !told {
            self.stop_directory().await;
        }
        let dir = self.worlds[node].take().unwrap().stop().await;
        if !told {
            self.start_directory().await;
        }
        let settings = self.settings();
        self.worlds[node] = Some(World::start(dir, settings).await);
    }

    /// How nodes behave that start from now on.
    pub fn quiet(&mut self, quiet: Duration) {
        self.quiet = quiet;
    }

    pub async fn sign_in(&self, owner: usize) -> Client {
        self.world(owner).session(&self.owners[owner]).await
    }

    /// Delivers as an MX does: what became of it, or the verdict that refused it; and octets that wait.
    pub async fn deliver(&self, owner: usize, delivery: DeliveryId, message: &[u8]) -> (Result<Outcome, Verdict>, u64) {
        let (world, to) = (self.world(owner), &self.owners[owner]);
        let mut stream = Stream::begin_sized(world, delivery, message.len() as u64).await;
        match stream.admit(to).await {
            Verdict::Open => {
                stream.plain(message).await;
                (Ok(stream.commit(message.len() as u64, 0).await.remove(0).1), 0)
            }
            Verdict::Waiting => {
                let (body, wrap) = to.sealed(delivery, message);
                let size = body.len() as u64;
                stream.send(Step::Sealed(Sealed { data: body.into() })).await;
                stream.send(Step::Wrap(Wrap { mailbox_id: to.mailbox.to_string(), wrap: wrap.into() })).await;
                (Ok(stream.commit(0, size).await.remove(0).1), size)
            }
            refused => (Err(refused), 0),
        }
    }
}

/// What a session's mailbox holds, counted folder by folder.
pub async fn recount(client: &mut Client) -> (u64, u64) {
    let request = client.ask(1, Body::List(List { status: true, recent: false })).await;
    let mut all = (0, 0);
    for frame in client.answer(request).await {
        let Answer::Folders(folders) = frame else { panic!("{frame:?}") };
        for status in folders.folders.iter().filter_map(|folder| folder.status) {
            all = (all.0 + status.size, all.1 + u64::from(status.messages));
        }
    }
    all
}

pub async fn sign_out(mut client: Client) {
    client.call(1, Body::Close(Close {})).await;
}

/// A message of this size.
pub fn message(size: usize) -> Vec<u8> {
    let head = b"Subject: x\r\n\r\n";
    let mut text = head.to_vec();
    text.resize(size.max(head.len()), b'x');
    text
}

pub fn append() -> wire::session::Append {
    wire::session::Append { folder: INBOX.into(), ..wire::session::Append::default() }
}

/// Polls until it is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

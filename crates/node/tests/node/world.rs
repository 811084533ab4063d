//! A node on loopback with a CA and an owner of its own.

use crate::client::Client;
use daemon::tls::Internal;
use daemon::{ca, config, tls};
use jiff::Timestamp;
use model::{DeliveryId, MailboxId, NodeId, Role};
use node::{Node, Settings};
use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::rustls::ClientConfig;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use vault::MailboxKey;
use vault::sealing::{PrivateKey, PublicKey, Sealer};
use wire::backup::backup_client::BackupClient;
use wire::node::node_client::NodeClient;
use wire::queue::queue_client::QueueClient;
use wire::session::Open;

pub const NODE: &str = "node-1";
/// Whatever takes longer than this has gone wrong.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    dir: TempDir,
    pub shards: Vec<SocketAddr>,
    pub grpc: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
    pub births: Arc<Mutex<Vec<MailboxId>>>,
}

/// Somebody with a mailbox.
pub struct Owner {
    pub mailbox: MailboxId,
    pub key: MailboxKey,
    pub public: PublicKey,
    pub wrapped_sealing_key: Vec<u8>,
}

impl Owner {
    pub fn new(number: u8) -> Self {
        let mailbox = MailboxId::from_bytes([number; 12]);
        let key = MailboxKey::generate().unwrap();
        let (private, public) = PrivateKey::generate().unwrap();
        let wrapped_sealing_key = private.wrap(&key, &mailbox).unwrap();
        Self { mailbox, key, public, wrapped_sealing_key }
    }

    /// The Open of a front-end that holds the right key.
    pub fn opening(&self, boot_key: &[u8]) -> Open {
        let node: NodeId = NODE.parse().unwrap();
        Open {
            mailbox_id: self.mailbox.to_string(),
            sealed_key: vault::transit::seal(boot_key, &self.key, &self.mailbox, &node).unwrap().into(),
            wrapped_sealing_key: self.wrapped_sealing_key.clone().into(),
            birth: true,
            epoch: 1,
        }
    }

    /// The message sealed for this owner: the body, and the wrap of its key.
    pub fn sealed(&self, delivery: DeliveryId, message: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let Letter { body, wrap, .. } = self.sealed_behind(delivery, b"", message);
        (body, wrap)
    }

    /// With what stands in front of it.
    pub fn sealed_behind(&self, delivery: DeliveryId, prefix: &[u8], message: &[u8]) -> Letter {
        let mut sealer = Sealer::new(&delivery).unwrap();
        let wrap = sealer.wrap_for(&self.public, &self.mailbox).unwrap();
        let mut body = sealer.push(message).unwrap();
        let (rest, prefix) = sealer.finish_with_prefix(prefix).unwrap();
        body.extend(rest);
        Letter { body, wrap, prefix }
    }
}

/// A message that was sealed.
pub struct Letter {
    pub body: Vec<u8>,
    pub wrap: Vec<u8>,
    pub prefix: Vec<u8>,
}

pub fn delivery_id(number: u8) -> DeliveryId {
    DeliveryId::from_bytes([number; 16])
}

pub fn issue(dir: &Path, role: Role) -> Internal {
    let stem = dir.join(role.name());
    let now = Timestamp::now();
    if !stem.with_extension("crt").exists() {
        ca::issue(dir, role, &[], &stem, now).unwrap();
    }
    let files =
        config::Internal { ca: dir.join("ca.crt"), cert: stem.with_extension("crt"), key: stem.with_extension("key") };
    Internal::load(&files, role).unwrap()
}

impl World {
    /// A node with two shards.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        tls::install_provider();
        let dir = tempfile::tempdir().unwrap();
        ca::create(&dir.path().join("ca"), Timestamp::now()).unwrap();
        Self::start(dir, change).await
    }

    /// Stops the node as SIGTERM would, and starts it again on the same volumes.
    pub async fn restart(self) -> Self {
        let dir = self.stop().await;
        Self::start(dir, |_| {}).await
    }

    pub async fn stop(self) -> TempDir {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.served).await.expect("the node did not stop").unwrap();
        self.dir
    }

    pub async fn start(dir: TempDir, change: impl FnOnce(&mut Settings)) -> Self {
        let tls = issue(&dir.path().join("ca"), Role::Node);
        let mut settings = settings(dir.path());
        change(&mut settings);
        let (mut listeners, mut shards) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            shards.push(listener.local_addr().unwrap());
            listeners.push(listener);
        }
        let grpc = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = grpc.local_addr().unwrap();
        let births = Arc::new(Mutex::new(Vec::new()));
        let told = births.clone();
        let report = Box::new(move |mailbox| told.lock().unwrap().push(mailbox));
        let node = Node::start(settings, listeners, &tls.server, report).unwrap();
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let served = tokio::spawn(async move { node.serve(grpc, tls.server, stopping).await.unwrap() });
        Self { dir, shards, grpc: address, stop, served, births }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn client_tls(&self, role: Role) -> Arc<ClientConfig> {
        issue(&self.dir.path().join("ca"), role).client
    }

    /// A greeted link to the owner's shard.
    pub async fn link(&self, owner: &Owner) -> Client {
        let shard = self.shards[wire::shard_of(&owner.mailbox, self.shards.len())];
        Client::connect(shard, self.client_tls(Role::Imap)).await.unwrap().greeted().await
    }

    /// A link with session 1 open.
    pub async fn session(&self, owner: &Owner) -> Client {
        let mut client = self.link(owner).await;
        client.open(1, owner).await;
        client
    }

    pub fn mx(&self) -> NodeClient<Channel> {
        self.grpc(Role::Mx)
    }

    pub fn grpc(&self, role: Role) -> NodeClient<Channel> {
        let channel = wire::grpc::connect(&self.grpc.to_string(), Role::Node, self.client_tls(role)).unwrap();
        wire::grpc::node_client(channel)
    }

    pub fn backups(&self, role: Role) -> BackupClient<Channel> {
        let channel = wire::grpc::connect(&self.grpc.to_string(), Role::Node, self.client_tls(role)).unwrap();
        wire::grpc::backup_client(channel)
    }

    pub fn queue(&self, role: Role) -> QueueClient<Channel> {
        let channel = wire::grpc::connect(&self.grpc.to_string(), Role::Node, self.client_tls(role)).unwrap();
        wire::grpc::queue_client(channel)
    }

    /// Files of a kind, as their names end, that were set aside.
    pub fn set_aside(&self, kind: &str) -> Vec<PathBuf> {
        let files = fs::read_dir(self.dir.path().join("volume/aside")).into_iter().flatten();
        let paths = files.map(|file| file.unwrap().path());
        paths.filter(|path| path.to_str().is_some_and(|name| name.ends_with(kind))).collect()
    }

    /// Where the file of this kind is: `mailboxes` or `waiting`.
    pub fn file(&self, kind: &str, owner: &Owner) -> PathBuf {
        let name = owner.mailbox.to_string();
        self.dir.path().join("volume").join(kind).join(&name[..2]).join(&name[2..4]).join(format!("{name}.db"))
    }
}

/// Damages an octet of a file.
pub fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut octet = [0];
    file.read_exact_at(&mut octet, offset).unwrap();
    file.write_all_at(&[octet[0] ^ 0x10], offset).unwrap();
}

pub fn settings(dir: &Path) -> Settings {
    let mut settings = Settings::new(NODE.parse().unwrap(), vec![dir.join("volume")], dir.join("node.key"));
    settings.free_bytes_min = 0;
    settings.key_wait = Duration::from_millis(300);
    // Who has signed in has all that waited, however slow the machine is.
    settings.drain_wait = PATIENCE;
    settings
}

/// Waits for what another task brings about.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(tokio::time::Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Closed, it holds up the node's writer threads in a clock that passes it.
pub struct Gate {
    state: Mutex<(bool, usize)>,
    opened: Condvar,
}

impl Gate {
    pub const fn open() -> Self {
        Self { state: Mutex::new((false, 0)), opened: Condvar::new() }
    }

    /// Now, as soon as the gate is open.
    pub fn time(&self) -> Timestamp {
        if std::thread::current().name().is_some_and(|name| name.starts_with("writer")) {
            let mut state = self.state.lock().unwrap();
            state.1 += 1;
            state = self.opened.wait_while(state, |(closed, _)| *closed).unwrap();
            state.1 -= 1;
        }
        Timestamp::now()
    }

    pub fn set_closed(&self, closed: bool) {
        self.state.lock().unwrap().0 = closed;
        self.opened.notify_all();
    }

    /// Threads that stand before it.
    pub fn waiting(&self) -> usize {
        self.state.lock().unwrap().1
    }
}

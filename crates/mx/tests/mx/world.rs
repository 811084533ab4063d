//! A directory, two scripted nodes and an MX, with a CA of their own.

use crate::client::{Client, DEADLINE};
use crate::node::{ScriptedNode, Stored};
use crate::queue::ScriptedQueue;
use daemon::accept::Acceptor;
use daemon::limits::Limit;
use daemon::tls::Internal;
use daemon::{ca, config, tls};
use directory::client::Error;
use directory::{Catalogue, DirectoryClient};
use jiff::Timestamp;
use model::{Domain, MailboxId, Role};
use mx::{Mx, Parts, Patience};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio_util::sync::CancellationToken;
use vault::sealing::{PrivateKey, PublicKey};
use wire::directory::target::To;
use wire::directory::{AddAliasRequest, Credential, CredentialKind, NodeInfo, Target};

/// Octets of a message: small, so that tests of it are.
pub const SIZE_MAX: u64 = 4 * 1024 * 1024;
/// When everything happens.
pub const NOW: &str = "2026-02-03T04:05:06Z";

pub struct World {
    dir: TempDir,
    pub mx: SocketAddr,
    pub role: Arc<Mx>,
    pub admin: DirectoryClient,
    pub nodes: [ScriptedNode; 2],
    pub queues: [ScriptedQueue; 2],
    pub shutdown: CancellationToken,
    pub served: JoinHandle<()>,
    directory: Served,
    served_nodes: [Served; 2],
}

/// A gRPC service, and how it is ended.
struct Served {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    async fn stop(&mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap();
    }
}

/// Who is who: name, mailbox, node. `ann` and `bea` are on the first node, `cay` and `dan` on the second.
pub const PEOPLE: [(&str, u8, usize); 5] =
    [("ann", 1, 0), ("bea", 2, 0), ("cay", 3, 1), ("dan", 4, 1), ("postmaster@mx", 5, 0)];
/// Who comes later, with routes of their own.
const LATER: [(&str, u8, usize); 2] = [("fwd", 6, 0), ("both", 7, 0)];

pub fn mailbox(name: &str) -> MailboxId {
    let (_, number, _) = PEOPLE.into_iter().chain(LATER).find(|(of, ..)| *of == name).unwrap();
    MailboxId::from_bytes([number; 12])
}

/// What is to come right in the end has the time that a busy machine needs for it.
pub fn patience() -> Patience {
    Patience { doubt: Duration::from_secs(60), ..Patience::default() }
}

/// Gives up soon, for tests in which something fails for good.
pub fn hasty() -> Patience {
    Patience { settle: Duration::from_secs(2), doubt: Duration::from_millis(200), ..Patience::default() }
}

fn issue(dir: &Path, role: Role) -> Internal {
    let stem = dir.join(role.name());
    if !stem.with_extension("crt").exists() {
        ca::issue(&dir.join("ca"), role, &[], &stem, Timestamp::now()).unwrap();
    }
    let files = config::Internal {
        ca: dir.join("ca").join(ca::CERT_FILE),
        cert: stem.with_extension("crt"),
        key: stem.with_extension("key"),
    };
    Internal::load(&files, role).unwrap()
}

async fn loopback() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn credential(id: u8, kind: CredentialKind) -> Credential {
    let (id, label) = (format!("{id:016x}"), format!("label {id}"));
    Credential { id, label, kind: kind.into(), wrapped_key: vec![1; 77].into(), created_ms: 0 }
}

async fn add_alias(admin: &DirectoryClient, person: (&str, u8, usize), key: &PublicKey, targets: Vec<Target>) {
    let (name, number, node) = person;
    let address = if name.contains('@') { format!("{name}.example.com") } else { format!("{name}@example.com") };
    let request = AddAliasRequest {
        address,
        account: String::new(),
        mailbox_id: mailbox(name).to_string(),
        sealing_public_key: key.to_bytes().into(),
        wrapped_sealing_key: vec![1; 90].into(),
        credentials: vec![
            credential(number, CredentialKind::Generated),
            credential(number + 100, CredentialKind::Recovery),
        ],
        node_id: format!("node-{node}"),
        targets,
    };
    insist(async || admin.add_alias(request.clone()).await).await;
}

/// Has the directory make something; on a busy machine it may have made it and not said so in time.
pub async fn insist<T>(mut ask: impl AsyncFnMut() -> Result<T, Error>) {
    let end = Instant::now() + DEADLINE;
    loop {
        match ask().await {
            Ok(_) | Err(Error::AlreadyExists(_)) => return,
            Err(Error::Unavailable(why)) => assert!(Instant::now() < end, "{why}"),
            Err(error) => panic!("{error}"),
        }
    }
}

impl World {
    pub async fn start() -> Self {
        Self::with(patience()).await
    }

    pub async fn with(patience: Patience) -> Self {
        let (listener, mx) = loopback().await;
        Self::on(listener, mx, patience).await
    }

    pub async fn on(listener: TcpListener, at: SocketAddr, patience: Patience) -> Self {
        tls::install_provider();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        ca::create(&path.join("ca"), Timestamp::now()).unwrap();
        let public = ca::public_self_signed(&["mx.example.com"], &path.join("public"), Timestamp::now()).unwrap();
        let (directory_at, directory) = start_directory(path).await;
        let admin = DirectoryClient::connect(&directory_at.to_string(), issue(path, Role::Admin).client).unwrap();
        let queues = [ScriptedQueue::default(), ScriptedQueue::default()];
        let (nodes, served_nodes) = start_nodes(path, &admin, &queues).await;
        let internal = issue(path, Role::Mx).client;
        let parts = Parts {
            session: smtp::Config {
                hostname: "mx.example.com".into(),
                size_max: SIZE_MAX,
                recipients_max: 100,
                starttls: true,
                dsn: true,
                sign_in: smtp::SignInOffer::No,
            },
            directory: DirectoryClient::connect(&directory_at.to_string(), Arc::clone(&internal)).unwrap(),
            internal,
            public: tls::public_server(&public.cert, &public.key).unwrap(),
            patience,
            trusts_loopback: false,
            policy_on_loopback: false,
            resolver: dns::Resolver::disabled(),
            shared: daemon::shared::Shared::in_process(),
            engines: mx::Engines::default(),
            clock: Arc::new(NOW.parse::<Timestamp>().unwrap()),
        };
        let role = Arc::new(Mx::new(parts));
        let shutdown = CancellationToken::new();
        let until = shutdown.clone();
        let serving = Arc::clone(&role);
        let served = tokio::spawn(async move {
            let acceptor = Acceptor::new(listener, Limit::new("mx", 100), None);
            serving.serve(acceptor, &until).await;
        });
        Self { dir, mx: at, role, admin, nodes, queues, shutdown, served, directory, served_nodes }
    }

    pub async fn client(&self) -> Client {
        Client::greeted(self.mx).await
    }

    pub fn open(&self, names: &[&str]) {
        for name in names {
            let (_, _, node) = PEOPLE.into_iter().find(|(of, ..)| of == name).unwrap();
            self.nodes[node].state.lock().unwrap().open.push(mailbox(name));
        }
    }

    /// Everything that is stored, by mailbox.
    pub fn stored(&self) -> Vec<Stored> {
        let mut stored: Vec<_> = self.nodes.iter().flat_map(ScriptedNode::stored).collect();
        stored.sort_by_key(|stored| stored.mailbox);
        stored
    }

    pub fn public_roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let file: PathBuf = self.dir.path().join("public.crt");
        roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
        roots
    }

    /// An alias of [`LATER`] with these targets.
    pub async fn alias(&self, name: &str, targets: &[To]) {
        let person = LATER.into_iter().find(|(of, ..)| *of == name).unwrap();
        let targets = targets.iter().map(|to| Target { to: Some(to.clone()) }).collect();
        let (private, public) = PrivateKey::generate().unwrap();
        self.nodes[person.2].learn(mailbox(name), private);
        add_alias(&self.admin, person, &public, targets).await;
    }

    /// Waits until a change in the directory has reached the MX: RCPT is answered so. One client may not ask as often.
    pub async fn route_is(&self, address: &str, reply: &str) {
        let end = Instant::now() + DEADLINE;
        loop {
            let mut client = self.client().await;
            assert!(client.say("MAIL FROM:<sender@client.example>").await.starts_with("250"));
            let heard = client.say(&format!("RCPT TO:<{address}>")).await;
            if heard == reply {
                return;
            }
            assert!(Instant::now() < end, "{heard}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the health check says this: on a busy machine it may have been too slow to find out.
    pub async fn health_is(&self, says: impl Fn(&Result<(), String>) -> bool) {
        let end = Instant::now() + DEADLINE;
        loop {
            let checked = self.role.check().await;
            if says(&checked) {
                return;
            }
            assert!(Instant::now() < end, "{checked:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until nobody listens any more.
    pub async fn stop_directory(&mut self) {
        self.directory.stop().await;
    }

    /// Waits until nobody listens any more.
    pub async fn stop_node(&mut self, node: usize) {
        self.served_nodes[node].stop().await;
    }
}

async fn start_directory(path: &Path) -> (SocketAddr, Served) {
    let catalogue = Arc::new(Catalogue::open(&path.join("catalogue.db"), &path.join("catalogue.key")).await.unwrap());
    let (listener, at) = loopback().await;
    let stop = CancellationToken::new();
    let serving = directory::server::serve(catalogue, listener, issue(path, Role::Directory).server, stop.clone());
    let task = tokio::spawn(async move { serving.await.unwrap() });
    (at, Served { stop, task })
}

async fn start_nodes(
    path: &Path,
    admin: &DirectoryClient,
    queues: &[ScriptedQueue; 2],
) -> ([ScriptedNode; 2], [Served; 2]) {
    let mut keys = [HashMap::new(), HashMap::new()];
    let pairs = PEOPLE.map(|person| (person, PrivateKey::generate().unwrap()));
    let mut public = Vec::new();
    for (person, (private, key)) in pairs {
        keys[person.2].insert(mailbox(person.0), private);
        public.push((person, key));
    }
    let nodes = keys.map(ScriptedNode::new);
    let mut served = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let (listener, at) = loopback().await;
        let (tls, stop) = (issue(path, Role::Node).server, CancellationToken::new());
        let routes = wire::grpc::with_queue(wire::grpc::node_routes(node.clone()), queues[number].clone());
        let serving = wire::grpc::serve(listener, tls, routes, stop.clone().cancelled_owned());
        let task = tokio::spawn(async move { serving.await.unwrap() });
        served.push(Served { stop, task });
        let (id, grpc_endpoint) = (format!("node-{number}"), at.to_string());
        let session_endpoints = vec![grpc_endpoint.clone()];
        let node = NodeInfo { id, session_endpoints, grpc_endpoint };
        insist(async || admin.register_node(node.clone()).await).await;
    }
    for domain in ["example.com", "mx.example.com"] {
        let domain: Domain = domain.parse().unwrap();
        insist(async || admin.add_domain(&domain).await).await;
    }
    for (person, key) in &public {
        add_alias(admin, *person, key, Vec::new()).await;
    }
    (nodes, served.try_into().ok().unwrap())
}

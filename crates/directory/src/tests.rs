//! The service and the client over a real gRPC connection (without TLS, which `wire` tests), on a catalogue in a file.

mod durability;
mod erase;
mod keeping;
mod keys;
mod mail;
mod snapshot;
mod storage;

use crate::catalogue::{Catalogue, Error};
use crate::client::{self, DirectoryClient, Lookup};
use crate::server::service_for_tests;
use model::{Address, Domain, MailboxId};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use wire::directory as proto;
use wire::directory::directory_server::DirectoryServer;

type Raw = proto::directory_client::DirectoryClient<tonic::transport::Channel>;

/// Whatever takes longer than this has gone wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory on a port, that can be stopped and started again.
struct Running {
    at: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
    catalogue: Weak<Catalogue>,
}

impl Running {
    async fn start(file: &Path) -> Self {
        let catalogue = Catalogue::open(file, &key_of(file)).await.unwrap();
        Self::serve(catalogue, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    async fn serve(catalogue: Catalogue, at: SocketAddr) -> Self {
        let catalogue = Arc::new(catalogue);
        let (kept, listener) = (Arc::downgrade(&catalogue), TcpListener::bind(at).await.unwrap());
        let (at, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let service = DirectoryServer::new(service_for_tests(catalogue, stop.clone()));
        let until = stop.clone().cancelled_owned();
        let served = tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            server.serve_with_incoming_shutdown(TcpListenerStream::new(listener), until).await.unwrap();
        });
        Self { at, stop, served, catalogue: kept }
    }

    fn channel(&self) -> tonic::transport::Channel {
        tonic::transport::Endpoint::from_shared(format!("http://{}", self.at)).unwrap().connect_lazy()
    }

    fn raw(&self) -> Raw {
        Raw::new(self.channel())
    }

    /// Afterwards the catalogue's lock is free: the transport's own tasks may let go of it a moment after its end.
    async fn stop(self) {
        self.stop.cancel();
        self.served.await.unwrap();
        until(0, || async { self.catalogue.strong_count() }).await;
    }
}

fn key_of(file: &Path) -> PathBuf {
    file.with_extension("key")
}

fn credential(id: u8, label: &str, kind: proto::CredentialKind) -> proto::Credential {
    proto::Credential {
        id: format!("{id:016x}"),
        label: label.to_owned(),
        kind: kind.into(),
        wrapped_key: vec![id; 77].into(),
        created_ms: 0,
    }
}

fn new_alias(address: &str, mailbox: u8) -> proto::AddAliasRequest {
    let (_, public) = vault::sealing::PrivateKey::generate().unwrap();
    proto::AddAliasRequest {
        address: address.to_owned(),
        account: "ann".to_owned(),
        mailbox_id: MailboxId::from_bytes([mailbox; 12]).to_string(),
        sealing_public_key: public.to_bytes().to_vec().into(),
        wrapped_sealing_key: vec![7; 90].into(),
        credentials: vec![
            credential(mailbox, "phone", proto::CredentialKind::Generated),
            credential(mailbox | 0x80, "recovery", proto::CredentialKind::Recovery),
        ],
        node_id: String::new(),
        targets: Vec::new(),
    }
}

fn node(id: &str) -> proto::NodeInfo {
    proto::NodeInfo {
        id: id.to_owned(),
        session_endpoints: vec!["127.0.0.1:4001".to_owned(), "[::1]:4002".to_owned()],
        grpc_endpoint: "node.example:4000".to_owned(),
    }
}

/// A directory with one node, the domain x.test and the alias ann@x.test.
async fn peopled(file: &Path) -> Running {
    people(Running::start(file).await).await
}

async fn people(running: Running) -> Running {
    let mut raw = running.raw();
    raw.register_node(node("node-1")).await.unwrap();
    raw.add_domain(proto::AddDomainRequest { name: "X.test.".to_owned() }).await.unwrap();
    raw.add_alias(new_alias("Ann@x.TEST", 1)).await.unwrap();
    running
}

fn refused<T: std::fmt::Debug>(answer: Result<tonic::Response<T>, tonic::Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (status.code(), status.message().to_owned())
}

fn ann() -> Address {
    "ann@x.test".parse().unwrap()
}

#[tokio::test]
async fn an_alias_is_found_by_any_spelling_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalogue.db");
    let running = peopled(&file).await;
    let resolve = |address: &str| proto::ResolveRequest { address: address.to_owned() };
    let alias = running.raw().resolve(resolve("ANN+Lists@X.test")).await.unwrap().into_inner();
    assert_eq!((alias.address.as_str(), alias.subaddress.as_str()), ("ann@x.test", "Lists"));
    assert_eq!(alias.placement, Some(proto::Placement { node_id: "node-1".to_owned(), epoch: 1 }));
    assert_eq!((alias.born, alias.disabled), (false, false));
    assert!(vault::sealing::PublicKey::from_bytes(&alias.sealing_public_key).is_ok());
    running.stop().await;

    let running = Running::start(&file).await;
    assert_eq!(running.raw().resolve(resolve("ann+Lists@x.test")).await.unwrap().into_inner(), alias);
    let nodes = running.raw().list_nodes(proto::ListNodesRequest {}).await.unwrap().into_inner().nodes;
    assert_eq!(nodes, [node("node-1")]);
    let request = proto::CredentialsRequest { address: "ann@x.test".to_owned() };
    let reply = running.raw().credentials(request).await.unwrap().into_inner();
    let labels: Vec<_> = reply.credentials.iter().map(|credential| credential.label.as_str()).collect();
    assert_eq!((labels, reply.wrapped_sealing_key.len()), (vec!["phone", "recovery"], 90));
    assert!(reply.credentials.iter().all(|credential| credential.created_ms > 1_700_000_000_000));
}

#[tokio::test]
async fn what_is_not_there_or_there_already_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let mut raw = running.raw();
    let resolve = |address: &str| proto::ResolveRequest { address: address.to_owned() };
    assert_eq!(refused(raw.resolve(resolve("ann@y.test")).await), (Code::NotFound, "unknown domain".to_owned()));
    assert_eq!(refused(raw.resolve(resolve("bob@x.test")).await), (Code::NotFound, "unknown alias".to_owned()));
    assert_eq!(refused(raw.resolve(resolve("bob")).await).0, Code::InvalidArgument);
    assert_eq!(refused(raw.resolve(resolve(&"a".repeat(5_000))).await).0, Code::InvalidArgument);
    let domain = proto::AddDomainRequest { name: "x.test".to_owned() };
    assert_eq!(refused(raw.add_domain(domain).await), (Code::AlreadyExists, "the domain exists already".to_owned()));
    for (request, code) in [
        (new_alias("ann@x.test", 2), Code::AlreadyExists),
        (new_alias("bob@x.test", 1), Code::AlreadyExists),
        (new_alias("bob@y.test", 2), Code::NotFound),
        (proto::AddAliasRequest { node_id: "node-9".to_owned(), ..new_alias("bob@x.test", 2) }, Code::NotFound),
    ] {
        assert_eq!(refused(raw.add_alias(request.clone()).await).0, code, "{}", request.address);
    }
    let born = proto::MarkBornRequest { mailbox_id: "0".repeat(24) };
    assert_eq!(refused(raw.mark_born(born).await), (Code::NotFound, "unknown mailbox".to_owned()));
}

#[tokio::test]
async fn a_malformed_alias_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let good = || new_alias("bob@x.test", 2);
    let (phone, key) = (credential(9, "phone", proto::CredentialKind::Generated), vec![0; 2_000]);
    let recovery = credential(10, "recovery", proto::CredentialKind::Recovery);
    for bad in [
        proto::AddAliasRequest { mailbox_id: "zz".to_owned(), ..good() },
        proto::AddAliasRequest { account: "A b".to_owned(), ..good() },
        proto::AddAliasRequest { sealing_public_key: vec![0; 1217].into(), ..good() },
        proto::AddAliasRequest { wrapped_sealing_key: Vec::new().into(), ..good() },
        proto::AddAliasRequest { credentials: Vec::new(), ..good() },
        proto::AddAliasRequest { credentials: vec![phone.clone()], ..good() },
        proto::AddAliasRequest { credentials: vec![recovery.clone(); 33], ..good() },
        proto::AddAliasRequest {
            credentials: vec![recovery.clone(), proto::Credential { wrapped_key: key.into(), ..phone.clone() }],
            ..good()
        },
        proto::AddAliasRequest {
            credentials: vec![recovery.clone(), proto::Credential { label: " x".to_owned(), ..phone.clone() }],
            ..good()
        },
        proto::AddAliasRequest {
            credentials: vec![recovery.clone(), proto::Credential { kind: 9, ..phone }],
            ..good()
        },
    ] {
        assert_eq!(refused(running.raw().add_alias(bad.clone()).await).0, Code::InvalidArgument, "{bad:?}");
    }
    // Two credentials of one name fail in the database, after other rows were written: nothing of it may stay.
    let twice = proto::AddAliasRequest { credentials: vec![recovery.clone(), recovery], ..good() };
    assert_eq!(refused(running.raw().add_alias(twice).await).0, Code::AlreadyExists);
    running.raw().add_alias(good()).await.unwrap();
}

#[tokio::test]
async fn the_last_credential_stays() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let client = DirectoryClient::over(running.channel());
    client.add_credential(&ann(), credential(3, "laptop", proto::CredentialKind::Chosen)).await.unwrap();
    let again = client.add_credential(&ann(), credential(4, "laptop", proto::CredentialKind::Chosen)).await;
    assert!(matches!(again, Err(client::Error::AlreadyExists(_))), "{again:?}");
    client.revoke_credential(&ann(), "phone").await.unwrap();
    client.revoke_credential(&ann(), "recovery").await.unwrap();
    assert!(matches!(client.revoke_credential(&ann(), "phone").await, Err(client::Error::NotFound(_))));
    assert!(matches!(client.revoke_credential(&ann(), "laptop").await, Err(client::Error::Refused(_))));
    let reply = client.credentials(&ann()).await.unwrap().unwrap();
    assert_eq!(reply.credentials.len(), 1);
    for n in 4..35 {
        client.add_credential(&ann(), credential(n, &format!("n{n}"), proto::CredentialKind::Chosen)).await.unwrap();
    }
    let full = client.add_credential(&ann(), credential(99, "full", proto::CredentialKind::Chosen)).await;
    assert!(matches!(full, Err(client::Error::Refused(_))), "{full:?}");
}

#[tokio::test]
async fn mailboxes_go_to_the_node_with_the_fewest() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let mut raw = running.raw();
    raw.register_node(node("node-2")).await.unwrap();
    let mut placed = Vec::new();
    for n in 2..6 {
        let alias = raw.add_alias(new_alias(&format!("u{n}@x.test"), n)).await.unwrap().into_inner();
        placed.push(alias.placement.unwrap().node_id);
    }
    assert_eq!(placed, ["node-2", "node-1", "node-2", "node-1"]);
    let listed =
        raw.list_aliases(proto::ListAliasesRequest { domain: "x.test".to_owned() }).await.unwrap().into_inner();
    assert_eq!(listed.aliases.len(), 5);
    assert!(listed.aliases.iter().all(|alias| alias.sealing_public_key.is_empty()));
    let unknown = raw.list_aliases(proto::ListAliasesRequest { domain: "y.test".to_owned() }).await;
    assert_eq!(refused(unknown).0, Code::NotFound);
    let nobody = Running::start(&folder.path().join("other.db")).await;
    nobody.raw().add_domain(proto::AddDomainRequest { name: "x.test".to_owned() }).await.unwrap();
    assert_eq!(refused(nobody.raw().add_alias(new_alias("a@x.test", 1)).await).0, Code::FailedPrecondition);
}

/// The next `n` changes that are not heartbeats, as sequence and subject.
async fn next(stream: &mut tonic::Streaming<proto::Change>, n: usize) -> Vec<(u64, proto::change::Subject)> {
    let mut seen = Vec::new();
    while seen.len() < n {
        let change = tokio::time::timeout(PATIENCE, stream.message()).await.unwrap().unwrap().unwrap();
        seen.extend(change.subject.map(|subject| (change.sequence, subject)));
    }
    seen
}

#[tokio::test]
async fn the_feed_tells_what_was_missed_and_what_comes() {
    use proto::change::Subject::{Alias, Domain, Everything, Node};
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let mut raw = running.raw();
    let mut late = raw.watch(proto::WatchRequest { since: 1 }).await.unwrap().into_inner();
    let missed = [(2, Domain("x.test".to_owned())), (3, Alias("ann@x.test".to_owned()))];
    assert_eq!(next(&mut late, 2).await, missed);
    assert_eq!(late.message().await.unwrap().unwrap(), proto::Change { sequence: 3, subject: None });
    let mut fresh = raw.watch(proto::WatchRequest { since: 0 }).await.unwrap().into_inner();
    let born = proto::MarkBornRequest { mailbox_id: MailboxId::from_bytes([1; 12]).to_string() };
    raw.mark_born(born.clone()).await.unwrap();
    // Said again, and a node that registers as it is: no change, nothing told.
    raw.mark_born(born).await.unwrap();
    raw.register_node(node("node-1")).await.unwrap();
    raw.register_node(node("node-2")).await.unwrap();
    let live = [(4, Alias("ann@x.test".to_owned())), (5, Node("node-2".to_owned()))];
    assert_eq!(next(&mut late, 2).await, live);
    assert_eq!(next(&mut fresh, 2).await, live);
    let mut ahead = raw.watch(proto::WatchRequest { since: 99 }).await.unwrap().into_inner();
    assert_eq!(next(&mut ahead, 1).await, [(5, Everything(true))]);
}

/// Polls until the cache answers what it should.
async fn until<T: PartialEq + std::fmt::Debug, F: Future<Output = T>>(wanted: T, mut look: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let seen = look().await;
        if seen == wanted {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "still {seen:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn caches_hear_of_what_others_change() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let (front, admin) = (DirectoryClient::over(running.channel()), DirectoryClient::over(running.channel()));
    let y: Address = "bob@y.test".parse().unwrap();
    assert_eq!(front.lookup(&y).await.unwrap(), Lookup::UnknownDomain);
    assert!(!front.resolve(&"ann+tag@x.test".parse().unwrap()).await.unwrap().unwrap().born);
    assert_eq!(front.credentials(&ann()).await.unwrap().unwrap().credentials.len(), 2);
    admin.add_domain(&"y.test".parse::<Domain>().unwrap()).await.unwrap();
    admin.mark_born(&MailboxId::from_bytes([1; 12])).await.unwrap();
    admin.revoke_credential(&ann(), "phone").await.unwrap();
    until(Lookup::UnknownAlias, || async { front.lookup(&y).await.unwrap() }).await;
    until(true, || async { front.resolve(&ann()).await.unwrap().unwrap().born }).await;
    until(1, || async { front.credentials(&ann()).await.unwrap().unwrap().credentials.len() }).await;
    admin.add_alias(new_alias("bob@y.test", 2)).await.unwrap();
    until(true, || async { front.resolve(&y).await.unwrap().is_some() }).await;
}

#[tokio::test]
async fn a_client_outlives_a_restart_of_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalogue.db");
    // Bound and never listening: nobody else is given the port while the directory is away.
    let port = TcpSocket::new_v4().unwrap();
    port.set_reuseaddr(true).unwrap();
    port.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let at = port.local_addr().unwrap();
    let key = key_of(&file);
    let running = people(Running::serve(Catalogue::open(&file, &key).await.unwrap(), at).await).await;
    let front = DirectoryClient::over(running.channel());
    assert!(front.resolve(&ann()).await.unwrap().is_some());
    running.stop().await;
    let catalogue = Catalogue::open(&file, &key).await.unwrap();
    // Asked while nobody listens: the look-up waits for the restart.
    let bob: Address = "bob@x.test".parse().unwrap();
    let asked = tokio::spawn({
        let (front, bob) = (front.clone(), bob.clone());
        async move { front.lookup(&bob).await }
    });
    tokio::task::yield_now().await;
    let running = Running::serve(catalogue, at).await;
    assert_eq!(asked.await.unwrap().unwrap(), Lookup::UnknownAlias);
    running.raw().add_alias(new_alias("bob@x.test", 2)).await.unwrap();
    until(true, || async { front.resolve(&bob).await.unwrap().is_some() }).await;
}

#[tokio::test]
async fn many_at_once_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalogue.db");
    let running = peopled(&file).await;
    let rule = |local: &str| proto::AddRuleRequest {
        name: Some(proto::RuleName {
            domain: "x.test".to_owned(),
            kind: proto::RuleKind::Exact.into(),
            pattern: local.to_owned(),
        }),
        targets: vec![proto::Target { to: Some(proto::target::To::Forward("ann@x.test".to_owned())) }],
        ..proto::AddRuleRequest::default()
    };
    running.raw().add_rule(rule("taken")).await.unwrap();
    let writes = (0..200).map(|n: u32| {
        let mut raw = running.raw();
        // Every tenth asks for what is there already, in the middle of the others' commit.
        let request = if n % 10 == 9 { rule("taken") } else { rule(&format!("r{n}")) };
        tokio::spawn(async move { raw.add_rule(request).await.is_ok() })
    });
    let mut made = 0;
    for write in writes.collect::<Vec<_>>() {
        made += u32::from(write.await.unwrap());
    }
    assert_eq!(made, 180);
    running.stop().await;
    let running = Running::start(&file).await;
    let rules = running.raw().list_rules(proto::ListRulesRequest::default()).await.unwrap().into_inner().rules;
    assert_eq!(rules.len(), 181);
}

#[tokio::test]
async fn many_that_ask_for_what_is_not_there_are_all_answered() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let asked = (0..64).map(|n: u32| {
        let mut raw = running.raw();
        let address = format!("u{n}@{}.test", if n.is_multiple_of(2) { "x" } else { "y" });
        tokio::spawn(async move {
            let resolved = raw.resolve(proto::ResolveRequest { address: address.clone() }).await;
            (refused(resolved).0, refused(raw.route(proto::RouteRequest { address }).await).0)
        })
    });
    for answer in asked.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap(), (Code::NotFound, Code::NotFound));
    }
}

#[tokio::test]
async fn one_process_at_a_time_and_no_newer_schema() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalogue.db");
    let held = Catalogue::open(&file, &key_of(&file)).await.unwrap();
    for each in ["catalogue.db", "catalogue.db-wal"] {
        let mode = std::os::unix::fs::PermissionsExt::mode(&folder.path().join(each).metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{each}");
    }
    held.check().await.unwrap();
    let second = Catalogue::open(&file, &key_of(&file)).await.err().unwrap();
    assert!(matches!(second, Error::InUse { .. }), "{second}");
    drop(held);
    let mut connection = {
        use sqlx::Connection;
        sqlx::SqliteConnection::connect(file.to_str().unwrap()).await.unwrap()
    };
    sqlx::query("INSERT INTO _sqlx_migrations VALUES (99, 'later', CURRENT_TIMESTAMP, 1, x'00', 0)")
        .execute(&mut connection)
        .await
        .unwrap();
    let newer = Catalogue::open(&file, &key_of(&file)).await.err().unwrap();
    assert!(matches!(newer, Error::NewerSchema { found: 99, known: 5, .. }), "{newer}");
    let missing = Catalogue::open(&folder.path().join("no/catalogue.db"), &key_of(&file)).await.err().unwrap();
    assert!(matches!(missing, Error::Open { .. }), "{missing}");
}

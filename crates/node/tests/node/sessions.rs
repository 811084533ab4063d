//! Opening, folders, and what is refused.

use crate::client::{Client, INBOX, code, copy_to, store_flags, uids};
use crate::world::{Owner, World, eventually, settings};
use model::Role;
use wire::session::client_frame::Body;
use wire::session::server_frame::Body as Answer;
use wire::session::*;

#[tokio::test]
async fn a_mailbox_is_born_once_and_is_missing_afterwards() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.link(&owner).await;
    let unborn = Open { birth: false, ..owner.opening(&client.welcome.boot_key) };
    assert_eq!(client.refused(1, Body::Open(unborn.clone())).await, FailureCode::Missing);
    client.open(2, &owner).await;
    assert_eq!(*world.births.lock().unwrap(), [owner.mailbox]);
    let Answer::Folders(folders) = client.call(2, Body::List(List::default())).await else { panic!() };
    let names: Vec<_> = folders.folders.iter().map(|folder| folder.name.as_str()).collect();
    assert_eq!(names, ["Archive", "Drafts", INBOX, "Junk", "Sent", "Trash"]);
    assert!(matches!(client.call(2, Body::Close(Close {})).await, Answer::Done(_)));
    // It is there now: the same Open succeeds.
    let opened = client.call(3, Body::Open(unborn)).await;
    assert!(matches!(opened, Answer::Opened(_)), "{opened:?}");
}

/// The wrong key with what the directory says of the mailbox: a key that opens its wrapped sealing key, too, would be right, and
/// the file that it does not open damaged.
fn mistaken(wrong: &Owner, owner: &Owner, boot_key: &[u8]) -> Open {
    Open { wrapped_sealing_key: owner.opening(boot_key).wrapped_sealing_key, ..wrong.opening(boot_key) }
}

#[tokio::test]
async fn only_the_right_key_opens_also_beside_an_open_session() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let wrong = Owner::new(1);
    let mut client = world.session(&owner).await;
    let opening = mistaken(&wrong, &owner, &client.welcome.boot_key);
    assert_eq!(client.refused(2, Body::Open(opening.clone())).await, FailureCode::WrongKey);
    client.call(1, Body::Close(Close {})).await;
    assert_eq!(client.refused(2, Body::Open(opening)).await, FailureCode::WrongKey);
    // The wrong key keeps nobody out.
    client.open(1, &owner).await;
}

#[tokio::test]
async fn a_wrong_and_a_right_key_at_once() {
    let (world, owner, wrong) = (World::new().await, Owner::new(1), Owner::new(1));
    world.session(&owner).await.call(1, Body::Close(Close {})).await;
    let mut client = world.link(&owner).await;
    let bad = client.ask(1, Body::Open(mistaken(&wrong, &owner, &client.welcome.boot_key))).await;
    let good = client.ask(2, Body::Open(owner.opening(&client.welcome.boot_key))).await;
    assert_eq!(code(client.answer(bad).await.remove(0)), FailureCode::WrongKey);
    assert!(matches!(client.answer(good).await[..], [Answer::Opened(_)]));
}

#[tokio::test]
async fn keys_for_another_boot_shard_or_mailbox_open_nothing() {
    let (world, owner, other) = (World::new().await, Owner::new(1), Owner::new(2));
    let mut client = world.link(&owner).await;
    let opening = owner.opening(&client.welcome.boot_key);
    let elsewhere = Open { mailbox_id: other.mailbox.to_string(), ..opening.clone() };
    assert_eq!(client.refused(1, Body::Open(elsewhere)).await, FailureCode::WrongNode);
    let nonsense = Open { mailbox_id: "../../etc/passwd".into(), ..opening.clone() };
    assert_eq!(client.refused(1, Body::Open(nonsense)).await, FailureCode::Malformed);
    let garbage = Open { sealed_key: vec![1; 7].into(), ..opening.clone() };
    assert_eq!(client.refused(1, Body::Open(garbage)).await, FailureCode::Malformed);

    let before = client.welcome.boot_key.clone();
    drop(client);
    let world = world.restart().await;
    let mut client = world.link(&owner).await;
    assert_eq!(client.refused(1, Body::Open(owner.opening(&before))).await, FailureCode::WrongKey);
}

#[tokio::test]
async fn folders_are_made_renamed_subscribed_and_deleted() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let create =
        |name: &str| Body::Create(Create { name: name.into(), token: vec![7; 16].into(), ..Create::default() });
    assert!(matches!(client.call(1, create("Lists/rust")).await, Answer::Created(_)));
    // The same token: it was done before, and is not a second folder that exists already.
    assert!(matches!(client.call(1, create("Lists/rust")).await, Answer::Created(_)));
    let again = Create { name: "Lists/rust".into(), ..Create::default() };
    assert_eq!(client.refused(1, Body::Create(again)).await, FailureCode::FolderExists);
    let bad = Create { name: "a//b".into(), ..Create::default() };
    assert_eq!(client.refused(1, Body::Create(bad)).await, FailureCode::BadName);
    let rename = Rename { from: "Lists/rust".into(), to: "Lists/ferris".into(), ..Rename::default() };
    assert!(matches!(client.call(1, Body::Rename(rename)).await, Answer::Done(_)));
    let subscribe = Subscribe { name: "Lists/ferris".into(), subscribed: true };
    assert!(matches!(client.call(1, Body::Subscribe(subscribe)).await, Answer::Done(_)));
    let Answer::Folders(folders) = client.call(1, Body::List(List::default())).await else { panic!() };
    let ferris = folders.folders.iter().find(|folder| folder.name == "Lists/ferris").unwrap();
    assert!(ferris.subscribed && !ferris.no_select);
    assert_eq!(client.refused(1, Body::Delete(Delete { name: "none".into() })).await, FailureCode::NoSuchFolder);
    assert_eq!(client.refused(1, Body::Delete(Delete { name: INBOX.into() })).await, FailureCode::Cannot);
    assert!(matches!(client.call(1, Body::Delete(Delete { name: "Lists/ferris".into() })).await, Answer::Done(_)));
}

#[tokio::test]
async fn a_message_is_stored_fetched_flagged_found_copied_and_expunged() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let message = b"Subject: pigeons\r\nFrom: a@b.example\r\n\r\nThey fly home.\r\n";
    let uid = client.append_inbox(1, message).await;
    let inbox = client.select(1, INBOX).await;
    assert_eq!(
        (inbox.uids.clone().unwrap().bounds, inbox.recent.clone().unwrap().bounds),
        (vec![uid, uid], vec![uid, uid])
    );
    assert_eq!(client.body(1, inbox.folder, uid).await, message);
    let Answer::Stored(stored) = client.call(1, Body::Store(store_flags(inbox.folder, &[uid], 1))).await else {
        panic!()
    };
    assert_eq!((stored.messages[0].flags, stored.highest_modseq > inbox.highest_modseq), (1, true));
    let all = search_key::Key::All(true);
    assert_eq!(client.found(1, inbox.folder, all).await, [uid, uid]);
    assert_eq!(client.found(1, inbox.folder, search_key::Key::Text("HOME".into())).await, [uid, uid]);
    assert_eq!(client.found(1, inbox.folder, search_key::Key::Recent(true)).await, [uid, uid]);
    assert!(client.found(1, inbox.folder, search_key::Key::FlagSet(2)).await.is_empty());
    let Answer::Copied(copied) = client.call(1, Body::Copy(copy_to(inbox.folder, &[uid], "Archive", false))).await
    else {
        panic!()
    };
    assert_eq!((copied.from, copied.to), (vec![uid], vec![1]));
    let expunge = Expunge { folder: inbox.folder, by_uid: true, uids: uids(&[uid]) };
    let Answer::Expunged(expunged) = client.call(1, Body::Expunge(expunge.clone())).await else { panic!() };
    // Not \Deleted: UID EXPUNGE leaves it (RFC 4315 §2.1).
    assert_eq!(expunged.uids, None);
    client.call(1, Body::Store(store_flags(inbox.folder, &[uid], 8))).await;
    let Answer::Expunged(expunged) = client.call(1, Body::Expunge(expunge)).await else { panic!() };
    assert_eq!(expunged.uids.unwrap().bounds, [uid, uid]);
    let Answer::FolderStatus(status) = client.call(1, Body::Status(Status { name: "Archive".into() })).await else {
        panic!()
    };
    assert_eq!((status.messages, status.unseen), (1, 0));
}

#[tokio::test]
async fn what_is_examined_is_not_changed() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let uid = client.append_inbox(1, b"Subject: x\r\n\r\ny\r\n").await;
    let examine = Select { name: INBOX.into(), read_only: true, ..Select::default() };
    let Answer::Selected(inbox) = client.call(1, Body::Select(examine)).await else { panic!() };
    assert_eq!(client.refused(1, Body::Store(store_flags(inbox.folder, &[uid], 1))).await, FailureCode::Cannot);
    let expunge = Expunge { folder: inbox.folder, ..Expunge::default() };
    assert_eq!(client.refused(1, Body::Expunge(expunge)).await, FailureCode::Cannot);
    let moved = copy_to(inbox.folder, &[uid], "Archive", true);
    assert_eq!(client.refused(1, Body::Copy(moved)).await, FailureCode::Cannot);
    let fetch = Fetch { folder: inbox.folder, uids: uids(&[uid]), items: 1, mark_seen: true, ..Fetch::default() };
    assert_eq!(client.fetch(1, fetch).await[0].flags, 0);
    // EXAMINE shows what is recent and claims nothing: the next SELECT still can.
    assert_eq!(inbox.recent.unwrap().bounds, [uid, uid]);
    assert_eq!(client.select(1, INBOX).await.recent.unwrap().bounds, [uid, uid]);
    assert_eq!(client.select(1, INBOX).await.recent, None);
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let uid = client.append_inbox(1, b"Subject: kept\r\n\r\nhere\r\n").await;
    drop(client);
    let world = world.restart().await;
    let mut client = world.session(&owner).await;
    let inbox = client.select(1, INBOX).await;
    assert_eq!(client.body(1, inbox.folder, uid).await, b"Subject: kept\r\n\r\nhere\r\n");
}

#[tokio::test]
async fn few_mailboxes_stay_open_and_all_can_be_used() {
    let world = World::with(|settings| settings.open_mailboxes_max = 2).await;
    let owners: Vec<Owner> = (1..=6).map(Owner::new).collect();
    let mut clients = Vec::new();
    for owner in &owners {
        let mut client = world.session(owner).await;
        client.append_inbox(1, b"Subject: one\r\n\r\n1\r\n").await;
        clients.push(client);
    }
    for client in &mut clients {
        assert_eq!(client.append_inbox(1, b"Subject: two\r\n\r\n2\r\n").await, 2);
    }
    let reply = world.grpc(Role::Admin).check(wire::node::CheckRequest {}).await.unwrap().into_inner();
    assert_eq!((reply.node_id.as_str(), reply.open_mailboxes, reply.sessions), ("node-1", 2, 6));
}

#[tokio::test]
async fn the_last_session_takes_the_key_and_the_files_with_it() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    client.append_inbox(1, b"Subject: x\r\n\r\ny\r\n").await;
    let log = world.file("mailboxes", &owner).with_extension("db-wal");
    assert!(log.exists());
    drop(client);
    // The last connection to close removes the log.
    eventually("the files are closed", || !log.exists()).await;
}

#[tokio::test]
async fn a_second_node_on_the_same_volume_is_refused() {
    let world = World::new().await;
    let tls = world.client_tls(Role::Node);
    drop(tls);
    let refused = node::Node::start(settings(world.path()), Vec::new(), &server_tls(&world), Box::new(|_| {}));
    let text = refused.err().unwrap().to_string();
    assert!(text.contains("in use by another node process"), "{text}");
}

fn server_tls(world: &World) -> std::sync::Arc<tokio_rustls::rustls::ServerConfig> {
    let dir = world.path().join("ca");
    let files =
        daemon::config::Internal { ca: dir.join("ca.crt"), cert: dir.join("node.crt"), key: dir.join("node.key") };
    daemon::tls::Internal::load(&files, Role::Node).unwrap().server
}

#[tokio::test]
async fn a_lost_node_key_is_not_replaced_over_waiting_mail() {
    let world = World::new().await;
    let waiting = world.path().join("volume/waiting/01/01");
    let dir = world.stop().await;
    std::fs::create_dir_all(&waiting).unwrap();
    std::fs::write(waiting.join("0101.db"), b"sealed").unwrap();
    std::fs::remove_file(dir.path().join("node.key")).unwrap();
    let started = node::Node::start(settings(dir.path()), Vec::new(), &no_tls(), Box::new(|_| {}));
    let text = started.err().unwrap().to_string();
    assert!(text.contains("is missing, and only it opens the waiting mail"), "{text}");
}

fn no_tls() -> std::sync::Arc<tokio_rustls::rustls::ServerConfig> {
    let resolver = tokio_rustls::rustls::server::ResolvesServerCertUsingSni::new();
    let config = tokio_rustls::rustls::ServerConfig::builder().with_no_client_auth();
    std::sync::Arc::new(config.with_cert_resolver(std::sync::Arc::new(resolver)))
}

#[tokio::test]
async fn other_roles_get_no_session() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let shard = world.shards[wire::shard_of(&owner.mailbox, 2)];
    for role in [Role::Mx, Role::Outbound, Role::Node, Role::Backup, Role::Directory] {
        assert!(Client::connect(shard, world.client_tls(role)).await.is_err(), "{role}");
    }
}

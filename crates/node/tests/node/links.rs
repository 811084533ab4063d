//! Frames that are wrong, and limits.

use crate::client::{Client, INBOX, code};
use crate::world::{Owner, World};
use model::Role;
use wire::session::client_frame::Body;
use wire::session::server_frame::Body as Answer;
use wire::session::*;

fn failure(frame: Option<ServerFrame>) -> (u64, FailureCode) {
    let frame = frame.expect("closed without a word");
    assert!(frame.last);
    (frame.request, code(frame.body.unwrap()))
}

#[tokio::test]
async fn a_link_begins_with_hello() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let connect = || Client::connect(world.shards[wire::shard_of(&owner.mailbox, 2)], world.client_tls(Role::Imap));
    let mut client = connect().await.unwrap();
    client.send(1, 1, Body::List(List::default())).await;
    assert_eq!(failure(client.next().await), (1, FailureCode::Forbidden));
    assert!(client.next().await.is_none());

    let mut client = connect().await.unwrap();
    client.send(0, 0, Body::Hello(Hello { protocol: 99, front_end: String::new() })).await;
    assert_eq!(failure(client.next().await), (0, FailureCode::Malformed));
    assert!(client.next().await.is_none());

    let client = connect().await.unwrap().greeted().await;
    assert_eq!((client.welcome.node_id.as_str(), client.welcome.shards), ("node-1", 2));
    assert_eq!(client.welcome.shard as usize, wire::shard_of(&owner.mailbox, 2));
}

#[tokio::test]
async fn bad_frames_are_answered_and_the_link_lives_on() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    // An unknown verb: field 1000 of a later version.
    client.send_bytes(vec![8, 77, 16, 1, 0xc2, 0x3e, 0]).await;
    assert_eq!(failure(client.next().await), (77, FailureCode::UnknownVerb));
    // A body that is cut short.
    client.send_bytes(vec![8, 78, 16, 1, 0xaa, 0x01, 5, 1]).await;
    assert_eq!(failure(client.next().await).1, FailureCode::Malformed);
    let mut client = world.session(&owner).await;
    client.send(0, 1, Body::List(List::default())).await;
    assert_eq!(failure(client.next().await), (0, FailureCode::Malformed));
    client.send(9, 55, Body::List(List::default())).await;
    assert_eq!(failure(client.next().await), (9, FailureCode::NoSession));
    // Nothing to cancel, to feed or to close: no answer, or a harmless one.
    client.send(70, 1, Body::Cancel(Cancel {})).await;
    client.send(71, 1, Body::Credit(Credit { bytes: 5 })).await;
    client.send(72, 1, Body::Upload(Upload { data: vec![1].into(), last: true, ..Upload::default() })).await;
    client.send(0, 99, Body::Close(Close {})).await;
    assert!(matches!(client.call(1, Body::List(List::default())).await, Answer::Folders(_)));
    // The same session number twice.
    let opening = owner.opening(&client.welcome.boot_key);
    assert_eq!(client.refused(1, Body::Open(opening)).await, FailureCode::Malformed);
}

#[tokio::test]
async fn bytes_that_are_no_frame_close_the_link() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    client.send_bytes(vec![0xff; 40]).await;
    assert_eq!(failure(client.next().await), (0, FailureCode::Malformed));
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn bad_fields_are_named() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let inbox = client.select(1, INBOX).await;
    let folder = inbox.folder;
    let runs = Some(UidRuns { bounds: vec![5, 3] });
    let fetch = Fetch { folder, uids: runs.clone(), ..Fetch::default() };
    assert_eq!(client.refused(1, Body::Fetch(fetch)).await, FailureCode::Malformed);
    let store = Store { folder, uids: runs, ..Store::default() };
    assert_eq!(client.refused(1, Body::Store(store)).await, FailureCode::Malformed);
    let store = Store { folder, mode: 9, ..Store::default() };
    assert_eq!(client.refused(1, Body::Store(store)).await, FailureCode::Malformed);
    let store = Store { folder, keywords: vec!["a b".into()], ..Store::default() };
    assert_eq!(client.refused(1, Body::Store(store)).await, FailureCode::Malformed);
    let gone = Fetch { folder: 999, items: 1, ..Fetch::default() };
    assert_eq!(client.refused(1, Body::Fetch(gone)).await, FailureCode::NoSuchFolder);
    let select = Select { name: "none".into(), ..Select::default() };
    assert_eq!(client.refused(1, Body::Select(select)).await, FailureCode::NoSuchFolder);
    let sections = vec![SectionWanted::default(); 300];
    let many = Fetch { folder, sections, ..Fetch::default() };
    assert_eq!(client.refused(1, Body::Fetch(many)).await, FailureCode::Limit);
    let status = AppendStatus { token: vec![1, 2].into(), give_up: false };
    assert_eq!(client.refused(1, Body::AppendStatus(status)).await, FailureCode::Malformed);
}

#[tokio::test]
async fn requests_and_sessions_have_limits() {
    let world = World::with(|settings| settings.sessions_max = 2).await;
    let owner = Owner::new(1);
    let mut client = world.session(&owner).await;
    client.open(2, &owner).await;
    let opening = owner.opening(&client.welcome.boot_key);
    assert_eq!(client.refused(3, Body::Open(opening)).await, FailureCode::Limit);
    client.call(2, Body::Close(Close {})).await;
    client.open(3, &owner).await;
    // Uploads that never come keep their requests open.
    for _ in 0..node::limits::REQUESTS_PER_SESSION_MAX {
        client.ask(1, Body::Append(Append { folder: INBOX.into(), size: 5, ..Append::default() })).await;
    }
    assert_eq!(client.refused(1, Body::List(List::default())).await, FailureCode::Limit);
    assert!(matches!(client.call(3, Body::List(List::default())).await, Answer::Folders(_)));
    // Each that is cancelled makes room.
    client.send(client_last(&client), 1, Body::Cancel(Cancel {})).await;
    assert!(client.call(1, Body::List(List::default())).await.is_folders());
}

fn client_last(client: &Client) -> u64 {
    client.last() - 2
}

trait IsFolders {
    fn is_folders(&self) -> bool;
}
impl IsFolders for Answer {
    fn is_folders(&self) -> bool {
        matches!(self, Answer::Folders(_))
    }
}

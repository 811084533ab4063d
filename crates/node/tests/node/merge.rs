//! Backups of waiting mail and of queues come back into the files that are used: what is not there, once, whatever was done since.

use crate::client::INBOX;
use crate::delivery::deliver_waiting;
use crate::queue::{lease, put, settle, settlement};
use crate::world::{Owner, World, delivery_id};
use mailbox::Options;
use mailbox::snapshot::{Pace, Subject, take};
use model::{QueueId, Role};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tonic::{Code, Status};
use vault::NodeKey;
use wire::backup::restore_request::Step;
use wire::backup::{Kind, RestoreBegin, RestoreRequest};
use wire::node::{DeliveryStatusRequest, Outcome};
use wire::queue::{Action, ChangeRequest, ListRequest, Result as Fate};
use wire::session::{Fetch, SectionWanted};

fn message(number: u8) -> Vec<u8> {
    format!("Subject: letter {number}\r\n\r\n{}\r\n", "text ".repeat(2_000)).into_bytes()
}

fn node_key(dir: &Path) -> NodeKey {
    NodeKey::from_file(&dir.join("node.key")).unwrap()
}

/// What a store would have.
fn snapshot(dir: &TempDir, file: &Path, subject: &Subject<'_>) -> Vec<u8> {
    let copy = dir.path().join("copy.sqlite");
    take(file, subject, &Options::default(), &copy, &Pace::hurried()).unwrap();
    let octets = std::fs::read(&copy).unwrap();
    std::fs::remove_file(copy).unwrap();
    octets
}

/// What came, and what was there.
async fn restore(world: &World, kind: Kind, id: &str, octets: &[u8]) -> Result<(u64, u64), Status> {
    let begin = RestoreBegin {
        mailbox_id: id.to_owned(),
        kind: kind.into(),
        bytes: octets.len() as u64,
        sha256: vault::digest(octets).to_vec().into(),
        time: "2026-01-31T04:05:00Z".to_owned(),
        ..RestoreBegin::default()
    };
    let pieces = octets.chunks(50_000).map(|piece| Step::Data(piece.to_vec().into()));
    let steps = std::iter::once(Step::Begin(begin)).chain(pieces).map(|step| RestoreRequest { step: Some(step) });
    let steps: Vec<_> = steps.collect();
    let reply = world.backups(Role::Admin).restore(tokio_stream::iter(steps)).await?.into_inner();
    Ok((reply.messages, reply.there))
}

async fn bodies(world: &World, owner: &Owner) -> Vec<Vec<u8>> {
    let mut client = world.session(owner).await;
    let inbox = client.select(1, INBOX).await;
    let sections = vec![SectionWanted::default()];
    let messages =
        client.fetch(1, Fetch { folder: inbox.folder, uids: inbox.uids, sections, ..Fetch::default() }).await;
    messages.into_iter().map(|message| message.sections[0].data.to_vec()).collect()
}

/// A node without files, under the same key.
async fn anew(dir: TempDir) -> World {
    std::fs::remove_dir_all(dir.path().join("volume")).unwrap();
    World::start(dir, |_| {}).await
}

fn left(world: &World) -> Vec<PathBuf> {
    let files = std::fs::read_dir(world.path().join("volume/restoring")).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

#[tokio::test]
async fn waiting_mail_comes_back_once() {
    let (world, owner) = (World::new().await, Owner::new(1));
    for number in 1..=3 {
        assert_eq!(deliver_waiting(&world, &owner, number, &message(number)).await, Outcome::Waiting);
    }
    let path = world.file("waiting", &owner);
    let dir = world.stop().await;
    let key = node_key(dir.path()).file_key(&owner.mailbox).unwrap();
    let backup = snapshot(&dir, &path, &Subject::Waiting(&key, &owner.mailbox));
    let id = owner.mailbox.to_string();
    // What waits still, and what was drained within a month, does not come twice.
    let world = World::start(dir, |_| {}).await;
    assert_eq!(restore(&world, Kind::Waiting, &id, &backup).await.unwrap(), (0, 3));
    let all: Vec<_> = (1..=3).map(message).collect();
    assert_eq!(bodies(&world, &owner).await, all);
    assert_eq!(restore(&world, Kind::Waiting, &id, &backup).await.unwrap(), (3, 0));
    assert_eq!(bodies(&world, &owner).await, all);
    // Where there is nothing, it comes before what the owner is sent next.
    let world = anew(world.stop().await).await;
    assert_eq!(restore(&world, Kind::Waiting, &id, &backup).await.unwrap(), (3, 0));
    assert_eq!(restore(&world, Kind::Waiting, &id, &backup).await.unwrap(), (0, 3));
    let asked = DeliveryStatusRequest { delivery_id: delivery_id(2).as_bytes().to_vec().into(), mailbox_ids: vec![id] };
    let status = world.mx().delivery_status(asked).await.unwrap().into_inner();
    assert_eq!(status.committed[0].outcome(), Outcome::Waiting);
    assert_eq!(deliver_waiting(&world, &owner, 4, &message(4)).await, Outcome::Waiting);
    assert_eq!(bodies(&world, &owner).await, (1..=4).map(message).collect::<Vec<_>>());
    assert_eq!(left(&world), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_is_no_backup_of_it_changes_nothing() {
    let (world, owner, other) = (World::new().await, Owner::new(1), Owner::new(2));
    assert_eq!(deliver_waiting(&world, &owner, 1, &message(1)).await, Outcome::Waiting);
    let path = world.file("waiting", &owner);
    let dir = world.stop().await;
    let key = node_key(dir.path()).file_key(&owner.mailbox).unwrap();
    let backup = snapshot(&dir, &path, &Subject::Waiting(&key, &owner.mailbox));
    let world = World::start(dir, |_| {}).await;
    let mut damaged = backup.clone();
    damaged[9_000] ^= 1;
    let (own, others) = (owner.mailbox.to_string(), other.mailbox.to_string());
    for (kind, id, octets) in [
        (Kind::Waiting, &own, &damaged),
        (Kind::Waiting, &others, &backup),
        (Kind::Queue, &own, &backup),
        (Kind::Waiting, &own, &vec![7; 20_000]),
    ] {
        let refused = restore(&world, kind, id, octets).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    }
    let refused = restore(&world, Kind::Catalogue, &own, &backup).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(!world.file("waiting", &other).exists());
    assert_eq!(bodies(&world, &owner).await, [message(1)]);
    assert_eq!(left(&world), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_queue_comes_back_held_and_once() {
    let world = World::new().await;
    for number in 1..=3 {
        put(&world, number, &[&format!("to-{number}@one.example")]).await;
    }
    let folder = world.path().join("volume/queue");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let path = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "db")).unwrap();
    let queue: QueueId = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let dir = world.stop().await;
    let key = node_key(dir.path()).queue_key(&queue).unwrap();
    let (backup, id) = (snapshot(&dir, &path, &Subject::Queue(&key, &queue)), queue.to_string());
    let world = World::start(dir, |_| {}).await;
    let sent = lease(&world, 1, 0).await.remove(0);
    settle(&world, &sent, vec![settlement("to-1@one.example", Fate::Delivered)]).await.unwrap();
    assert_eq!(restore(&world, Kind::Queue, &id, &backup).await.unwrap(), (1, 2));
    assert_eq!(restore(&world, Kind::Queue, &id, &backup).await.unwrap(), (0, 3));
    let held = async |world: &World| {
        let request = ListRequest { limit: 10, ..ListRequest::default() };
        let entries = world.queue(Role::Admin).list(request).await.unwrap().into_inner().entries;
        let recipients = entries.into_iter().flat_map(|entry| entry.recipients).filter(|one| one.held);
        recipients.map(|one| (one.address, one.held_why)).collect::<Vec<_>>()
    };
    let why = "restored from a backup of 2026-01-31T04:05:00Z: it may have been sent since".to_owned();
    assert_eq!(held(&world).await, [("to-1@one.example".to_owned(), why)]);
    assert_eq!(lease(&world, 10, 0).await.len(), 2);
    // A node that has that queue no more takes all of it.
    let world = anew(world.stop().await).await;
    assert_eq!(restore(&world, Kind::Queue, &id, &backup).await.unwrap(), (3, 0));
    assert_eq!(restore(&world, Kind::Queue, &id, &backup).await.unwrap(), (0, 3));
    assert_eq!((held(&world).await.len(), lease(&world, 10, 0).await.len()), (3, 0));
    let release = ChangeRequest { all: true, action: Action::Release.into(), ..ChangeRequest::default() };
    assert_eq!(world.queue(Role::Admin).change(release).await.unwrap().into_inner().recipients, 3);
    assert_eq!(lease(&world, 10, 0).await.len(), 3);
    assert_eq!(left(&world), Vec::<PathBuf>::new());
    // Another node's key opens nothing of it.
    let refused = restore(&World::new().await, Kind::Queue, &id, &backup).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
}

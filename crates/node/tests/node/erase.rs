//! Erasing as the command line, workers and those who have the mailbox cached meet it: nothing is left, and nothing comes back,
//! after a restart neither.

use crate::delivery::{MESSAGE, Stream, deliver_waiting};
use crate::world::{Owner, World};
use model::Role;
use std::fs;
use std::path::{Path, PathBuf};
use tonic::Status;
use wire::backup::restore_request::Step;
use wire::backup::{RestoreBegin, RestoreRequest, Snapshot, StagedRequest, UploadedRequest};
use wire::node::{EraseRequest, ErasedFile, Outcome, Verdict};
use wire::session::client_frame::Body;
use wire::session::server_frame::Body as Answer;
use wire::session::{FailureCode, Snapshot as Ask};

async fn erase(world: &World, owner: &Owner) -> Result<Vec<ErasedFile>, Status> {
    let request = EraseRequest { mailbox_id: owner.mailbox.to_string() };
    Ok(world.grpc(Role::Admin).erase(request).await?.into_inner().files)
}

async fn staged(world: &World) -> Vec<Snapshot> {
    let request = StagedRequest { wait_ms: 0, at_most: 100, after: None };
    let reply = world.backups(Role::Backup).staged(request).await.unwrap().into_inner();
    let queue = wire::backup::Kind::Queue;
    reply.snapshots.into_iter().filter(|snapshot| snapshot.kind() != queue).collect()
}

/// Files and folders below this one with the mailbox's id in their names.
fn named(folder: &Path, owner: &Owner) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.file_name().unwrap().to_string_lossy().contains(&owner.mailbox.to_string()) {
            found.push(path.clone());
        }
        if path.is_dir() {
            found.extend(named(&path, owner));
        }
    }
    found
}

/// A restore of these octets, or of none.
async fn restore(world: &World, owner: &Owner, boot_key: &[u8], octets: &[u8]) -> Result<(), Status> {
    let begin = RestoreBegin {
        mailbox_id: owner.mailbox.to_string(),
        sealed_key: owner.opening(boot_key).sealed_key,
        bytes: octets.len() as u64,
        sha256: vault::digest(octets).to_vec().into(),
        ..RestoreBegin::default()
    };
    let steps = [Step::Begin(begin), Step::Data(octets.to_vec().into())];
    let steps = steps.map(|step| RestoreRequest { step: Some(step) });
    world.backups(Role::Admin).restore(tokio_stream::iter(steps)).await.map(drop)
}

/// Nobody gets in: neither mail, nor an owner whose front-end has not heard of it and thinks that the mailbox is new, nor a backup.
async fn stays_erased(world: &World, owner: &Owner, backup: &[u8]) {
    let mut stream = Stream::begin(world, 9).await;
    assert_eq!(stream.admit(owner).await, Verdict::WrongNode);
    drop(stream);
    let mut client = world.link(owner).await;
    let boot_key = client.welcome.boot_key.clone();
    let answer = client.call(1, Body::Open(owner.opening(&boot_key))).await;
    let Answer::Failure(failure) = answer else { panic!("{answer:?}") };
    assert_eq!(failure.code(), FailureCode::WrongNode);
    assert!(restore(world, owner, &boot_key, backup).await.is_err());
    assert_eq!(named(world.path(), owner), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_was_erased_does_not_come_back() {
    let world = World::new().await;
    let (owner, other) = (Owner::new(1), Owner::new(2));
    let mut client = world.session(&owner).await;
    client.append_inbox(1, MESSAGE).await;
    let Answer::Snapshotted(taken) = client.call(1, Body::Snapshot(Ask {})).await else { panic!("no snapshot") };
    let staged_file = world.path().join("volume/staging").join(format!("{}.sqlite", taken.id));
    let backup = fs::read(&staged_file).unwrap();
    let boot_key = client.welcome.boot_key.clone();
    restore(&world, &owner, &boot_key, &backup).await.unwrap();
    drop(client);
    assert_eq!(deliver_waiting(&world, &owner, 3, MESSAGE).await, Outcome::Waiting);
    assert_eq!(deliver_waiting(&world, &other, 4, MESSAGE).await, Outcome::Waiting);
    drop(world.session(&other).await);
    let file = |owner| (world.file("mailboxes", owner), world.file("waiting", owner));
    let (others, never) = (file(&other), file(&owner));

    let removed = erase(&world, &owner).await.unwrap();
    for file in &removed {
        assert!(Path::new(&file.path).is_absolute() && !Path::new(&file.path).exists(), "{file:?}");
    }
    let mut names: Vec<&str> = removed.iter().map(|file| file.name.split('/').next().unwrap()).collect();
    // What lies beside a file is named after it.
    names.retain(|name| !name.contains("mailbox-") && !name.contains("mail-"));
    names.dedup();
    assert_eq!(names, ["a snapshot on its way", "mailbox", "waiting mail", "aside"]);
    assert!(!staged_file.exists());
    assert_eq!(erase(&world, &owner).await.unwrap(), [], "nothing is left");
    stays_erased(&world, &owner, &backup).await;
    // The process that comes next knows it, too.
    let world = world.restart().await;
    stays_erased(&world, &owner, &backup).await;
    assert!(others.0.exists() && !never.0.exists() && !never.1.exists());
    drop(world.session(&other).await);
    world.stop().await;
}

#[tokio::test]
async fn a_worker_follows_an_erasure_until_it_says_so() {
    let world = World::new().await;
    let owner = Owner::new(3);
    let mut client = world.session(&owner).await;
    client.append_inbox(1, MESSAGE).await;
    let Answer::Snapshotted(taken) = client.call(1, Body::Snapshot(Ask {})).await else { panic!("no snapshot") };
    drop(client);
    erase(&world, &owner).await.unwrap();
    // An upload that was under way ends now, and says so.
    world.backups(Role::Backup).uploaded(UploadedRequest { id: taken.id, ..Default::default() }).await.unwrap();
    let world = world.restart().await;
    let waits = staged(&world).await;
    let id = owner.mailbox.to_string();
    assert_eq!(waits, [Snapshot { erased: true, kind: 1, id: id.clone(), subject: id.clone(), ..Snapshot::default() }]);
    world.backups(Role::Backup).uploaded(UploadedRequest { id, ..Default::default() }).await.unwrap();
    assert_eq!(staged(&world).await, []);
    world.stop().await;
}

#[tokio::test]
async fn mail_under_way_ends_with_the_mailbox() {
    let world = World::new().await;
    let owner = Owner::new(4);
    let mut stream = Stream::begin(&world, 5).await;
    assert_eq!(stream.admit(&owner).await, Verdict::Waiting);
    erase(&world, &owner).await.unwrap();
    let size = stream.sealed(&owner, 5, MESSAGE).await;
    assert_eq!(stream.commit(0, size).await, [(owner.mailbox.to_string(), Outcome::Failed)]);
    assert_eq!(named(world.path(), &owner), Vec::<PathBuf>::new());
    world.stop().await;
}

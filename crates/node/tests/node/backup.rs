//! Snapshots as owners, workers and operators meet them: staged once, fetched whole, kept over a restart, and put back in place.

use crate::client::Client;
use crate::world::{Owner, PATIENCE, World, eventually};
use model::Role;
use std::fs;
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Code, Status};
use wire::backup::backup_client::BackupClient;
use wire::backup::restore_request::Step;
use wire::backup::{
    FailedRequest, ReadRequest, RestoreBegin, RestoreReply, RestoreRequest, Snapshot, StagedRequest, StateReply,
    StateRequest, UploadedRequest,
};
use wire::session::client_frame::Body;
use wire::session::server_frame::Body as Answer;
use wire::session::{FailureCode, Snapshot as Ask, Snapshotted, Status as FolderStatus};

fn backups(world: &World, role: Role) -> BackupClient<Channel> {
    let channel = wire::grpc::connect(&world.grpc.to_string(), Role::Node, world.client_tls(role)).unwrap();
    wire::grpc::backup_client(channel)
}

async fn take(client: &mut Client) -> Snapshotted {
    let Answer::Snapshotted(taken) = client.call(1, Body::Snapshot(Ask {})).await else { panic!("no snapshot") };
    taken
}

/// Those of mailboxes; the queue is copied by itself.
async fn staged(world: &World) -> Vec<Snapshot> {
    let request = StagedRequest { wait_ms: 0, at_most: 100, after: None };
    let reply = backups(world, Role::Backup).staged(request).await.unwrap().into_inner();
    let kind = wire::backup::Kind::Mailbox;
    reply.snapshots.into_iter().filter(|snapshot| snapshot.kind() == kind).collect()
}

/// Waits for the snapshot that has so many messages. Its file is there before its row is: only the node knows that it is staged.
async fn until_staged(world: &World, messages: u64) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while !staged(world).await.iter().map(|each| each.messages).eq([messages]) {
        assert!(tokio::time::Instant::now() < until, "never staged: {messages} messages");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn read(world: &World, id: &str, offset: u64) -> Result<Vec<u8>, Status> {
    let request = ReadRequest { id: id.to_owned(), offset };
    let mut stream = backups(world, Role::Backup).read(request).await?.into_inner();
    let mut whole = Vec::new();
    while let Some(piece) = stream.message().await? {
        whole.extend_from_slice(&piece.data);
    }
    Ok(whole)
}

async fn state(world: &World, owner: &Owner) -> StateReply {
    let request = StateRequest { mailbox_id: owner.mailbox.to_string() };
    backups(world, Role::Admin).state(request).await.unwrap().into_inner()
}

async fn restore(world: &World, owner: &Owner, octets: &[u8], sha256: &[u8]) -> Result<RestoreReply, Status> {
    let opening = owner.opening(&state(world, owner).await.boot_key);
    let begin = RestoreBegin {
        mailbox_id: opening.mailbox_id,
        sealed_key: opening.sealed_key,
        bytes: octets.len() as u64,
        sha256: sha256.to_vec().into(),
        ..RestoreBegin::default()
    };
    let data = octets.chunks(100_000).map(|piece| Step::Data(piece.to_vec().into()));
    let steps = std::iter::once(Step::Begin(begin)).chain(data).map(|step| RestoreRequest { step: Some(step) });
    let steps: Vec<_> = steps.collect();
    let mut backups = backups(world, Role::Admin);
    let reply = tokio::time::timeout(PATIENCE, backups.restore(tokio_stream::iter(steps)));
    Ok(reply.await.expect("silence")?.into_inner())
}

async fn messages(client: &mut Client) -> Result<u32, FailureCode> {
    match client.call(1, Body::Status(FolderStatus { name: "INBOX".to_owned() })).await {
        Answer::FolderStatus(status) => Ok(status.messages),
        Answer::Failure(failure) => Err(failure.code()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_snapshot_waits_until_a_worker_says_that_it_is_kept() {
    let world = World::new().await;
    let owner = Owner::new(1);
    let mut client = world.session(&owner).await;
    client.append_inbox(1, b"Subject: one\r\n\r\nbody\r\n").await;
    let taken = take(&mut client).await;
    assert_eq!((taken.messages, taken.unchanged), (1, false));
    let again = take(&mut client).await;
    assert_eq!((&again.id, again.unchanged), (&taken.id, true));

    let waits = staged(&world).await;
    assert_eq!(waits.len(), 1);
    assert_eq!((&waits[0].id, &waits[0].sha256, waits[0].bytes), (&taken.id, &taken.sha256, taken.bytes));
    let whole = read(&world, &taken.id, 0).await.unwrap();
    assert_eq!(vault::digest(&whole), taken.sha256[..]);
    assert_eq!(read(&world, &taken.id, 5000).await.unwrap(), whole[5000..]);
    assert!(!whole.windows(7).any(|octets| octets == b"Subject"));

    let failed = FailedRequest { id: taken.id.clone(), why: "no such bucket".to_owned(), differs: false };
    backups(&world, Role::Backup).failed(failed).await.unwrap();
    assert_eq!(state(&world, &owner).await.why, "no such bucket");
    // What a newer one has, the older one need not be kept for.
    client.append_inbox(1, b"Subject: two\r\n\r\nbody\r\n").await;
    let newer = take(&mut client).await;
    assert_eq!(staged(&world).await.iter().map(|each| &each.id).collect::<Vec<_>>(), [&newer.id]);
    assert_eq!(read(&world, &taken.id, 0).await.unwrap_err().code(), Code::NotFound);

    // It outlives a restart, and what was not finished does not.
    let stage = world.path().join("volume/staging");
    fs::write(stage.join("abcdefabcdefabcdefabcdef.sqlite.part"), b"cut off").unwrap();
    drop(client);
    let world = world.restart().await;
    assert!(!stage.join("abcdefabcdefabcdefabcdef.sqlite.part").exists());
    assert_eq!(staged(&world).await.iter().map(|each| &each.id).collect::<Vec<_>>(), [&newer.id]);
    for _ in 0..2 {
        backups(&world, Role::Backup)
            .uploaded(UploadedRequest { id: newer.id.clone(), ..UploadedRequest::default() })
            .await
            .unwrap();
    }
    assert_eq!(staged(&world).await, []);
    let state = state(&world, &owner).await;
    assert_eq!((state.uploaded, state.late, state.due_since_ms), (true, false, 0));
    assert!(!stage.join(format!("{}.sqlite", newer.id)).exists());
    world.stop().await;
}

#[tokio::test]
async fn what_waits_is_told_in_pages() {
    let world = World::new().await;
    let mut taken = Vec::new();
    for number in 1..=3 {
        let mut client = world.session(&Owner::new(number)).await;
        client.append_inbox(1, b"Subject: one\r\n\r\nbody\r\n").await;
        taken.push(take(&mut client).await.id);
    }
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let request = StagedRequest { wait_ms: 0, at_most: 1, after: after.take() };
        let mut page = backups(&world, Role::Backup).staged(request).await.unwrap().into_inner().snapshots;
        let Some(last) = page.pop() else { break };
        found.push((last.kind(), last.id.clone()));
        after = Some(last);
    }
    found.retain(|(kind, _)| *kind == wire::backup::Kind::Mailbox);
    assert_eq!(found.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), taken);
    world.stop().await;
}

#[tokio::test]
async fn only_a_worker_fetches_and_only_the_operator_restores() {
    let world = World::new().await;
    for role in [Role::Imap, Role::Mx, Role::Node, Role::Admin] {
        let refused =
            backups(&world, role).staged(StagedRequest { wait_ms: 0, at_most: 1, after: None }).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{role}");
    }
    for role in [Role::Imap, Role::Mx, Role::Backup] {
        let refused = backups(&world, role).restore(tokio_stream::iter([RestoreRequest::default()])).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{role}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_restore_replaces_the_mailbox_or_touches_nothing() {
    let world = World::new().await;
    let owner = Owner::new(2);
    let mut client = world.session(&owner).await;
    client.append_inbox(1, b"Subject: kept\r\n\r\nbody\r\n").await;
    let taken = take(&mut client).await;
    let whole = read(&world, &taken.id, 0).await.unwrap();
    client.append_inbox(1, b"Subject: later\r\n\r\nbody\r\n").await;

    let mut bad = whole.clone();
    bad[9000] ^= 1;
    assert_eq!(restore(&world, &owner, &bad, &taken.sha256).await.unwrap_err().code(), Code::FailedPrecondition);
    // Its digest is right, and it is damaged all the same.
    let digest = vault::digest(&bad);
    assert_eq!(restore(&world, &owner, &bad, &digest).await.unwrap_err().code(), Code::FailedPrecondition);
    // Somebody else's key does not open it.
    let stranger = Owner { mailbox: owner.mailbox, ..Owner::new(9) };
    assert_eq!(restore(&world, &stranger, &whole, &taken.sha256).await.unwrap_err().code(), Code::FailedPrecondition);
    assert_eq!(messages(&mut client).await, Ok(2));
    assert_eq!(fs::read_dir(world.path().join("volume/restoring")).unwrap().count(), 0);

    let reply = restore(&world, &owner, &whole, &taken.sha256).await.unwrap();
    assert_eq!(reply.messages, 1);
    assert!(world.path().join("volume").join(&reply.aside).is_file());
    // Who was there opens a new session; the file that they had is nobody's.
    assert_eq!(messages(&mut client).await, Err(FailureCode::NoSession));
    let mut client = world.session(&owner).await;
    assert_eq!(messages(&mut client).await, Ok(1));
    client.append_inbox(1, b"Subject: after\r\n\r\nbody\r\n").await;
    assert!(!take(&mut client).await.unchanged);
    drop(client);
    let world = world.restart().await;
    let mut client = world.session(&owner).await;
    assert_eq!(messages(&mut client).await, Ok(2));
    drop(client);
    world.stop().await;
}

#[tokio::test]
async fn a_turn_that_has_come_stages_a_snapshot_of_whoever_is_signed_in() {
    let world = World::with(|settings| settings.snapshot_interval = Duration::from_millis(300)).await;
    let owner = Owner::new(5);
    let mut client = world.session(&owner).await;
    for messages in 1..=2 {
        client.append_inbox(1, b"Subject: new\r\n\r\nbody\r\n").await;
        // Nobody asks and nobody leaves. One that was begun before the message came is followed by another.
        until_staged(&world, messages).await;
    }
    drop(client);
    world.stop().await;
}

#[tokio::test]
async fn the_last_sign_out_leaves_a_snapshot_of_what_has_changed() {
    // So short that the first change is old enough.
    let world = World::with(|settings| settings.snapshot_interval = Duration::from_millis(1)).await;
    let owner = Owner::new(3);
    let mut client = world.session(&owner).await;
    client.append_inbox(1, b"Subject: one\r\n\r\nbody\r\n").await;
    let before = take(&mut client).await;
    client.append_inbox(1, b"Subject: two\r\n\r\nbody\r\n").await;
    drop(client);
    let folder = world.path().join("volume/staging");
    let is_gone = || !folder.join(format!("{}.sqlite", before.id)).exists();
    eventually("a newer snapshot takes the place", is_gone).await;
    assert_eq!(staged(&world).await.iter().map(|each| each.messages).collect::<Vec<_>>(), [2]);
    world.stop().await;
}

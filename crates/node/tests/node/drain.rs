//! Mail that waited: in order, exactly once.

use crate::client::{Client, INBOX};
use crate::delivery::{MESSAGE, Stream, deliver_waiting};
use crate::world::{Gate, Owner, World, delivery_id, eventually};
use std::path::Path;
use wire::node::{Outcome, Verdict};
use wire::session::client_frame::Body;
use wire::session::*;

fn message(number: u8) -> Vec<u8> {
    format!("Subject: number {number}\r\n\r\nwaited\r\n").into_bytes()
}

/// The bodies of INBOX, in UID order.
async fn bodies(client: &mut Client) -> Vec<Vec<u8>> {
    let inbox = client.select(1, INBOX).await;
    let fetch =
        Fetch { folder: inbox.folder, uids: inbox.uids, sections: vec![SectionWanted::default()], ..Fetch::default() };
    let messages = client.fetch(1, fetch).await;
    messages.into_iter().map(|message| message.sections[0].data.to_vec()).collect()
}

#[tokio::test]
async fn what_waited_is_there_in_order_when_the_owner_signs_in() {
    let (world, owner) = (World::new().await, Owner::new(1));
    for number in 1..=5 {
        assert_eq!(deliver_waiting(&world, &owner, number, &message(number)).await, Outcome::Waiting);
    }
    let large = [message(6), b"0123456789abcdef\r\n".repeat(10_000)].concat();
    assert_eq!(deliver_waiting(&world, &owner, 6, &large).await, Outcome::Waiting);
    assert!(world.file("waiting", &owner).exists());
    let world = world.restart().await;
    let mut client = world.session(&owner).await;
    let expected: Vec<_> = (1..=5).map(message).chain([large]).collect();
    assert_eq!(bodies(&mut client).await, expected);
    eventually("the waiting file is gone", || !world.file("waiting", &owner).exists()).await;
    // Open now: what comes goes straight in.
    let mut stream = Stream::begin(&world, 9).await;
    assert_eq!(stream.admit(&owner).await, Verdict::Open);
}

/// The log first: one that is moved into the file meanwhile is in the copy twice, and not missing from it.
fn copy_files(from: &Path, to: &Path) {
    for suffix in ["-wal", ""] {
        let name = |path: &Path| std::path::PathBuf::from(format!("{}{suffix}", path.display()));
        if name(from).exists() {
            std::fs::copy(name(from), name(to)).unwrap();
        }
    }
}

#[tokio::test]
async fn a_crash_between_the_commit_and_the_removal_doubles_nothing() {
    let (world, owner) = (World::new().await, Owner::new(1));
    for number in 1..=3 {
        deliver_waiting(&world, &owner, number, &message(number)).await;
    }
    let file = world.file("waiting", &owner);
    let aside = world.path().join("aside.db");
    copy_files(&file, &aside);
    let mut client = world.session(&owner).await;
    assert_eq!(bodies(&mut client).await.len(), 3);
    drop(client);
    // As if the machine had stopped after the mailbox's commit and before the waiting file's: it holds them all again.
    let dir = world.stop().await;
    copy_files(&aside, &file);
    let world = World::start(dir, |_| {}).await;
    let mut client = world.session(&owner).await;
    assert_eq!(bodies(&mut client).await, [message(1), message(2), message(3)]);
    eventually("the waiting file is gone", || !file.exists()).await;
}

#[tokio::test]
async fn many_messages_keep_their_order_whatever_was_drained_before() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let file = world.file("waiting", &owner);
    let aside = world.path().join("aside.db");
    // More than one commit takes, some of them long.
    let text = |number: u8| {
        let lines = if number % 40 == 7 { 10_000 } else { 1 };
        [message(number), b"0123456789abcdef\r\n".repeat(lines)].concat()
    };
    for number in 1..=150 {
        deliver_waiting(&world, &owner, number, &text(number)).await;
        if number == 100 {
            // Drained now, they are in the mailbox; what waits is put back behind them.
            copy_files(&file, &aside);
        }
    }
    let all: Vec<_> = (1..=150).map(text).collect();
    let mut client = world.session(&owner).await;
    eventually("the waiting file is gone", || !file.exists()).await;
    assert!(bodies(&mut client).await == all);
    drop(client);
    let dir = world.stop().await;
    copy_files(&aside, &file);
    let world = World::start(dir, |_| {}).await;
    let mut client = world.session(&owner).await;
    eventually("the waiting file is gone", || !file.exists()).await;
    assert!(bodies(&mut client).await == all);
}

#[tokio::test]
async fn a_retry_after_the_drain_is_known() {
    let (world, owner) = (World::new().await, Owner::new(1));
    deliver_waiting(&world, &owner, 1, MESSAGE).await;
    let mut client = world.session(&owner).await;
    let mut stream = Stream::begin(&world, 1).await;
    assert_eq!(stream.admit(&owner).await, Verdict::Open);
    stream.plain(MESSAGE).await;
    assert_eq!(stream.commit(MESSAGE.len() as u64, 0).await[0].1, Outcome::Already);
    assert_eq!(bodies(&mut client).await, [MESSAGE]);
}

#[tokio::test]
async fn what_was_admitted_as_waiting_follows_when_the_owner_has_come() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut stream = Stream::begin(&world, 1).await;
    assert_eq!(stream.admit(&owner).await, Verdict::Waiting);
    let mut client = world.session(&owner).await;
    client.select(1, INBOX).await;
    let size = stream.sealed(&owner, 1, MESSAGE).await;
    assert_eq!(stream.commit(0, size).await[0].1, Outcome::Waiting);
    assert_eq!(client.push(1).await.appended[0].uid, 1);
    assert_eq!(bodies(&mut client).await, [MESSAGE]);
    eventually("the waiting file is gone", || !world.file("waiting", &owner).exists()).await;
}

#[tokio::test]
async fn what_comes_while_the_owner_is_signing_in_follows() {
    static GATE: Gate = Gate::open();
    let (world, owner) = (World::with(|settings| settings.clock = || GATE.time()).await, Owner::new(1));
    let mut stream = Stream::begin(&world, 1).await;
    assert_eq!(stream.admit(&owner).await, Verdict::Waiting);
    GATE.set_closed(true);
    let mut client = world.link(&owner).await;
    let opening = client.ask(1, Body::Open(owner.opening(&client.welcome.boot_key))).await;
    eventually("the file is being made", || GATE.waiting() == 1).await;
    // The drain has found nothing by now, and the mailbox is not open yet.
    let size = stream.sealed(&owner, 1, MESSAGE).await;
    assert_eq!(stream.commit(0, size).await[0].1, Outcome::Waiting);
    GATE.set_closed(false);
    assert!(matches!(client.answer(opening).await[..], [server_frame::Body::Opened(_)]));
    eventually("the waiting file is gone", || !world.file("waiting", &owner).exists()).await;
    assert_eq!(bodies(&mut client).await, [MESSAGE]);
}

#[tokio::test]
async fn a_message_that_does_not_open_stays_and_holds_nobody_up() {
    let (world, owner, stranger) = (World::new().await, Owner::new(1), Owner::new(1));
    deliver_waiting(&world, &owner, 1, &message(1)).await;
    // Sealed for another key.
    deliver_waiting(&world, &stranger, 2, &message(2)).await;
    deliver_waiting(&world, &owner, 3, &message(3)).await;
    // Cut short: whole in the file, but not what was sealed.
    let mut stream = Stream::begin(&world, 4).await;
    stream.admit(&owner).await;
    let (body, wrap) = owner.sealed(delivery_id(4), &message(4));
    let cut = body[..body.len() - 1].to_vec();
    let size = cut.len() as u64;
    stream.send(wire::node::deliver_request::Step::Sealed(wire::node::Sealed { data: cut.into() })).await;
    let wrap = wire::node::Wrap { mailbox_id: owner.mailbox.to_string(), wrap: wrap.into() };
    stream.send(wire::node::deliver_request::Step::Wrap(wrap)).await;
    assert_eq!(stream.commit(0, size).await[0].1, Outcome::Waiting);

    let mut client = world.session(&owner).await;
    assert_eq!(bodies(&mut client).await, [message(1), message(3)]);
    assert!(world.file("waiting", &owner).exists());
    client.call(1, Body::Close(Close {})).await;
    let mut client = world.session(&owner).await;
    assert_eq!(bodies(&mut client).await, [message(1), message(3)]);
}

#[tokio::test]
async fn nothing_that_waits_is_readable() {
    let (world, owner) = (World::new().await, Owner::new(1));
    deliver_waiting(&world, &owner, 1, MESSAGE).await;
    for suffix in ["", "-wal"] {
        let path = format!("{}{suffix}", world.file("waiting", &owner).display());
        let Ok(bytes) = std::fs::read(path) else { continue };
        assert!(!bytes.windows(9).any(|window| window == b"by pigeon" || window == b"delivered"));
        assert!(!bytes.starts_with(b"SQLite format 3"));
    }
}

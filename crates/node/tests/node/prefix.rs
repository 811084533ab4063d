//! Fields that come at the end of a delivery and stand in front of its message, in the clear, sealed, and at the drain.

use crate::client::{Client, INBOX};
use crate::delivery::{MESSAGE, Stream};
use crate::world::{Letter, Owner, World, delivery_id, eventually};
use wire::node::deliver_request::Step;
use wire::node::{Commit, Outcome, Sealed, Verdict, Wrap};
use wire::session::{Fetch, SectionWanted};

const PREFIX: &[u8] = b"Return-Path: <a@b>\r\nReceived: from c\r\n\tby d;\r\n\tnow\r\n";

async fn deliver_open(world: &World, owner: &Owner, number: u8, message: &[u8], junk: bool) -> Outcome {
    let mut stream = Stream::begin(world, number).await;
    assert_eq!(stream.admit(owner).await, Verdict::Open);
    for piece in message.chunks(100_000) {
        stream.plain(piece).await;
    }
    let junk_mailbox_ids = if junk { vec![owner.mailbox.to_string()] } else { Vec::new() };
    let commit =
        Commit { plain_size: message.len() as u64, prefix: PREFIX.into(), junk_mailbox_ids, ..Commit::default() };
    stream.commit_with(commit).await.remove(0).1
}

async fn deliver_sealed(world: &World, owner: &Owner, number: u8, letter: Letter, junk: bool) -> Outcome {
    let mut stream = Stream::begin(world, number).await;
    assert_eq!(stream.admit(owner).await, Verdict::Waiting);
    let sealed_size = letter.body.len() as u64;
    for piece in letter.body.chunks(100_000) {
        stream.send(Step::Sealed(Sealed { data: piece.to_vec().into() })).await;
    }
    let mailbox_id = owner.mailbox.to_string();
    let junk_mailbox_ids = if junk { vec![mailbox_id.clone()] } else { Vec::new() };
    stream.send(Step::Wrap(Wrap { mailbox_id, wrap: letter.wrap.into() })).await;
    let commit = Commit { sealed_size, sealed_prefix: letter.prefix.into(), junk_mailbox_ids, ..Commit::default() };
    stream.commit_with(commit).await.remove(0).1
}

/// Every message of the folder, and the size that is said of it.
async fn messages(client: &mut Client, folder: &str) -> Vec<Vec<u8>> {
    let selected = client.select(1, folder).await;
    let sections = vec![SectionWanted::default()];
    let fetch = Fetch { folder: selected.folder, uids: selected.uids, sections, ..Fetch::default() };
    let messages = client.fetch(1, fetch).await;
    messages.into_iter().map(|message| message.sections[0].data.to_vec()).collect()
}

fn whole(message: &[u8]) -> Vec<u8> {
    [PREFIX, message].concat()
}

fn large() -> Vec<u8> {
    [MESSAGE, &b"0123456789abcdef\r\n".repeat(150_000)].concat()
}

#[tokio::test]
async fn an_open_mailbox_gets_both_as_one_message() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    assert_eq!(deliver_open(&world, &owner, 1, MESSAGE, false).await, Outcome::Stored);
    assert_eq!(deliver_open(&world, &owner, 2, &large(), false).await, Outcome::Stored);
    assert_eq!(deliver_open(&world, &owner, 3, b"junk", true).await, Outcome::Stored);
    assert!(messages(&mut client, INBOX).await == [whole(MESSAGE), whole(&large())]);
    assert_eq!(messages(&mut client, "Junk").await, [whole(b"junk")]);
}

#[tokio::test]
async fn what_waited_has_it_too() {
    let (world, owner) = (World::new().await, Owner::new(1));
    for (number, message, junk) in [(1, MESSAGE.to_vec(), false), (2, large(), false), (3, b"junk".to_vec(), true)] {
        let letter = owner.sealed_behind(delivery_id(number), PREFIX, &message);
        assert_eq!(deliver_sealed(&world, &owner, number, letter, junk).await, Outcome::Waiting);
    }
    let world = world.restart().await;
    let mut client = world.session(&owner).await;
    assert!(messages(&mut client, INBOX).await == [whole(MESSAGE), whole(&large())]);
    assert_eq!(messages(&mut client, "Junk").await, [whole(b"junk")]);
    eventually("the waiting file is gone", || !world.file("waiting", &owner).exists()).await;
}

#[tokio::test]
async fn fields_that_do_not_open_keep_the_message_where_it_is() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut changed = owner.sealed_behind(delivery_id(1), PREFIX, MESSAGE);
    changed.prefix[0] ^= 1;
    let odd = owner.sealed_behind(delivery_id(2), b"no field\r\n", MESSAGE);
    for (number, letter) in [(1, changed), (2, odd)] {
        assert_eq!(deliver_sealed(&world, &owner, number, letter, false).await, Outcome::Waiting);
    }
    let mut client = world.session(&owner).await;
    assert_eq!(messages(&mut client, INBOX).await, Vec::<Vec<u8>>::new());
    assert!(world.file("waiting", &owner).exists());
}

//! The full-text index: filled while the mailbox is open, and never needed for a right answer.

use crate::client::INBOX;
use crate::world::{Owner, World, eventually};
use mailbox::{IndexState, Options, Reader};
use wire::session::search_key::Key;

fn state(world: &World, owner: &Owner) -> IndexState {
    let file = world.file("mailboxes", owner);
    Reader::open(&file, &owner.key, &owner.mailbox, &Options::default()).unwrap().index_state().unwrap()
}

#[tokio::test]
async fn mail_is_indexed_once_the_mailbox_is_quiet_and_found_all_the_while() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let folder = client.select(1, INBOX).await.folder;
    for number in 1..=100u32 {
        let message = format!("Subject: letter {number}\r\n\r\nby pigeon {}\r\n", number % 10);
        client.append_inbox(1, message.as_bytes()).await;
    }
    let by_text = |text: &str| Key::Text(text.to_owned());
    let before = client.found(1, folder, by_text("PIGEON 7")).await;
    eventually("all of it is indexed", || state(&world, &owner) == IndexState { indexed: 100, waiting: 0 }).await;
    // Found comes as runs: first, last, first, last, …
    let expected: Vec<u32> = (0..10).flat_map(|tens| [tens * 10 + 7; 2]).collect();
    assert_eq!((before, client.found(1, folder, by_text("PIGEON 7")).await), (expected.clone(), expected));
    // What comes later is found before and after its turn.
    client.append_inbox(1, b"Subject: late\r\n\r\nby pigeon 7\r\n").await;
    assert_eq!(client.found(1, folder, by_text("pigeon 7")).await.last(), Some(&101));
    eventually("the late one is indexed", || state(&world, &owner).waiting == 0).await;
    assert_eq!(client.found(1, folder, by_text("late")).await, [101, 101]);
}

#[tokio::test]
async fn what_a_stop_left_over_is_indexed_when_the_mailbox_is_opened_again() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    for number in 1..=20u32 {
        client.append_inbox(1, format!("Subject: letter {number}\r\n\r\n").as_bytes()).await;
    }
    let world = world.restart().await;
    let mut client = world.session(&owner).await;
    eventually("all of it is indexed", || state(&world, &owner) == IndexState { indexed: 20, waiting: 0 }).await;
    let folder = client.select(1, INBOX).await.folder;
    assert_eq!(client.found(1, folder, Key::Text("letter 20".to_owned())).await, [20, 20]);
}

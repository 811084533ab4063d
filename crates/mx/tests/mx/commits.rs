//! What is acknowledged, when nodes break off at each step of a delivery.

use crate::client::UNAVAILABLE;
use crate::node::Trouble;
use crate::world::{World, hasty, mailbox};
use model::limits::CREDIT_BYTES;
use mx::limits::REPLAY_BYTES_MAX;
use wire::node::{Outcome, Verdict};

const PUT_OFF: &str = "451 4.3.0 Not stored, try again later";

/// Too long to be sent again, and longer than what a node that is gone has given credit for.
fn large() -> Vec<u8> {
    let line = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n";
    line.repeat((REPLAY_BYTES_MAX + 2 * CREDIT_BYTES as usize) / line.len())
}

/// Who has how many copies.
fn copies(world: &World) -> Vec<(&'static str, usize)> {
    let stored = world.stored();
    let count = |name| stored.iter().filter(|one| one.mailbox == mailbox(name)).count();
    ["ann", "bea", "cay"].into_iter().map(|name| (name, count(name))).collect()
}

async fn send(world: &World, recipients: &[&str], message: &[u8]) -> String {
    let reply = world.client().await.message(recipients, message).await;
    reply.split(" as ").next().unwrap().to_owned()
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_and_nothing_is_sent_twice() {
    for message in [b"small\r\n".to_vec(), large()] {
        let world = World::start().await;
        world.open(&["ann"]);
        world.nodes[0].script([Trouble::LostAnswer]);
        world.nodes[0].state.lock().unwrap().status_failures = 2;
        let reply = send(&world, &["ann@example.com", "bea@example.com", "cay@example.com"], &message).await;
        assert_eq!(reply, "250 2.0.0 Stored");
        assert_eq!(copies(&world), [("ann", 1), ("bea", 1), ("cay", 1)]);
        let state = world.nodes[0].state.lock().unwrap();
        assert_eq!((state.status_calls, state.deliver_calls), (3, 1));
    }
}

#[tokio::test]
async fn a_node_without_the_key_yet_is_not_taken_at_its_word() {
    for (message, deliver_calls) in [(b"small\r\n".to_vec(), 2), (large(), 1)] {
        let world = World::start().await;
        world.open(&["ann"]);
        world.nodes[0].script([Trouble::LostAnswer]);
        world.nodes[0].state.lock().unwrap().status_denials = 2;
        assert_eq!(send(&world, &["ann@example.com"], &message).await, "250 2.0.0 Stored");
        assert_eq!(copies(&world), [("ann", 1), ("bea", 0), ("cay", 0)]);
        assert_eq!(world.nodes[0].state.lock().unwrap().deliver_calls, deliver_calls);
    }
}

#[tokio::test]
async fn a_small_message_is_sent_again_wherever_the_node_broke_off() {
    for trouble in [Trouble::InText, Trouble::BeforeCommit] {
        let world = World::start().await;
        world.open(&["ann"]);
        world.nodes[0].script([trouble, Trouble::AtRecipient, Trouble::LostAnswer]);
        let reply = send(&world, &["ann@example.com", "bea@example.com", "cay@example.com"], b"small\r\n").await;
        assert_eq!(reply, "250 2.0.0 Stored", "{trouble:?}");
        assert_eq!(copies(&world), [("ann", 1), ("bea", 1), ("cay", 1)]);
        let stored = world.stored();
        assert!(stored.iter().all(|one| one.text == stored[0].text && one.delivery == stored[0].delivery));
    }
}

#[tokio::test]
async fn a_recipient_may_be_open_one_time_and_wait_the_next() {
    let world = World::start().await;
    world.open(&["ann"]);
    world.nodes[0].script([Trouble::None, Trouble::BeforeCommit]);
    let mut client = world.client().await;
    assert!(client.message(&["ann@example.com"], b"first\r\n").await.starts_with("250"));
    client.begin(&["ann@example.com"]).await;
    world.nodes[0].state.lock().unwrap().open.clear();
    assert_eq!(client.say("DATA").await, "354 Send the message, end with CRLF.CRLF");
    assert!(client.say("second\r\n.").await.starts_with("250 2.0.0 Stored as "));
    let sealed: Vec<_> = world.stored().into_iter().map(|one| (one.sealed, one.text.ends_with(b"d\r\n"))).collect();
    assert_eq!(sealed, [(false, false), (true, true)]);
}

#[tokio::test]
async fn a_large_message_that_a_node_lost_is_put_off_and_nobody_has_it() {
    for trouble in [Trouble::InText, Trouble::AtRecipient] {
        let world = World::start().await;
        world.nodes[0].script([Trouble::None, trouble]);
        assert_eq!(send(&world, &["ann@example.com"], b"first\r\n").await, "250 2.0.0 Stored");
        let mut client = world.client().await;
        assert_eq!(client.say("MAIL FROM:<>").await, "250 2.1.0 Sender OK");
        assert_eq!(client.recipient("<cay@example.com>").await, "250 2.1.5 Recipient OK");
        let admitted = client.say("RCPT TO:<ann@example.com>").await;
        assert_eq!(client.say("DATA").await, "354 Send the message, end with CRLF.CRLF");
        client.send(&large()).await;
        let reply = client.say(".").await;
        if trouble == Trouble::AtRecipient {
            assert_eq!(admitted, UNAVAILABLE);
            assert!(reply.starts_with("250 2.0.0 Stored as "), "those who were taken have it: {reply}");
            assert_eq!(copies(&world), [("ann", 1), ("bea", 0), ("cay", 1)]);
        } else {
            assert_eq!(reply, PUT_OFF);
            assert_eq!(copies(&world), [("ann", 1), ("bea", 0), ("cay", 0)]);
        }
    }
}

#[tokio::test]
async fn what_is_not_committed_is_not_acknowledged() {
    for (trouble, message, reply) in [
        (Trouble::Fails(Outcome::Failed), b"x\r\n".to_vec(), PUT_OFF),
        (Trouble::Fails(Outcome::NoRoom), b"x\r\n".to_vec(), "452 4.2.2 Mailbox full"),
        (Trouble::Fails(Outcome::DiskFull), b"x\r\n".to_vec(), "452 4.3.1 Not enough storage, try again later"),
        (
            Trouble::Fails(Outcome::OverLimit),
            b"x\r\n".to_vec(),
            "552 5.2.2 The message is larger than this mailbox may become",
        ),
        (Trouble::BeforeCommit, large(), PUT_OFF),
    ] {
        let world = World::with(hasty()).await;
        world.nodes[0].script([trouble]);
        assert_eq!(send(&world, &["ann@example.com", "bea@example.com"], &message).await, reply, "{trouble:?}");
        assert_eq!(copies(&world), [("ann", 0), ("bea", 0), ("cay", 0)]);
    }
}

#[tokio::test]
async fn one_reply_speaks_for_all_recipients() {
    // The first to fail stops the others: nobody has what the sender will send again.
    let world = World::start().await;
    world.nodes[0].script([Trouble::Fails(Outcome::NoRoom)]);
    assert_eq!(send(&world, &["ann@example.com", "cay@example.com"], b"x\r\n").await, "452 4.2.2 Mailbox full");
    assert_eq!(copies(&world), [("ann", 0), ("bea", 0), ("cay", 0)]);
    // The last to fail comes too late for that.
    let world = World::start().await;
    world.nodes[1].script([Trouble::Fails(Outcome::Failed)]);
    assert_eq!(send(&world, &["ann@example.com", "cay@example.com"], b"x\r\n").await, PUT_OFF);
    assert_eq!(copies(&world), [("ann", 1), ("bea", 0), ("cay", 0)]);
}

#[tokio::test]
async fn a_node_that_stays_away_ends_in_451() {
    let world = World::with(hasty()).await;
    world.nodes[0].script([Trouble::LostAnswer]);
    world.nodes[0].state.lock().unwrap().status_failures = usize::MAX;
    assert_eq!(send(&world, &["ann@example.com"], b"x\r\n").await, PUT_OFF);
    // Nor does anybody commit when one node cannot be made ready again.
    let world = World::with(hasty()).await;
    world.nodes[0].script([Trouble::InText].into_iter().chain([Trouble::Says(Verdict::Unavailable); 1000]));
    assert_eq!(send(&world, &["ann@example.com", "cay@example.com"], b"x\r\n").await, PUT_OFF);
    assert_eq!(copies(&world), [("ann", 0), ("bea", 0), ("cay", 0)]);
}

//! What arrives: text, trace fields, sealing, sizes, loops and refused recipients.

use crate::client::{Client, DEADLINE, UNAVAILABLE};
use crate::node::Trouble;
use crate::world::{SIZE_MAX, World, mailbox, patience};
use model::limits::{CREDIT_BYTES, RECEIVED_FIELDS_MAX};
use mx::Patience;
use std::time::{Duration, Instant};
use wire::node::Verdict;

const MESSAGE: &[u8] = b"Subject: hello\r\n\r\n.dot\r\n\xff\xfe 8-bit\r\n\r\n";

fn trace(with: &str, id: &str, only: Option<&str>) -> String {
    let only = only.map(|only| format!("\r\n\tfor <{only}>")).unwrap_or_default();
    format!(
        "Return-Path: <sender@client.example>\r\nReceived: from client.example ([127.0.0.1])\r\n\
         \tby mx.example.com with {with} id {id}{only};\r\n\tTue, 3 Feb 2026 04:05:06 +0000\r\n"
    )
}

#[tokio::test]
async fn an_open_mailbox_gets_the_text_with_the_trace_on_top() {
    let world = World::start().await;
    world.open(&["ann"]);
    let mut client = world.client().await;
    let reply = client.message(&["Ann+List@Example.COM"], MESSAGE).await;
    let [stored] = &world.stored()[..] else { panic!("one copy") };
    assert_eq!(reply, format!("250 2.0.0 Stored as {}", stored.delivery));
    let expected =
        [trace("ESMTP", &stored.delivery.to_string(), Some("Ann+List@Example.COM")).as_bytes(), MESSAGE].concat();
    assert_eq!((&stored.text, stored.mailbox, stored.sealed), (&expected, mailbox("ann"), false));
    assert_eq!(client.say("QUIT").await, "221 2.0.0 Bye");
    assert_eq!(client.hear().await, "(end)");
}

#[tokio::test]
async fn one_text_for_open_and_waiting_mailboxes_on_two_nodes() {
    let world = World::start().await;
    world.open(&["ann", "cay"]);
    let mut client = world.client().await;
    // Longer than several frames, and not a whole number of them.
    let long = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abc\r\n".repeat(5000);
    let everybody = ["ann@example.com", "bea@example.com", "cay@example.com", "dan@example.com", "ann+x@example.com"];
    let reply = client.message(&everybody, &long).await;
    let stored = world.stored();
    let id = stored[0].delivery;
    assert_eq!(reply, format!("250 2.0.0 Stored as {id}"));
    let expected = [trace("ESMTP", &id.to_string(), None).as_bytes(), &long].concat();
    let got: Vec<_> = stored.iter().map(|one| (one.mailbox, one.sealed, one.delivery == id)).collect();
    let who = |name, sealed| (mailbox(name), sealed, true);
    assert_eq!(got, [who("ann", false), who("bea", true), who("cay", false), who("dan", true)]);
    assert!(stored.iter().all(|one| one.text == expected), "everybody has the same text");
    assert_eq!(world.nodes.each_ref().map(|node| node.state.lock().unwrap().deliver_calls), [1, 1]);
}

#[tokio::test]
async fn an_empty_message_and_chunks() {
    let world = World::start().await;
    let mut client = world.client().await;
    assert!(client.message(&["ann@example.com"], b"").await.starts_with("250 2.0.0 Stored as "));
    client.begin(&["<bea@example.com>".trim_matches(['<', '>'])]).await;
    client.send(b"BDAT 8\r\nA: b\r\n\r\nBDAT 4 LAST\r\n\r\n.\r").await;
    assert_eq!(client.hear().await, "250 2.0.0 8 octets received");
    assert_eq!(client.hear().await, "554 5.5.2 Message has a CR without LF");
    client.begin(&["bea@example.com"]).await;
    client.send(b"BDAT 8\r\nA: b\r\n\r\nBDAT 3 LAST\r\n.\r\n").await;
    assert_eq!(client.hear().await, "250 2.0.0 8 octets received");
    assert!(client.hear().await.starts_with("250 2.0.0 Stored as "));
    let stored = world.stored();
    assert_eq!(stored.len(), 2);
    assert!(stored[0].text.ends_with(b"+0000\r\n"));
    assert!(stored[1].text.ends_with(b"+0000\r\nA: b\r\n\r\n.\r\n"));
}

#[tokio::test]
async fn refused_recipients() {
    let world = World::start().await;
    let mut client = world.client().await;
    assert_eq!(client.say("MAIL FROM:<>").await, "250 2.1.0 Sender OK");
    for (recipient, reply) in [
        ("nobody@example.com", "550 5.1.1 No such mailbox"),
        ("ann@elsewhere.example", "550 5.7.1 Relaying denied: no mail is taken for this domain here"),
        ("ann@[127.0.0.1]", "550 5.1.2 Not a domain that takes mail"),
        ("\"a b\"@example.com", "550 5.1.3 Not an address that has a mailbox"),
        ("\"ann\"@example.com", "250 2.1.5 Recipient OK"),
        ("Postmaster", "250 2.1.5 Recipient OK"),
    ] {
        assert_eq!(client.recipient(&format!("<{recipient}>")).await, reply, "{recipient}");
    }
}

#[tokio::test]
async fn verdicts_of_the_node() {
    let world = World::start().await;
    let mut client = world.client().await;
    for (verdict, reply) in [
        (Verdict::Unavailable, UNAVAILABLE),
        (Verdict::NoRoom, "452 4.2.2 Mailbox full"),
        (Verdict::DiskFull, "452 4.3.1 Not enough storage, try again later"),
        (Verdict::TooBig, "552 5.2.3 Message too big for this mailbox"),
        (Verdict::OverLimit, "552 5.2.2 The message is larger than this mailbox may become"),
        (Verdict::WrongNode, UNAVAILABLE),
    ] {
        world.nodes[0].script([Trouble::Says(verdict)]);
        assert_eq!(client.say("MAIL FROM:<> SIZE=5").await, "250 2.1.0 Sender OK");
        assert_eq!(client.say("RCPT TO:<ann@example.com>").await, reply);
        assert_eq!(client.say("RSET").await, "250 2.0.0 OK");
    }
    assert_eq!(world.stored(), []);
}

#[tokio::test]
async fn a_message_over_the_limit_declared_or_not() {
    let world = World::start().await;
    let mut client = world.client().await;
    let too_big = format!("MAIL FROM:<a@b.example> SIZE={}", SIZE_MAX + 1);
    assert_eq!(client.say(&too_big).await, "552 5.3.4 Message too big");
    let line = [&[b'x'; 1022][..], b"\r\n"].concat();
    let reply = client.message(&["ann@example.com"], &line.repeat(4097)).await;
    assert_eq!(reply, "552 5.3.4 Message too big");
    assert_eq!(world.stored(), []);
    let reply = client.message(&["ann@example.com"], &line.repeat(4096)).await;
    assert!(reply.starts_with("250 2.0.0 Stored as "), "{reply}");
}

#[tokio::test]
async fn a_message_that_loops() {
    let world = World::start().await;
    let mut client = world.client().await;
    let hops = |count: usize| [&b"Received: x\r\n".repeat(count)[..], b"\r\nReceived: in the body\r\n"].concat();
    let reply = client.message(&["ann@example.com"], &hops(RECEIVED_FIELDS_MAX + 1)).await;
    assert_eq!(reply, "554 5.4.6 Too many Received fields: the message loops");
    assert_eq!(world.stored(), []);
    let reply = client.message(&["ann@example.com"], &hops(RECEIVED_FIELDS_MAX)).await;
    assert!(reply.starts_with("250 2.0.0 Stored as "), "{reply}");
}

#[tokio::test]
async fn a_slow_node_slows_the_client_and_nothing_piles_up() {
    let world = World::start().await;
    world.open(&["ann"]);
    world.nodes[0].gives_credit.send_replace(false);
    let mut client = world.client().await;
    client.begin(&["ann@example.com"]).await;
    assert_eq!(client.say("DATA").await, "354 Send the message, end with CRLF.CRLF");
    let (node, mut octets) = (world.nodes[0].clone(), 0);
    let sending = tokio::spawn(async move {
        client.send(&[&[b'x'; 1022][..], b"\r\n"].concat().repeat(4000)).await;
        client.send(b".\r\n").await;
        client.hear().await
    });
    // All that the credit allows comes, and no more.
    let end = Instant::now() + DEADLINE;
    while octets + 64 * 1024 <= CREDIT_BYTES {
        assert!(Instant::now() < end, "{octets} octets");
        tokio::time::sleep(Duration::from_millis(5)).await;
        octets = node.state.lock().unwrap().octets;
    }
    assert!(octets <= CREDIT_BYTES);
    node.gives_credit.send_replace(true);
    assert!(sending.await.unwrap().starts_with("250 2.0.0 Stored as "));
}

#[tokio::test]
async fn a_node_that_gives_no_more_credit_is_given_up() {
    let world = World::with(Patience { stall: Duration::from_millis(100), ..patience() }).await;
    world.nodes[0].gives_credit.send_replace(false);
    let mut client = world.client().await;
    let reply = client.message(&["ann@example.com"], &[&[b'x'; 1022][..], b"\r\n"].concat().repeat(4000)).await;
    assert_eq!(reply, "451 4.3.0 Not stored, try again later");
    assert_eq!(client.say("NOOP").await, "250 2.0.0 OK");
}

#[tokio::test]
async fn health_is_that_of_what_a_message_needs() {
    let mut world = World::start().await;
    world.health_is(Result::is_ok).await;
    world.stop_node(1).await;
    world.health_is(|checked| matches!(checked, Err(sick) if sick.starts_with("node node-1: "))).await;
    world.stop_directory().await;
    assert_ne!(world.role.check().await, Ok(()));
}

#[tokio::test]
async fn directory_or_node_out_of_reach() {
    let mut world = World::start().await;
    let mut client = world.client().await;
    world.stop_node(1).await;
    assert_eq!(client.say("MAIL FROM:<>").await, "250 2.1.0 Sender OK");
    assert_eq!(client.say("RCPT TO:<cay@example.com>").await, UNAVAILABLE);
    assert_eq!(client.recipient("<ann@example.com>").await, "250 2.1.5 Recipient OK");
    world.stop_directory().await;
    assert_eq!(client.say("RCPT TO:<bea@example.com>").await, UNAVAILABLE);
    // Who was taken gets the message all the same.
    assert_eq!(client.say("DATA").await, "354 Send the message, end with CRLF.CRLF");
    assert!(client.say(".").await.starts_with("250 2.0.0 Stored as "));
    assert_eq!(world.stored().len(), 1);
    let mut other = Client::greeted(world.mx).await;
    assert_eq!(other.say("NOOP").await, "250 2.0.0 OK");
}

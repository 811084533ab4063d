//! Where mail goes: on to other hosts, to mailboxes as well, home through a rewritten address, or nowhere.

use crate::queue::Taken;
use crate::world::{World, insist, mailbox};
use wire::directory::target::To;
use wire::directory::{ChangeRuleRequest, RuleKind, RuleMode, RuleName};

const MESSAGE: &[u8] = b"From: sender@client.example\r\nSubject: hello\r\n\r\n\xff\xfe 8-bit\r\n";

fn forward(to: &str) -> To {
    To::Forward(to.to_owned())
}

fn recipients(taken: &Taken) -> Vec<&str> {
    taken.envelope.recipients.iter().map(|recipient| recipient.address.as_str()).collect()
}

#[tokio::test]
async fn a_forward_goes_on_with_a_reverse_path_of_ours_and_its_bounce_comes_home() {
    let world = World::start().await;
    world.alias("fwd", &[forward("bob@other.example"), forward("cy@third.example")]).await;
    let mut client = world.client().await;
    let reply = client.message(&["fwd@example.com"], MESSAGE).await;
    assert!(reply.starts_with("250 2.0.0 Stored as "), "{reply}");
    assert_eq!(world.stored(), []);
    let [taken] = &world.queues[0].taken()[..] else { panic!("one copy") };
    let mut to = recipients(taken);
    to.sort_unstable();
    assert_eq!(to, ["bob@other.example", "cy@third.example"]);
    assert_eq!(taken.text, MESSAGE);
    let prefix = "Delivered-To: fwd@example.com\r\nReceived: from client.example ([127.0.0.1])\r\n";
    assert!(taken.prefix.starts_with(prefix), "{}", taken.prefix);
    let path = &taken.envelope.reverse_path;
    assert!(path.starts_with("SRS0=") && path.ends_with("=client.example=sender@example.com"), "{path}");

    // The far end bounces it.
    assert!(client.say("MAIL FROM:<>").await.starts_with("250"));
    assert_eq!(client.recipient(&format!("<{path}>")).await, "250 2.1.5 Recipient OK");
    assert!(client.say("DATA").await.starts_with("354"));
    assert!(client.say("Subject: failed\r\n\r\n.").await.starts_with("250 2.0.0 "));
    let taken = [world.queues[0].taken(), world.queues[1].taken()].concat();
    let home = taken.iter().find(|taken| taken.envelope.reverse_path.is_empty()).unwrap();
    assert_eq!(recipients(home), ["sender@client.example"]);

    // A hash that was not made here is no address.
    assert!(client.say("MAIL FROM:<>").await.starts_with("250"));
    let forged = path.replacen("=client.example=", "=victim.example=", 1);
    assert_eq!(client.recipient(&format!("<{forged}>")).await, "550 5.1.1 No such mailbox");
}

#[tokio::test]
async fn a_mailbox_and_a_forward_have_it_both_or_neither_is_acknowledged() {
    let world = World::start().await;
    world.alias("both", &[To::Store(true), forward("bob@other.example")]).await;
    let mut client = world.client().await;
    *world.queues[0].full.lock().unwrap() = true;
    assert_eq!(client.message(&["both@example.com"], MESSAGE).await, "452 4.3.1 The queue is full, try again later");
    *world.queues[0].full.lock().unwrap() = false;
    assert!(client.message(&["both@example.com"], MESSAGE).await.starts_with("250 2.0.0 "));
    assert_eq!(world.queues[0].taken().len(), 1);
    assert_eq!(world.stored().last().unwrap().mailbox, mailbox("both"));
}

#[tokio::test]
async fn what_was_forwarded_here_before_is_refused() {
    let world = World::start().await;
    world.alias("fwd", &[forward("bob@other.example")]).await;
    let mut client = world.client().await;
    let looping = [b"Delivered-To: fwd@example.com\r\n", MESSAGE].concat();
    assert_eq!(
        client.message(&["fwd@example.com"], &looping).await,
        "554 5.4.6 The message was forwarded from here before: it loops"
    );
    assert_eq!(world.queues[0].taken(), []);
}

#[tokio::test]
async fn disabled_in_three_ways() {
    let world = World::start().await;
    for (mode, text, reply) in [
        (RuleMode::Refuse, "", "550 5.2.1 Mailbox disabled"),
        (RuleMode::Refuse, "Gone fishing", "550 5.2.1 Gone fishing"),
        (RuleMode::FailSoftly, "", "450 4.2.1 Mailbox not available now, try again later"),
        (RuleMode::Swallow, "", "250 2.1.5 Recipient OK"),
    ] {
        let name = RuleName { domain: "example.com".into(), kind: RuleKind::Exact.into(), pattern: "ann".into() };
        let change = ChangeRuleRequest {
            name: Some(name),
            mode: mode.into(),
            text: text.into(),
            ..ChangeRuleRequest::default()
        };
        insist(async || world.admin.change_rule(change.clone()).await).await;
        world.route_is("ann@example.com", reply).await;
    }
    // Taken and thrown away.
    assert!(world.client().await.message(&["ann@example.com"], MESSAGE).await.starts_with("250 2.0.0 "));
    assert_eq!(world.stored(), []);
}

#[tokio::test]
async fn fields_that_claim_to_be_ours_do_not_pass() {
    let world = World::start().await;
    world.open(&["ann"]);
    let mut client = world.client().await;
    let forged = b"Return-Path: <x@y>\r\nAuthentication-Results: mx.example.com; spf=pass\r\nSubject: a\r\n\r\nb\r\n";
    assert!(client.message(&["ann@example.com"], forged).await.starts_with("250 2.0.0 "));
    let text = String::from_utf8(world.stored().remove(0).text).unwrap();
    assert!(text.ends_with(" +0000\r\nSubject: a\r\n\r\nb\r\n"), "{text}");
    assert!(text.starts_with("Return-Path: <sender@client.example>\r\nReceived: "), "{text}");
}

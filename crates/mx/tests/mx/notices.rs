//! Who hears of success, and what goes on with copies of what was asked (RFC 3461 §5.2).

use crate::client::Client;
use crate::queue::Taken;
use crate::world::World;
use wire::directory::target::To;
use wire::queue::{Origin, Return};

const MESSAGE: &str = "From: sender@client.example\r\nSubject: hello\r\n\r\nbody\r\n.";
const SUCCESS: u32 = 2;
const FAILURE: u32 = 4;

fn forward(to: &str) -> To {
    To::Forward(to.to_owned())
}

/// A message from this sender to these recipients, each with its parameters.
async fn send(client: &mut Client, from: &str, to: &[&str]) {
    assert_eq!(client.say(&format!("MAIL FROM:{from} RET=HDRS ENVID=QQ+2B1")).await, "250 2.1.0 Sender OK");
    for recipient in to {
        assert_eq!(client.recipient(recipient).await, "250 2.1.5 Recipient OK");
    }
    assert!(client.say("DATA").await.starts_with("354"));
    let reply = client.say(MESSAGE).await;
    assert!(reply.starts_with("250 2.0.0 Stored as "), "{reply}");
}

fn taken(world: &World) -> (Vec<Taken>, Vec<Taken>) {
    let all = [world.queues[0].taken(), world.queues[1].taken()].concat();
    all.into_iter().partition(|taken| taken.envelope.origin() == Origin::System)
}

#[tokio::test]
async fn what_is_in_a_mailbox_is_told_once() {
    let world = World::start().await;
    world.open(&["ann"]);
    world.alias("both", &[To::Store(true), forward("bob@other.example")]).await;
    let mut client = world.client().await;
    let to = [
        "<ann@example.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first+2Blast@client.example",
        "<both@example.com> NOTIFY=SUCCESS",
        "<ann+tag@example.com> NOTIFY=FAILURE",
    ];
    send(&mut client, "<sender@client.example>", &to).await;
    let (notices, copies) = taken(&world);
    let [notice] = &notices[..] else { panic!("one notice: {notices:?}") };
    assert_eq!(notice.envelope.reverse_path, "");
    let [recipient] = &notice.envelope.recipients[..] else { panic!("one sender") };
    assert_eq!((recipient.address.as_str(), recipient.notify), ("sender@client.example", 1));
    assert_eq!(notice.envelope.ret(), Return::Unspecified);
    let text = String::from_utf8(notice.text.clone()).unwrap();
    assert!(text.starts_with("From: Mail Delivery System <postmaster@example.com>\r\n"), "{text}");
    let status = "Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
        Original-Envelope-Id: QQ+1\r\nReporting-MTA: dns; mx.example.com\r\nArrival-Date: Tue, 3 Feb 2026 04:05:06 +0000\r\n\r\n\
        Original-Recipient: rfc822; first+last@client.example\r\nFinal-Recipient: rfc822; ann@example.com\r\n\
        Action: delivered\r\nStatus: 2.0.0\r\nLast-Attempt-Date: Tue, 3 Feb 2026 04:05:06 +0000\r\n\r\n\
        Final-Recipient: rfc822; both@example.com\r\n\
        Action: delivered\r\nStatus: 2.0.0\r\nLast-Attempt-Date: Tue, 3 Feb 2026 04:05:06 +0000\r\n\r\n";
    assert!(text.contains(status), "{text}");
    assert!(text.contains("text/rfc822-headers") && text.contains("\r\nSubject: hello\r\n"), "{text}");
    assert!(!text.contains("body\r\n"), "{text}");
    // Of the copy, who asked for success alone hears nothing more.
    let [copy] = &copies[..] else { panic!("one copy") };
    let to = &copy.envelope.recipients[0];
    assert_eq!((to.notify, to.original.as_str()), (1, "rfc822;both@example.com"));
    assert_eq!((copy.envelope.ret(), copy.envelope.envelope_id.as_str()), (Return::Headers, "QQ+2B1"));
}

#[tokio::test]
async fn a_single_forward_takes_everything_with_it_and_of_several_the_first_step_is_told() {
    let world = World::start().await;
    world.alias("fwd", &[forward("bob@other.example")]).await;
    world.alias("both", &[forward("bob@other.example"), forward("cy@third.example")]).await;
    let mut client = world.client().await;
    send(&mut client, "<sender@client.example>", &["<fwd@example.com> NOTIFY=SUCCESS,FAILURE"]).await;
    let (notices, copies) = taken(&world);
    assert_eq!(notices, []);
    assert_eq!(copies[0].envelope.recipients[0].notify, SUCCESS | FAILURE);
    assert_eq!(copies[0].envelope.recipients[0].original, "rfc822;fwd@example.com");

    send(&mut client, "<sender@client.example>", &["<both@example.com> NOTIFY=SUCCESS,FAILURE"]).await;
    let (notices, copies) = taken(&world);
    let text = String::from_utf8(notices[0].text.clone()).unwrap();
    assert!(
        text.contains("Final-Recipient: rfc822; both@example.com\r\nAction: expanded\r\nStatus: 2.0.0\r\n"),
        "{text}"
    );
    let last = copies.iter().find(|copy| copy.envelope.recipients.len() == 2).unwrap();
    assert!(last.envelope.recipients.iter().all(|recipient| recipient.notify == FAILURE));
}

#[tokio::test]
async fn nobody_is_told_who_did_not_ask() {
    let world = World::start().await;
    world.open(&["ann"]);
    let mut client = world.client().await;
    send(&mut client, "<>", &["<ann@example.com> NOTIFY=SUCCESS"]).await;
    for parameters in ["", " NOTIFY=NEVER", " NOTIFY=FAILURE,DELAY"] {
        send(&mut client, "<sender@client.example>", &[&format!("<ann@example.com>{parameters}")]).await;
    }
    assert_eq!(taken(&world), (Vec::new(), Vec::new()));
}

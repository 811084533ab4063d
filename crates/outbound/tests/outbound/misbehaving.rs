//! Servers that misbehave: every one has a defined end, and nobody's outcome is lost or made up.

use crate::support::{
    Text, connect, connect_with, deferred, delivered, failed, letter, patience, recipients, small, tls, verdicts,
};
use harness::peer::Peer;
use outbound::fault::{Fault, Stage};
use outbound::outcome::Verdict;
use outbound::patience::Patience;
use outbound::tls::Demand;
use outbound::transaction::{Sent, send};
use std::time::Duration;

const ALL: [&str; 3] = ["PIPELINING", "8BITMIME", "SIZE 50000000"];

async fn to_peer(peer: &Peer, addresses: &[&str]) -> Sent {
    let mut connection = connect(peer.port).await.unwrap();
    let text = small();
    send(&mut connection, &letter(&text), &recipients(addresses), &text).await
}

async fn refused(peer: &Peer) -> Fault {
    match connect(peer.port).await {
        Ok(_) => panic!("connected"),
        Err(fault) => fault,
    }
}

#[tokio::test]
async fn greetings_that_are_none() {
    let garbage = refused(&Peer::start("garbage", &[])).await;
    assert!(matches!(garbage, Fault::Garbage { stage: Stage::Greeting, .. }), "{garbage}");
    assert_eq!(garbage.outcome("x").verdict, Verdict::Deferred);
    let not_here = refused(&Peer::start("not-here", &[])).await;
    assert!(matches!(&not_here, Fault::Refused { stage: Stage::Greeting, .. }), "{not_here}");
    assert_eq!(not_here.outcome("x").verdict, Verdict::Failed);
    for endless in ["endless-ehlo", "endless-line"] {
        let fault = refused(&Peer::start(endless, &[])).await;
        assert!(matches!(fault, Fault::Garbage { stage: Stage::Hello, .. }), "{fault}");
    }
}

#[tokio::test]
async fn silence_has_an_end() {
    let peer = Peer::start("silent", &[]);
    let hurry = Patience { greeting: Duration::from_millis(50), ..patience() };
    let silent = connect_with(peer.port, &Demand::default(), &tls(None), hurry).await;
    assert!(matches!(silent, Err(Fault::Io { stage: Stage::Greeting, .. })));

    let peer = Peer::start("hang-at-end", &ALL);
    let hurry = Patience { end: Duration::from_millis(50), ..patience() };
    let mut connection = connect_with(peer.port, &Demand::default(), &tls(None), hurry).await.unwrap();
    let text = small();
    let sent = send(&mut connection, &letter(&text), &recipients(&["good@x.test", "bad@x.test"]), &text).await;
    let fault = sent.fault.as_ref().unwrap();
    assert!(fault.is_uncertain(), "{fault}");
    assert_eq!(verdicts(&sent), [None, failed("5.1.1")]);
}

#[tokio::test]
async fn an_old_server_is_said_helo_to() {
    let peer = Peer::start("no-ehlo", &[]);
    let sent = to_peer(&peer, &["good@x.test"]).await;
    assert_eq!(verdicts(&sent), [delivered(false, "2.0.0")]);
    let said = [
        "EHLO outbound.sender.test",
        "HELO outbound.sender.test",
        "MAIL FROM:<a@sender.test>",
        "RCPT TO:<good@x.test>",
        "DATA",
        "TEXT 59",
    ];
    assert_eq!(peer.said(), said);
}

#[tokio::test]
async fn what_is_sent_behind_starttls_ends_the_connection() {
    let peer = Peer::start("inject", &["STARTTLS"]);
    assert!(matches!(refused(&peer).await, Fault::Injected));
    // One that merely has no TLS now is spoken to in the clear, unless TLS is demanded.
    let peer = Peer::start("well-behaved", &["STARTTLS"]);
    assert_eq!(verdicts(&to_peer(&peer, &["good@x.test"]).await), [delivered(false, "2.0.0")]);
    let strict = connect_with(peer.port, &Demand::Authority, &tls(None), patience()).await;
    assert!(matches!(strict, Err(Fault::NoTls)));
}

#[tokio::test]
async fn refusals_of_the_sender_and_of_the_text_are_everybodys() {
    for (behaviour, expected) in
        [("bad-sender", failed("5.1.8")), ("later-sender", deferred("4.3.0")), ("full", deferred("4.3.1"))]
    {
        for keywords in [&ALL[..], &[]] {
            let sent = to_peer(&Peer::start(behaviour, keywords), &["good1@x.test", "good2@x.test"]).await;
            assert!(sent.fault.is_none(), "{behaviour}: {:?}", sent.fault);
            assert_eq!(verdicts(&sent), [expected.clone(), expected.clone()], "{behaviour}");
        }
    }
}

#[tokio::test]
async fn a_text_that_nobody_wants_is_ended_and_the_connection_goes_on() {
    let peer = Peer::start("data-without-recipients", &ALL);
    let mut connection = connect(peer.port).await.unwrap();
    let text = small();
    let none = send(&mut connection, &letter(&text), &recipients(&["bad@x.test", "later@x.test"]), &text).await;
    assert!(none.fault.is_none());
    assert_eq!(verdicts(&none), [failed("5.1.1"), deferred("4.2.1")]);
    let one = send(&mut connection, &letter(&text), &recipients(&["good@x.test"]), &text).await;
    assert_eq!(verdicts(&one), [delivered(false, "2.0.0")]);
    let said = peer.said();
    assert_eq!(said.iter().filter(|line| *line == "RSET").count(), 1, "{said:?}");
}

#[tokio::test]
async fn too_many_at_once_are_sent_in_turns() {
    let peer = Peer::start("two-at-once", &ALL);
    let addresses = ["good1@x.test", "good2@x.test", "good3@x.test", "bad@x.test", "good5@x.test"];
    let sent = to_peer(&peer, &addresses).await;
    assert!(sent.fault.is_none());
    let taken = delivered(false, "2.0.0");
    assert_eq!(verdicts(&sent), [taken.clone(), taken.clone(), taken.clone(), failed("5.1.1"), taken]);
    assert_eq!(peer.said().iter().filter(|line| line.starts_with("TEXT")).count(), 3);
    // A limit that is announced is kept.
    let peer = Peer::start("two-at-once", &["PIPELINING", "LIMITS RCPTMAX=1"]);
    let sent = to_peer(&peer, &addresses[..3]).await;
    assert!(sent.fault.is_none());
    assert_eq!(peer.said().iter().filter(|line| line.starts_with("MAIL")).count(), 3);
}

#[tokio::test]
async fn connections_that_break_leave_nobody_in_doubt_but_those_after_the_dot() {
    let sent = to_peer(&Peer::start("close-at-end", &ALL), &["good@x.test", "later@x.test"]).await;
    assert!(sent.fault.as_ref().unwrap().is_uncertain());
    assert_eq!(verdicts(&sent), [None, deferred("4.2.1")]);

    let sent = to_peer(&Peer::start("goes-at-rcpt", &ALL), &["later@x.test", "bad@x.test", "good@x.test"]).await;
    let fault = sent.fault.as_ref().unwrap();
    assert!(matches!(fault, Fault::Refused { stage: Stage::Rcpt, .. }), "{fault}");
    assert_eq!(verdicts(&sent), [deferred("4.2.1"), None, None]);
    assert_eq!(fault.outcome("x").verdict, Verdict::Deferred);

    let big = Text(format!("Subject: big\r\n\r\n{}", "x\r\n".repeat(2_000_000)).into_bytes());
    let over = |behaviour: &'static str| {
        let big = &big;
        async move {
            let peer = Peer::start(behaviour, &ALL);
            let mut connection = connect(peer.port).await.unwrap();
            send(&mut connection, &letter(big), &recipients(&["good@x.test"]), big).await
        }
    };
    let sent = over("close-in-text").await;
    let fault = sent.fault.as_ref().unwrap();
    assert_eq!((fault.stage(), fault.outcome("x").verdict), (Stage::Text, Verdict::Deferred), "{fault}");
    assert!(!fault.is_uncertain());
    // One that says no in mid-text and reads on is heard at the end.
    let sent = over("refuse-in-text").await;
    assert_eq!(verdicts(&sent), [failed("5.2.3")]);
}

//! Messages a second that are accepted over ten connections: at the MX with all of its policy, at a Postfix that delivers to
//! a mailbox, and at `smtp-sink`, which looks at nothing and keeps nothing.

use crate::{Best, CONNECTIONS, MESSAGE_BYTES, setting};
use authentication::{BodyStream, Signer, SigningKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::meter::rate;
use harness::postfix::Postfix;
use harness::sink::Sink;
use harness::zone::Zone;
use harness::{Dev, Imap, Smtp, corpus};
use std::time::{Duration, Instant};
use vault::signing::{Algorithm, PrivateKey};

/// Different messages, so that few come twice into a mailbox.
const MESSAGES: u64 = 6_000;
const SENDER: &str = "somebody@sender.test";

pub fn run() {
    let key = PrivateKey::generate(Algorithm::Rsa2048).expect("a key");
    let zone = Zone::start(&records(&key));
    let messages = signed(&key);
    let (dev, _folder) = crate::start(&zone, CONNECTIONS, "[mx]\npolicy_on_loopback = true\n");
    let (dev, messages) = (&dev, &messages);
    let (Some(postfix), Some(sink)) = (Postfix::start(&[]), Sink::start()) else {
        println!("Postfix is not installed");
        return;
    };
    judged(dev, &messages[0]);
    let (rounds, long) = (setting("ROUNDS", 3), Duration::from_millis(setting("ROUND_MS", 2_000) as u64));
    let accept = |port: u16| {
        let begun = Instant::now();
        let rate = rate(CONNECTIONS, long, |thread, next| {
            send(port, &format!("good{}@example.test", thread + 1), messages, next)
        });
        let seconds = begun.elapsed().as_secs_f64();
        (rate * seconds, seconds)
    };
    let [mut open, mut closed, mut delivers, mut sinks] = [Best::NONE; 4];
    for _ in 0..rounds {
        closed.round(Some(dev.process()), || accept(dev.port("mx")));
        // The owners are signed in: what waited is drained first, then messages go into their mailboxes at once.
        let signed_in: Vec<_> = (1..=CONNECTIONS).map(|n| Imap::sign_in(dev, dev.user(n))).collect();
        drained(dev);
        open.round(Some(dev.process()), || accept(dev.port("mx")));
        drop(signed_in);
        let (before, begun) = (delivered(&postfix), Instant::now());
        delivers.round(Some(crate::master(&postfix)), || {
            let (accepted, _) = accept(postfix.port);
            harness::until("Postfix delivers", || (delivered(&postfix) >= before + accepted as usize).then_some(()));
            (accepted, begun.elapsed().as_secs_f64())
        });
        sinks.round(Some(sink.process()), || accept(sink.port));
    }
    crate::head("accepted, 10 connections; ratio: the MX / it");
    open.row("MX, into open mailboxes", open);
    closed.row("MX, sealed until the owner signs in", open);
    delivers.row("Postfix, delivered to a Maildir", open);
    sinks.row("smtp-sink", open);
}

/// The policy is looked at: a message's results stand in its header.
fn judged(dev: &Dev, message: &[u8]) {
    let mut imap = Imap::sign_in(dev, dev.user(1));
    let mut smtp = Smtp::connect(dev);
    smtp.send(SENDER, &[&dev.user(1).address], message);
    let (_, stored) = imap.messages("INBOX").pop().expect("it was delivered");
    let text = String::from_utf8_lossy(&stored).replace("\r\n\t", " ").replace("\r\n ", " ");
    let results = text.lines().find(|line| line.starts_with("Authentication-Results:")).unwrap_or_default();
    for verdict in ["spf=pass", "dkim=pass", "dmarc=pass", "iprev=pass"] {
        assert!(results.contains(verdict), "{verdict} is not in {results:?}");
    }
    imap.ok("LOGOUT");
}

/// Waits until what was sealed has been taken into the mailboxes.
fn drained(dev: &Dev) {
    for n in 1..=CONNECTIONS {
        let mut imap = Imap::sign_in(dev, dev.user(n));
        let mut before = None;
        harness::until("what waited is in the mailbox", || {
            let now = imap.ok("STATUS INBOX (MESSAGES)").lines();
            let same = before.as_ref() == Some(&now);
            before = Some(now);
            same.then_some(())
        });
    }
}

/// Messages in Postfix's Maildir.
fn delivered(postfix: &Postfix) -> usize {
    std::fs::read_dir(postfix.folder().join("mail/inbox/new")).map_or(0, Iterator::count)
}

fn send(port: u16, recipient: &str, messages: &[Vec<u8>], next: &dyn Fn() -> Option<u64>) {
    let connect = || Smtp::connect_to(port).expect("the server answers EHLO");
    let mut smtp = connect();
    while let Some(n) = next() {
        let message = &messages[(n % messages.len() as u64) as usize];
        let reply = smtp.try_send(SENDER, &[recipient], message);
        // A server takes a bounded number of messages on one connection.
        if reply.as_ref().is_none_or(|reply| reply.starts_with("421")) {
            smtp = connect();
            smtp.send(SENDER, &[recipient], message);
        } else {
            assert!(reply.as_ref().is_some_and(|reply| reply.starts_with("250")), "{reply:?}");
        }
    }
}

fn records(key: &PrivateKey) -> String {
    let public = STANDARD.encode(key.public());
    let (head, tail) = public.split_at(200);
    format!(
        "sender.test. 300 TXT \"v=spf1 ip4:127.0.0.0/8 -all\"\n_dmarc.sender.test. 300 TXT \"v=DMARC1; p=reject\"\n\
         r._domainkey.sender.test. 300 TXT \"v=DKIM1; k=rsa; p={head}\" \"{tail}\"\nsender.test. 300 A 127.0.0.1\n\
         client.sender.test. 300 A 127.0.0.1\n1.0.0.127.in-addr.arpa. 300 PTR client.sender.test.\n"
    )
}

/// Different messages, each signed by its domain.
fn signed(key: &PrivateKey) -> Vec<Vec<u8>> {
    let signer = Signer::new(vec![SigningKey::new("sender.test", "r", key).expect("a key for signing")]);
    let one = |n: u64| {
        let message = message(n);
        let mut stream = BodyStream::new();
        stream.push(&message);
        let field = signer.sign(&[], &stream.finish(), jiff::Timestamp::now()).expect("a signature");
        [field.into_bytes(), message].concat()
    };
    (0..MESSAGES).map(one).collect()
}

/// A message of text that does not repeat.
pub fn message(n: u64) -> Vec<u8> {
    let mut seeded = corpus::Seeded::new(n);
    let mut out = format!(
        "From: Somebody <{SENDER}>\r\nTo: good1@example.test\r\nSubject: number {n}\r\n\
         Date: Mon, 2 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{n}@sender.test>\r\n\r\n"
    )
    .into_bytes();
    while out.len() < MESSAGE_BYTES {
        let line = format!("{:016x} harbour meadow copper thistle garnet willow saddle\r\n", seeded.draw());
        out.extend_from_slice(line.as_bytes());
    }
    out
}

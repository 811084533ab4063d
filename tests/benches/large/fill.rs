//! Fills a mailbox over IMAP, several messages in one APPEND, and waits for the text index of what came.

use crate::client::Client;
use harness::{Dev, corpus::Seeded};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Messages of one APPEND: one commit.
const MESSAGES_PER_APPEND: u64 = 400;
/// A word in one message of 20,000.
pub const RARE: &str = "xylophonist";
const RARE_EVERY: u64 = 20_000;
const RARE_AT: u64 = 777;
/// A word in every second message or so.
pub const COMMON: &str = "harbour";
const WORDS: &[&str] = &[
    "meadow", "copper", "thistle", "garnet", "willow", "saddle", "lantern", "the", "and", "of", "to", "invoice",
    "meeting", "tomorrow", "please", "attached", "regards", "pigeon", "letter", "because", "would", "their", "which",
];
/// How long the index may stand still before it is held to be whole, or given up.
const INDEX_PAUSE: Duration = Duration::from_secs(20);

/// How many of so many messages have the rare word.
pub fn rare_among(count: u64) -> u64 {
    (count + RARE_EVERY - RARE_AT) / RARE_EVERY
}

/// Appends what is missing of `count` messages of about `octets`; how many.
pub fn fill(client: &mut Client, count: u64, octets: usize) -> u64 {
    let there = client.ask("STATUS INBOX (MESSAGES)").number_after("MESSAGES ").expect("a count");
    let mut number = there;
    while number < count {
        let mut command = b"APPEND INBOX".to_vec();
        for _ in 0..MESSAGES_PER_APPEND.min(count - number) {
            number += 1;
            let message = message(number, octets);
            let flags = if number.is_multiple_of(50) { "" } else { "\\Seen" };
            let day = number % 28 + 1;
            let head = format!(" ({flags}) \"{day:02}-Nov-2025 10:00:00 +0000\" {{{}+}}\r\n", message.len());
            command.extend_from_slice(head.as_bytes());
            command.extend_from_slice(&message);
        }
        client.ask_octets(&command);
    }
    count.saturating_sub(there)
}

fn message(number: u64, octets: usize) -> Vec<u8> {
    let mut seeded = Seeded::new(number);
    let sender = seeded.below(500);
    let mut text = format!(
        "Received: from mx{sender}.example.com by mx.example.org; Fri, 21 Nov 2025 10:00:00 +0000\r\n\
         From: Person {sender} <person{sender}@example.com>\r\nTo: Ben <ben@example.org>\r\n\
         Subject: Re: {} {} {number}\r\nDate: Fri, {:02} Nov 2025 10:00:00 +0000\r\n\
         Message-ID: <{number}.{:x}@example.com>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n",
        seeded.pick(WORDS),
        seeded.pick(WORDS),
        number % 28 + 1,
        seeded.draw()
    );
    if number % RARE_EVERY == RARE_AT {
        text.push_str(&format!("here is a {RARE}\r\n"));
    }
    if seeded.below(2) == 0 {
        text.push_str(COMMON);
        text.push(' ');
    }
    while text.len() < octets {
        text.push_str(seeded.pick::<&str>(WORDS));
        // One word in five is as good as unique, as names and numbers are.
        if seeded.below(5) == 0 {
            text.push_str(&format!("{:x}", seeded.draw() >> 40));
        }
        text.push_str(if seeded.below(8) == 0 { "\r\n" } else { " " });
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// Waits until `added` messages more than `before` are in the text index, or until it has nothing to do.
pub fn await_index(dev: &Dev, before: u64, added: u64) {
    let (mut known, mut moved) = (before, Instant::now());
    while known < before + added && moved.elapsed() < INDEX_PAUSE {
        let now = indexed(dev);
        if now != known {
            (known, moved) = (now, Instant::now());
        }
        #[allow(
            clippy::disallowed_methods,
            reason = "a benchmark's thread may block; nothing tells of the index's end"
        )]
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Messages that the node has put into text indexes since it started.
pub fn indexed(dev: &Dev) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", dev.port("metrics"))).expect("metrics are served");
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("the connection stands");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let samples = text.lines().filter(|line| line.starts_with("brevdue_node_indexed_total"));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
}

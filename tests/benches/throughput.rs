//! Operations a second through the whole split, beside Debian's Dovecot in the same run: `cargo bench -p integration`.
//!
//! Rounds alternate between the two, so that noise of the machine falls on both; the ratio is the figure that counts.
//! Environment: `ROUND_MS` (2000), `ROUNDS` (3), `CONNECTIONS` ("1 10"), `ONLY` (part of a row's name).

use harness::dovecot::Dovecot;
use harness::meter::{processor_us, rate};
use harness::{Dev, Imap, Smtp, User, corpus};
use std::time::{Duration, Instant};

const MESSAGES: usize = 2_000;
const MESSAGE_BYTES: usize = 10_000;

/// One of the two servers.
#[derive(Clone, Copy)]
struct Peer<'a> {
    /// Its processes descend from this one.
    pid: u32,
    imap: u16,
    user: &'a User,
    /// Whose mailbox is delivered to: the other one keeps its size.
    recipient: &'a User,
    delivery: Delivery<'a>,
}

#[derive(Clone, Copy)]
enum Delivery<'a> {
    Mx(&'a Dev),
    Lmtp(u16),
}

type Operation = fn(&mut Imap, u64);

const ROWS: &[(&str, Operation)] = &[
    ("NOOP", |imap, _| drop(imap.ok("NOOP"))),
    ("UID FETCH BODY.PEEK[]", |imap, n| {
        imap.ok(&format!("UID FETCH {} BODY.PEEK[]", 1 + n % MESSAGES as u64));
    }),
    ("FETCH 1:* (flags … structure)", |imap, _| {
        imap.ok("FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)");
    }),
    ("FETCH 1:* FLAGS", |imap, _| drop(imap.ok("FETCH 1:* FLAGS"))),
    ("UID STORE", |imap, n| {
        let sign = if (n / MESSAGES as u64).is_multiple_of(2) { '+' } else { '-' };
        imap.ok(&format!("UID STORE {} {sign}FLAGS (\\Flagged)", 1 + n % MESSAGES as u64));
    }),
    ("SEARCH SUBJECT", |imap, _| drop(imap.ok("SEARCH SUBJECT lantern"))),
    ("SEARCH BODY", |imap, _| drop(imap.ok("SEARCH BODY lantern"))),
    ("APPEND", |imap, n| {
        let answer = imap.append("Drafts", "", &message(n));
        assert!(answer.is_ok(), "{}", answer.tagged);
    }),
];

fn message(n: u64) -> Vec<u8> {
    let mut seeded = corpus::Seeded::new(n);
    let mut out = format!(
        "From: \"Sender {n}\" <sender{n}@elsewhere.test>\r\nTo: u1@example.test\r\nSubject: number {n} {}\r\n\
         Date: Mon, 2 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{n}@elsewhere.test>\r\n\r\n",
        if n.is_multiple_of(50) { "lantern" } else { "ledger" }
    )
    .into_bytes();
    while out.len() < MESSAGE_BYTES {
        out.extend_from_slice(
            format!("{:016x} harbour meadow copper thistle garnet willow saddle\r\n", seeded.draw()).as_bytes(),
        );
    }
    out
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn main() {
    let round = Duration::from_millis(setting("ROUND_MS", "2000").parse().expect("ROUND_MS is a number"));
    let rounds: usize = setting("ROUNDS", "3").parse().expect("ROUNDS is a number");
    let only = setting("ONLY", "");
    let dev = Dev::start(2, &[]);
    let (user, recipient) = (dev.user(1).clone(), dev.user(2).clone());
    let dovecot = Dovecot::start(&[user.clone(), recipient.clone()]);
    let ours = Peer {
        pid: dev.process(),
        imap: dev.port("imap"),
        user: &user,
        recipient: &recipient,
        delivery: Delivery::Mx(&dev),
    };
    let theirs = dovecot.as_ref().map(|d| Peer {
        pid: d.process(),
        imap: d.imap,
        user: &user,
        recipient: &recipient,
        delivery: Delivery::Lmtp(d.lmtp),
    });
    let peers: Vec<Peer<'_>> = [Some(ours), theirs].into_iter().flatten().collect();
    for peer in &peers {
        fill(peer);
    }
    println!(
        "{:<32}{:>6}{:>11}{:>11}{:>8}{:>13}{:>13}",
        "operations a second", "conns", "brevdue", "dovecot", "ratio", "brevdue µs", "dovecot µs"
    );
    for connections in setting("CONNECTIONS", "1 10").split_whitespace().filter_map(|n| n.parse::<usize>().ok()) {
        let row = |name: &str, run: &dyn Fn(&Peer<'_>) -> f64| {
            if !name.contains(&only) {
                return;
            }
            // The best round of each, and the processor time an operation took in all of its processes: the steadier figure.
            let mut best = [(0f64, f64::NAN); 2];
            for _ in 0..rounds {
                for (at, peer) in peers.iter().enumerate() {
                    let (before, start) = (processor_us(peer.pid), Instant::now());
                    let rate = run(peer);
                    let used =
                        processor_us(peer.pid).saturating_sub(before) as f64 / (rate * start.elapsed().as_secs_f64());
                    if rate > best[at].0 {
                        best[at] = (rate, used);
                    }
                }
            }
            let [(ours, used), (theirs, their_use)] = best;
            let ratio = ours / theirs;
            println!("{name:<32}{connections:>6}{ours:>11.0}{theirs:>11.0}{ratio:>8.2}{used:>13.0}{their_use:>13.0}");
        };
        for (name, operation) in ROWS {
            row(name, &|peer| imap_rate(peer, connections, round, *operation));
        }
        row("LOGIN, SELECT, LOGOUT", &|peer| sign_in_rate(peer, connections, round));
        row("delivery", &|peer| delivery_rate(peer, connections, round));
    }
    drop(dovecot);
    dev.stop();
}

fn fill(peer: &Peer<'_>) {
    let mut imap = Imap::sign_in_at(peer.imap, peer.user);
    imap.command("CREATE Drafts");
    for n in 0..MESSAGES as u64 {
        assert!(imap.append("INBOX", "", &message(n)).is_ok());
    }
}

fn imap_rate(peer: &Peer<'_>, connections: usize, long: Duration, operation: Operation) -> f64 {
    rate(connections, long, |_, next| {
        let mut imap = Imap::sign_in_at(peer.imap, peer.user);
        imap.ok("SELECT INBOX");
        while let Some(n) = next() {
            operation(&mut imap, n);
        }
    })
}

fn sign_in_rate(peer: &Peer<'_>, connections: usize, long: Duration) -> f64 {
    rate(connections, long, |_, next| {
        while next().is_some() {
            let mut imap = Imap::sign_in_at(peer.imap, peer.user);
            imap.ok("SELECT INBOX");
            imap.command("LOGOUT");
        }
    })
}

fn delivery_rate(peer: &Peer<'_>, connections: usize, long: Duration) -> f64 {
    // The owner is signed in, so that both servers put the message into the mailbox at once.
    let _open = Imap::sign_in_at(peer.imap, peer.recipient);
    rate(connections, long, |_, next| {
        let connect = || match peer.delivery {
            Delivery::Mx(dev) => Smtp::connect(dev),
            Delivery::Lmtp(port) => Smtp::lmtp(port),
        };
        let mut smtp = connect();
        while let Some(n) = next() {
            let reply = smtp.try_send("a@elsewhere.test", &[&peer.recipient.address], &message(n));
            // The MX takes a bounded number of messages on one connection.
            if reply.as_ref().is_some_and(|reply| reply.starts_with("421")) {
                smtp = connect();
                smtp.send("a@elsewhere.test", &[&peer.recipient.address], &message(n));
            } else {
                assert!(reply.as_ref().is_some_and(|reply| reply.starts_with("250")), "{reply:?}");
            }
        }
    })
}

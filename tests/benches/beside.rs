//! Reading beside a snapshot, at the client: `cargo bench -p integration --bench beside`. A mailbox is filled through IMAP until its
//! file has so many octets; then one connection reads whole messages, alone and while `backup now` copies the file, in turns.
//!
//! Environment: `FILE_MB` (1100), `ROUNDS` (4), `SECONDS_ALONE` (10).

use harness::corpus::Seeded;
use harness::dev::binary;
use harness::{Dev, Imap, meter, until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Octets of a message.
const MESSAGE_BYTES: usize = 1_000_000;
/// Messages of one APPEND.
const MESSAGES_PER_APPEND: usize = 10;
const MIB: u64 = 1024 * 1024;

fn main() {
    let setting =
        |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (octets, rounds) = (setting("FILE_MB", 1_100) * 1_000_000, setting("ROUNDS", 4));
    let alone = Duration::from_secs(setting("SECONDS_ALONE", 10));
    let dev = Dev::start(1, &[]);
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    let begun = Instant::now();
    let count = fill(&dev, &mut imap, octets);
    let file = mailbox_octets(&dev);
    println!(
        "{count} messages of 1 MB, {} MB in the file, filled in {:.0} s",
        file / 1_000_000,
        begun.elapsed().as_secs_f64()
    );
    imap.ok("SELECT INBOX");
    let (mut best_alone, mut best_beside) = (0.0_f64, 0.0_f64);
    for round in 1..=rounds {
        let quiet = measured(&dev, || read(&mut imap, count, round, |begun| begun.elapsed() >= alone));
        // Something has changed since the last one.
        imap.ok(&format!("UID STORE {round} +FLAGS (\\Flagged)"));
        let mut copying = copy(&dev);
        until("the copy has begun", || is_copying(&dev).then_some(()));
        let beside = measured(&dev, || read(&mut imap, count, round, |_| !is_copying(&dev)));
        assert!(copying.wait().expect("it ends").success());
        let ratio = beside.rate / quiet.rate;
        println!(
            "round {round}: alone {:.0}/s (node {} MiB before, {} at the peak); beside a snapshot of {:.0} s {:.0}/s (node {} MiB before, {} at the peak); ratio {ratio:.2}",
            quiet.rate,
            quiet.before / MIB,
            quiet.peak / MIB,
            beside.long.as_secs_f64(),
            beside.rate,
            beside.before / MIB,
            beside.peak / MIB
        );
        (best_alone, best_beside) = (best_alone.max(quiet.rate), best_beside.max(beside.rate));
    }
    println!(
        "the best of each: {best_alone:.0}/s alone, {best_beside:.0}/s beside, ratio {:.2}",
        best_beside / best_alone
    );
    dev.stop();
}

/// How reading went.
struct Measured {
    rate: f64,
    long: Duration,
    /// Of the node, octets.
    before: u64,
    peak: u64,
}

/// Runs it, and asks the kernel what the node had in memory before, and at its peak meanwhile.
fn measured(dev: &Dev, run: impl FnOnce() -> (f64, Duration)) -> Measured {
    let node = dev.pid("node", 1).expect("the node runs");
    fs::write(format!("/proc/{node}/clear_refs"), "5").expect("the kernel forgets the peak");
    let before = meter::resident_bytes(node);
    let (rate, long) = run();
    Measured { rate, long, before, peak: meter::peak_bytes(node) }
}

/// Reads whole messages, one after the other, until it is over; messages a second.
fn read(imap: &mut Imap, count: usize, seed: u64, over: impl Fn(Instant) -> bool) -> (f64, Duration) {
    let mut random = Seeded::new(seed);
    let (begun, mut done) = (Instant::now(), 0_u32);
    while !over(begun) {
        let uid = 1 + random.below(count as u64);
        let octets = imap.ok(&format!("UID FETCH {uid} (BODY.PEEK[])")).untagged[0].len();
        assert!(octets > MESSAGE_BYTES);
        done += 1;
    }
    (f64::from(done) / begun.elapsed().as_secs_f64(), begun.elapsed())
}

fn copy(dev: &Dev) -> Child {
    let password = dev.scratch().join("password");
    fs::write(&password, &dev.user(1).password).expect("written");
    let mut command = Command::new(binary());
    command
        .arg("--data")
        .arg(dev.data())
        .args(["backup", "now", &dev.user(1).address, "--password-file"])
        .arg(password);
    command.stdout(Stdio::null()).spawn().expect("it starts")
}

fn volume(dev: &Dev) -> PathBuf {
    dev.data().join("nodes/node-1/volume-1")
}

/// The copy is being made, or checked.
fn is_copying(dev: &Dev) -> bool {
    let staging = fs::read_dir(volume(dev).join("staging")).expect("a folder");
    staging.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(".part"))
}

fn mailbox_octets(dev: &Dev) -> u64 {
    octets_below(&volume(dev).join("mailboxes"))
}

fn octets_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let octets = entries.map(|entry| match entry.path().is_dir() {
        true => octets_below(&entry.path()),
        false => entry.metadata().map_or(0, |meta| meta.len()),
    });
    octets.sum()
}

/// Appends until the file is as large; how many messages.
fn fill(dev: &Dev, imap: &mut Imap, octets: u64) -> usize {
    let mut count = 0;
    while mailbox_octets(dev) < octets {
        let mut command = Vec::new();
        for _ in 0..MESSAGES_PER_APPEND {
            count += 1;
            let message = message(count as u64);
            command.extend_from_slice(format!(" {{{}+}}\r\n", message.len()).as_bytes());
            command.extend_from_slice(&message);
        }
        let tag = format!("fill{count}");
        imap.raw(format!("{tag} APPEND INBOX").as_bytes()).expect("sent");
        imap.raw(&command).and_then(|()| imap.raw(b"\r\n")).expect("sent");
        let answer = imap.finish(&tag).expect("an answer");
        assert!(answer.is_ok(), "{}", answer.tagged);
    }
    count
}

/// An attachment that no compression makes smaller than its octets; no text that is indexed.
fn message(number: u64) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut random = Seeded::new(number);
    let head = format!(
        "From: a@elsewhere.test\r\nSubject: {number}\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    );
    let mut message = head.into_bytes();
    while message.len() < MESSAGE_BYTES {
        for _ in 0..8 {
            let mut drawn = random.draw();
            for _ in 0..10 {
                message.push(DIGITS[(drawn % 64) as usize]);
                drawn /= 64;
            }
        }
        message.extend_from_slice(b"\r\n");
    }
    message
}

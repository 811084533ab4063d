//! What a large message and many idle sessions cost, by the kernel's own account of each process.

use harness::incoming::{Incoming, admin};
use harness::zone::Zone;
use harness::{Dev, Imap, Smtp, client};
use std::fs;
use std::process::Command;
use std::thread;

pub(crate) const MIB: u64 = 1024 * 1024;
const LARGE: usize = 50 * MIB as usize;

/// A field of /proc/PID/status in bytes: `VmHWM` (peak) or `VmRSS` (now).
pub(crate) fn memory(pid: i32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:"))).expect("the field");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") * 1024
}

/// The peak starts anew from what is used now.
pub(crate) fn forget_peak(pid: i32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the peak can be reset");
}

/// Incompressible text, different for each seed, so that neither compression nor sharing helps.
pub(crate) fn large(seed: u64) -> Vec<u8> {
    let mut seeded = harness::corpus::Seeded::new(seed);
    let mut out = format!("From: a@elsewhere.test\r\nSubject: large {seed}\r\n\r\n").into_bytes();
    while out.len() < LARGE {
        let line: String = (0..4).map(|_| format!("{:016x}", seeded.draw())).collect();
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

pub(crate) struct Peaks {
    roles: Vec<(&'static str, i32, u64)>,
}

impl Peaks {
    pub(crate) fn start(dev: &Dev) -> Self {
        let roles = ["imap", "mx", "node"].into_iter().map(|role| {
            let pid = dev.pid(role, 1).expect("the role runs");
            forget_peak(pid);
            (role, pid, memory(pid, "VmRSS"))
        });
        Self { roles: roles.collect() }
    }
    fn added(&self) -> Vec<(&'static str, u64)> {
        self.roles
            .iter()
            .map(|&(role, pid, before)| (role, memory(pid, "VmHWM").saturating_sub(before) / MIB))
            .collect()
    }
    pub(crate) fn check(&self, what: &str) {
        println!("{what}: MiB added at the peak: {:?}", self.added());
        for (role, added) in self.added() {
            let limit = if role == "node" { 96 } else { 16 };
            assert!(added < limit, "{what}: {role} used {added} MiB more, at most {limit}");
        }
    }
}

#[test]
fn a_large_message_in_and_out_costs_little_and_ten_do_not_multiply_it() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    let mut imap = Imap::sign_in(&dev, user);
    imap.append("INBOX", "", b"Subject: warm\r\n\r\n");
    let message = large(1);

    let peaks = Peaks::start(&dev);
    assert!(imap.append("INBOX", "", &message).is_ok());
    peaks.check("APPEND of 50 MB");

    let peaks = Peaks::start(&dev);
    imap.ok("SELECT INBOX");
    let back = imap.ok("FETCH 2 BODY.PEEK[]").literals().pop().expect("a literal");
    assert!(back == message, "the message differs");
    peaks.check("FETCH of 50 MB");

    let peaks = Peaks::start(&dev);
    thread::scope(|scope| {
        for seed in 10..20 {
            let dev = &dev;
            scope.spawn(move || {
                let message = large(seed);
                if seed % 2 == 0 {
                    Smtp::connect(dev).send("a@elsewhere.test", &[&user.address], &message);
                } else {
                    let mut imap = Imap::sign_in(dev, user);
                    assert!(imap.append("INBOX", "", &message).is_ok());
                }
            });
        }
    });
    peaks.check("ten of 50 MB in at once");

    let peaks = Peaks::start(&dev);
    thread::scope(|scope| {
        for n in 3..13 {
            let dev = &dev;
            scope.spawn(move || {
                let mut imap = Imap::sign_in(dev, user);
                imap.ok("EXAMINE INBOX");
                let bytes = imap.ok(&format!("FETCH {n} BODY.PEEK[]")).literals().pop().expect("a literal");
                assert!(bytes.len() >= LARGE);
            });
        }
    });
    peaks.check("ten of 50 MB out at once");
    dev.stop();
}

#[test]
fn a_large_message_waits_and_is_drained_within_the_same_bounds() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    Smtp::connect(&dev).send("a@elsewhere.test", &[&user.address], b"Subject: warm\r\n\r\nx\r\n");
    let message = large(2);
    let peaks = Peaks::start(&dev);
    Smtp::connect(&dev).send("a@elsewhere.test", &[&user.address], &message);
    let mut imap = Imap::sign_in(&dev, user);
    dev.drained();
    let stored = imap.messages("INBOX");
    assert!(stored.len() == 2 && stored[1].1.ends_with(&message), "the large message differs");
    peaks.check("50 MB that waited");
    dev.stop();
}

#[test]
fn a_large_message_passes_the_policy_within_the_same_bounds() {
    let zone = Zone::start("sender.test. 60 TXT \"v=spf1 ip4:127.0.0.1 -all\"\n");
    let system = Incoming::start(&["u1@example.test"], &zone, "");
    system.set("example.test", "uribl_zones", "names.test");
    system.set("example.test", "junk_score", "0");
    let user = system.dev.user(1);
    // One that is stored, one that is sealed for later, and one that goes on through a queue.
    admin(&system.dev, &["alias", "add", "on@example.test", "--forward", "x@sender.test"]);
    let to = [user.address.as_str(), "on@example.test"];
    Smtp::connect(&system.dev).send("a@sender.test", &to, b"Subject: warm\r\n\r\nx\r\n");
    let signature =
        b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.test; s=s; h=from; bh=AAAA; b=AAAA\r\n";
    let message = [signature.as_slice(), &large(3)].concat();
    let peaks = Peaks::start(&system.dev);
    Smtp::connect(&system.dev).send("a@sender.test", &to, &message);
    let mut imap = Imap::sign_in(&system.dev, user);
    system.dev.drained();
    peaks.check("50 MB through the policy, sealed, and into a queue");
    assert!(imap.messages("INBOX")[1].1.ends_with(&message), "the large message differs");
    let peaks = Peaks::start(&system.dev);
    Smtp::connect(&system.dev).send("a@sender.test", &to, &message);
    peaks.check("50 MB through the policy, stored, and into a queue");
    system.dev.stop();
}

#[test]
fn a_thousand_idle_sessions_over_tls_are_small() {
    let dev = Dev::start(10, &[]);
    let pid = dev.pid("imap", 1).expect("the front-end runs");
    let mut users = String::new();
    for n in 1..=10 {
        users.push_str(&format!("{} {}\n", dev.user(n).address, dev.user(n).password));
    }
    let file = dev.scratch().join("users");
    fs::write(&file, users).expect("written");
    let before = memory(pid, "VmRSS");
    forget_peak(pid);
    // The script holds the sessions in IDLE while it reads the front-end's memory, and prints it in KiB.
    let output = client::run(
        Command::new("python3")
            .arg(client::script("idle_sessions.py"))
            .args([dev.port("imaps").to_string(), "1000".into(), pid.to_string()])
            .arg(&file)
            .arg(dev.ca()),
    );
    let during = client::stdout(&output).trim().parse::<u64>().expect("KiB") * 1024;
    let added = during.saturating_sub(before) / MIB;
    println!("1,000 idle sessions over TLS: {added} MiB more than the {} MiB before", before / MIB);
    assert!(added < 64, "1,000 idle sessions cost {added} MiB");
    dev.stop();
}

//! A message of 50 MB through the doors, by the kernel's own account of the command: it holds no message whole.

use super::{command, out};
use crate::memory::{MIB, large};
use harness::{Dev, Imap, User, mailbox, until};
use std::fs;
use std::process::Stdio;

/// What it may take more at its peak than for an empty mailbox.
const MORE_BYTES_MAX: u64 = 24 * MIB;

/// Runs it to a good end; its peak.
fn peak(dev: &Dev, user: &User, words: &[&str]) -> u64 {
    let mut command = command(dev, user, words);
    let mut child = command.stdout(Stdio::null()).spawn().expect("it starts");
    let mut peak = 0;
    let status = until("it ends", || {
        let ended = child.try_wait().expect("the child can be asked");
        // One that has ended, and was not waited for yet, has no memory any more.
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or_default() * 1024);
        ended
    });
    assert!(status.success(), "{words:?}");
    assert!(peak > 0, "{words:?} was never seen");
    peak
}

#[test]
fn a_large_message_goes_out_and_comes_in_a_piece_at_a_time() {
    let dev = Dev::start(3, &[]);
    let owner = dev.user(1);
    let mut imap = Imap::sign_in(&dev, owner);
    assert!(imap.append("INBOX", "(\\Seen)", &large(4)).is_ok());
    let before = mailbox::folder(&mut imap, "INBOX");
    let nothing = peak(&dev, dev.user(2), &["export", "--format", "mbox", "--out", &out(&dev, "nothing")]);
    let check = |what: &str, peak: u64| {
        let more = peak.saturating_sub(nothing) / MIB;
        println!("{what}: {more} MiB more than the {} MiB for an empty mailbox", nothing / MIB);
        assert!(more < MORE_BYTES_MAX / MIB, "{what}: {more} MiB more");
    };
    let (mbox, password) = (out(&dev, "mbox"), out(&dev, "their-password"));
    fs::write(&password, &owner.password).expect("written");
    let server = format!("127.0.0.1:{}", dev.port("imap"));
    check("export to mbox", peak(&dev, owner, &["export", "--format", "mbox", "--out", &mbox]));
    check("export to sqlite", peak(&dev, owner, &["export", "--format", "sqlite", "--out", &out(&dev, "sqlite")]));
    check("import from mbox", peak(&dev, dev.user(2), &["import", &mbox]));
    let from = ["import", "--imap", &server, "--imap-user", &owner.address, "--imap-password-file", &password];
    check("import over IMAP", peak(&dev, dev.user(3), &[&from[..], &["--tls", "none"]].concat()));
    for user in [dev.user(2), dev.user(3)] {
        assert!(mailbox::folder(&mut Imap::sign_in(&dev, user), "INBOX") == before, "{}", user.address);
    }
    dev.stop();
}

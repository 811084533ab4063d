//! A message of 50 MB through the doors, by the kernel's own account of the command: it holds no message whole.

use super::{command, out};
use crate::memory::{MIB, large};
use harness::client::{run, script, stdout};
use harness::{Dev, Imap, User, mailbox};
use std::fs;
use std::process::Command;

/// What it may take more at its peak than for an empty mailbox.
const MORE_BYTES_MAX: u64 = 24 * MIB;

/// Runs it to a good end; its peak.
fn peak(dev: &Dev, user: &User, words: &[&str]) -> u64 {
    let command = command(dev, user, words);
    // Whoever waits for it is told: one that has ended can be looked at no more.
    let mut measured = Command::new("python3");
    measured.arg(script("peak.py")).arg(command.get_program()).args(command.get_args());
    measured.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    stdout(&run(&mut measured)).trim().parse::<u64>().expect("KiB") * 1024
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

//! A Dovecot moves house: killed half-way again and again, and nothing is missing and nothing there twice.

use super::{answer, command, out};
use harness::dovecot::Dovecot;
use harness::mailbox::{self, Stored};
use harness::{Dev, Imap, User, until};
use std::fs;
use std::process::Stdio;

/// Messages of the run in CI.
const MESSAGES: usize = 1_000;
const FOLDERS: [&str; 5] = ["INBOX", "Work", "Work/Sub", "Sent", "&AOY-ble"];

/// How many messages move; more on demand.
fn messages() -> usize {
    std::env::var("BREVDUE_MIGRATE_MESSAGES").ok().and_then(|count| count.parse().ok()).unwrap_or(MESSAGES)
}

/// Mail of many sizes with flags and dates, some of it the same twice.
fn fill(imap: &mut Imap, count: usize) {
    for folder in &FOLDERS[1..] {
        imap.ok(&format!("CREATE \"{folder}\""));
    }
    let flags = ["(\\Seen)", "(\\Flagged $Forwarded)", "()", "(\\Answered \\Draft work)", "(\\Deleted \\Seen k1 k2)"];
    for n in 0..count {
        let same = n % 50 == 7;
        let text =
            if same { "same\r\n".to_owned() } else { format!("{n} {}\r\n", "y".repeat(70)).repeat(1 + n * 37 % 300) };
        let message = format!("Subject: {}\r\nFrom: a@b.test\r\n\r\n{text}", if same { 7 } else { n });
        let day = if same { 7 } else { 1 + n % 28 };
        let options = format!("{} \"{day:02}-Nov-2023 10:00:00 +0100\"", flags[n % 7 % 5]);
        let answer = imap.append(&format!("\"{}\"", FOLDERS[n % FOLDERS.len()]), &options, message.as_bytes());
        assert!(answer.is_ok(), "{}", answer.tagged);
    }
}

fn every_folder(imap: &mut Imap) -> Vec<Vec<Stored>> {
    FOLDERS.iter().map(|name| mailbox::folder(imap, name)).collect()
}

fn count(imap: &mut Imap) -> usize {
    let listed = imap.ok("LIST \"\" \"*\" RETURN (STATUS (MESSAGES))").lines();
    let numbers =
        listed.iter().filter_map(|line| line.split("(MESSAGES ").nth(1)?.trim_end_matches(')').parse::<usize>().ok());
    numbers.sum()
}

#[test]
fn a_dovecot_moves_in_though_the_import_is_killed() {
    let dev = Dev::start(1, &[]);
    let theirs = User::new("old@example.test");
    let Some(dovecot) = Dovecot::start(std::slice::from_ref(&theirs)) else {
        panic!("Dovecot is not installed; run scripts/setup");
    };
    let mut old = Imap::sign_in_at(dovecot.imap, &theirs);
    let total = messages();
    fill(&mut old, total);
    let before = every_folder(&mut old);

    let password = out(&dev, "their-password");
    fs::write(&password, &theirs.password).expect("written");
    let server = format!("127.0.0.1:{}", dovecot.imap);
    let words = [
        "import",
        "--imap",
        &server,
        "--imap-user",
        &theirs.address,
        "--imap-password-file",
        &password,
        "--tls",
        "none",
    ];
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    for part in 1..=3 {
        let mut import =
            command(&dev, dev.user(1), &words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        until("a part of the mail is there", || (count(&mut imap) >= total * part / 4).then_some(()));
        import.kill().expect("SIGKILL");
        import.wait().expect("it is gone");
    }
    let (code, said, why) = answer(&dev, dev.user(1), &words);
    let sum = said["imported"].as_u64().unwrap_or(0) + said["already_there"].as_u64().unwrap_or(0);
    assert_eq!((code, sum as usize), (0, total), "{why}");
    assert!(said["already_there"].as_u64() > Some(0), "{said}");
    assert_eq!(every_folder(&mut imap), before);
    let (code, said, why) = answer(&dev, dev.user(1), &words);
    assert_eq!((code, &said["imported"]), (0, &0.into()), "{why}");
    // Also when nothing is remembered.
    fs::remove_dir_all(dev.scratch().join("state")).expect("what is remembered");
    let (code, said, why) = answer(&dev, dev.user(1), &words);
    assert_eq!((code, &said["imported"], &said["already_there"]), (0, &0.into(), &total.into()), "{why}");
    assert_eq!(every_folder(&mut imap), before);
    dev.stop();
}

#[test]
fn another_brevdue_moves_in_over_tls() {
    let (old, dev) = (Dev::start(1, &[]), Dev::start(1, &[]));
    let theirs = old.user(1);
    let mut imap = Imap::sign_in(&old, theirs);
    imap.ok("CREATE Work");
    imap.append("Work", "(\\Seen)", b"Subject: x\r\n\r\nover TLS\r\n");
    let password = out(&dev, "their-password");
    fs::write(&password, &theirs.password).expect("written");
    let (server, ca) = (format!("localhost:{}", old.port("imaps")), old.ca());
    let common = ["import", "--imap", &server, "--imap-user", &theirs.address, "--imap-password-file", &password];
    let (code, _, why) = answer(&dev, dev.user(1), &common);
    assert_eq!(code, 1, "whose authority nobody knows");
    assert!(why.contains("--ca"), "{why}");
    let words = [&common[..], &["--ca", ca.to_str().expect("UTF-8"), "--without", "Sent"]].concat();
    let (code, said, why) = answer(&dev, dev.user(1), &words);
    assert_eq!((code, &said["imported"]), (0, &1.into()), "{why}");
    assert_eq!(mailbox::folder(&mut Imap::sign_in(&dev, dev.user(1)), "Work"), mailbox::folder(&mut imap, "Work"));
    fs::write(&password, "wrong").expect("written");
    let (code, _, why) = answer(&dev, dev.user(1), &words);
    assert_eq!((code, why.lines().count()), (1, 1), "{why}");
    assert!(why.contains("does not let"), "{why}");
    old.stop();
    dev.stop();
}

//! A phone with a large mailbox: what it costs to come back after ten changes, and to look at the folder at all.

use harness::{Dev, Imap};
use std::fs;

/// Messages of the large folder. SYNC_MESSAGES in the environment makes it another size, to measure.
const MESSAGES: u32 = 100_000;
const MIB: u64 = 1024 * 1024;

fn messages() -> u32 {
    std::env::var("SYNC_MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(MESSAGES)
}

/// Fills INBOX by copying what is there onto itself.
fn fill(imap: &mut Imap, count: u32) {
    assert!(imap.append("INBOX", "", b"Subject: one of many\r\n\r\nx\r\n").is_ok());
    imap.ok("SELECT INBOX");
    let mut there = 1;
    while there < count {
        let more = there.min(count - there);
        there += more;
        assert_eq!(imap.ok(&format!("COPY 1:{more} INBOX")).number("EXISTS"), Some(there));
    }
}

/// The number that stands behind this in some line.
fn number(lines: &[String], before: &str) -> u64 {
    let found = lines.iter().find_map(|line| line.split_once(before)).map(|(_, rest)| rest);
    let digits: String = found.expect(before).chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

fn memory(pid: i32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:"))).expect("the field");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") * 1024
}

#[test]
fn ten_changes_of_a_large_folder_are_one_small_round_trip() {
    let count = messages();
    let dev = Dev::start(1, &[]);
    let mut desktop = Imap::sign_in(&dev, dev.user(1));
    fill(&mut desktop, count);

    let mut phone = Imap::sign_in(&dev, dev.user(1));
    phone.ok("ENABLE QRESYNC");
    let known = phone.ok("SELECT INBOX").lines();
    let (validity, modseq) = (number(&known, "[UIDVALIDITY "), number(&known, "[HIGHESTMODSEQ "));
    phone.ok("LOGOUT");

    for uid in [1, 5_000, 50_000, 99_999] {
        desktop.ok(&format!("UID STORE {uid} +FLAGS.SILENT (\\Flagged)"));
    }
    desktop.ok("UID STORE 7,70000:70002 +FLAGS.SILENT (\\Deleted)");
    desktop.ok("UID EXPUNGE 7,70000:70002");
    for _ in 0..2 {
        assert!(desktop.append("INBOX", "", b"Subject: new\r\n\r\nx\r\n").is_ok());
    }

    // What the front-end needs for the session, at its peak.
    let front_end = dev.pid("imap", 1).expect("the role runs");
    fs::write(format!("/proc/{front_end}/clear_refs"), "5").expect("the peak can be reset");
    let before = memory(front_end, "VmRSS");
    let mut phone = Imap::sign_in(&dev, dev.user(1));
    phone.ok("ENABLE QRESYNC");
    let lines = phone.ok(&format!("SELECT INBOX (QRESYNC ({validity} {modseq} 1:{count}))")).lines();
    let octets: usize = lines.iter().map(|line| line.len() + 4).sum();
    println!("{count} messages: {octets} octets for ten changes");
    assert!(octets < 4096, "{octets} octets:\n{}", lines.join("\n"));
    assert!(lines.iter().any(|line| line == "VANISHED (EARLIER) 7,70000:70002"), "{}", lines.join("\n"));
    // New messages are not among the known UIDs, so the client fetches them by EXISTS and UIDNEXT.
    assert_eq!(lines.iter().filter(|line| line.contains(" FETCH (UID ")).count(), 4, "{}", lines.join("\n"));
    assert_eq!(number(&lines, "[UIDNEXT "), u64::from(count) + 3);

    assert_eq!(
        phone.ok("UID FETCH 1:* (FLAGS)").lines().iter().filter(|line| line.contains(" FETCH (")).count(),
        count as usize - 2
    );
    phone.ok("UID STORE 1:* +FLAGS.SILENT (\\Answered)");
    let added = memory(front_end, "VmHWM").saturating_sub(before);
    println!("{count} messages: {} MiB added at the front-end's peak", added / MIB);
    assert!(added < 16 * MIB, "{} MiB", added / MIB);
    dev.stop();
}

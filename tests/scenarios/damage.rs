//! A flipped bit in a mailbox's file or log, as clients, senders and the operator see it: what is intact is read, nothing is
//! written, mail waits, the check names it, and nobody else notices.

use harness::dev::binary;
use harness::smtp::Smtp;
use harness::{Dev, Imap, User, until};
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Octets of a page.
const PAGE: u64 = 4096;
/// Messages of a mailbox, each of some pages.
const MESSAGES: u32 = 8;

fn brevdue(dev: &Dev, words: &[&str]) -> (i32, Value, String) {
    let mut command = Command::new(binary());
    let ended = command.arg("--data").arg(dev.data()).arg("--json").args(words).output().expect("it runs");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    (ended.status.code().expect("it exits"), serde_json::from_slice(&ended.stdout).unwrap_or_default(), said)
}

fn check(dev: &Dev, user: &User) -> (i32, Value, String) {
    let file = dev.scratch().join(format!("password-{}", user.address));
    fs::write(&file, format!("{}\n", user.password)).expect("written");
    let file = file.to_str().expect("a path in UTF-8").to_owned();
    brevdue(dev, &["mailbox", "check", &user.address, "--password-file", &file])
}

fn file(dev: &Dev, user: &User) -> PathBuf {
    file_of(dev, user, "mailboxes")
}

/// The user's file of a kind.
fn file_of(dev: &Dev, user: &User, kind: &str) -> PathBuf {
    let (code, aliases, said) = brevdue(dev, &["alias", "list"]);
    assert_eq!(code, 0, "{said}");
    let aliases = aliases.as_array().expect("a list");
    let mine = aliases.iter().find(|alias| alias["address"] == user.address.as_str()).expect("the alias");
    let id = mine["mailbox_id"].as_str().expect("an id");
    let folder = dev.data().join("nodes/node-1/volume-1").join(kind).join(&id[..2]).join(&id[2..4]);
    folder.join(format!("{id}.db"))
}

/// A message whose octets do not compress.
fn message(number: u32) -> Vec<u8> {
    let mut text = format!("Subject: letter {number}\r\n\r\n");
    let mut state = u64::from(number) + 1;
    for _ in 0..400 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&format!("{state:016x}{:016x}\r\n", state.rotate_left(17)));
    }
    text.into_bytes()
}

fn fill(imap: &mut Imap) {
    for number in 1..=MESSAGES {
        assert!(imap.append("INBOX", "(\\Seen)", &message(number)).is_ok());
    }
}

fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("the file");
    let mut octet = [0];
    file.read_exact_at(&mut octet, offset).expect("read");
    file.write_all_at(&[octet[0] ^ 4], offset).expect("written");
}

/// Some pages at the end of a file, which are those of the last messages: one bit of each.
fn flip_pages(path: &Path) {
    let pages = fs::metadata(path).expect("the file").len() / PAGE;
    for page in pages - 9..pages - 3 {
        flip(path, page * PAGE + 777);
    }
}

/// Reads every message; those that were answered right, and the answers to the others, with what was told beside them.
fn read_all(imap: &mut Imap) -> (u32, Vec<String>, Vec<String>) {
    let (mut read, mut refused, mut told) = (0, Vec::new(), Vec::new());
    for uid in 1..=MESSAGES {
        let answer = imap.command(&format!("UID FETCH {uid} BODY.PEEK[]"));
        told.extend(answer.lines().into_iter().filter(|line| !line.contains("FETCH")));
        if answer.is_ok() {
            assert_eq!(answer.literals(), [message(uid)], "UID {uid}");
            read += 1;
        } else {
            refused.push(answer.tagged);
        }
    }
    (read, refused, told)
}

fn corrupt(tagged: &str) {
    assert!(tagged.starts_with("NO [CORRUPTION]"), "{tagged}");
}

/// The same over POP3 (RFC 3206 §4).
fn removes_nothing(dev: &Dev, user: &User) {
    let stream = TcpStream::connect(("127.0.0.1", dev.port("pop3"))).expect("a connection");
    let commands = format!("USER {}\r\nPASS {}\r\nSTAT\r\nDELE 1\r\nQUIT\r\n", user.address, user.password);
    (&stream).write_all(commands.as_bytes()).expect("sent");
    let answers: Vec<_> = BufReader::new(stream).lines().map(|line| line.expect("a line")).skip(3).collect();
    let starts: Vec<_> = answers.iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(starts, [format!("+OK {MESSAGES}"), "-ERR [SYS/PERM]".to_owned(), "+OK Bye".to_owned()], "{answers:?}");
}

/// What everybody sees of a damaged mailbox, and of the one beside it.
fn is_read_and_not_written(dev: &Dev, imap: &mut Imap) {
    let (damaged, other) = (dev.user(1), dev.user(2));
    assert!(imap.ok("SELECT INBOX").tagged.starts_with("OK [READ-WRITE]"));
    let (read, refused, told) = read_all(imap);
    assert!(read >= 2 && !refused.is_empty(), "{read} read, {refused:?}");
    refused.iter().for_each(|tagged| corrupt(tagged));
    // The session in which it was found hears it once, where it can be shown, and what it means for the folder.
    let starts = |line: &str| told.iter().filter(|each| each.starts_with(line)).count();
    assert_eq!((starts("NO [ALERT] This mailbox is damaged"), starts("OK [READ-ONLY]")), (1, 1), "{told:?}");
    assert_eq!(starts("OK [PERMANENTFLAGS ()]"), 1, "{told:?}");
    let selected = imap.ok("SELECT INBOX");
    assert!(selected.tagged.starts_with("OK [READ-ONLY]"), "{}", selected.tagged);
    let lines = selected.lines();
    assert!(lines.iter().any(|line| line.starts_with("OK [PERMANENTFLAGS ()]")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("ALERT")), "{lines:?}");
    let told_later = Imap::sign_in(dev, damaged).ok("SELECT INBOX");
    assert!(told_later.lines().iter().any(|line| line.starts_with("NO [ALERT]")), "{:?}", told_later.lines());
    // Read, and not marked as such.
    assert!(imap.command("UID FETCH 1 BODY[]").is_ok());
    removes_nothing(dev, damaged);
    corrupt(&imap.command("UID STORE 1 +FLAGS (\\Flagged)").tagged);
    corrupt(&imap.append("INBOX", "", b"Subject: no\r\n\r\n").tagged);
    corrupt(&imap.command("CREATE Elsewhere").tagged);
    // Taken, and kept until it can be stored.
    Smtp::connect(dev).send("sender@elsewhere.example", &[&damaged.address, &other.address], b"Subject: waits\r\n\r\n");
    let mut second = Imap::sign_in(dev, other);
    assert_eq!(second.ok("STATUS INBOX (MESSAGES)").lines(), ["STATUS INBOX (MESSAGES 1)"]);
    assert!(second.append("INBOX", "", b"Subject: as ever\r\n\r\n").is_ok());
    assert_eq!(imap.ok("STATUS INBOX (MESSAGES)").lines(), [format!("STATUS INBOX (MESSAGES {MESSAGES})")]);
    let log = dev.log("node", 1);
    assert!(log.contains("the mailbox is damaged") && log.contains("ERROR"), "{log}");
    assert!(!log.contains(&damaged.address), "{log}");
}

fn finds(dev: &Dev, is_there: impl Fn(&Value) -> bool) {
    let (code, said, line) = check(dev, dev.user(1));
    assert_eq!((code, &said["sound"]), (1, &Value::Bool(false)), "{said} {line}");
    assert!(line.contains("findings") && line.contains("backup restore"), "{line}");
    assert!(said["findings"].as_array().expect("a list").iter().any(is_there), "{said}");
    let (code, said, _) = check(dev, dev.user(2));
    assert_eq!((code, &said["sound"]), (0, &Value::Bool(true)), "{said}");
}

/// After it was mended from outside: a check opens it again, and what waited comes in.
fn is_whole_again(dev: &Dev) {
    let (code, said, line) = check(dev, dev.user(1));
    assert_eq!((code, &said["sound"]), (0, &Value::Bool(true)), "{said} {line}");
    let mut imap = Imap::sign_in(dev, dev.user(1));
    let expected = [format!("STATUS INBOX (MESSAGES {})", MESSAGES + 1)];
    until("what waited is there", || (imap.ok("STATUS INBOX (MESSAGES)").lines() == expected).then_some(()));
    imap.ok("SELECT INBOX");
    imap.ok("UID STORE 1 +FLAGS (\\Flagged)");
}

#[test]
fn a_file_that_was_damaged_while_it_was_closed() {
    let mut dev = Dev::start(2, &[]);
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    fill(&mut imap);
    let path = file(&dev, dev.user(1));
    imap.ok("LOGOUT");
    let log = path.with_extension("db-wal");
    until("the file is closed", || (!log.exists()).then_some(()));
    let sound = fs::read(&path).expect("the file");
    flip_pages(&path);
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    is_read_and_not_written(&dev, &mut imap);
    finds(&dev, |finding| finding["file"] == "mailbox" && finding["page"].is_u64() && finding["offset"].is_u64());
    imap.ok("LOGOUT");
    dev.restart();
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    imap.ok("SELECT INBOX");
    corrupt(&imap.command("UID STORE 1 +FLAGS (\\Flagged)").tagged);
    imap.ok("LOGOUT");
    let mended = OpenOptions::new().write(true).open(&path).expect("the file");
    mended.write_all_at(&sound, 0).expect("written");
    is_whole_again(&dev);
    dev.stop();
}

#[test]
fn a_file_and_a_log_that_are_damaged_under_a_running_node() {
    let dev = Dev::start(2, &[]);
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    fill(&mut imap);
    let path = file(&dev, dev.user(1));
    let log = path.with_extension("db-wal");
    // All of it is in the log still; a process that is killed leaves it, and it is damaged before the next one reads it.
    let half = fs::metadata(&log).expect("the log").len() / 2;
    flip(&log, half);
    dev.kill_and_wait("node", 1);
    let tagged = until("the node serves again", || {
        let mut imap = Imap::sign_in(&dev, dev.user(1));
        imap.command("SELECT INBOX").is_ok().then(|| imap.command("CREATE Elsewhere").tagged)
    });
    corrupt(&tagged);
    finds(&dev, |finding| finding["file"] == "mailbox log" && finding["frame"].is_u64());
    Smtp::connect(&dev).send("sender@elsewhere.example", &[&dev.user(1).address], b"Subject: waits\r\n\r\n");
    // Not one octet of what could still be mended was written over.
    flip(&log, half);
    drop(imap);
    dev.kill_and_wait("node", 1);
    is_whole_again(&dev);
    dev.stop();
}

/// The subjects of what is in the INBOX, in order.
fn subjects(imap: &mut Imap) -> Vec<String> {
    let messages = imap.messages("INBOX").into_iter();
    let text = |message: Vec<u8>| String::from_utf8_lossy(&message).into_owned();
    let subject = |message: String| message.lines().find_map(|line| Some(line.strip_prefix("Subject: ")?.to_owned()));
    messages.filter_map(|(_, message)| subject(text(message))).collect()
}

fn aside(dev: &Dev) -> Vec<Value> {
    let (code, said, line) = brevdue(dev, &["mailbox", "aside", "list"]);
    assert_eq!(code, 0, "{line}");
    said["files"].as_array().expect("a list").clone()
}

#[test]
fn waiting_mail_that_is_damaged_is_set_aside() {
    let mut dev = Dev::start(2, &[]);
    let user = dev.user(1).clone();
    let deliver = |dev: &Dev, message: &[u8]| {
        let to = [user.address.as_str(), dev.user(2).address.as_str()];
        Smtp::connect(dev).send("sender@elsewhere.example", &to, message);
    };
    (1..=MESSAGES).for_each(|number| deliver(&dev, &message(number)));
    assert_eq!(aside(&dev), Vec::<Value>::new());
    dev.restart();
    let path = file_of(&dev, &user, "waiting");
    // One page near the end, which is of one message alone, and the root of nothing.
    let pages = fs::metadata(&path).expect("the file").len() / PAGE;
    assert!(pages > 30, "{pages}");
    flip(&path, (pages - 6) * PAGE + 777);
    // What comes meanwhile is taken at once.
    deliver(&dev, b"Subject: letter 9\r\n\r\n");
    let mut imap = Imap::sign_in(&dev, &user);
    let found = until("what waited is there", || {
        let subjects = subjects(&mut imap);
        (subjects.last().map(String::as_str) == Some("letter 9")).then_some(subjects)
    });
    let all: Vec<_> = (1..=MESSAGES + 1).map(|number| format!("letter {number}")).collect();
    assert!(found.windows(2).all(|two| two[0] < two[1]) && found.iter().all(|subject| all.contains(subject)));
    let kept = aside(&dev);
    assert_eq!(
        (kept.len(), &kept[0]["what"], &kept[0]["address"]),
        (1, &"waiting mail".into(), &user.address.as_str().into())
    );
    let why = kept[0]["why"].as_str().expect("a report");
    let lost = why.lines().find_map(|line| line.strip_suffix(" messages cannot be read")?.parse::<usize>().ok());
    let lost = lost.expect("how many are lost");
    // A page of the tree of parts is of several messages.
    assert!(why.contains("page ") && (1..=8).contains(&lost), "{why}");
    assert_eq!(found.len() + lost, all.len(), "{found:?}\n{why}");
    let log = dev.log("node", 1);
    assert!(log.contains("the file is damaged") && !log.contains(&user.address), "{log}");
    // It is named for as long as it is kept, and the mailbox itself is sound.
    let (code, said, _) = check(&dev, &user);
    let findings = said["findings"].as_array().expect("a list");
    assert_eq!((code, findings.len(), &findings[0]["file"]), (1, 1, &"waiting mail".into()), "{said}");
    assert!(imap.append("INBOX", "", b"Subject: as ever\r\n\r\n").is_ok());
    let mut other = Imap::sign_in(&dev, dev.user(2));
    until("the other's mail is there", || (subjects(&mut other) == all).then_some(()));
    let name = kept[0]["name"].as_str().expect("a name");
    let (code, _, line) = brevdue(&dev, &["mailbox", "aside", "discard", "nothing.waiting.db", "--yes"]);
    assert!(code == 1 && line.contains("no node keeps a file of the name"), "{line}");
    let (code, said, line) = brevdue(&dev, &["mailbox", "aside", "discard", name, "--yes"]);
    assert_eq!((code, said["octets"].as_u64().is_some_and(|octets| octets > 0)), (0, true), "{line}");
    assert_eq!(aside(&dev), Vec::<Value>::new());
    let (code, said, line) = check(&dev, &user);
    assert_eq!((code, &said["sound"]), (0, &Value::Bool(true)), "{said} {line}");
    dev.stop();
}

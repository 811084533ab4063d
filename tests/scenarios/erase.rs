//! Erased is erased: the mailbox, the mail that waits, what is in the queue, backups wherever they are or are going, what was moved
//! aside, the keys; nothing of anybody else's; and again after a crash at any moment.

use harness::corpus::Seeded;
use harness::dev::binary;
use harness::s3::S3;
use harness::{Dev, Imap, Smtp, User, exchange, mailbox, until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nbody\r\n";
/// Octets of a message that makes an upload of several parts.
const LARGE_BYTES: usize = 16_000_000;
/// Octets of their upload after which it stands still: all of the first part, and some of the second.
const UPLOADED_BYTES: i64 = 6_500_000;

fn brevdue(dev: &Dev, words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg("--data").arg(dev.data()).arg("--json").args(words).stdin(Stdio::null());
    command
}

fn run(dev: &Dev, words: &[&str]) -> (i32, Value, String) {
    let output = brevdue(dev, words).output().expect("it runs");
    let said = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().expect("it exits"), said, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn done(dev: &Dev, words: &[&str]) -> Value {
    let (code, said, why) = run(dev, words);
    assert_eq!(code, 0, "{words:?}: {why}");
    said
}

fn erase(dev: &Dev, address: &str, more: &[&str]) -> (i32, Value, String) {
    run(dev, &[&["alias", "erase", address], more].concat())
}

fn password(dev: &Dev, user: &User) -> String {
    let file = dev.scratch().join(format!("password-{}", user.address));
    fs::write(&file, &user.password).expect("written");
    file.to_str().expect("a path in UTF-8").to_owned()
}

fn back_up(dev: &Dev, user: &User) {
    done(dev, &["backup", "now", &user.address, "--password-file", &password(dev, user)]);
}

/// Every file and folder below this one whose name has this in it.
fn named(folder: &Path, part: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.file_name().is_some_and(|name| name.to_string_lossy().contains(part)) {
            found.insert(path.clone());
        }
        if path.is_dir() {
            found.extend(named(&path, part));
        }
    }
    found
}

/// The node's only volume.
fn volume(dev: &Dev) -> PathBuf {
    dev.data().join("nodes/node-1/volume-1")
}

/// Objects of a mailbox in the bucket.
fn objects(s3: &S3, id: &str) -> Vec<String> {
    s3.objects("").into_iter().filter(|name| name.contains(id)).collect()
}

/// A message that waits for each of them.
fn mail_waits(dev: &Dev, users: &[&User]) {
    let ids: Vec<String> = users.iter().map(|user| id_of(dev, user)).collect();
    until("nobody has the mailboxes open", || {
        let files = |id: &String| named(&volume(dev).join("mailboxes"), id).len();
        ids.iter().all(|id| files(id) <= 1).then_some(())
    });
    let to: Vec<&str> = users.iter().map(|user| user.address.as_str()).collect();
    Smtp::connect(dev).send("a@elsewhere.test", &to, MESSAGE);
    assert!(ids.iter().all(|id| !named(&volume(dev).join("waiting"), id).is_empty()));
}

/// The only id of a mailbox that an alias has.
fn id_of(dev: &Dev, user: &User) -> String {
    let listed = done(dev, &["alias", "list"]);
    let row = listed.as_array().expect("rows").iter().find(|row| row["address"] == user.address.as_str());
    row.expect("the alias")["mailbox_id"].as_str().expect("an id").to_owned()
}

/// Nobody gets in, and no mail is taken.
fn is_gone(dev: &Dev, user: &User) {
    assert!(!Imap::connect(dev).command(&format!("LOGIN {} {}", user.address, user.password)).is_ok());
    let reply = Smtp::connect(dev).try_send("a@elsewhere.test", &[&user.address], MESSAGE).expect("a reply");
    assert!(reply.starts_with("550 5.1.1"), "{reply}");
}

fn texts<'v>(said: &'v Value, list: &str, member: &str) -> Vec<&'v str> {
    said[list].as_array().expect("a list").iter().map(|each| each[member].as_str().expect("text")).collect()
}

/// Two stores.
fn with_stores(s3: &S3, users: usize) -> Dev {
    let folder = s3.credentials().with_file_name("folder");
    fs::create_dir_all(&folder).expect("a folder");
    let first = format!("[[backup.stores]]\nname = \"folder\"\nkind = \"folder\"\nfolder = \"{}\"\n", folder.display());
    let file = s3.credentials().with_file_name("settings.toml");
    let settings = s3.settings(&first);
    fs::write(&file, settings).expect("written");
    Dev::start(users, &["--settings", file.to_str().expect("a path in UTF-8")])
}

/// Something of everything that an alias can have.
fn fill(dev: &Dev, user: &User) {
    let mut imap = Imap::sign_in(dev, user);
    imap.append("INBOX", "", MESSAGE);
    back_up(dev, user);
    done(dev, &["backup", "restore", &user.address, "--yes", "--password-file", &password(dev, user)]);
    done(dev, &["alias", "backup", &user.address, "--store", "s3"]);
    Imap::sign_in(dev, user).append("INBOX", "", MESSAGE);
    back_up(dev, user);
    drop(imap);
    exchange::submit(
        dev,
        user,
        &format!("From: {}\r\nSubject: goes\r\n\r\nx\r\n", user.address),
        &["a@elsewhere.test"],
    );
}

#[test]
fn nothing_is_left_but_what_is_others() {
    let s3 = S3::start();
    let dev = with_stores(&s3, 2);
    let (user, other) = (dev.user(1), dev.user(2));
    dev.freeze("outbound", 1, true);
    for each in [user, other] {
        fill(&dev, each);
    }
    // An upload is under way, and another snapshot waits.
    let mut imap = Imap::sign_in(&dev, user);
    imap.append("INBOX", "", &[MESSAGE, "large\r\n".repeat(LARGE_BYTES / 7).as_bytes()].concat());
    let mut random = Seeded::new(7);
    let noise: String = (0..LARGE_BYTES / 16).map(|_| format!("{:016x}", random.draw())).collect();
    imap.append("INBOX", "", &[MESSAGE, noise.as_bytes()].concat());
    let words = ["backup", "now", &user.address, "--password-file", &password(&dev, user)];
    s3.hold_after(UPLOADED_BYTES);
    let mut uploading = brevdue(&dev, &words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    until("a part is there", || (s3.parts() > 0 && s3.is_closed()).then_some(()));
    dev.freeze("backup", 1, true);
    s3.mend();
    uploading.kill().expect("SIGKILL");
    uploading.wait().expect("it is gone");
    let (id, others) = (id_of(&dev, user), id_of(&dev, other));
    drop(imap);
    mail_waits(&dev, &[user, other]);
    let mut imap = Imap::sign_in(&dev, other);
    let before = mailbox::folder(&mut imap, "INBOX");
    let kept = (named(&volume(&dev).join("aside"), &others), objects(&s3, &others));

    let (code, _, why) = erase(&dev, &user.address, &[]);
    assert_eq!((code, why.lines().count()), (1, 1), "nobody was asked: {why}");
    let (code, said, why) = erase(&dev, &user.address, &["--yes"]);
    assert_eq!((code, said["mailbox_id"].as_str()), (0, Some(id.as_str())), "{why}");
    let whats: BTreeSet<&str> =
        texts(&said, "files", "what").into_iter().map(|what| what.split(['/', '-']).next().expect("a word")).collect();
    assert_eq!(whats, BTreeSet::from(["a snapshot on its way", "aside", "mailbox", "waiting mail"]), "{said}");
    assert!(texts(&said, "files", "path").iter().all(|path| path.starts_with('/') && !Path::new(path).exists()));
    assert_eq!(said["queue_entries"], 1, "{said}");
    assert_eq!(texts(&said, "backups", "store"), ["folder", "s3"], "{said}");
    for store in said["backups"].as_array().expect("stores") {
        let names = store["objects"].as_array().expect("names");
        assert!(names.len() >= 2 && names.iter().all(|name| name.as_str().is_some_and(|name| name.contains(&id))));
    }
    assert_eq!(named(&dev.data(), &id), BTreeSet::new());
    is_gone(&dev, user);
    let (code, _, why) = erase(&dev, &user.address, &["--yes"]);
    assert_eq!((code, why.lines().count()), (1, 1), "{why}");
    assert!(why.contains("no such alias, and nothing of it"), "{why}");

    // What was on its way into a store when it was erased does not come to lie there.
    dev.freeze("backup", 1, false);
    until("nothing is left in the stores", || {
        let left = objects(&s3, &id).len() + named(&s3.credentials().with_file_name("folder"), &id).len();
        (left == 0 && s3.parts() == 0).then_some(())
    });
    assert_eq!((named(&volume(&dev).join("aside"), &others), objects(&s3, &others)), kept);
    assert!(!kept.0.is_empty() && !kept.1.is_empty());
    // The store may rest, for it refused what was left of an upload that was ended.
    let words = ["backup", "now", &other.address, "--password-file", &password(&dev, other)];
    until("the store is used again", || (run(&dev, &words).0 == 0).then_some(()));
    assert_eq!(objects(&s3, &id), Vec::<String>::new());
    assert_eq!(mailbox::folder(&mut Imap::sign_in(&dev, other), "INBOX"), before);
    assert_eq!(done(&dev, &["queue", "list"])["entries"].as_array().expect("entries").len(), 1);
    dev.freeze("outbound", 1, false);
    dev.stop();
}

/// Erases, and is killed at some moment of it: the command itself, or the node.
fn broken_off(dev: &Dev, user: &User, random: &mut Seeded, long: Duration) {
    let words = ["alias", "erase", &user.address, "--yes"];
    let begun = Instant::now();
    let mut first = brevdue(dev, &words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let at = Duration::from_micros(random.below(long.as_micros() as u64));
    until("its time has come", || (begun.elapsed() >= at).then_some(()));
    if random.below(2) == 0 {
        // It may have ended by itself.
        let _ = first.kill();
    } else {
        dev.kill_and_wait("node", 1);
    }
    first.wait().expect("it is gone");
}

#[test]
fn a_second_run_ends_what_was_broken_off_anywhere() {
    const ERASED: usize = 9;
    let dev = Dev::start(ERASED + 1, &[]);
    let other = dev.user(ERASED + 1);
    let mut ids = Vec::new();
    for n in 1..=ERASED + 1 {
        let user = dev.user(n);
        Imap::sign_in(&dev, user).append("INBOX", "", MESSAGE);
        ids.push(id_of(&dev, user));
        if n % 2 == 0 {
            back_up(&dev, user);
        }
    }
    mail_waits(&dev, &[dev.user(1), dev.user(3), other]);
    let mut random = Seeded::new(5);
    let begun = Instant::now();
    assert_eq!(erase(&dev, &dev.user(1).address, &["--yes"]).0, 0);
    let long = begun.elapsed();
    for n in 2..=ERASED {
        let user = dev.user(n);
        broken_off(&dev, user, &mut random, long);
        until("the same command ends it", || {
            let (code, _, why) = erase(&dev, &user.address, &["--yes"]);
            (code == 0 || why.contains("nothing of it")).then_some(())
        });
    }
    // What the worker was putting into a store it takes out again.
    for id in &ids[..ERASED] {
        until("nothing of the mailbox is left", || named(&dev.data(), id).is_empty().then_some(()));
    }
    // A failure to sign in takes a while on purpose.
    is_gone(&dev, dev.user(ERASED));
    assert!(!mailbox::folder(&mut Imap::sign_in(&dev, other), "INBOX").is_empty());
    dev.stop();
}

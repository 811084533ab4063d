//! Backups, as an operator makes them and counts on them: into a folder, into a real S3 server, through everything that goes wrong
//! on the way; and what comes back is what was there.

use harness::dev::binary;
use harness::s3::S3;
use harness::{Dev, Imap, User, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Octets of a message that makes an upload of several parts.
const LARGE_BYTES: usize = 4_000_000;
/// How many of them.
const LARGE: usize = 5;
/// Octets of their upload after which the network fails: all of the first part, and some of the second.
const UPLOADED_BYTES: i64 = 7_000_000;

/// A `brevdue backup …` on this `dev`.
pub(super) fn backup(dev: &Dev, words: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.arg("--data").arg(dev.data()).args(["--json", "backup"]).args(words).output().expect("it runs")
}

pub(super) fn done(dev: &Dev, words: &[&str]) -> Value {
    let output = backup(dev, words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{words:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The line that says why it was refused.
pub(super) fn refused(dev: &Dev, words: &[&str]) -> String {
    let output = backup(dev, words);
    assert_eq!(output.status.code(), Some(1), "{words:?}");
    String::from_utf8(output.stderr).expect("text")
}

pub(super) fn password(dev: &Dev, user: &User) -> String {
    let file = dev.scratch().join(format!("password-{}", user.address));
    fs::write(&file, format!("{}\n", user.password)).expect("written");
    file.to_str().expect("a path in UTF-8").to_owned()
}

pub(super) fn now(dev: &Dev, user: &User) -> Value {
    done(dev, &["now", &user.address, "--password-file", &password(dev, user)])
}

pub(super) fn list(dev: &Dev, user: &User) -> Vec<Value> {
    done(dev, &["list", &user.address]).as_array().expect("a list").clone()
}

/// Everything that is in a mailbox, by folder: of each message UID, flags, date and octets.
pub(super) type Contents = BTreeMap<String, Vec<(u32, String, Vec<u8>)>>;

pub(super) fn contents(dev: &Dev, user: &User) -> Contents {
    let mut imap = Imap::sign_in(dev, user);
    let mut folders = imap.ok("LIST \"\" *").lines();
    // A name that is there for its children alone holds nothing.
    folders.retain(|line| !line.contains("\\NonExistent") && !line.contains("\\Noselect"));
    let names =
        folders.iter().filter_map(|line| line.strip_prefix("LIST ")?.rsplit_once("\"/\" ").map(|(_, name)| name));
    let mut all = Contents::new();
    for name in names {
        imap.ok(&format!("EXAMINE {name}"));
        let described = imap.ok("UID FETCH 1:* (FLAGS INTERNALDATE)").lines();
        let mut flags: Vec<String> = described.iter().filter(|line| line.contains("FETCH")).cloned().collect();
        // Each connection claims \Recent for itself.
        for line in &mut flags {
            *line = line.replace("\\Recent ", "").replace(" \\Recent", "").replace("\\Recent", "");
        }
        let messages = imap.messages(name.trim_matches('"'));
        assert_eq!(messages.len(), flags.len(), "{name}");
        let rows = messages.into_iter().zip(flags).map(|((uid, octets), flags)| (uid, flags, octets)).collect();
        all.insert(name.trim_matches('"').to_owned(), rows);
    }
    all
}

/// A mailbox with folders, flags, keywords, dates and attachments.
pub(super) fn fill(dev: &Dev, user: &User) {
    let mut imap = Imap::sign_in(dev, user);
    imap.ok("CREATE Work/2026");
    for n in 0..12 {
        let text = format!("From: a@elsewhere.test\r\nSubject: number {n}\r\n\r\n{}\r\n", "text ".repeat(n * 50));
        let folder = if n % 3 == 0 { "Work/2026" } else { "INBOX" };
        let options = format!("(\\Seen $Label{n}) \"{:02}-Feb-2024 10:00:00 +0100\"", n + 1);
        assert!(imap.append(folder, &options, text.as_bytes()).is_ok());
    }
    imap.ok("SELECT INBOX");
    imap.ok("UID STORE 2 +FLAGS (\\Deleted)");
    imap.ok("UID EXPUNGE 2");
    imap.ok("UID STORE 3 FLAGS (\\Flagged \\Answered Own)");
    imap.ok("LOGOUT");
}

fn large(dev: &Dev, user: &User) {
    let mut imap = Imap::sign_in(dev, user);
    let mut state = 0x1234_5678_9abc_def1_u64;
    for n in 0..LARGE {
        let mut text = format!("Subject: large {n}\r\n\r\n").into_bytes();
        while text.len() < LARGE_BYTES {
            // Each line takes the 64 bits from another number: none of it can be compressed away.
            for _ in 0..4 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                text.extend_from_slice(format!("{state:016x}").as_bytes());
            }
            text.extend_from_slice(b"\r\n");
        }
        assert!(imap.append("INBOX", "", &text).is_ok());
    }
    imap.ok("LOGOUT");
}

fn uid_validity(imap: &mut Imap) -> String {
    let lines = imap.ok("STATUS INBOX (UIDVALIDITY)").lines();
    lines.iter().find(|line| line.starts_with("STATUS")).expect("a status").clone()
}

#[test]
fn a_mailbox_comes_back_byte_for_byte() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    fill(&dev, user);
    let before = contents(&dev, user);
    let made = now(&dev, user);
    assert_eq!((made["messages"].as_u64(), made["unchanged"].as_bool()), (Some(11), Some(false)));
    let listed = list(&dev, user);
    assert_eq!(listed.len(), 1);
    for key in ["id", "time", "bytes", "messages", "sha256"] {
        assert_eq!(listed[0][key], made[key], "{key}");
    }
    // Nothing has changed: nothing is copied.
    let again = now(&dev, user);
    assert_eq!((&again["id"], again["unchanged"].as_bool()), (&made["id"], Some(true)));

    // What happens then is undone by the restore, under the eyes of somebody who is signed in.
    let mut imap = Imap::sign_in(&dev, user);
    let validity = uid_validity(&mut imap);
    assert!(imap.append("INBOX", "", b"Subject: later\r\n\r\nx\r\n").is_ok());
    imap.ok("DELETE Work/2026");
    let restored = done(&dev, &["restore", &user.address, "--yes", "--password-file", &password(&dev, user)]);
    assert_eq!((&restored["backup"], restored["messages"].as_u64()), (&made["id"], Some(11)));
    assert!(restored["aside"].as_str().expect("a name").starts_with("aside/"));
    assert_eq!(contents(&dev, user), before);
    let mut fresh = Imap::sign_in(&dev, user);
    assert_ne!(uid_validity(&mut fresh), validity, "UIDs that were given out since may not mean other messages");
    assert!(fresh.append("INBOX", "", b"Subject: after\r\n\r\nx\r\n").is_ok());
    // Only the store has what it had, and the state that is now is another one.
    assert_eq!(now(&dev, user)["unchanged"].as_bool(), Some(false));
    assert_eq!(list(&dev, user).len(), 2);
    dev.stop();
}

#[test]
fn parts_of_a_backup_are_added_once() {
    let dev = Dev::start(2, &[]);
    let (user, other) = (dev.user(1), dev.user(2));
    fill(&dev, user);
    let made = now(&dev, user);
    let id = made["id"].as_str().expect("an id");
    let secret = password(&dev, user);
    let one = ["restore", &user.address, "--backup", id, "--folder", "INBOX", "--uid", "3", "--password-file", &secret];
    assert_eq!(done(&dev, &one)["messages"].as_u64(), Some(1));
    let to = password(&dev, other);
    let all = ["restore", &user.address, "--to", &other.address, "--password-file", &secret, "--to-password-file", &to];
    for _ in 0..2 {
        assert_eq!(done(&dev, &all)["messages"].as_u64(), Some(11));
    }
    let bare = |contents: Contents| -> BTreeMap<String, Vec<Vec<u8>>> {
        contents
            .into_iter()
            .map(|(name, rows)| (name, rows.into_iter().map(|(_, _, octets)| octets).collect()))
            .collect()
    };
    let mut mine = bare(contents(&dev, user));
    let single = mine.remove("Restored/INBOX").expect("a folder");
    assert_eq!(single, mine["INBOX"][1..2]);
    mine.remove("Restored");
    assert_eq!(bare(contents(&dev, other)), mine);

    let drilled = done(&dev, &["drill", &user.address, "--password-file", &secret]);
    assert_eq!(drilled[0]["result"].as_str(), Some("opened"));
    assert_eq!(done(&dev, &["drill"])[0]["result"].as_str(), Some("fetched"));

    assert!(
        refused(&dev, &["restore", &user.address, "--yes", "--backup", "none", "--password-file", &secret])
            .contains("backup list")
    );
    assert!(refused(&dev, &["now", &user.address, "--password-file", &to]).contains("password is wrong"));
    assert!(refused(&dev, &["list", "nobody@example.test"]).contains("no such alias"));
    assert_eq!(backup(&dev, &["restore"]).status.code(), Some(2));
    dev.stop();
}

#[test]
fn a_backup_that_was_tampered_with_is_found() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    fill(&dev, user);
    let made = now(&dev, user);
    let before = contents(&dev, user);
    let folder = dev.data().join("backup/mailboxes");
    let folder = fs::read_dir(folder).expect("backups").next().expect("one").expect("read").path();
    let data = fs::read_dir(&folder).expect("backups").flatten().map(|entry| entry.path());
    let data: Vec<PathBuf> = data.filter(|path| path.extension().is_some_and(|end| end == "sqlite")).collect();
    let mut octets = fs::read(&data[0]).expect("read");
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    fs::write(&data[0], &octets).expect("written");
    let secret = password(&dev, user);
    assert!(refused(&dev, &["restore", &user.address, "--yes", "--password-file", &secret]).contains("digest"));
    let drilled = backup(&dev, &["drill"]);
    assert_eq!(drilled.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&drilled.stdout).expect("JSON");
    assert_eq!((&said[0]["id"], said[0]["result"].as_str()), (&made["id"], Some("failed")));
    assert_eq!(contents(&dev, user), before);
    // Half an object is no backup.
    fs::write(&data[0], &octets[..middle]).expect("written");
    assert_eq!(list(&dev, user), Vec::<Value>::new());
    dev.stop();
}

/// Backups below a folder of a store, of all subjects.
fn manifests(folder: &Path) -> usize {
    let subjects = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = subjects.flat_map(|subject| fs::read_dir(subject.path()).into_iter().flatten().flatten());
    files.filter(|file| file.path().extension().is_some_and(|end| end == "json")).count()
}

/// Snapshots that wait on the node.
fn staged(dev: &Dev) -> Vec<PathBuf> {
    let staging = dev.data().join("nodes/node-1/volume-1/staging");
    let files = fs::read_dir(staging).expect("the staging folder").flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|end| end == "sqlite")).collect()
}

#[test]
fn a_snapshot_that_is_damaged_while_it_waits_is_named_and_taken_again() {
    let dev = Dev::start(2, &[]);
    let (user, other) = (dev.user(1), dev.user(2));
    fill(&dev, user);
    fill(&dev, other);
    let secret = password(&dev, user);
    // A node copies its queue when it starts; when that has gone, what waits is the mailbox's.
    until("the queue is backed up", || {
        (manifests(&dev.data().join("backup/queues")) > 0 && staged(&dev).is_empty()).then_some(())
    });
    dev.freeze("backup", 1, true);
    let asked = Command::new(binary())
        .arg("--data")
        .arg(dev.data())
        .args(["backup", "now", &user.address, "--password-file", &secret])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let staged = until("it waits", || staged(&dev).pop());
    let mut octets = fs::read(&staged).expect("read");
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    fs::write(&staged, &octets).expect("written");
    dev.freeze("backup", 1, false);
    let refused = asked.wait_with_output().expect("it ends");
    assert_eq!(refused.status.code(), Some(1));
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(why.contains("damaged while it waited"), "{why}");
    let name = staged.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(dev.log("node", 1).contains(&name), "{}", dev.log("node", 1));
    // Its row goes before its file.
    until("the file has gone", || (!staged.exists()).then_some(()));
    assert_eq!(list(&dev, user), Vec::<Value>::new());
    // Nothing else is touched, and the next one is whole though nothing has changed.
    now(&dev, other);
    now(&dev, user);
    assert_eq!((list(&dev, user).len(), list(&dev, other).len()), (1, 1));
    let before = contents(&dev, user);
    done(&dev, &["restore", &user.address, "--yes", "--password-file", &secret]);
    assert_eq!(contents(&dev, user), before);
    dev.stop();
}

/// A `dev` whose backups go to this server.
fn with_s3(s3: &S3, section: &str) -> Dev {
    let file = s3.credentials().with_file_name("settings.toml");
    fs::write(&file, s3.settings(section)).expect("written");
    Dev::start(1, &["--settings", file.to_str().expect("a path in UTF-8")])
}

/// What `backup now` says while the store is in trouble.
fn fails(dev: &Dev, what: &str) {
    let user = dev.user(1);
    let why = refused(dev, &["now", &user.address, "--password-file", &password(dev, user)]);
    assert!(why.contains(what), "{why}");
}

/// The snapshot that waited is kept, whole, and comes back.
fn is_kept(dev: &Dev, s3: &S3) {
    let user = dev.user(1);
    let before = contents(dev, user);
    until("the backup is whole", || (s3.objects(".json").len() == 1).then_some(()));
    let secret = password(dev, user);
    let made = now(dev, user);
    assert_eq!(made["unchanged"].as_bool(), Some(true));
    assert_eq!(list(dev, user).len(), 1);
    assert_eq!((s3.objects(".sqlite").len(), s3.objects(".upload").len(), s3.parts()), (1, 0, 0));
    done(dev, &["restore", &user.address, "--yes", "--password-file", &secret]);
    assert_eq!(contents(dev, user), before);
}

#[test]
fn a_worker_that_is_killed_in_mid_upload_goes_on_where_it_was() {
    let s3 = S3::start();
    let dev = with_s3(&s3, "bytes_per_second_max = 2000000");
    let user = dev.user(1);
    large(&dev, user);
    let secret = password(&dev, user);
    s3.hold_after(UPLOADED_BYTES);
    let mut waiting = Command::new(binary())
        .arg("--data")
        .arg(dev.data())
        .args(["backup", "now", &user.address, "--password-file", &secret])
        .spawn()
        .expect("it runs");
    until("a part is there", || (s3.parts() > 0 && s3.is_closed()).then_some(()));
    dev.kill_and_wait("backup", 1);
    // Nothing that counts as a backup, for whoever looks now.
    assert_eq!((s3.objects(".sqlite").len(), s3.objects(".json").len()), (0, 0));
    assert_eq!(list(&dev, user), Vec::<Value>::new());
    s3.mend();
    assert!(waiting.wait().expect("it ends").success());
    assert!(dev.log("backup", 1).contains("an upload goes on"), "{}", dev.log("backup", 1));
    is_kept(&dev, &s3);
    dev.stop();
}

#[test]
fn wrong_credentials_are_told_and_the_next_run_completes() {
    let s3 = S3::start();
    let dev = with_s3(&s3, "");
    fill(&dev, dev.user(1));
    s3.write_credentials("another-secret");
    dev.kill_and_wait("backup", 1);
    fails(&dev, "refuses the credentials");
    assert_eq!(s3.objects(""), Vec::<String>::new());
    s3.write_credentials(S3::secret());
    dev.kill_and_wait("backup", 1);
    is_kept(&dev, &s3);
    dev.stop();
}

#[test]
fn a_bucket_that_is_gone_is_told_and_the_next_run_completes() {
    let s3 = S3::start();
    let dev = with_s3(&s3, "");
    fill(&dev, dev.user(1));
    // What the worker puts there by itself makes no new bucket.
    until("the queue is backed up", || (!s3.all_objects().is_empty() && staged(&dev).is_empty()).then_some(()));
    fs::remove_dir_all(s3.bucket()).expect("removed");
    fails(&dev, "the store is gone");
    fs::create_dir_all(s3.bucket()).expect("made again");
    is_kept(&dev, &s3);
    dev.stop();
}

#[test]
fn a_network_that_breaks_leaves_no_half_object_and_the_next_run_completes() {
    let s3 = S3::start();
    let dev = with_s3(&s3, "");
    large(&dev, dev.user(1));
    s3.cut_after(UPLOADED_BYTES);
    fails(&dev, "the store failed");
    assert!(s3.is_closed());
    assert_eq!((s3.objects(".sqlite").len(), s3.objects(".json").len()), (0, 0));
    s3.mend();
    is_kept(&dev, &s3);
    dev.stop();
}

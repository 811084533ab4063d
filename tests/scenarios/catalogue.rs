//! The directory is lost altogether, and comes back from a store with nothing but its key file: who had a mailbox signs in and
//! reads it.

use harness::dev::binary;
use harness::{Dev, Imap, Smtp, User, until};
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Octets of what is looked for in a snapshot: any wrapped key or address with its domain has one such piece in it.
const PIECE: usize = 16;

/// A `brevdue` with these words.
fn brevdue(words: &[&str]) -> Output {
    Command::new(binary()).arg("--json").args(words).stdin(Stdio::null()).output().expect("it runs")
}

fn done(words: &[&str]) -> Value {
    let output = brevdue(words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{words:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The line that says why it was refused.
fn refused(words: &[&str]) -> String {
    let output = brevdue(words);
    assert_eq!(output.status.code(), Some(1), "{words:?}");
    String::from_utf8(output.stderr).expect("text")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The one file of the folder whose name ends so.
fn file_in(folder: &Path, end: &str) -> PathBuf {
    let names = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> = names.filter(|path| text(path).ends_with(end)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Nothing that stands in the plain files stands in the snapshot: no address, no wrapped key, no key of anything.
fn is_ciphertext(snapshot: &Path, plain: &[PathBuf]) {
    let octets = fs::read(snapshot).expect("read");
    let pieces: HashSet<&[u8]> = octets.windows(PIECE).collect();
    let mut looked = 0;
    for path in plain {
        let octets = fs::read(path).unwrap_or_default();
        for piece in octets.chunks_exact(PIECE).filter(|piece| piece.iter().collect::<HashSet<_>>().len() > 4) {
            assert!(!pieces.contains(piece), "{piece:?} of {} is in the clear", path.display());
            looked += 1;
        }
    }
    assert!(looked > 1000, "{looked}");
}

fn subjects(imap: &mut Imap) -> Vec<String> {
    let messages = imap.messages("INBOX");
    let of = |octets: &[u8]| {
        let text = String::from_utf8_lossy(octets).into_owned();
        text.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned)).unwrap_or_default()
    };
    messages.iter().map(|(_, octets)| of(octets)).collect()
}

/// Everything of the directory's.
fn lose(data: &Path) {
    for name in ["catalogue.db", "catalogue.db-wal", "catalogue.db-shm", "catalogue.db.lock", "directory.key"] {
        match fs::remove_file(data.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{name}: {error}"),
            Ok(()) | Err(_) => {}
        }
    }
    fs::remove_dir_all(data.join("catalogue.db-snapshots")).expect("removed");
}

/// The snapshot behind which nothing changes, and no other: the node tells of mailboxes that were made when it comes to it.
fn all_told(backups: &Path, now: impl Fn() -> Value) -> Value {
    let made = until("the directory was told everything", || Some(now()).filter(|made| made["unchanged"] == true));
    let id = made["id"].as_str().expect("an id");
    let files = fs::read_dir(backups).expect("a folder").map(|entry| entry.expect("an entry").path());
    files.filter(|path| !text(path).contains(id)).for_each(|path| fs::remove_file(path).expect("removed"));
    made
}

#[test]
fn who_had_a_mailbox_signs_in_after_the_directory_was_lost() {
    let home = tempfile::Builder::new().prefix("brevdue-test-").tempdir().expect("a folder");
    let addresses = ["u1@example.test", "u2@example.test"].map(str::to_owned);
    let dev = Dev::start_in(home.path(), &addresses);
    let data = dev.data();
    let (one, two) = (dev.user(1).clone(), dev.user(2).clone());
    assert!(Imap::sign_in(&dev, &one).append("INBOX", "", b"Subject: kept\r\n\r\nx\r\n").is_ok());
    Imap::sign_in(&dev, &two).ok("LOGOUT");
    let added = done(&["--data", text(&data), "alias", "add", "three@example.test"]);
    let three = User {
        address: "three@example.test".to_owned(),
        password: added["password"].as_str().expect("a password").to_owned(),
    };

    let now = || done(&["--data", text(&data), "backup", "catalogue", "now"]);
    assert_eq!(now()["unchanged"].as_bool(), Some(false));
    let made = all_told(&data.join("backup/catalogue"), now);
    let listed = done(&["--data", text(&data), "backup", "catalogue", "list"]);
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["id"]), (Some(1), &made["id"]));
    let snapshot = file_in(&data.join("backup/catalogue"), ".sqlite");
    is_ciphertext(&snapshot, &["catalogue.db", "catalogue.db-wal"].map(|name| data.join(name)));
    // What comes after the snapshot waits on its node, which does not ask the directory what is in it.
    Smtp::connect(&dev).send("a@elsewhere.test", &[&two.address], b"Subject: waited\r\n\r\nx\r\n");
    dev.stop();

    // All that is left: the store, the key file, and where the store is.
    let (key, settings, out) = (home.path().join("kept.key"), home.path().join("only.toml"), data.join("catalogue.db"));
    fs::copy(data.join("directory.key"), &key).expect("copied");
    let store = format!("[[backup.stores]]\nkind = \"folder\"\nfolder = \"{}\"\n", data.join("backup").display());
    fs::write(&settings, store).expect("written");
    lose(&data);
    let restore = |key: &Path, more: &[&'static str]| -> Vec<String> {
        let words =
            ["--config", text(&settings), "backup", "catalogue", "restore", "--out", text(&out), "--key", text(key)];
        words.iter().chain(more).map(|word| (*word).to_owned()).collect()
    };
    let node_key = data.join("nodes/node-1/node.key");
    let why = refused(&strs(&restore(&node_key, &[])));
    assert!(why.contains("key does not open it"), "{why}");
    // Looking makes no new one.
    let why = refused(&["--data", text(&data), "alias", "list"]);
    assert!(why.contains("backup catalogue restore") && !out.exists(), "{why}");
    let octets = fs::read(&snapshot).expect("read");
    let mut flipped = octets.clone();
    flipped[octets.len() / 3] ^= 16;
    fs::write(&snapshot, flipped).expect("written");
    let why = refused(&strs(&restore(&key, &[])));
    assert!(why.contains("digest") && why.contains(made["id"].as_str().expect("an id")), "{why}");
    assert!(!out.exists());
    fs::write(&snapshot, octets).expect("written");
    let restored = done(&strs(&restore(&key, &[])));
    assert_eq!((&restored["backup"], restored["aliases"].as_u64()), (&made["id"], Some(4)), "three, and the probe's");
    let why = refused(&strs(&restore(&key, &[])));
    assert!(why.contains("--yes"), "{why}");
    fs::copy(&key, data.join("directory.key")).expect("copied");

    let dev = Dev::start_in(home.path(), &addresses);
    let why = refused(&strs(&restore(&key, &["--yes"])));
    assert!(why.contains("stop that directory first"), "{why}");
    assert_eq!(subjects(&mut Imap::sign_in(&dev, &one)), ["kept"]);
    assert_eq!(subjects(&mut Imap::sign_in(&dev, &two)), ["waited"]);
    assert!(Imap::sign_in(&dev, &three).append("INBOX", "", b"Subject: on\r\n\r\nx\r\n").is_ok());
    // A directory that is killed leaves nothing that counts, and what it left goes.
    let half = data.join("catalogue.db-snapshots/0102030405060708090a0b0c.sqlite.part");
    fs::write(&half, b"not whole").expect("written");
    dev.kill_and_wait("directory", 1);
    until("what was left is removed", || (!half.exists()).then_some(()));
    // It is backed up anew, and goes on.
    done(&["--data", text(&data), "alias", "add", "four@example.test"]);
    let anew = done(&["--data", text(&data), "backup", "catalogue", "now"]);
    assert_ne!(anew["id"], made["id"]);
    dev.stop();
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn a_mailbox_comes_back_when_the_directory_and_its_node_are_lost() {
    let mut dev = Dev::start(1, &["--nodes", "2"]);
    let (data, user, scratch) = (dev.data(), dev.user(1).clone(), dev.scratch());
    assert!(Imap::sign_in(&dev, &user).append("INBOX", "", b"Subject: kept\r\n\r\nx\r\n").is_ok());
    let (secret, key, out) = (scratch.join("password"), scratch.join("kept.key"), data.join("catalogue.db"));
    fs::write(&secret, format!("{}\n", user.password)).expect("written");
    let asked = |words: &[&str]| done(&[&["--data", text(&data)], words].concat());
    asked(&["backup", "now", &user.address, "--password-file", text(&secret)]);
    asked(&["backup", "catalogue", "now"]);
    let aliases = asked(&["alias", "list"]);
    let alias = aliases.as_array().expect("a list").iter().find(|alias| alias["address"] == user.address.as_str());
    let node = alias.expect("the alias")["node"].as_str().expect("a node").to_owned();
    dev.restart_after(|| {
        fs::copy(data.join("directory.key"), &key).expect("copied");
        lose(&data);
        fs::remove_dir_all(data.join("nodes").join(node).join("volume-1")).expect("removed");
        asked(&["backup", "catalogue", "restore", "--out", text(&out), "--key", text(&key)]);
        fs::copy(&key, data.join("directory.key")).expect("copied");
    });
    let mut imap = Imap::connect(&dev);
    assert!(
        !imap.command(&format!("LOGIN {} {}", user.address, user.password)).is_ok(),
        "no empty mailbox in its place"
    );
    let restored = asked(&["backup", "restore", &user.address, "--yes", "--password-file", text(&secret)]);
    assert_eq!(restored["messages"].as_u64(), Some(1));
    assert_eq!(subjects(&mut Imap::sign_in(&dev, &user)), ["kept"]);
    dev.stop();
}

//! The doors: a mailbox goes out into every format and comes in again, the same in every octet, flag, date and folder.

mod bad_input;
mod memory;
mod other_servers;
mod remote;

use harness::client::{run, script, stdout};
use harness::dev::binary;
use harness::mailbox::{self, Stored};
use harness::{Dev, Imap, User, corpus};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `export` or `import` of a user, with the password in a file, and what is remembered in a place of the test's own.
fn command(dev: &Dev, user: &User, words: &[&str]) -> Command {
    let (verb, rest) = words.split_first().expect("a command");
    let password = dev.scratch().join(format!("password-{}", user.address));
    fs::write(&password, format!("{}\n", user.password)).expect("written");
    let mut command = Command::new(binary());
    command.arg("--data").arg(dev.data()).arg("--json").args([verb, user.address.as_str()]).args(rest);
    command.arg("--password-file").arg(password).env("XDG_STATE_HOME", dev.scratch().join("state"));
    command
}

/// Its exit code, its answer, and what it complains of.
fn answer(dev: &Dev, user: &User, words: &[&str]) -> (i32, Value, String) {
    let output = command(dev, user, words).output().expect("it runs");
    let said = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().expect("it exits"), said, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Folders of every kind, with messages of every kind.
fn fill(dev: &Dev, user: &User) {
    let mut imap = Imap::sign_in(dev, user);
    for folder in ["Work", "Work/2024.old", "Work/sub", "con", "&AOY-ble"] {
        imap.ok(&format!("CREATE \"{folder}\""));
    }
    imap.ok("SUBSCRIBE Work/sub");
    let flags = ["", "(\\Seen)", "(\\Flagged $Forwarded)", "(\\Answered \\Draft work)", "(\\Deleted \\Seen a-1 b-2)"];
    let odd: [&[u8]; 7] = [
        b"Subject: lines end in LF\n\nFrom here\n>From there\n\n",
        b"Subject: no end\r\n\r\n>>From x\r\nFrom ",
        b"Subject: empty lines\r\n\r\n\r\n\r\n\r\n",
        b"Status: RO\r\nX-Status: F\r\nX-Keywords: mine\r\nSubject: its own\r\n\r\nX-Brevdue-Mbox: fields=1 size=1 date=1\r\n",
        b"From a@b Tue Nov 14 22:13:20 2023\r\nSubject: begins oddly\r\n\r\nx\r\n\r\nFrom a@b Tue Nov 14 22:13:20 2023\r\n",
        b"\xff\xfe\x80\r\n\r\n\x01\r\n",
        b"x",
    ];
    let messages = corpus::messages(11, 36);
    let twice = [messages[3].clone(), messages[3].clone()];
    let all = messages.into_iter().chain(odd.into_iter().map(<[u8]>::to_vec)).chain(twice);
    let folders = ["INBOX", "Work", "Work/2024.old", "Sent", "&AOY-ble"];
    for (n, message) in all.enumerate() {
        let options = format!("{} \"{:02}-Nov-2023 10:{n:02}:00 +0100\"", flags[n % flags.len()], 1 + n % 28);
        let answer = imap.append(&format!("\"{}\"", folders[n % folders.len()]), options.trim(), &message);
        assert!(answer.is_ok(), "{}", answer.tagged);
    }
}

fn out(dev: &Dev, name: &str) -> String {
    dev.scratch().join(name).to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn every_format_brings_back_what_went_out() {
    let dev = Dev::start(4, &[]);
    fill(&dev, dev.user(1));
    let before = mailbox::all(&mut Imap::sign_in(&dev, dev.user(1)));
    for (n, format) in ["mbox", "eml", "maildir"].into_iter().enumerate() {
        let (path, user) = (out(&dev, format), dev.user(n + 2));
        let (code, said, why) = answer(&dev, dev.user(1), &["export", "--format", format, "--out", &path]);
        assert_eq!((code, &said["messages"]), (0, &Value::from(45)), "{why}");
        let (code, said, why) = answer(&dev, user, &["import", &path]);
        assert_eq!((code, &said["imported"], &said["already_there"]), (0, &45.into(), &0.into()), "{format}: {why}");
        let after = mailbox::all(&mut Imap::sign_in(&dev, user));
        for (name, folder) in &before {
            assert_eq!(after.get(name), Some(folder), "{format}: {name}");
        }
        assert_eq!(after.len(), before.len());

        // Again: with what is remembered, and without it.
        for _ in 0..2 {
            let (code, said, why) = answer(&dev, user, &["import", &path]);
            assert_eq!(
                (code, &said["imported"], &said["already_there"]),
                (0, &0.into(), &45.into()),
                "{format}: {why}"
            );
            fs::remove_dir_all(dev.scratch().join("state")).expect("what is remembered");
        }
        assert_eq!(mailbox::all(&mut Imap::sign_in(&dev, user)), after);
        // Where the owner has it already, under whatever conditions.
        let (code, said, _) = answer(&dev, dev.user(1), &["import", &path]);
        assert_eq!((code, &said["imported"]), (0, &0.into()), "{format}");
    }
    dev.stop();
}

#[test]
fn public_engines_open_the_file_with_the_owners_password() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    fill(&dev, user);
    let before = mailbox::all(&mut Imap::sign_in(&dev, user));
    let mut expected: Vec<String> = before.values().flat_map(|(_, messages)| messages.iter().map(digest)).collect();
    expected.sort();
    for (engine, cipher) in [("mc", "chacha20"), ("sqlcipher", "sqlcipher")] {
        let path = out(&dev, engine);
        let words = ["export", "--format", "sqlite", "--cipher", cipher, "--out", &path];
        let (code, said, why) = answer(&dev, user, &words);
        assert_eq!((code, &said["messages"]), (0, &Value::from(45)), "{why}");
        let rows: Vec<Value> = serde_json::from_str(&read_export(engine, &path, &user.password)).expect("JSON");
        let mut digests: Vec<String> = rows.iter().map(|row| row[5].as_str().expect("a digest").to_owned()).collect();
        digests.sort();
        assert_eq!(digests, expected, "{engine}: every octet");
        assert!(rows.iter().all(|row| row[4] == row[5]), "{engine}: the digests that stand beside them");
        let found = rows.iter().find(|row| row[3] == "its own").expect("a subject");
        let flags = serde_json::json!(["\\Deleted", "\\Seen", "a-1", "b-2"]);
        assert_eq!((&found[0], &found[1], &found[2]), (&"æble".into(), &flags, &"2023-11-12T09:39:00.000Z".into()));
    }
    dev.stop();
}

fn digest(message: &Stored) -> String {
    vault::digest(&message.octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

fn read_export(engine: &str, path: &str, password: &str) -> String {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin/python");
    let mut command = Command::new(python);
    stdout(&run(command.arg(script("open_export.py")).args([engine, path, password])))
}

#[test]
fn what_is_there_is_not_written_over() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    Imap::sign_in(&dev, user).append("INBOX", "", b"Subject: x\r\n\r\ny\r\n");
    let path = out(&dev, "there");
    fs::create_dir(&path).expect("a folder");
    fs::write(Path::new(&path).join("mine"), "").expect("written");
    for more in [&[][..], &["--yes"]] {
        let words = [&["export", "--format", "eml", "--out", &path], more].concat();
        let (code, _, why) = answer(&dev, user, &words);
        assert_eq!((code, why.lines().count()), (1, 1), "{why}");
    }
    let fresh = out(&dev, "fresh");
    let words = ["export", "--format", "eml", "--out", &fresh];
    assert_eq!(answer(&dev, user, &words).0, 0);
    assert_eq!(answer(&dev, user, &words).0, 1, "it is there now");
    assert_eq!(answer(&dev, user, &[&words[..], &["--yes"]].concat()).0, 0);
    let left: Vec<PathBuf> =
        fs::read_dir(dev.scratch()).expect("a folder").map(|entry| entry.expect("one").path()).collect();
    assert!(!left.iter().any(|path| path.to_string_lossy().contains("brevdue-part")), "{left:?}");
    assert_eq!(answer(&dev, user, &["export", "--format", "tar", "--out", &out(&dev, "x")]).0, 2);
    let stranger = User { password: "not this one".to_owned(), ..user.clone() };
    assert_eq!(answer(&dev, &stranger, &["export", "--format", "eml", "--out", &out(&dev, "y")]).0, 1);
    assert!(!Path::new(&out(&dev, "y")).exists());
    dev.stop();
}

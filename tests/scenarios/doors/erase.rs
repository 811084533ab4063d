//! Erased is erased: the mailbox, the mail that waits, the keys; nothing of anybody else's; and again after a crash.

use harness::dev::binary;
use harness::{Dev, Imap, Smtp, mailbox};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn erase(dev: &Dev, address: &str, more: &[&str]) -> (i32, Value, String) {
    let mut command = Command::new(binary());
    command.arg("--data").arg(dev.data()).args(["--json", "alias", "erase", address]).args(more);
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let said = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().expect("it exits"), said, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Every file below the folder whose name has this in it.
fn named(folder: &Path, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(named(&path, part));
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().contains(part)) {
            found.push(path);
        }
    }
    found
}

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nbody\r\n";

#[test]
fn nothing_is_left_but_what_is_others() {
    let dev = Dev::start(3, &[]);
    let (open, away, other) = (dev.user(1), dev.user(2), dev.user(3));
    let mut imap = Imap::sign_in(&dev, open);
    imap.append("INBOX", "", MESSAGE);
    imap.ok("SELECT INBOX");
    Imap::sign_in(&dev, other).append("INBOX", "", MESSAGE);
    let mut smtp = Smtp::connect(&dev);
    smtp.send("a@elsewhere.test", &[&away.address, &other.address], MESSAGE);

    let (code, _, why) = erase(&dev, &open.address, &[]);
    assert_eq!((code, why.lines().count()), (1, 1), "nobody was asked: {why}");
    assert_eq!(mailbox::folder(&mut Imap::sign_in(&dev, open), "INBOX").len(), 1);

    for (user, what) in [(open, "mailbox"), (away, "waiting mail")] {
        let (code, said, why) = erase(&dev, &user.address, &["--yes"]);
        assert_eq!(code, 0, "{why}");
        let id = said["mailbox_id"].as_str().expect("an id");
        let files = said["files"].as_array().expect("files");
        assert!(files.iter().any(|file| file["what"] == what && file["octets"].as_u64() > Some(0)), "{said}");
        assert_eq!(named(&dev.data(), id), Vec::<PathBuf>::new());
        assert!(!Imap::connect(&dev).command(&format!("LOGIN {} {}", user.address, user.password)).is_ok());
        let (code, _, why) = erase(&dev, &user.address, &["--yes"]);
        assert_eq!(code, 1, "there is no such alias any more");
        assert!(why.contains("no such alias"), "{why}");
    }
    // Whoever had it open is told, one way or the other.
    assert!(imap.try_command("FETCH 1 BODY[]").is_none_or(|answer| !answer.is_ok()));
    assert_eq!(mailbox::folder(&mut Imap::sign_in(&dev, other), "INBOX").len(), 2);
    dev.stop();
}

#[test]
fn a_second_run_ends_what_could_not_be_ended() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    Imap::sign_in(&dev, user).append("INBOX", "", MESSAGE);
    dev.freeze("node", 1, true);
    let mut first = Command::new(binary());
    first.arg("--data").arg(dev.data()).args(["alias", "erase", &user.address, "--yes"]);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    harness::until("nobody is let in any more", || {
        (!Imap::connect(&dev).command(&format!("LOGIN {} {}", user.address, user.password)).is_ok()).then_some(())
    });
    first.kill().expect("SIGKILL");
    first.wait().expect("it is gone");
    dev.kill_and_wait("node", 1);
    let said = harness::until("the node is back", || {
        let (code, said, _) = erase(&dev, &user.address, &["--yes"]);
        (code == 0).then_some(said)
    });
    assert_eq!(named(&dev.data(), said["mailbox_id"].as_str().expect("an id")), Vec::<PathBuf>::new());
    dev.stop();
}

//! Mail that waited and mail that was to leave, lost or damaged on a node's disk, and brought back by the operator: out of the damaged
//! file, and out of the backups that the worker made. Nothing comes twice, and nothing leaves without the operator's word.

use super::backup::{done, refused};
use harness::dev::binary;
use harness::smtp::Smtp;
use harness::{Dev, Imap, until};
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Octets of a page.
const PAGE: u64 = 4096;
/// Messages that leave, and that wait.
const LEAVING: u64 = 20;
const WAITING: u64 = 3;

fn brevdue(dev: &Dev, words: &[&str]) -> Value {
    let asked = Command::new(binary()).arg("--data").arg(dev.data()).arg("--json").args(words).output().unwrap();
    assert!(asked.status.success(), "{words:?}: {}", String::from_utf8_lossy(&asked.stderr));
    serde_json::from_slice(&asked.stdout).unwrap()
}

fn submit(dev: &Dev) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/submit_many.py");
    let (user, port) = (dev.user(1), dev.port("submission").to_string());
    let mut client = Command::new("python3");
    client.arg(script).args([&port, &user.address, &user.password, "c", &LEAVING.to_string()]);
    assert!(client.output().unwrap().status.success());
}

/// The one file, or folder, of the node's volume of which this is said.
fn on_volume(dev: &Dev, is_it: impl Fn(&Path) -> bool) -> PathBuf {
    let mut folders = vec![dev.data().join("nodes")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if is_it(&path) {
                return path;
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    panic!("it is not there");
}

fn queue_file(dev: &Dev) -> PathBuf {
    let in_queue = |path: &Path| path.parent().is_some_and(|folder| folder.ends_with("queue"));
    on_volume(dev, |path| in_queue(path) && path.extension().is_some_and(|end| end == "db"))
}

/// Why recipients are held, each once.
fn held(dev: &Dev) -> Vec<String> {
    let listed = brevdue(dev, &["queue", "list", "--limit", "1000"]);
    let entries = listed["entries"].as_array().unwrap().iter();
    let recipients = entries.flat_map(|entry| entry["recipients"].as_array().unwrap());
    let held = recipients.filter(|one| one["held"] == true);
    held.map(|one| one["held_why"].as_str().unwrap_or_default().to_owned()).collect()
}

fn inbox(dev: &Dev) -> usize {
    let mut imap = Imap::sign_in(dev, dev.user(1));
    dev.drained();
    imap.messages("INBOX").len()
}

/// A damaged queue, whose messages are held until the operator says what becomes of them.
fn damaged(dev: &Dev) {
    let kept = until("the file is set aside", || {
        let listed = brevdue(dev, &["mailbox", "aside", "list"]);
        listed["files"].as_array().unwrap().first().cloned()
    });
    let lost = kept["why"].as_str().unwrap().lines().filter(|line| line.starts_with("entry ")).count();
    let held = held(dev);
    let id = kept["queue_id"].as_str().unwrap();
    assert_eq!((&kept["what"], queue_file(dev).file_stem().unwrap().to_str()), (&"queue".into(), Some(id)));
    assert!(lost > 0 && held.len() + lost == LEAVING as usize, "{kept}: {held:?}");
    assert!(held.iter().all(|why| why.contains("damaged queue file: it may have been sent already")), "{held:?}");
    let first = brevdue(dev, &["queue", "list", "--limit", "1"])["entries"][0]["id"].as_str().unwrap().to_owned();
    let shown = brevdue(dev, &["queue", "show", &first]);
    assert_eq!(shown["recipients"][0]["held_why"], Value::String(held[0].clone()));
    let dropped = brevdue(dev, &["queue", "drop", "--all", "--yes"]);
    assert_eq!(dropped["recipients"], held.len());
    brevdue(dev, &["mailbox", "aside", "discard", kept["name"].as_str().unwrap(), "--yes"]);
}

#[test]
fn waiting_mail_and_a_queue_are_brought_back() {
    let mut dev = Dev::start(1, &[]);
    let address = dev.user(1).address.clone();
    dev.freeze("outbound", 1, true);
    submit(&dev);
    brevdue(&dev, &["queue", "hold", "--all"]);
    dev.freeze("outbound", 1, false);
    let message = |number| format!("Subject: letter {number}\r\n\r\n{}", "text\r\n".repeat(900)).into_bytes();
    for number in 0..WAITING {
        Smtp::connect(&dev).send("sender@elsewhere.example", &[&address], &message(number));
    }
    until("it waits", || (!dev.waiting_files().is_empty()).then_some(()));
    // A node copies both when it starts, as it does where nothing says when it did so last; the worker carries them into its store.
    let ledger = on_volume(&dev, |path| path.ends_with("staging"));
    dev.restart_after(|| fs::remove_dir_all(ledger).unwrap());
    let whole = |list: Value, messages: u64| {
        let found = list.as_array().unwrap().iter().find(|one| one["messages"] == messages).cloned();
        found.filter(|one| one["sha256"].as_str().is_some_and(|digest| digest.len() == 64))
    };
    let waiting = until("waiting mail is kept", || whole(done(&dev, &["list", &address, "--waiting"]), WAITING));
    let queue = until("the queue is kept", || whole(done(&dev, &["queue", "list"]), LEAVING));
    let (id, backup) = (queue["queue"].as_str().unwrap(), queue["id"].as_str().unwrap());
    let files = dev.waiting_files();
    let leaving = queue_file(&dev);
    dev.restart_after(|| {
        files.iter().for_each(|file| fs::remove_file(file).unwrap());
        // Near the end are texts.
        let (page, file) = (
            fs::metadata(&leaving).unwrap().len() / PAGE - 6,
            OpenOptions::new().write(true).read(true).open(&leaving).unwrap(),
        );
        let mut octet = [0];
        file.read_exact_at(&mut octet, page * PAGE + 777).unwrap();
        file.write_all_at(&[octet[0] ^ 1], page * PAGE + 777).unwrap();
    });
    damaged(&dev);

    let restored = done(&dev, &["queue", "restore", id, "--backup", backup]);
    assert_eq!((&restored["messages"], &restored["already_there"]), (&LEAVING.into(), &0.into()));
    let held = held(&dev);
    assert!(
        held.len() == LEAVING as usize && held.iter().all(|why| why.starts_with("restored from a backup of 20")),
        "{held:?}"
    );
    let again = done(&dev, &["queue", "restore", id, "--backup", backup]);
    assert_eq!((&again["messages"], &again["already_there"]), (&0.into(), &LEAVING.into()));
    let none = refused(&dev, &["queue", "restore", "00112233445566778899aabb"]);
    assert!(none.contains("queue 00112233445566778899aabb: there is no backup"), "{none}");
    assert_eq!(brevdue(&dev, &["queue", "release", "--all"])["recipients"], LEAVING);

    let bring_back = || {
        let said = done(&dev, &["restore", &address, "--waiting", "--backup", waiting["id"].as_str().unwrap()]);
        (said["messages"].as_u64().unwrap(), said["already_there"].as_u64().unwrap())
    };
    assert_eq!(bring_back(), (WAITING, 0));
    assert_eq!(bring_back(), (0, WAITING));
    assert_eq!(inbox(&dev), WAITING as usize);
    // The mailbox remembers what it was given.
    assert_eq!(bring_back(), (WAITING, 0));
    assert_eq!(inbox(&dev), WAITING as usize);
    dev.stop();
}

//! Nothing that was said in any message stands in any file, during the run and after it.

use harness::{Dev, Imap, Smtp, corpus};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Words of subject, body, sender, attachment name and content, and the keys' text.
const WORDS: &[&str] = &[
    "zweihundertvogel",     // subject
    "kornblumenfeld",       // body
    "absenderinnig",        // sender
    "anhangsdatei",         // attachment name
    "QmllbmVuc3RvY2t3YWJl", // attachment content, base64
    "ordnername",           // folder
    "stichwortig",          // keyword
    corpus::CANARY,
];

fn message() -> Vec<u8> {
    b"From: Absenderinnig <absenderinnig@elsewhere.test>\r\nSubject: zweihundertvogel\r\nMIME-Version: 1.0\r\n\
      Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nkornblumenfeld\r\n--b\r\n\
      Content-Type: application/pdf; name=anhangsdatei.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n\
      QmllbmVuc3RvY2t3YWJl\r\n--b--\r\n"
        .to_vec()
}

/// Every place below the folder where a word stands, in any case.
fn leaks(folder: &Path) -> Vec<String> {
    let mut out = Vec::new();
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            out.extend(leaks(&path));
            continue;
        }
        let bytes = fs::read(&path).unwrap_or_default().to_ascii_lowercase();
        for word in WORDS {
            let word = word.to_ascii_lowercase();
            if bytes.windows(word.len()).any(|w| w == word.as_bytes()) {
                out.push(format!("{} in {}", word, path.display()));
            }
        }
    }
    out
}

#[test]
fn no_word_of_any_message_is_in_any_file() {
    let mut dev = Dev::start(2, &[]);
    let user = dev.user(1).clone();
    let mut smtp = Smtp::connect(&dev);
    smtp.send("absenderinnig@elsewhere.test", &[&user.address, &dev.user(2).address], &message());
    assert_eq!(leaks(&dev.data()), [""; 0], "while mail waits");

    let mut imap = Imap::sign_in(&dev, &user);
    smtp.send("absenderinnig@elsewhere.test", &[&user.address], &message());
    imap.ok("CREATE Ordnername");
    imap.append("Ordnername", "(stichwortig)", &message());
    for each in corpus::messages(7, 36) {
        imap.append("INBOX", "", &each);
    }
    let big = [message(), b"kornblumenfeld ".repeat(300_000)].concat();
    imap.append("INBOX", "", &big);
    imap.ok("SELECT INBOX");
    assert_eq!(imap.ok("SEARCH BODY kornblumenfeld").lines().len(), 1);
    imap.ok("COPY 1:* Ordnername");
    imap.ok("STORE 1:5 +FLAGS (\\Deleted stichwortig)");
    imap.ok("EXPUNGE");
    assert_eq!(leaks(&dev.data()), [""; 0], "while it is read");
    // The search above can fail: the same words are found where they do stand.
    let scratch = dev.scratch();
    fs::write(scratch.join("plain"), message()).expect("written");
    assert!(leaks(&scratch).len() >= 5);

    dev.restart();
    assert_eq!(leaks(&dev.data()), [""; 0], "after it");
    dev.stop();
}

#[test]
fn a_mailbox_file_is_no_plain_database() {
    let dev = Dev::start(1, &[]);
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    imap.append("INBOX", "", &message());
    let mut files = Vec::new();
    databases(&dev.data().join("nodes"), &mut files);
    assert!(!files.is_empty());
    for file in files {
        let start = fs::read(&file).expect("a file").into_iter().take(16).collect::<Vec<u8>>();
        assert_ne!(start, b"SQLite format 3\0", "{}", file.display());
        let plain = Command::new("python3")
            .args(["-c", "import sqlite3,sys; sqlite3.connect(sys.argv[1]).execute('select count(*) from sqlite_master').fetchall()"])
            .arg(&file)
            .output()
            .expect("python3 runs");
        assert!(!plain.status.success(), "{} opens without a key", file.display());
    }
    dev.stop();
}

fn databases(folder: &Path, out: &mut Vec<std::path::PathBuf>) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            databases(&path, out);
        } else if path.extension().is_some_and(|end| end == "db") {
            out.push(path);
        }
    }
}

//! Real clients from packages, against the running system.

use harness::client::{run, script, stdout};
use harness::{Dev, Imap, Smtp, User, corpus, until};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

fn imap_url(dev: &Dev, user: &User, path: &str) -> String {
    format!("imap://{}:{}@127.0.0.1:{}/{path}", user.address.replace('@', "%40"), user.password, dev.port("imap"))
}

#[test]
fn curl_sends_and_reads() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    let file = dev.scratch().join("message");
    let message = corpus::messages(5, 3).pop().expect("a message");
    fs::write(&file, &message).expect("written");
    run(Command::new("curl")
        .args(["--silent", "--show-error", "--fail", &format!("smtp://127.0.0.1:{}", dev.port("mx"))])
        .args(["--mail-from", "ann@elsewhere.test", "--mail-rcpt", &user.address, "--upload-file"])
        .arg(&file));
    let back =
        run(Command::new("curl").args(["--silent", "--show-error", "--fail", &imap_url(&dev, user, "INBOX;UID=1")]));
    assert!(back.stdout.ends_with(&message), "{}", stdout(&back));
    let found = run(Command::new("curl")
        .args(["--silent", "--show-error", &imap_url(&dev, user, "INBOX?SUBJECT%20")])
        .arg("--request")
        .arg("SEARCH ALL"));
    assert_eq!(stdout(&found).trim(), "* SEARCH 1");
    // Over TLS from the first byte, with the CA of the ready file.
    let secure = format!("imaps://localhost:{}/INBOX;UID=1", dev.port("imaps"));
    let secure = run(Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--fail",
            "--user",
            &format!("{}:{}", user.address, user.password),
            "--cacert",
        ])
        .arg(dev.ca())
        .arg(secure));
    assert_eq!(secure.stdout, back.stdout);
    // And by STARTTLS.
    let starttls = format!("imap://localhost:{}/INBOX;UID=1", dev.port("imap"));
    let starttls = run(Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--fail",
            "--ssl-reqd",
            "--user",
            &format!("{}:{}", user.address, user.password),
            "--cacert",
        ])
        .arg(dev.ca())
        .arg(starttls));
    assert_eq!(starttls.stdout, back.stdout);
    dev.stop();
}

#[test]
fn swaks_delivers_with_and_without_tls() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    let server = format!("127.0.0.1:{}", dev.port("mx"));
    for tls in [&["--tls"][..], &[]] {
        run(Command::new("swaks")
            .args(["--server", &server, "--from", "ann@elsewhere.test", "--to", &user.address, "--body", "from swaks"])
            .args(tls));
    }
    let refused = Command::new("swaks")
        .args(["--server", &server, "--from", "ann@elsewhere.test", "--to", "nobody@example.test"])
        .output()
        .expect("swaks runs");
    assert!(!refused.status.success() && stdout(&refused).contains("550 5.1.1"), "{}", stdout(&refused));
    let messages = Imap::sign_in(&dev, user).messages("INBOX");
    assert_eq!(messages.len(), 2);
    let with: Vec<bool> =
        messages.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes).contains(" with ESMTPS ")).collect();
    assert_eq!(with, [true, false], "the Received field says whether TLS was used");
    dev.stop();
}

#[test]
fn pythons_smtplib_and_imaplib() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    let ports = ["mx", "imap", "imaps"].map(|name| dev.port(name).to_string());
    let output = run(Command::new("python3")
        .arg(script("smtplib_imaplib.py"))
        .args(ports)
        .args([&user.address, &user.password])
        .arg(dev.ca()));
    assert!(stdout(&output).ends_with("all checks held\n"), "{}", stdout(&output));
    dev.stop();
}

fn mbsyncrc(dev: &Dev, user: &User, store: &Path) -> String {
    format!(
        "IMAPAccount brevdue\nHost 127.0.0.1\nPort {}\nUser {}\nPass {}\nSSLType None\nAuthMechs LOGIN\n\n\
         IMAPStore far\nAccount brevdue\n\nMaildirStore near\nPath {store}/\nInbox {store}/INBOX\nSubFolders Verbatim\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSync All\nSyncState *\nCopyArrivalDate yes\n",
        dev.port("imap"),
        user.address,
        user.password,
        store = store.display()
    )
}

fn mbsync(dev: &Dev, user: &User, store: &Path) {
    fs::create_dir_all(store).expect("a folder");
    let file = store.with_extension("rc");
    fs::write(&file, mbsyncrc(dev, user, store)).expect("written");
    run(Command::new("mbsync").arg("--config").arg(&file).args(["--all", "--quiet"]));
}

/// Folder to the sorted contents of its messages, without mbsync's own header and with LF for CRLF, as Maildir keeps them.
fn maildir(store: &Path) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut out: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    let mut folders = vec![store.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).expect("a folder").flatten().map(|entry| entry.path()) {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if !path.is_dir() {
                continue;
            }
            if name != "cur" && name != "new" {
                folders.push(path);
                continue;
            }
            let key = folder.strip_prefix(store).expect("below").to_string_lossy().into_owned();
            let messages = out.entry(key).or_default();
            for file in fs::read_dir(&path).expect("a folder").flatten() {
                messages.push(without_tuid(&fs::read(file.path()).expect("a message")));
            }
        }
    }
    out.values_mut().for_each(|messages| messages.sort());
    out
}

fn without_tuid(message: &[u8]) -> Vec<u8> {
    let lines = message.split_inclusive(|&b| b == b'\n').filter(|line| !line.starts_with(b"X-TUID: "));
    lines.flatten().copied().collect()
}

fn unix(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for (at, &byte) in message.iter().enumerate() {
        if byte != b'\r' || message.get(at + 1) != Some(&b'\n') {
            out.push(byte);
        }
    }
    out
}

#[test]
fn mbsync_carries_a_thousand_messages_both_ways() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    let corpus = corpus::messages(11, 1_000);
    let first = dev.scratch().join("first");
    // Half of the corpus starts in the local store, the rest on the server.
    for folder in ["INBOX/cur", "INBOX/new", "INBOX/tmp", "Lokalt/cur", "Lokalt/new", "Lokalt/tmp"] {
        fs::create_dir_all(first.join(folder)).expect("a folder");
    }
    for (n, message) in corpus[..500].iter().enumerate() {
        let folder = if n % 2 == 0 { "INBOX" } else { "Lokalt" };
        fs::write(first.join(format!("{folder}/cur/1700000000.{n}.host:2,S")), unix(message)).expect("written");
    }
    let mut imap = Imap::sign_in(&dev, user);
    imap.ok("CREATE Fjernt");
    for (n, message) in corpus[500..].iter().enumerate() {
        let answer = imap.append(if n % 2 == 0 { "INBOX" } else { "Fjernt" }, "(\\Flagged)", message);
        assert!(answer.is_ok(), "{}", answer.tagged);
    }
    mbsync(&dev, user, &first);
    mbsync(&dev, user, &first);
    let stored = maildir(&first);
    let count: usize = stored.values().map(Vec::len).sum();
    assert_eq!(count, 1_000);
    let mut wanted: Vec<Vec<u8>> = corpus.iter().map(|message| unix(message)).collect();
    let mut have: Vec<Vec<u8>> = stored.values().flatten().cloned().collect();
    wanted.sort();
    have.sort();
    assert!(have == wanted, "the local store differs from the corpus");

    // A second, empty store equals the first byte for byte.
    let second = dev.scratch().join("second");
    mbsync(&dev, user, &second);
    assert!(maildir(&second) == stored, "the second store differs from the first");

    // Flags and deletions cross too.
    imap.ok("SELECT INBOX");
    imap.ok("STORE 1:10 +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    mbsync(&dev, user, &second);
    let left: usize = maildir(&second).values().map(Vec::len).sum();
    assert_eq!(left, 990);
    dev.stop();
}

#[test]
fn mutt_in_batch_mode_reads_and_saves() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    let mut smtp = Smtp::connect(&dev);
    for n in 0..3 {
        smtp.send(
            "ann@elsewhere.test",
            &[&user.address],
            format!("From: ann@elsewhere.test\r\nSubject: for mutt {n}\r\n\r\nx\r\n").as_bytes(),
        );
    }
    let scratch = dev.scratch();
    let rc = scratch.join("muttrc");
    let url = format!("imap://{}@127.0.0.1:{}/", user.address, dev.port("imap"));
    let settings = format!(
        "set imap_user=\"{}\"\nset imap_pass=\"{}\"\nset folder=\"{url}\"\nset spoolfile=\"{url}INBOX\"\nset ssl_starttls=no\n\
         set ssl_force_tls=no\nset imap_authenticators=\"login\"\nset confirmappend=no\nset confirmcreate=no\nset delete=yes\n\
         set move=no\nset mbox_type=mbox\nset sort=date\nset copy=no\nset read_inc=0\nset wait_key=no\n\
         push \"<tag-pattern>~A<enter><tag-prefix><copy-message>{}/saved<enter><untag-pattern>~A<enter>\
         <search>~s 'mutt 1'<enter><flag-message><save-message>=Archive<enter><sync-mailbox><exit>\"\n",
        user.address,
        user.password,
        scratch.display()
    );
    fs::write(&rc, settings).expect("written");
    // mutt wants a terminal: script(1) lends it one.
    run(Command::new("script")
        .args(["--quiet", "--return", "--command", &format!("mutt -n -F {}", rc.display()), "/dev/null"])
        .env("TERM", "xterm")
        .env("HOME", &scratch)
        .stdin(std::process::Stdio::null()));
    let saved = fs::read_to_string(scratch.join("saved")).expect("mutt saved the messages");
    for n in 0..3 {
        assert!(saved.contains(&format!("Subject: for mutt {n}")), "{saved}");
    }
    let mut imap = Imap::sign_in(&dev, user);
    until("mutt moved one to Archive", || (imap.messages("Archive").len() == 1).then_some(()));
    assert_eq!(imap.messages("INBOX").len(), 2);
    dev.stop();
}

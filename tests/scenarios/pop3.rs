//! POP3 with the clients that people use for it: Python's poplib, fetchmail and getmail.

use harness::client::{run, script, stdout};
use harness::{Dev, Imap, Smtp, User, corpus};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn fill(dev: &Dev, user: &User, seed: u64, count: usize) {
    let mut smtp = Smtp::connect(dev);
    for message in corpus::messages(seed, count) {
        smtp.send("ann@elsewhere.test", &[&user.address], &message);
    }
}

/// What IMAP says the INBOX holds, in order.
fn inbox(dev: &Dev, user: &User) -> Vec<Vec<u8>> {
    Imap::sign_in(dev, user).messages("INBOX").into_iter().map(|(_, bytes)| bytes).collect()
}

/// A file that only its owner may read, as these clients demand of one with a password.
fn private(path: &Path, content: &str) {
    fs::write(path, content).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its owner's");
}

/// Messages of a Maildir, sorted, without fields that the client put in front.
fn fetched(maildir: &Path) -> Vec<Vec<u8>> {
    let mut messages: Vec<_> = ["new", "cur"]
        .iter()
        .flat_map(|folder| fs::read_dir(maildir.join(folder)).expect("a folder"))
        .map(|file| fs::read(file.expect("a file").path()).expect("a message"))
        .map(|message| from_return_path(&message))
        .collect();
    messages.sort();
    messages
}

fn from_return_path(message: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(message);
    let at = text.find("Received: from").expect("the field of our MX");
    text.get(at..).unwrap_or_default().as_bytes().to_vec()
}

/// As a Unix file has it: no CR at the end of lines.
fn unix(messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut out: Vec<_> = messages
        .iter()
        .map(|message| from_return_path(String::from_utf8_lossy(message).replace("\r\n", "\n").as_bytes()))
        .collect();
    out.sort();
    out
}

fn maildir(scratch: &Path) -> PathBuf {
    let path = scratch.join("maildir");
    for folder in ["new", "cur", "tmp"] {
        fs::create_dir_all(path.join(folder)).expect("a Maildir");
    }
    path
}

#[test]
fn poplib_in_the_clear_through_stls_and_in_tls() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    fill(&dev, user, 11, 20);
    let ports = ["pop3", "pop3s"].map(|name| dev.port(name).to_string());
    let output = run(Command::new("python3")
        .arg(script("poplib_check.py"))
        .args(ports)
        .args([&user.address, &user.password])
        .arg(dev.ca())
        .arg("20"));
    assert_eq!(stdout(&output), "all checks held\n");
    assert_eq!(inbox(&dev, user).len(), 19);
    // What was read to its end is seen.
    let mut imap = Imap::sign_in(&dev, user);
    imap.ok("SELECT INBOX");
    assert_eq!(imap.ok("SEARCH UNSEEN").lines(), ["SEARCH"]);
    dev.stop();
}

#[test]
fn fetchmail_takes_all_and_removes_it() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    fill(&dev, user, 12, 25);
    let expected = unix(&inbox(&dev, user));
    let scratch = dev.scratch();
    let (store, rc) = (scratch.join("fetched"), scratch.join("fetchmailrc"));
    fs::create_dir_all(&store).expect("a folder");
    private(
        &rc,
        &format!(
            "poll localhost protocol pop3 port {} user \"{}\" password \"{}\" sslproto auto sslcertck sslcertfile {}\n  \
             mda \"/bin/sh -c 'cat > {}/$$'\"\n",
            dev.port("pop3"),
            user.address,
            user.password,
            dev.ca().display(),
            store.display()
        ),
    );
    run(Command::new("fetchmail")
        .args(["--fetchmailrc"])
        .arg(&rc)
        .args(["--nodetach", "--nosyslog", "--silent", "--idfile"])
        .arg(scratch.join("ids"))
        .arg("--pidfile")
        .arg(scratch.join("pid")));
    let mut messages: Vec<_> = fs::read_dir(&store)
        .expect("a folder")
        .map(|file| from_return_path(&fs::read(file.expect("a file").path()).expect("a message")))
        .collect();
    messages.sort();
    assert_eq!(messages.len(), expected.len());
    assert!(messages == expected, "what fetchmail handed on is what was stored");
    assert_eq!(inbox(&dev, user), Vec::<Vec<u8>>::new());
    dev.stop();
}

#[test]
fn getmail_takes_each_message_once() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    let scratch = dev.scratch();
    let store = maildir(&scratch);
    private(
        &scratch.join("getmailrc"),
        &format!(
            "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {}\nusername = {}\npassword = {}\n\
             ca_certs = {}\n[destination]\ntype = Maildir\npath = {}/\n[options]\nread_all = false\ndelete = false\n\
             delivered_to = false\nreceived = false\n",
            dev.port("pop3s"),
            user.address,
            user.password,
            dev.ca().display(),
            store.display()
        ),
    );
    let getmail = || run(Command::new("getmail").arg("--getmaildir").arg(&scratch).args(["--rcfile", "getmailrc"]));
    fill(&dev, user, 13, 10);
    getmail();
    assert!(fetched(&store) == unix(&inbox(&dev, user)));
    // The names do not change, so only what is new comes: also after everything was started anew.
    let mut dev = dev;
    dev.restart();
    let user = dev.user(1);
    fill(&dev, user, 14, 5);
    run(Command::new("sed")
        .args(["-i", &format!("s/^port = .*/port = {}/", dev.port("pop3s"))])
        .arg(scratch.join("getmailrc")));
    getmail();
    assert_eq!(fetched(&store).len(), 15);
    assert!(fetched(&store) == unix(&inbox(&dev, user)));
    dev.stop();
}

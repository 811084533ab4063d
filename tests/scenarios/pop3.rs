//! POP3 with the clients that people use for it: Python's poplib, fetchmail and getmail.

use harness::client::{run, script, stdout};
use harness::{Dev, Imap, Smtp, User, corpus};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
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

/// What a client handed on, a file for each message.
fn files(store: &Path) -> Vec<Vec<u8>> {
    let files = fs::read_dir(store).expect("a folder");
    files.map(|file| fs::read(file.expect("a file").path()).expect("a message")).collect()
}

/// The ids that our MX gave to messages, sorted: getmail writes 8-bit text anew, so its files are not what was sent.
fn deliveries(messages: &[Vec<u8>]) -> Vec<String> {
    let id = |message: &Vec<u8>| {
        let text = String::from_utf8_lossy(message).into_owned();
        let (_, after) = text.split_once(" id ").expect("the field of our MX");
        after.chars().take_while(char::is_ascii_hexdigit).collect()
    };
    let mut ids: Vec<String> = messages.iter().map(id).collect();
    ids.sort();
    ids
}

/// What a client handed on, as far as it may not change it, sorted.
fn fetched(store: &Path) -> Vec<Vec<u8>> {
    unix(&files(store))
}

/// The part of a message that no client adds fields to, without CR: what follows its header, and its subject.
fn unix_text(message: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(message).replace("\r\n", "\n");
    let (header, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let subject = header.lines().find(|line| line.starts_with("Subject:")).unwrap_or_default();
    format!("{subject}\n\n{}", body.trim_end_matches('\n')).into_bytes()
}

fn unix(messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut out: Vec<_> = messages.iter().map(|message| unix_text(message)).collect();
    out.sort();
    out
}

fn store(scratch: &Path) -> PathBuf {
    let path = scratch.join("fetched");
    fs::create_dir_all(&path).expect("a folder");
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
    let (store, rc) = (store(&scratch), scratch.join("fetchmailrc"));
    private(
        &rc,
        &format!(
            "poll localhost protocol pop3 port {} user \"{}\" password \"{}\" sslproto \"auto\" sslcertck sslcertfile {}\n  \
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
    let messages = fetched(&store);
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
    let store = store(&scratch);
    private(
        &scratch.join("getmailrc"),
        &format!(
            "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {}\nusername = {}\npassword = {}\n\
             ca_certs = {}\n[destination]\ntype = MDA_external\npath = /bin/sh\n\
             arguments = (\"-c\", \"cat > {}/$$\")\nallow_root_commands = true\n[options]\nread_all = false\ndelete = false\n\
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
    assert_eq!(deliveries(&files(&store)), deliveries(&inbox(&dev, user)));
    fill(&dev, user, 14, 5);
    getmail();
    assert_eq!(files(&store).len(), 15);
    assert_eq!(deliveries(&files(&store)), deliveries(&inbox(&dev, user)));
    dev.stop();
}

/// The names of all messages.
fn names(dev: &Dev, user: &User) -> Vec<String> {
    let stream = TcpStream::connect(("127.0.0.1", dev.port("pop3"))).expect("a connection");
    let mut reader = BufReader::new(stream);
    let commands = format!("USER {}\r\nPASS {}\r\nUIDL\r\nQUIT\r\n", user.address, user.password);
    reader.get_mut().write_all(commands.as_bytes()).expect("written");
    let lines = reader.lines().map(|line| line.expect("a line"));
    lines
        .skip(4)
        .take_while(|line| line != ".")
        .map(|line| line.split(' ').nth(1).unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn names_outlive_everything() {
    let mut dev = Dev::start(1, &[]);
    let user = dev.user(1).clone();
    fill(&dev, &user, 15, 3);
    let before = names(&dev, &user);
    assert_eq!(before.len(), 3);
    dev.restart();
    fill(&dev, &user, 16, 1);
    let after = names(&dev, &user);
    assert_eq!(after.len(), 4);
    assert_eq!(after.get(..3), Some(before.as_slice()));
    dev.stop();
}

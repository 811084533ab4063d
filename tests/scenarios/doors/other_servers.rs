//! The way to another server: STARTTLS, access tokens, and those who stand between.

use super::{answer, out};
use harness::dovecot::Dovecot;
use harness::tokens::Tokens;
use harness::{Dev, Imap, User, mailbox, until};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

const TOKEN: &str = "ya29.good-token_of-one.user";

/// A certificate for `localhost` and its key, in files.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (folder.join("other.crt"), folder.join("other.key"));
    fs::write(&certificate, issued.cert.pem()).expect("written");
    fs::write(&key, issued.signing_key.serialize_pem()).expect("written");
    (certificate, key)
}

/// Dovecot has a process of its own that writes its log: a line with all of this.
fn logged(dovecot: &Dovecot, what: &[&str]) {
    let is_it = |line: &str| what.iter().all(|part| line.contains(part));
    until("Dovecot says so in its log", || dovecot.log().lines().any(is_it).then_some(()));
}

#[test]
fn a_dovecot_with_starttls_lets_a_token_in() {
    let dev = Dev::start(2, &[]);
    let theirs = User::new("old@example.test");
    let (certificate, key) = certificate(&dev.scratch());
    let tokens = Tokens::start(TOKEN, &theirs.address);
    let tls = format!("ssl = yes\nssl_cert = <{}\nssl_key = <{}\n", certificate.display(), key.display());
    let further = tls + &tokens.of_dovecot(&dev.scratch(), "xoauth2 oauthbearer");
    let Some(dovecot) = Dovecot::start_with(std::slice::from_ref(&theirs), &further) else {
        panic!("Dovecot is not installed; run scripts/setup");
    };
    let mut old = Imap::sign_in_at(dovecot.imap, &theirs);
    old.append("INBOX", "(\\Seen)", b"Subject: moves\r\n\r\nover STARTTLS\r\n");
    let before = mailbox::folder(&mut old, "INBOX");

    let (token, password, ca) = (out(&dev, "token"), out(&dev, "their-password"), certificate.to_string_lossy());
    fs::write(&token, TOKEN).expect("written");
    fs::write(&password, &theirs.password).expect("written");
    let server = format!("localhost:{}", dovecot.imap);
    let common = ["import", "--imap", &server, "--imap-user", &theirs.address, "--tls", "starttls"];
    let words = [&common[..], &["--xoauth2-token-file", &token, "--ca", &ca]].concat();
    for expected in [1, 0] {
        let (code, said, why) = answer(&dev, dev.user(1), &words);
        assert_eq!((code, &said["imported"]), (0, &expected.into()), "{why}\n{}", dovecot.log());
    }
    assert_eq!(mailbox::folder(&mut Imap::sign_in(&dev, dev.user(1)), "INBOX"), before);
    logged(&dovecot, &["method=XOAUTH2", "TLS"]);
    assert!(tokens.asked().iter().any(|form| form.contains(TOKEN)), "{:?}", tokens.asked());

    // With the password it is the same mailbox; for somebody else it is new.
    let with_password = [&common[..], &["--imap-password-file", &password, "--ca", &ca]].concat();
    let (code, said, why) = answer(&dev, dev.user(2), &with_password);
    assert_eq!((code, &said["imported"]), (0, &1.into()), "{why}");

    // A token that is good no more, an authority that nobody knows, and a server of another name.
    fs::write(&token, "stale").expect("written");
    let refused = |words: &[&str], what: &str| {
        let (code, _, why) = answer(&dev, dev.user(1), words);
        assert_eq!((code, why.lines().count()), (1, 1), "{why}");
        assert!(why.contains(what), "{why}");
    };
    refused(&words, "does not let");
    refused(&words[..words.len() - 2], "--ca");
    let other = format!("127.0.0.1:{}", dovecot.imap);
    let elsewhere: Vec<&str> = words.iter().map(|&word| if word == server { &other } else { word }).collect();
    refused(&elsewhere, "TLS: ");
    dev.stop();
}

#[test]
fn a_dovecot_that_knows_tokens_by_their_other_name_lets_one_in() {
    let dev = Dev::start(1, &[]);
    let theirs = User::new("old@example.test");
    let tokens = Tokens::start(TOKEN, &theirs.address);
    let further = tokens.of_dovecot(&dev.scratch(), "oauthbearer");
    let Some(dovecot) = Dovecot::start_with(std::slice::from_ref(&theirs), &further) else {
        panic!("Dovecot is not installed; run scripts/setup");
    };
    Imap::sign_in_at(dovecot.imap, &theirs).append("INBOX", "", b"Subject: moves\r\n\r\nx\r\n");
    let (token, server) = (out(&dev, "token"), format!("127.0.0.1:{}", dovecot.imap));
    let words =
        ["import", "--imap", &server, "--imap-user", &theirs.address, "--tls", "none", "--xoauth2-token-file", &token];
    fs::write(&token, TOKEN).expect("written");
    let (code, said, why) = answer(&dev, dev.user(1), &words);
    assert_eq!((code, &said["imported"]), (0, &1.into()), "{why}\n{}", dovecot.log());
    logged(&dovecot, &["method=OAUTHBEARER"]);
    // Its account of why not is acknowledged, and then it says no.
    fs::write(&token, "stale").expect("written");
    let (code, _, why) = answer(&dev, dev.user(1), &words);
    assert!(code == 1 && why.contains("does not let"), "{why}");
    dev.stop();
}

/// What a server says, answer by answer, to whoever connects; then it reports what it heard and hangs up.
fn server(answers: &'static [&'static str]) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody");
        let mut reader = BufReader::new(stream.try_clone().expect("the same"));
        let mut heard = Vec::new();
        for answer in answers {
            stream.write_all(answer.as_bytes()).expect("sent");
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or_default() == 0 {
                break;
            }
            heard.push(line.trim_end().to_owned());
        }
        heard
    });
    (port, serving)
}

#[test]
fn nobody_who_stands_between_learns_the_password() {
    let dev = Dev::start(1, &[]);
    let password = out(&dev, "their-password");
    fs::write(&password, "a-password").expect("written");
    let cases: [(&[&str], &str, &[&str]); 4] = [
        (&["* OK hello\r\n", "* CAPABILITY IMAP4rev1\r\nb1 OK\r\n"], "does not offer STARTTLS", &["b1 CAPABILITY"]),
        (&["* PREAUTH you are in\r\n"], "before TLS has begun", &[]),
        (
            &["* OK hello\r\n", "* CAPABILITY IMAP4rev1 STARTTLS\r\nb1 OK\r\n", "b2 NO not today\r\n"],
            "does not begin TLS: NO not today",
            &["b1 CAPABILITY", "b2 STARTTLS"],
        ),
        (
            &[
                "* OK hello\r\n",
                "* CAPABILITY IMAP4rev1 STARTTLS\r\nb1 OK\r\n",
                "b2 OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nb1 OK\r\n",
            ],
            "in the clear",
            &["b1 CAPABILITY", "b2 STARTTLS"],
        ),
    ];
    for (answers, what, expected) in cases {
        let (port, serving) = server(answers);
        let at = format!("localhost:{port}");
        let words =
            ["import", "--imap", &at, "--imap-user", "u", "--imap-password-file", &password, "--tls", "starttls"];
        let (code, _, why) = answer(&dev, dev.user(1), &words);
        assert_eq!((code, why.lines().count()), (1, 1), "{why}");
        assert!(why.contains(what), "{why}");
        assert_eq!(serving.join().expect("it served"), expected);
    }
    dev.stop();
}

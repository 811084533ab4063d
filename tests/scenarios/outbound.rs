//! Mail that people send, all the way to another host: Postfix, in a zone of DNS of the test's own.

use harness::https::Https;
use harness::postfix::{Postfix, certificate};
use harness::{Exchange, until};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

fn message(subject: &str) -> String {
    format!("From: u1@example.test\r\nTo: somebody@postfix.test\r\nSubject: {subject}\r\n\r\nHello\r\n.\r\nBye\r\n")
}

const RECORDS: &str =
    "postfix.test. 60 MX 10 mx.postfix.test.\nmx.postfix.test. 60 A 127.0.0.1\nnull.test. 60 MX 0 .\n";

#[test]
fn each_recipient_has_its_end_and_the_sender_hears_of_it() {
    let postfix = Postfix::start(&[]).expect("Postfix runs; scripts/setup brings it, and it needs root");
    let exchange = Exchange::start(RECORDS, postfix.port, "");
    let to = ["good@postfix.test", "bad@postfix.test", "who@null.test", "x@nowhere.test", "u1@example.test"];
    exchange.submit(&message("one"), &to);
    let arrived = postfix.wait_for(1);
    let text = String::from_utf8_lossy(&arrived[0]).into_owned();
    assert!(text.contains("Subject: one\n") && text.ends_with("\nHello\n.\nBye\n"), "{text}");
    // Its own copy, and a notice for each of the three destinations that failed.
    let messages = exchange.inbox(4);
    let notices: Vec<_> = messages.iter().filter(|text| text.contains("report-type=delivery-status")).collect();
    assert_eq!(notices.len(), 3, "{messages:?}");
    for (recipient, status) in [("bad@postfix.test", "5.1.1"), ("who@null.test", "5.1.10"), ("x@nowhere.test", "5.1.2")]
    {
        let of = notices.iter().find(|text| text.contains(&format!("Final-Recipient: rfc822; {recipient}\r\n")));
        let of = of.unwrap_or_else(|| panic!("no notice of {recipient}"));
        assert!(of.contains(&format!("Action: failed\r\nStatus: {status}\r\n")), "{of}");
        assert!(of.starts_with("Return-Path: <>\r\n"), "{of}");
        assert!(of.contains("Subject: one\r\n"), "{of}");
    }
    exchange.dev.stop();
}

#[test]
fn killed_at_random_everything_arrives() {
    let postfix = Postfix::start(&[]).expect("Postfix runs; scripts/setup brings it, and it needs root");
    // What a worker that was killed had is another's when its leases end.
    let exchange = Exchange::start(RECORDS, postfix.port, "lease_seconds = 10\n");
    const COUNT: usize = 40;
    for n in 0..COUNT {
        exchange.submit(&message(&format!("number {n} end")), &["good@postfix.test"]);
        if n % 10 == 5 {
            exchange.dev.kill_and_wait("outbound", 1);
        }
    }
    let subjects = until("everything has arrived", || {
        let messages = postfix.messages();
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let all: Vec<String> = messages.iter().map(text).collect();
        let there = |n: usize| all.iter().any(|text| text.contains(&format!("Subject: number {n} end\n")));
        (0..COUNT).all(there).then_some(all)
    });
    println!("{} duplicates among {COUNT} messages with 4 kills", subjects.len() - COUNT);
    exchange.dev.stop();
}

#[test]
fn a_worker_that_is_stopped_gives_back_what_it_had() {
    // It takes connections and says nothing, for which a worker has minutes.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let records = RECORDS.replace("postfix.test.", "silent.test.");
    let settings = "lease_seconds = 3600\n";
    let exchange = Exchange::start(&records, silent.local_addr().unwrap().port(), settings);
    let connected = || until("a worker connects", || silent.accept().ok());
    exchange.submit(&message("waits"), &["good@silent.test"]);
    let _first = connected();
    // Long before the lease ends another worker has it, and the attempt that was cut off is none.
    exchange.dev.terminate_and_wait("outbound", 1);
    let _second = connected();
    let listed = exchange.command(&["queue", "list"]);
    let recipient = &listed["entries"][0]["recipients"][0];
    assert_eq!(recipient["attempts"], 0, "{listed}");
    exchange.dev.stop();
}

/// Postfix with a certificate for `mx.postfix.test`, and one that is somebody else's.
struct Secure {
    postfix: Postfix,
    right: (PathBuf, PathBuf),
    wrong: (PathBuf, PathBuf),
    _folder: tempfile::TempDir,
}

impl Secure {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Command::new("chmod").arg("755").arg(folder.path()).status().unwrap();
        let (right, wrong) = (certificate(folder.path(), "mx.postfix.test"), certificate(folder.path(), "other.test"));
        let settings = Postfix::tls(&right.0, &right.1);
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let postfix = Postfix::start(&settings).expect("Postfix runs; scripts/setup brings it, and it needs root");
        Self { postfix, right, wrong, _folder: folder }
    }
}

/// The data of `3 0 1`: SHA-256 of the whole certificate.
fn fingerprint(cert: &Path) -> String {
    let printed =
        Command::new("openssl").args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(cert).output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    text.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase()
}

/// Waits until outbound has counted something with this label.
fn counted(exchange: &Exchange, what: &str, label: &str) {
    let name = format!("brevdue_outbound_{what}_total");
    until("outbound has counted it", || {
        let metrics = exchange.metrics();
        metrics.lines().any(|line| line.starts_with(&name) && line.contains(label)).then_some(())
    });
}

/// Waits until a recipient was tried in vain.
fn put_off(exchange: &Exchange) {
    counted(exchange, "recipients", "result=\"deferred\"");
}

#[test]
fn dane_delivers_to_the_right_certificate_only() {
    let secure = Secure::start();
    let port = secure.postfix.port;
    for (cert, delivers) in [(&secure.right.0, true), (&secure.wrong.0, false)] {
        let tlsa = format!("_{port}._tcp.mx.postfix.test. 60 TLSA 3 0 1 {}\n", fingerprint(cert));
        let exchange = Exchange::start(&format!("{RECORDS}{tlsa}"), port, "");
        let before = secure.postfix.messages().len();
        exchange.submit(&message("dane"), &["good@postfix.test"]);
        if delivers {
            secure.postfix.wait_for(before + 1);
            counted(&exchange, "connections", "security=\"verified\"");
        } else {
            put_off(&exchange);
            assert_eq!(secure.postfix.messages().len(), before);
        }
        exchange.dev.stop();
    }
}

#[test]
fn mta_sts_delivers_to_the_right_certificate_only() {
    let secure = Secure::start();
    let folder = tempfile::tempdir().unwrap();
    let site = certificate(folder.path(), "mta-sts.postfix.test");
    // The policy names the host; only the authority that is trusted makes the difference.
    let policy = "version: STSv1\nmode: enforce\nmx: *.postfix.test\nmax_age: 86400\n";
    let https = Https::start(&site, policy, "text/plain");
    let records =
        format!("{RECORDS}_mta-sts.postfix.test. 60 TXT \"v=STSv1; id=1;\"\nmta-sts.postfix.test. 60 A 127.0.0.1\n");
    for (trusted, delivers) in [(&secure.right.0, true), (&secure.wrong.0, false)] {
        let ca = folder.path().join("ca.pem");
        fs::write(&ca, fs::read_to_string(&site.0).unwrap() + &fs::read_to_string(trusted).unwrap()).unwrap();
        let settings = format!("https_port = {}\nca = \"{}\"\n", https.port, ca.display());
        let exchange = Exchange::start(&records, secure.postfix.port, &settings);
        let before = secure.postfix.messages().len();
        exchange.submit(&message("sts"), &["good@postfix.test"]);
        if delivers {
            secure.postfix.wait_for(before + 1);
            counted(&exchange, "connections", "security=\"verified\"");
        } else {
            put_off(&exchange);
            assert_eq!(secure.postfix.messages().len(), before);
        }
        exchange.dev.stop();
    }
    assert!(https.asked().iter().any(|asked| asked["path"] == "/.well-known/mta-sts.txt"));
}

//! REQUIRETLS (RFC 8689) from a mail program to other hosts: passed on to a server that is known and offers it, and returned
//! where there is none, header alone.

use harness::client::{run, script, stdout};
use harness::exchange::Exchange;
use harness::peer::Peer;
use harness::postfix::{Postfix, certificate};
use harness::until;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Submits inside TLS with these options; what was refused at once.
fn submit(exchange: &Exchange, subject: &str, words: &[&str]) -> String {
    let (dev, user) = (&exchange.dev, exchange.dev.user(1));
    let file = dev.scratch().join("message");
    let text = format!("From: {}\r\nTo: somebody@peer.test\r\nSubject: {subject}\r\n\r\nA secret\r\n", user.address);
    fs::write(&file, text).unwrap();
    let mut command = Command::new("python3");
    command.arg(script("submit_tls.py")).args(["tls", &dev.port("submissions").to_string()]).arg(dev.ca());
    command.args([&user.address, &user.password]).arg(&file).args(words);
    stdout(&run(&mut command)).trim().to_owned()
}

/// SHA-256 of the certificate, as `3 0 1` has it.
fn fingerprint(cert: &Path) -> String {
    let mut command = Command::new("openssl");
    let printed = run(command.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(cert));
    stdout(&printed).trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase()
}

/// A certificate for several names, which vouches for itself.
fn certificate_for(folder: &Path, names: &[&str]) -> (PathBuf, PathBuf) {
    let made =
        rcgen::generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    let (cert, key) = (folder.join("several.crt"), folder.join("several.key"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert, key)
}

#[test]
fn a_message_that_requires_tls_goes_to_who_requires_it_too() {
    let folder = tempfile::tempdir().unwrap();
    Command::new("chmod").arg("755").arg(folder.path()).status().unwrap();
    let pair = certificate_for(folder.path(), &["mx.postfix.test", "mx.signed.test", "mx.unsigned.insecure"]);
    // Debian's Postfix does not know the option yet.
    let settings = Postfix::tls(&pair.0, &pair.1);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let postfix = Postfix::start(&settings).expect("Postfix runs; scripts/setup brings it, and it needs root");
    let port = postfix.port;
    let peer = Peer::inside_tls(("127.0.0.2", port), &pair, &["PIPELINING", "REQUIRETLS", "8BITMIME"]);
    let tlsa = format!("TLSA 3 0 1 {}", fingerprint(&pair.0));
    // Of the two hosts of both.test the preferred one does not offer it. The certificate says who mx.signed.test is, and DNSSEC
    // that it is meant; nothing says who mx.unknown.test is, nor that mx.unsigned.insecure is meant.
    let records = format!(
        "peer.test. 60 MX 10 mx.peer.test.\nmx.peer.test. 60 A 127.0.0.2\n_{port}._tcp.mx.peer.test. 60 {tlsa}\n\
         postfix.test. 60 MX 10 mx.postfix.test.\nmx.postfix.test. 60 A 127.0.0.1\n_{port}._tcp.mx.postfix.test. 60 {tlsa}\n\
         both.test. 60 MX 10 mx.postfix.test.\nboth.test. 60 MX 20 mx.peer.test.\n\
         signed.test. 60 MX 10 mx.signed.test.\nmx.signed.test. 60 A 127.0.0.2\n\
         unsigned.insecure. 60 MX 10 mx.unsigned.insecure.\nmx.unsigned.insecure. 60 A 127.0.0.2\n\
         unknown.test. 60 MX 10 mx.unknown.test.\nmx.unknown.test. 60 A 127.0.0.2\n"
    );
    let exchange = Exchange::start(&records, port, &format!("ca = \"{}\"\n", pair.0.display()));
    for (to, options) in [
        ("one@peer.test", &["-REQUIRETLS"][..]),
        ("two@both.test", &["-REQUIRETLS"]),
        ("good@postfix.test", &["-REQUIRETLS", "-RET=FULL"]),
        ("three@signed.test", &["-REQUIRETLS"]),
        ("four@unknown.test", &["-REQUIRETLS"]),
        ("five@unsigned.insecure", &["-REQUIRETLS"]),
    ] {
        assert_eq!(submit(&exchange, to, &[options, &[to]].concat()), "[]", "{to}");
    }
    // Three notices, which themselves came home inside TLS, and a message to a mailbox here.
    assert_eq!(submit(&exchange, "home", &["-REQUIRETLS", "u1@example.test"]), "[]");
    let messages = exchange.inbox(4);
    assert_eq!(messages.len(), 4);
    for (to, status) in
        [("good@postfix.test", "5.7.30"), ("four@unknown.test", "5.7.10"), ("five@unsigned.insecure", "5.7.10")]
    {
        let of = messages.iter().find(|text| text.contains(&format!("Final-Recipient: rfc822; {to}\r\n")));
        let of = of.unwrap_or_else(|| panic!("no notice of {to}"));
        assert!(of.contains(&format!("Action: failed\r\nStatus: {status}\r\n")), "{of}");
        // RFC 8689 §5: whatever RET said.
        assert!(of.contains("Content-Type: text/rfc822-headers\r\n") && !of.contains("A secret"), "{of}");
        assert!(of.contains(" with ESMTPS "), "{of}");
    }
    let home = messages.iter().find(|text| text.contains("Subject: home\r\n")).unwrap();
    assert!(home.contains("A secret") && home.contains(" with ESMTPS "), "{home}");
    let sent = ["one@peer.test", "two@both.test", "three@signed.test"];
    let said = until("the peer has them all", || {
        let said = peer.said();
        sent.iter().all(|to| said.contains(&format!("RCPT TO:<{to}>"))).then_some(said)
    });
    let mails: Vec<&String> = said.iter().filter(|line| line.starts_with("MAIL")).collect();
    assert_eq!(mails, ["MAIL FROM:<u1@example.test> REQUIRETLS"; 3]);
    assert_eq!(postfix.messages().len(), 0);
    exchange.dev.stop();
}

#[test]
fn a_sender_may_say_that_tls_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    Command::new("chmod").arg("755").arg(folder.path()).status().unwrap();
    let pair = certificate(folder.path(), "mx.postfix.test");
    let settings = Postfix::tls(&pair.0, &pair.1);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let postfix = Postfix::start(&settings).expect("Postfix runs; scripts/setup brings it, and it needs root");
    let records = format!(
        "postfix.test. 60 MX 10 mx.postfix.test.\nmx.postfix.test. 60 A 127.0.0.1\n_{}._tcp.mx.postfix.test. 60 TLSA 3 1 1 {}\n",
        postfix.port,
        "ab".repeat(32)
    );
    let exchange = Exchange::start(&records, postfix.port, "");
    let message = |field: &str| format!("From: u1@example.test\r\n{field}Subject: x\r\n\r\nHello\r\n");
    exchange.submit(&message(""), &["good-one@postfix.test"]);
    exchange.tried("good-one@postfix.test", 1);
    // RFC 8689 §3: the one value that there is.
    exchange.submit(&message("TLS-Required: Yes\r\n"), &["good-two@postfix.test"]);
    exchange.retried("good-two@postfix.test", 1);
    assert_eq!(postfix.messages().len(), 0);
    exchange.submit(&message("TLS-Required: No\r\n"), &["good-three@postfix.test"]);
    let arrived = exchange.retry_until("Postfix delivers", || Some(postfix.messages()).filter(|all| !all.is_empty()));
    let text = String::from_utf8_lossy(&arrived[0]).into_owned();
    assert!(text.contains("\nTLS-Required: No\n"), "{text}");
    // The connection is nobody else's.
    let before = exchange.tried("good-one@postfix.test", 1)["attempts"].as_u64().expect("a number");
    exchange.retried("good-one@postfix.test", before + 1);
    assert_eq!(postfix.messages().len(), 1);
    exchange.dev.stop();
}

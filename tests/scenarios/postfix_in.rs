//! Postfix sends to the MX: in the clear and through TLS, large, 8-bit and in UTF-8, and with what RFC 3461 lets a sender ask for.

use harness::incoming::{admin, fields};
use harness::port::Port;
use harness::postfix::Postfix;
use harness::zone::Zone;
use harness::{Dev, Imap, User, client, until};
use std::fs;
use std::process::Command;

const RECORDS: &str = "postfix.test. 60 MX 10 mx.postfix.test.\nmx.postfix.test. 60 A 127.0.0.1\n";
const MIB: usize = 1024 * 1024;

/// A Postfix that takes mail for `postfix.test` and sends everything else to a port.
fn postfix(to: u16, tls: &str) -> Postfix {
    let relay = format!("relayhost = [127.0.0.1]:{to}");
    let level = format!("smtp_tls_security_level = {tls}");
    let settings = ["virtual_mailbox_domains = postfix.test", &relay, &level, "smtp_tls_loglevel = 1"];
    Postfix::start(&settings).expect("Postfix is installed; scripts/setup brings it")
}

/// Gives Postfix a message; options of MAIL begin with `-`, of RCPT with `+`.
fn hand_over(dev: &Dev, postfix: &Postfix, message: &[u8], words: &[&str]) {
    let file = dev.scratch().join("message");
    fs::write(&file, message).expect("written");
    let mut python = Command::new("python3");
    python.arg(client::script("relay.py")).arg(postfix.port.to_string()).arg(file).args(words);
    assert_eq!(client::stdout(&client::run(&mut python)).trim(), "[]");
}

/// The nth message of a user's INBOX, once it is there.
fn nth(dev: &Dev, user: &User, n: usize) -> Vec<u8> {
    let mut imap = Imap::sign_in(dev, user);
    let there = format!("STATUS INBOX (MESSAGES {n})");
    until("Postfix sends it on", || (imap.ok("STATUS INBOX (MESSAGES)").lines() == [there.as_str()]).then_some(()));
    imap.ok("EXAMINE INBOX");
    imap.ok(&format!("FETCH {n} BODY.PEEK[]")).literals().pop().expect("a literal")
}

#[test]
fn in_the_clear_and_through_tls() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1).clone();
    admin(&dev, &["alias", "add", "j\u{f8}rn@example.test", "--forward", &user.address]);
    let head = |subject: &str| format!("From: good@postfix.test\r\nTo: x@example.test\r\nSubject: {subject}\r\n\r\n");
    let mut seeded = harness::corpus::Seeded::new(20);
    let mut large = Vec::with_capacity(20 * MIB);
    while large.len() < 20 * MIB {
        large.extend_from_slice(format!("{:016x}{:016x}.\r\n", seeded.draw(), seeded.draw()).as_bytes());
    }
    let eight_bit = "gr\u{fc}n\r\n.dot\r\n..\r\n\u{1f98a}\r\n".as_bytes().to_vec();
    for (round, tls) in ["none", "encrypt"].into_iter().enumerate() {
        let postfix = postfix(dev.port("mx"), tls);
        let bodies =
            [(None, b"plain\r\n.dot\r\n".to_vec()), (Some("-BODY=8BITMIME"), eight_bit.clone()), (None, large.clone())];
        for (at, (options, body)) in bodies.into_iter().enumerate() {
            let message = [head("one").into_bytes(), body.clone()].concat();
            let words: Vec<&str> =
                ["good@postfix.test"].into_iter().chain(options).chain([user.address.as_str()]).collect();
            hand_over(&dev, &postfix, &message, &words);
            let came = nth(&dev, &user, 4 * round + at + 1);
            assert!(came.ends_with(&[b"\r\n\r\n".as_slice(), &body].concat()), "{} octets differ", body.len());
            is_received(&came, tls, "ESMTP");
        }
        // An address, a sender and a subject in UTF-8.
        let subject = "Subject: bl\u{e5}b\u{e6}r\r\n";
        let message =
            format!("From: good.gr\u{fc}n@postfix.test\r\nTo: j\u{f8}rn@example.test\r\n{subject}\r\nhej\r\n");
        let words = ["good.gr\u{fc}n@postfix.test", "-SMTPUTF8", "-BODY=8BITMIME", "j\u{f8}rn@example.test"];
        hand_over(&dev, &postfix, message.as_bytes(), &words);
        let came = nth(&dev, &user, 4 * round + 4);
        let text = String::from_utf8_lossy(&came).into_owned();
        assert!(text.starts_with("Return-Path: <good.gr\u{fc}n@postfix.test>\r\n") && text.contains(subject), "{text}");
        is_received(&came, tls, "UTF8SMTP");
    }
    dev.stop();
}

/// The first Received says how Postfix spoke.
fn is_received(message: &[u8], tls: &str, protocol: &str) {
    let received = fields(message, "Received").remove(0);
    let with = if tls == "none" { format!("with {protocol} id ") } else { format!("with {protocol}S ") };
    assert!(received.starts_with("from mx.postfix.test ([127.0.0.1])") && received.contains(&with), "{received}");
    assert_eq!(tls != "none", received.contains("TLSv1.3"), "{received}");
}

/// The notice of a delivery that came to Postfix.
fn notice(postfix: &Postfix, original: &str) -> String {
    until("the sender is told", || {
        let messages = postfix.messages().into_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let mut notices = messages.filter(|text| text.contains("report-type=delivery-status"));
        // A space behind the semicolon is a matter of taste.
        let is_of = |line: &str| line.starts_with("Original-Recipient: rfc822;") && line.ends_with(original);
        notices.find(|text| text.lines().any(is_of))
    })
}

#[test]
fn what_a_sender_asks_to_hear_is_told() {
    let zone = Zone::start(RECORDS);
    let kept = Port::free();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("settings.toml");
    let port = kept.number();
    let settings = format!("{}enabled = true\n[outbound]\nport = {port}\nallow_private = true\n", zone.toml());
    fs::write(&file, settings).expect("written");
    let dev = Dev::start(1, &["--settings", file.to_str().expect("UTF-8")]);
    admin(&dev, &["alias", "add", "fwd@example.test", "--forward", "good.target@postfix.test"]);
    let many = ["--forward", "good.one@postfix.test", "--forward", "good.two@postfix.test"];
    admin(&dev, &[&["alias", "add", "many@example.test"], &many[..]].concat());
    let relay = format!("relayhost = [127.0.0.1]:{}", dev.port("mx"));
    let postfix = Postfix::start_at(kept, &["virtual_mailbox_domains = postfix.test", &relay]).expect("Postfix");

    let message = b"From: good@postfix.test\r\nTo: u1@example.test\r\nSubject: asked\r\n\r\nthe body\r\n";
    for (to, original) in [
        ("u1@example.test", "u1@example.test"),
        ("fwd@example.test", "fwd@example.test"),
        ("many@example.test", "m@x.test"),
    ] {
        let orcpt = format!("+ORCPT=rfc822;{original}");
        let words = ["good@postfix.test", "-RET=HDRS", "-ENVID=QQ+2B17", "+NOTIFY=SUCCESS,FAILURE", &orcpt, to];
        hand_over(&dev, &postfix, message, &words);
    }
    let direct = notice(&postfix, "u1@example.test");
    for part in [
        "Return-Path: <>\n",
        "Original-Envelope-Id: QQ+17\n",
        "Reporting-MTA: dns; mx.brevdue.test\n",
        "Final-Recipient: rfc822; u1@example.test\nAction: delivered\nStatus: 2.0.0\n",
        "Subject: asked\n",
    ] {
        assert!(direct.contains(part), "{part} in {direct}");
    }
    assert!(!direct.contains("the body"), "{direct}");
    // Who the message was forwarded to has told, through the address that was rewritten.
    let forwarded = notice(&postfix, "fwd@example.test");
    for part in
        ["Reporting-MTA: dns; mx.postfix.test\n", "good.target@postfix.test\n", "Action: delivered\n", "QQ+17\n"]
    {
        assert!(forwarded.contains(part), "{part} in {forwarded}");
    }
    let several = notice(&postfix, "m@x.test");
    assert!(several.contains("Final-Recipient: rfc822; many@example.test\nAction: expanded\n"), "{several}");
    // Refused in the conversation: the notice is Postfix's.
    hand_over(&dev, &postfix, message, &["good@postfix.test", "nobody@example.test"]);
    let refused = until("Postfix tells of the refusal", || {
        let messages = postfix.messages().into_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        messages.into_iter().find(|text| text.contains("nobody@example.test") && text.contains("Action: failed\n"))
    });
    assert!(refused.contains("550 5.1.1 No such mailbox"), "{refused}");
    dev.stop();
}

//! Mail that is forwarded to Postfix: what dkimpy, pyspf and authheaders say of it there, and how its bounces come home.

use authentication::srs::Keys;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use daemon::config::Config;
use daemon::tls::Internal;
use directory::client::DirectoryClient;
use harness::exchange::{Exchange, as_sent};
use harness::port::Port;
use harness::postfix::Postfix;
use harness::vouch::{lines, vouch};
use harness::{Smtp, until};
use jiff::{SignedDuration, Timestamp};
use model::Role;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use vault::Secret32;

/// The author, who is elsewhere: Postfix is that too.
const AUTHOR: &str = "good-author@elsewhere.test";
/// Both domains' mail goes to Postfix, and what they publish would have a forged copy refused.
const RECORDS: &str = "postfix.test. 60 MX 10 mx.postfix.test.\nelsewhere.test. 60 MX 10 mx.postfix.test.\n\
    forwarder.test. 60 MX 10 mx.postfix.test.\nmx.postfix.test. 60 A 127.0.0.1\n\
    elsewhere.test. 60 TXT \"v=spf1 ip4:127.0.0.1 -all\"\n_dmarc.elsewhere.test. 60 TXT \"v=DMARC1; p=reject; adkim=s; aspf=s\"\n";

/// Postfix on the far side, which sends its own notices through the MX, and a system that forwards.
struct Chain {
    postfix: Postfix,
    exchange: Exchange,
    key: PathBuf,
    _folder: tempfile::TempDir,
}

impl Chain {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (key, record) = author_key(folder.path());
        let port = Port::free();
        let mut exchange =
            Exchange::start(&format!("{RECORDS}{record}"), port.number(), "[mx]\npolicy_on_loopback = true\n");
        exchange.publish();
        // It takes what it has no mailbox for, and returns it: so do hosts behind others.
        let postfix = Postfix::start_at(
            port,
            &[
                "virtual_mailbox_domains = postfix.test, elsewhere.test, forwarder.test",
                "smtpd_reject_unlisted_recipient = no",
                "smtp_dns_support_level = disabled",
                "smtp_host_lookup = native",
                &format!("relayhost = [127.0.0.1]:{}", exchange.dev.port("mx")),
            ],
        )
        .expect("Postfix runs; scripts/setup brings it, and it needs root");
        for (alias, target) in [("fwd", "good@postfix.test"), ("gone", "bad@postfix.test")] {
            exchange.command(&["alias", "add", &format!("{alias}@example.test"), "--forward", target]);
        }
        Self { postfix, exchange, key, _folder: folder }
    }

    /// What came to Postfix with this subject of its own, as it was sent: a notice has it in the message that it brings back.
    fn arrived(&self, subject: &str) -> Vec<u8> {
        let field = format!("Subject: {subject}");
        until("the message arrives", || {
            let has = |message: &Vec<u8>| {
                String::from_utf8_lossy(message).lines().take_while(|line| !line.is_empty()).any(|line| line == field)
            };
            self.postfix.messages().into_iter().find(has).map(|message| as_sent(&message))
        })
    }

    /// The notice of Postfix's that came to this address.
    fn notice_for(&self, address: &str) -> String {
        let delivered = format!("Delivered-To: {address}\n");
        until("the notice comes home", || {
            let texts = self.postfix.messages().into_iter().map(|text| String::from_utf8_lossy(&text).into_owned());
            texts.into_iter().find(|text| {
                text.contains("Subject: Undelivered Mail Returned to Sender\n")
                    && text.to_lowercase().contains(&delivered.to_lowercase())
            })
        })
    }

    fn asked(&self, what: &str, message: &[u8]) -> Vec<String> {
        let (port, sender) = (self.exchange.zone.port().to_string(), field(message, "Return-Path"));
        let from = [what, &port, "127.0.0.1", sender.trim_matches(['<', '>']), "outbound.brevdue.test"];
        lines(if what == "spf" || what == "dmarc" { &from } else { &from[..2] }, message)
    }
}

/// A key for `elsewhere.test`, made by OpenSSL, and its record.
fn author_key(folder: &Path) -> (PathBuf, String) {
    let file = folder.join("author.pem");
    let run = |arguments: &[&str]| Command::new("openssl").args(arguments).output().unwrap().stdout;
    let path = file.to_str().unwrap();
    run(&["genrsa", "-traditional", "-out", path, "2048"]);
    let public = STANDARD.encode(run(&["rsa", "-in", path, "-pubout", "-outform", "DER"]));
    let (head, tail) = public.split_at(200);
    (file, format!("a1._domainkey.elsewhere.test. 60 TXT \"v=DKIM1; k=rsa; p={head}\" \"{tail}\"\n"))
}

fn message(author: &str, subject: &str) -> Vec<u8> {
    format!(
        "From: An Author <{author}>\r\nTo: fwd@example.test\r\nSubject: {subject}\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\n\
         Message-ID: <1@elsewhere.test>\r\n\r\nA line,  with blanks \r\n.dots\r\n\r\n\r\n"
    )
    .into_bytes()
}

/// The first field of this name, its first line.
fn field(message: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(message);
    let start = format!("{name}: ");
    let found = text.lines().find_map(|line| line.strip_prefix(&start));
    found.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

#[test]
fn what_is_forwarded_passes_at_the_far_end() {
    let chain = Chain::start();
    let forms = "relaxed/simple";
    let signing = ["dkim-sign", "elsewhere.test", "a1", "rsa-sha256", chain.key.to_str().unwrap(), forms, "whole"];
    let signed = [vouch(&signing, &message(AUTHOR, "signed")), message(AUTHOR, "signed")].concat();
    let mut smtp = Smtp::connect(&chain.exchange.dev);
    smtp.send(AUTHOR, &["fwd@example.test"], &signed);
    let arrived = chain.arrived("signed");
    assert!(arrived.ends_with(&signed), "octet for octet: {}", String::from_utf8_lossy(&arrived));
    assert!(field(&arrived, "Return-Path").starts_with("<SRS0="), "{}", field(&arrived, "Return-Path"));
    assert_eq!(chain.asked("dkim-verify", &arrived), ["pass"]);
    assert_eq!(chain.asked("arc-verify", &arrived), ["pass"]);
    assert_eq!(chain.asked("spf", &arrived), ["pass"]);
    // SPF is ours by now, and no use to the author; the signature is.
    assert_eq!(chain.asked("dmarc", &arrived), ["a1 elsewhere.test rsa-sha256 pass dmarc=pass", "spf pass dmarc=fail"]);
    let said = String::from_utf8_lossy(&arrived).into_owned();
    assert!(said.contains("dkim=pass header.d=elsewhere.test") && said.contains("spf=pass"), "{said}");

    // Without a signature of the author's, forwarding breaks DMARC: the copy is in the name of the domain that forwards.
    smtp.send(AUTHOR, &["fwd@example.test"], &message(AUTHOR, "unsigned"));
    let arrived = chain.arrived("unsigned");
    let said = String::from_utf8_lossy(&arrived).into_owned();
    assert!(said.contains("From: An Author\r\n via \"example.test\" <fwd@example.test>\r\n"), "{said}");
    assert_eq!(field(&arrived, "Reply-To"), format!("An Author <{AUTHOR}>"));
    let body = |text: &[u8]| String::from_utf8_lossy(text).split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    assert_eq!(body(&arrived), body(&message(AUTHOR, "unsigned")), "the body is the author's");
    assert_eq!(chain.asked("dkim-verify", &arrived), ["pass", "pass"]);
    assert_eq!(chain.asked("arc-verify", &arrived), ["pass"]);
    let judged = chain.asked("dmarc", &arrived);
    let passes = |line: &String, of: &str| line.ends_with(&format!("{of} pass dmarc=pass"));
    let of = ["example.test rsa-sha256", "example.test ed25519-sha256", "spf"];
    assert!(judged.len() == 3 && judged.iter().zip(of).all(|(line, of)| passes(line, of)), "{judged:?}");
    chain.exchange.dev.stop();
}

#[test]
fn bounces_of_what_was_forwarded_come_home() {
    let chain = Chain::start();
    let mut smtp = Smtp::connect(&chain.exchange.dev);
    smtp.send(AUTHOR, &["gone@example.test"], &message(AUTHOR, "first hop"));
    let notice = chain.notice_for(AUTHOR);
    assert!(notice.contains("Final-Recipient: rfc822; bad@postfix.test\n"), "{notice}");
    assert!(notice.contains("Return-Path: <>\n"), "{notice}");

    // Another forwarder's rewritten address goes back to that forwarder, as it was.
    let theirs = "SRS0=AbCd=XY=origin.test=Some.Body@forwarder.test";
    smtp.send(theirs, &["gone@example.test", "fwd@example.test"], &message("some.body@origin.test", "second hop"));
    let arrived = chain.arrived("second hop");
    let ours = field(&arrived, "Return-Path");
    assert!(
        ours.starts_with("<SRS1=") && ours.ends_with("=forwarder.test==AbCd=XY=origin.test=Some.Body@example.test>")
    );
    chain.notice_for(theirs);
    chain.exchange.dev.stop();
}

/// The secrets that the MX asks the directory for, as the MX.
fn secrets(exchange: &Exchange) -> Arc<[Secret32]> {
    daemon::tls::install_provider();
    let config = Config::load(&exchange.dev.data().join("config/mx-1.toml")).unwrap();
    let tls = Internal::load(&config.internal, Role::Mx).unwrap().client;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        DirectoryClient::connect(&config.directory.address, tls).unwrap().srs_secrets().await.unwrap()
    })
}

#[test]
fn rewritten_addresses_that_are_forged_or_old_are_refused() {
    let exchange = Exchange::start(RECORDS, 25, "");
    let secrets = secrets(&exchange);
    let keys = Keys::new(&secrets).unwrap();
    let days_ago = |days: i64| Timestamp::now().checked_sub(SignedDuration::from_hours(24 * days)).unwrap();
    let made = |days: i64| keys.forward(AUTHOR, "example.test", days_ago(days)).unwrap();
    let mut smtp = Smtp::connect(&exchange.dev);
    assert_eq!(smtp.command("MAIL FROM:<>"), "250 2.1.0 Sender OK");
    let mut answer = |address: &str| smtp.command(&format!("RCPT TO:<{address}>"));
    let good = made(0);
    let taken = answer(&good);
    assert!(taken.starts_with("250 2.1.5"), "{taken}");
    // Letters may have changed their case on the way.
    assert_eq!(answer(&good.to_lowercase()), taken);
    assert_eq!(answer(&made(20)), taken);
    assert_eq!(answer(&made(23)), "550 5.1.6 This rewritten address has expired");
    let refused = "550 5.1.1 No such mailbox";
    assert_eq!(answer(&good.replace("good-author", "somebody")), refused);
    assert_eq!(answer(&good.replace("elsewhere.test", "victim.test")), refused);
    let hash = &good[5..11];
    let other: String = hash.chars().map(|c| if c == 'A' { 'B' } else { 'A' }).collect();
    assert_eq!(answer(&good.replacen(hash, &other, 1)), refused);
    assert_eq!(answer("SRS1=ABCDEF=forwarder.test==AbCd=XY=origin.test=some@example.test"), refused);
    assert_eq!(answer("SRS0=ABCDEF=XY=victim.test=some@example.test"), refused);
    exchange.dev.stop();
}

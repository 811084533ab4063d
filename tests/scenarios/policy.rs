//! The MX's policy stage by stage, against a real zone of DNS, with swaks from several addresses of this machine: each stage has
//! its setting, its code and its words.

use harness::incoming::{Incoming, Sent, admin, fields};
use harness::zone::Zone;
use harness::{Imap, until};
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};

/// `good` is in its reverse name, `sender.test` lets it send; `bad`'s name does not lead back, and a list has `listed`.
const RECORDS: &str = "\
5.0.0.127.in-addr.arpa. 60 PTR good.sender.test.
good.sender.test. 60 A 127.0.0.5
6.0.0.127.in-addr.arpa. 60 PTR good.sender.test.
7.0.0.127.in-addr.arpa. 60 PTR listed.sender.test.
listed.sender.test. 60 A 127.0.0.7
7.0.0.127.bl.test. 60 A 127.0.0.2
5.0.0.127.full.test. 60 A 127.255.255.254
evil.example.names.test. 60 A 127.0.0.2
sender.test. 60 TXT \"v=spf1 ip4:127.0.0.5 -all\"
_dmarc.sender.test. 60 TXT \"v=DMARC1; p=none\"
_dmarc.reject.test. 60 TXT \"v=DMARC1; p=reject\"
_dmarc.quarantine.test. 60 TXT \"v=DMARC1; p=quarantine\"
";
const GOOD: &str = "127.0.0.5";
const BAD: &str = "127.0.0.6";
const LISTED: &str = "127.0.0.7";

fn message(from: &str, body: &str) -> String {
    format!(
        "From: A <{from}>\nTo: ann@in.test\nDate: Mon, 24 Nov 2025 05:07:09 +0000\nMessage-ID: <1@sender.test>\n\
         Subject: policy\n\n{body}\n"
    )
}

/// An ordinary message.
fn plain(client: &'static str, to: &'static str) -> (Sent<'static>, String) {
    let sent = Sent { client, hello: "good.sender.test", from: "a@sender.test", to, message: "" };
    (sent, message("a@sender.test", "Hello"))
}

fn try_from(system: &Incoming, client: &'static str, to: &'static str) -> String {
    let (sent, text) = plain(client, to);
    system.send(Sent { message: &text, ..sent })
}

fn is_taken(reply: &str) -> bool {
    reply.starts_with("250 2.0.0 Stored as ")
}

#[test]
fn who_connects() {
    let zone = Zone::start(RECORDS);
    let users =
        ["a@name.test", "a@deny.test", "a@allow.test", "a@list.test", "a@full.test", "a@source.test", "a@rcpt.test"];
    let system = Incoming::start(&users, &zone, "");
    for (domain, name, value) in [
        ("name.test", "fcrdns", "refuse"),
        ("deny.test", "deny", "127.0.0.6/31,denied.test"),
        ("allow.test", "deny", "127.0.0.0/8"),
        ("allow.test", "allow", "good.sender.test"),
        ("list.test", "dnsbl_zones", "bl.test"),
        ("full.test", "dnsbl_zones", "full.test"),
        ("source.test", "source_messages_per_hour", "2"),
        ("rcpt.test", "recipient_messages_per_hour", "2"),
    ] {
        system.set(domain, name, value);
    }
    for (client, to, refusal) in [
        (GOOD, "a@name.test", ""),
        (BAD, "a@name.test", "550 5.7.25 The name of your address does not lead back to it"),
        // It has no name at all.
        ("127.0.0.8", "a@name.test", "550 5.7.25 The name of your address does not lead back to it"),
        (GOOD, "a@deny.test", ""),
        (BAD, "a@deny.test", "554 5.7.0 Mail from there is not taken for this recipient"),
        (GOOD, "a@allow.test", ""),
        (BAD, "a@allow.test", "554 5.7.0 Mail from there is not taken for this recipient"),
        (GOOD, "a@list.test", ""),
        (LISTED, "a@list.test", "554 5.7.1 Your address is on the block list bl.test"),
        // The list says that it does not answer us, not that it has the client.
        (GOOD, "a@full.test", ""),
        (GOOD, "a@source.test", ""),
        (GOOD, "a@source.test", ""),
        (GOOD, "a@source.test", "450 4.7.28 Too much mail from your network, try again later"),
        // Each source for itself.
        (LISTED, "a@source.test", ""),
        (GOOD, "a@rcpt.test", ""),
        (LISTED, "a@rcpt.test", ""),
        (GOOD, "a@rcpt.test", "450 4.2.1 This recipient gets too much mail now, try again later"),
    ] {
        let reply = try_from(&system, client, to);
        assert!(if refusal.is_empty() { is_taken(&reply) } else { reply == refusal }, "{client} {to}: {reply}");
    }
    let text = message("x@denied.test", "Hello");
    let denied = Sent { client: GOOD, hello: "x", from: "x@denied.test", to: "a@deny.test", message: &text };
    assert_eq!(system.send(denied), "554 5.7.0 Mail from there is not taken for this recipient");
    system.dev.stop();
}

#[test]
fn a_stranger_comes_again_and_who_is_vouched_for_does_not_wait() {
    let keys = Keys::make();
    let zone = Zone::start(&format!("{RECORDS}{}", keys.record()));
    let system = Incoming::start(&["a@grey.test", "b@grey.test"], &zone, "");
    system.set("grey.test", "greylist", "on");
    system.set("grey.test", "greylist_seconds", "1");
    let text = message("a@stranger.test", "Hello");
    let stranger = Sent { client: LISTED, hello: "x.test", from: "a@stranger.test", to: "a@grey.test", message: &text };
    let put_off = "451 4.7.1 Not known here yet, try again in a few minutes";
    assert_eq!(system.send(stranger), put_off);
    until("the stranger is known", || {
        let reply = system.send(stranger);
        assert!(reply == put_off || is_taken(&reply), "{reply}");
        is_taken(&reply).then_some(())
    });
    // Now it is known, with all that it sends.
    assert!(is_taken(&system.send(Sent { from: "c@stranger.test", to: "b@grey.test", ..stranger })));
    // From elsewhere it is not.
    assert_eq!(system.send(Sent { client: "127.0.9.9", ..stranger }), put_off);
    // A good signature is enough, and so is DMARC.
    let signed = keys.sign(&message("b@sender.test", "Hello"));
    let sent =
        Sent { client: "127.0.8.8", hello: "x.test", from: "x@unknown.test", to: "a@grey.test", message: &signed };
    assert!(is_taken(&system.send(sent)));
    assert!(is_taken(&try_from(&system, GOOD, "a@grey.test")));
    system.dev.stop();
}

#[test]
fn who_sends_and_what_is_signed() {
    let keys = Keys::make();
    let zone = Zone::start(&format!("{RECORDS}{}", keys.record()));
    let system = Incoming::start(&["a@spf.test", "a@dkim.test", "a@dmarc.test"], &zone, "");
    system.set("spf.test", "spf", "refuse");
    system.set("dkim.test", "dkim", "refuse");
    assert!(is_taken(&try_from(&system, GOOD, "a@spf.test")));
    assert_eq!(try_from(&system, LISTED, "a@spf.test"), "550 5.7.23 SPF of the sender's domain fails");

    let signed = keys.sign(&message("a@sender.test", "Hello"));
    let sent = |message| Sent { message, ..plain(GOOD, "a@dkim.test").0 };
    assert_eq!(try_from(&system, GOOD, "a@dkim.test"), "550 5.7.20 No DKIM signature passes");
    assert!(is_taken(&system.send(sent(&signed))));
    let changed = signed.replace("Hello", "Hallo");
    assert_eq!(system.send(sent(&changed)), "550 5.7.20 No DKIM signature passes");

    let forged = |domain: &str, subject: &str| {
        let text =
            message(&format!("boss@{domain}"), "Hello").replace("Subject: policy", &format!("Subject: {subject}"));
        system.send(Sent { message: &text, ..plain(GOOD, "a@dmarc.test").0 })
    };
    assert_eq!(
        forged("reject.test", "no"),
        "550 5.7.1 DMARC of the author's domain fails, and its policy is to refuse"
    );
    assert!(is_taken(&forged("quarantine.test", "junk")));
    assert!(is_taken(&system.send(Sent { to: "a@dmarc.test", ..sent(&signed) })));
    let mut imap = Imap::sign_in(&system.dev, system.dev.user(3));
    let subjects = |messages: Vec<(u32, Vec<u8>)>| {
        messages.iter().flat_map(|(_, bytes)| fields(bytes, "Subject")).collect::<Vec<_>>()
    };
    assert_eq!(subjects(imap.messages("INBOX")), ["policy"]);
    let junk = imap.messages("Junk");
    assert!(fields(&junk[0].1, "X-Brevdue-Spam")[0].starts_with("yes; score="), "{junk:?}");
    assert_eq!(subjects(junk), ["junk"]);
    system.dev.stop();
}

#[test]
fn one_field_tells_what_was_found_and_none_is_forged() {
    let keys = Keys::make();
    let zone = Zone::start(&format!("{RECORDS}{}", keys.record()));
    let system = Incoming::start(&["a@in.test"], &zone, "");
    let host = admin(&system.dev, &["dns", "in.test"]);
    assert!(host.contains("mx.brevdue.test"), "{host}");
    let forged = "Authentication-Results: mx.brevdue.test; dmarc=pass header.from=bank.test\n\
        Authentication-Results:\n\tMX.Brevdue.Test (a comment);\n\tspf=pass\nAuthentication-Results: other.test; spf=pass\n";
    let signed = format!("{forged}{}", keys.sign(&message("a@sender.test", "Hello")));
    assert!(is_taken(&system.send(Sent { message: &signed, ..plain(GOOD, "a@in.test").0 })));
    let messages = Imap::sign_in(&system.dev, system.dev.user(1)).messages("INBOX");
    let found = fields(&messages[0].1, "Authentication-Results");
    let [ours, theirs] = &found[..] else { panic!("two fields: {found:?}") };
    assert_eq!(theirs, "other.test; spf=pass");
    for part in [
        "mx.brevdue.test;",
        "iprev=pass (good.sender.test) policy.iprev=127.0.0.5",
        "spf=pass",
        "smtp.mailfrom=sender.test",
        "dkim=pass",
        "header.d=sender.test",
        "dmarc=pass",
        "header.from=sender.test",
    ] {
        assert!(ours.contains(part), "{part} in {ours}");
    }
    system.dev.stop();
}

#[test]
fn links_that_a_list_has_count() {
    let zone = Zone::start(RECORDS);
    let system = Incoming::start(&["a@links.test", "a@strict.test"], &zone, "");
    for domain in ["links.test", "strict.test"] {
        system.set(domain, "uribl_zones", "names.test");
    }
    system.set("strict.test", "refuse_score", "4");
    let text = message("a@sender.test", "See https://evil.example/win");
    let sent = |to, text| Sent { message: text, ..plain(GOOD, to).0 };
    assert!(is_taken(&system.send(sent("a@links.test", &text))));
    assert_eq!(system.send(sent("a@strict.test", &text)), "550 5.7.0 The message looks like spam");
    let harmless = message("a@sender.test", "See https://good.example/win");
    assert!(is_taken(&system.send(sent("a@strict.test", &harmless))));
    let messages = Imap::sign_in(&system.dev, system.dev.user(1)).messages("INBOX");
    let score = fields(&messages[0].1, "X-Brevdue-Spam");
    assert!(score[0].contains("uribl:names.test(4.0)"), "{score:?}");
    system.dev.stop();
}

/// Records that lead in circles, and more of them than anybody needs.
fn odd_records() -> String {
    // About as many as a set of records holds, which is 64 KiB to who signs it.
    let many = |line: fn(usize) -> String| (0..1_000).map(line).collect::<String>();
    let addresses: String = (0..2_000).map(|n| format!("many.test. 60 A 10.{}.{}.1\n", n / 250, n % 250)).collect();
    let includes = |line: fn(usize) -> String| (0..300).map(line).collect::<String>();
    "\
9.0.0.127.in-addr.arpa. 60 CNAME 10.0.0.127.in-addr.arpa.
10.0.0.127.in-addr.arpa. 60 CNAME 9.0.0.127.in-addr.arpa.
one.loop.test. 60 CNAME two.loop.test.
two.loop.test. 60 CNAME one.loop.test.
_dmarc.loop.test. 60 CNAME one.loop.test.
s1._domainkey.loop.test. 60 CNAME two.loop.test.
loop.test. 60 TXT \"v=spf1 include:loop.test a:one.loop.test -all\"
"
    .to_owned()
        + &many(|n| format!("11.0.0.127.in-addr.arpa. 60 PTR n{n}.many.test.\n"))
        + &addresses
        + &many(|n| format!("many.test. 60 MX {n} m{n}.many.test.\n"))
        + &includes(|n| format!("many.test. 60 TXT \"v=spf1 mx a include:i{n}.many.test -all\"\n"))
}

#[test]
fn dns_that_loops_overflows_or_says_nothing_holds_nobody_up() {
    let zone = Zone::start(&odd_records());
    let system = Incoming::start(&["a@in.test"], &zone, "");
    system.set("in.test", "dnsbl_zones", "loop.test,many.test");
    for (client, domain, spf) in [("127.0.0.9", "loop.test", "permerror"), ("127.0.0.11", "many.test", "permerror")] {
        let from = format!("a@{domain}");
        let signature = format!("DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s=s1; h=from; bh=AAAA; b=AAAA\n");
        let text = signature + &message(&from, &format!("See https://one.{domain}/"));
        let sent = Sent { client, hello: domain, from: &from, to: "a@in.test", message: &text };
        let reply = system.send(sent);
        assert!(is_taken(&reply), "{domain}: {reply}");
        let messages = Imap::sign_in(&system.dev, system.dev.user(1)).messages("INBOX");
        let found = fields(&messages.last().expect("it came").1, "Authentication-Results");
        assert!(found[0].contains(&format!("spf={spf} smtp.mailfrom={domain}")), "{found:?}");
        assert!(!found[0].contains("=pass"), "{found:?}");
    }
    system.dev.stop();

    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let at = silent.local_addr().expect("bound");
    let dns = format!("[dns]\nservers = [\"udp://{at}\"]\nenabled = true\n");
    let system = Incoming::with_dns(&["a@in.test"], &dns, "");
    for (name, value) in [("fcrdns", "refuse"), ("spf", "refuse"), ("dnsbl_zones", "one.test,two.test")] {
        system.set("in.test", name, value);
    }
    let reply = try_from(&system, GOOD, "a@in.test");
    assert!(is_taken(&reply), "{reply}");
    let messages = Imap::sign_in(&system.dev, system.dev.user(1)).messages("INBOX");
    let found = fields(&messages[0].1, "Authentication-Results");
    for part in ["spf=temperror", "iprev=temperror", "dmarc=temperror"] {
        assert!(found[0].contains(part), "{part} in {found:?}");
    }
    system.dev.stop();
}

/// A key of `sender.test`, made by OpenSSL; dkimpy signs with it.
struct Keys(tempfile::TempDir);

impl Keys {
    fn make() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let openssl = |words: &[&str]| {
            let done = Command::new("openssl").args(words).current_dir(folder.path()).output().expect("openssl runs");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        openssl(&["genrsa", "-traditional", "-out", "key.pem", "2048"]);
        openssl(&["rsa", "-in", "key.pem", "-pubout", "-out", "public.pem"]);
        Self(folder)
    }

    fn record(&self) -> String {
        let pem = fs::read_to_string(self.0.path().join("public.pem")).expect("written");
        let key: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let (one, two) = key.split_at(200);
        format!("s1._domainkey.sender.test. 60 TXT \"v=DKIM1; k=rsa; p={one}\" \"{two}\"\n")
    }

    /// The message with CRLF and its signature in front.
    fn sign(&self, message: &str) -> String {
        use std::io::Write;
        let message = message.replace('\n', "\r\n");
        let mut python = Command::new("/usr/bin/python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/vouch.py"))
            .args(["dkim-sign", "sender.test", "s1", "rsa-sha256"])
            .arg(self.0.path().join("key.pem"))
            .args(["relaxed/relaxed", "whole"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Debian's python3 starts; scripts/setup installs it");
        python.stdin.take().expect("piped").write_all(message.as_bytes()).expect("written");
        let output = python.wait_with_output().expect("it ends");
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("text") + &message
    }
}

//! Messages that are made to hurt whoever looks into them, with the policy and its look at content on: taken as they are, read
//! back octet for octet, and nobody's memory grows with them.

use crate::memory::Peaks;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::incoming::Incoming;
use harness::zone::Zone;
use harness::{Imap, Smtp};
use std::io::Write;
use std::process::{Command, Stdio};

const HEAD: &str = "From: a@sender.test\r\nDate: Mon, 24 Nov 2025 05:07:09 +0000\r\nMessage-ID: <1@sender.test>\r\n";
const MIB: usize = 1024 * 1024;

/// A tree of a thousand levels.
fn deep() -> String {
    let mut text = format!("{HEAD}Subject: deep\r\n");
    for level in 0..1_000 {
        text.push_str(&format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"));
    }
    text + "Content-Type: text/plain\r\n\r\nthe end\r\n"
}

/// Messages in messages.
fn nested() -> String {
    let inner = "Content-Type: message/rfc822\r\n\r\n".repeat(1_000);
    format!("{HEAD}Subject: nested\r\n{inner}Subject: the end\r\n\r\nx\r\n")
}

/// Ten thousand parts.
fn wide() -> String {
    let parts = "--b\r\nContent-Type: text/html\r\n\r\n<a href=https://x.test>y</a>\r\n".repeat(10_000);
    format!("{HEAD}Subject: wide\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n")
}

fn many_fields() -> String {
    let fields: String = (0..10_000).map(|n| format!("X-Field-{n}: {n}\r\n")).collect();
    format!("{HEAD}Subject: fields\r\n{fields}\r\nx\r\n")
}

/// A ZIP of 1 GiB of nothing, made by Python, in which is another one.
fn bomb() -> String {
    const MAKE: &str = "
import io, sys, zipfile
inner = io.BytesIO()
with zipfile.ZipFile(inner, 'w', zipfile.ZIP_DEFLATED) as zip, zip.open('zeros.bin', 'w', force_zip64=True) as file:
    for _ in range(256): file.write(bytes(1 << 20))
outer = io.BytesIO()
with zipfile.ZipFile(outer, 'w', zipfile.ZIP_DEFLATED) as zip:
    for n in range(16): zip.writestr(f'{n}.zip', inner.getvalue())
sys.stdout.buffer.write(outer.getvalue())
";
    let mut python =
        Command::new("python3").arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 starts");
    python.stdin.take().expect("piped").write_all(MAKE.as_bytes()).expect("written");
    let zip = python.wait_with_output().expect("it ends").stdout;
    assert!(zip.len() < 8 * MIB && zip.starts_with(b"PK"), "{} octets", zip.len());
    let lines: String = STANDARD
        .encode(zip)
        .as_bytes()
        .chunks(76)
        .map(|line| format!("{}\r\n", String::from_utf8_lossy(line)))
        .collect();
    let head = "Content-Type: application/zip; name=holiday.zip\r\nContent-Transfer-Encoding: base64\r\n";
    format!("{HEAD}Subject: bomb\r\n{head}\r\n{lines}")
}

#[test]
fn what_is_made_to_hurt_is_taken_as_it_is() {
    let zone = Zone::start("x.test.names.test. 60 A 127.0.0.2\n");
    let system = Incoming::start(&["u1@example.test"], &zone, "");
    system.set("example.test", "uribl_zones", "names.test");
    // Odd as they are, they are to be read.
    system.set("example.test", "junk_score", "0");
    let user = system.dev.user(1);
    let mut imap = Imap::sign_in(&system.dev, user);
    Smtp::connect(&system.dev).send("a@sender.test", &[&user.address], b"Subject: warm\r\n\r\nx\r\n");
    let messages = [deep(), nested(), wide(), many_fields(), bomb()];
    let peaks = Peaks::start(&system.dev);
    for message in &messages {
        Smtp::connect(&system.dev).send("a@sender.test", &[&user.address], message.as_bytes());
    }
    peaks.check("messages that are made to hurt");
    let stored = imap.messages("INBOX");
    assert_eq!(stored.len(), 1 + messages.len());
    for (message, (_, bytes)) in messages.iter().zip(&stored[1..]) {
        assert!(bytes.ends_with(message.as_bytes()), "a message differs: {}", &message[..200]);
    }
    // And they can be listed.
    imap.ok("SELECT INBOX");
    assert_eq!(imap.ok("FETCH 1:* (ENVELOPE BODYSTRUCTURE)").untagged.len(), 1 + messages.len());
    system.dev.stop();
}

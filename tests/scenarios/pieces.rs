//! Large messages that are decoded, put together and sent several at once: octets stay right, and memory small.

use crate::memory::{MIB, Peaks, large};
use harness::{Dev, Imap};

/// A message whose one part is base64, and what it decodes to: every four digits are three octets.
fn encoded(seed: u64) -> (Vec<u8>, usize) {
    let text = large(seed);
    let body = text.windows(4).position(|at| at == b"\r\n\r\n").expect("an empty line") + 4;
    let digits = text[body..].iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
    let head = b"Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n";
    ([&head[..], &text].concat(), digits * 3 / 4)
}

#[test]
fn decoding_and_joining_large_messages_costs_little() {
    let dev = Dev::start(1, &[]);
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    let (message, length) = encoded(1);
    assert!(imap.append("INBOX", "", &message).is_ok());
    imap.ok("SELECT INBOX");

    let peaks = Peaks::start(&dev);
    let size = imap.ok("FETCH 1 BINARY.SIZE[1]").lines();
    assert_eq!(size, [format!("1 FETCH (BINARY.SIZE[1] {length})")]);
    let decoded = imap.ok("FETCH 1 BINARY.PEEK[1]").literals().pop().expect("a literal");
    assert_eq!(decoded.len(), length);
    peaks.check("BINARY of 50 MB");

    let peaks = Peaks::start(&dev);
    let half = message.len() / 2;
    let joined = imap.ok(&format!(
        "APPEND INBOX CATENATE (URL \"/INBOX/;UID=1/;PARTIAL=0.{half}\" URL \";UID=1/;PARTIAL={half}\") (\\Seen) CATENATE \
         (URL \";UID=1\")"
    ));
    assert!(joined.is_ok());
    peaks.check("CATENATE of 50 MB, twice");
    for number in [2, 3] {
        let back = imap.ok(&format!("FETCH {number} BODY.PEEK[]")).literals().pop().expect("a literal");
        assert!(back == message, "message {number} of {} MiB differs", message.len() as u64 / MIB);
    }

    let peaks = Peaks::start(&dev);
    let small = b"Subject: small\r\n\r\nx\r\n".to_vec();
    let mut all = Vec::new();
    for part in [&message, &small, &message, &small] {
        all.extend_from_slice(format!(" {{{}+}}\r\n", part.len()).as_bytes());
        all.extend_from_slice(part);
    }
    imap.raw(b"many APPEND Archive").expect("sent");
    imap.raw(&all).expect("sent");
    imap.raw(b"\r\n").expect("sent");
    assert!(imap.finish("many").expect("an answer").is_ok());
    peaks.check("MULTIAPPEND of twice 50 MB");
    assert_eq!(imap.ok("STATUS Archive (MESSAGES)").lines(), ["STATUS Archive (MESSAGES 4)"]);
    dev.stop();
}

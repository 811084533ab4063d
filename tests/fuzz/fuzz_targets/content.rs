//! What a stranger's message shows, what the engines say of it, and its header when it is forwarded with another From: a message,
//! HTML alone, an archive alone, the answers of rspamd and clamd, a header. What counts is a number, each sign and each domain
//! is there once, pieces make no difference, and a forwarded message has one author.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use message::Scanner;
use mx::content::Sample;
use mx::engines::{Answer, clamd, rspamd};
use mx::limits::LINKS_MAX;
use mx::onward::author::rewritten;

/// Octets of a line without its CRLF (RFC 5322 §2.1.1).
const LINE_BYTES_MAX: usize = 998;

fn inspect(message: &[u8], size: usize) {
    let ours = ["example.com".to_owned(), "modern.org".to_owned()];
    let look = |size: usize| {
        let mut sample = Sample::default();
        message.chunks(size).for_each(|piece| sample.push(piece));
        sample.inspect(&ours)
    };
    let found = look(message.len().max(1));
    assert_eq!(look(size), found);
    for (at, (name, points)) in found.signs.iter().enumerate() {
        assert!(!name.is_empty() && points.is_finite() && *points > 0.0);
        assert!(!found.signs[..at].iter().any(|(known, _)| known == name), "{name} twice");
    }
    assert!(found.domains.len() <= LINKS_MAX);
    for (at, domain) in found.domains.iter().enumerate() {
        // They are put in front of a block list's name.
        assert!(domain.is_ascii() && !domain.contains(|c: char| c.is_whitespace() || c.is_control()), "{domain:?}");
        assert!(domain.len() <= 253 && domain.contains('.') && *domain == domain.to_ascii_lowercase(), "{domain:?}");
        assert!(!found.domains[..at].contains(domain), "{domain} twice");
    }
}

/// As SMTP lets a header in: no bare CR, no bare LF, no NUL.
fn has_whole_lines(header: &[u8]) -> bool {
    let bare = |line: &[u8]| line.iter().any(|octet| matches!(octet, b'\r' | 0));
    header
        .split(|octet| *octet == b'\n')
        .all(|line| line.is_empty() || line.strip_suffix(b"\r").is_some_and(|line| !bare(line)))
}

/// A quoted string or a literal, and nothing behind it.
fn is_one_string(octets: &[u8]) -> bool {
    if let Some(inner) = octets.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
        let mut octets = inner.iter();
        while let Some(octet) = octets.next() {
            if *octet == b'"' || (*octet == b'\\' && octets.next().is_none()) {
                return false;
            }
        }
        return true;
    }
    let Some(end) = memchr::memchr(b'}', octets) else { return false };
    let size = std::str::from_utf8(octets.get(1..end).unwrap_or_default()).ok().and_then(|size| size.parse().ok());
    octets.starts_with(b"{") && size == Some(octets.len() - end - 3)
}

/// The header of a copy whose From is the recipient's.
fn forwarded(text: &[u8]) {
    let Some(end) = memchr::memmem::find(text, b"\r\n\r\n") else { return };
    let (header, body) = text.split_at(end + 4);
    if header.starts_with(b"\r\n") || !has_whole_lines(header) {
        return;
    }
    let longest = |header: &[u8]| header.split(|octet| *octet == b'\n').map(<[u8]>::len).max().unwrap_or_default();
    let written = rewritten(text, "list@example.com", "example.com");
    let mut scanner = Scanner::new();
    scanner.push(&written);
    let scanned = scanner.finish();
    let part = &scanned.structure().parts()[0];
    assert_eq!(part.body.start, (written.len() - body.len()) as u64, "the header ends where it did");
    assert!(written.ends_with(body), "the body is as it was");
    // From alone, as IMAP tells it: From, Sender and Reply-To are the same address, and there is one.
    let mut scanner = Scanner::new();
    scanner.push(&message::select_fields(&written, &["From"], false));
    let envelope = scanner.finish().envelope();
    let lists =
        envelope.strip_prefix(b"(NIL NIL ").and_then(|rest| rest.strip_suffix(b" NIL NIL NIL NIL NIL)")).unwrap();
    let list = &lists[..(lists.len() - 2) / 3];
    let name = list.strip_prefix(b"((").and_then(|rest| rest.strip_suffix(b" NIL \"list\" \"example.com\"))"));
    assert!(name.is_some_and(is_one_string), "{:?}", String::from_utf8_lossy(&envelope));
    assert!(longest(&written) <= longest(header).max(LINE_BYTES_MAX + 1), "{:?}", String::from_utf8_lossy(&written));
}

fuzz_target!(|data: &[u8]| {
    let [kind, size, rest @ ..] = data else { return };
    let size = usize::from(*size).max(1);
    match kind % 5 {
        0 => inspect(rest, size),
        1 => inspect(&[b"From: a@b.example\r\nContent-Type: text/html; charset=utf-8\r\n\r\n", rest].concat(), size),
        2 => {
            let archive = STANDARD.encode([b"PK\x03\x04", rest].concat());
            let head =
                "From: a@b.example\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n";
            inspect(format!("{head}{archive}\r\n").as_bytes(), size);
        }
        3 => {
            for answer in [rspamd::read(rest), clamd::read(rest)].into_iter().flatten() {
                match answer {
                    Answer::Score((name, score)) => assert!(name == "rspamd" && score.is_finite()),
                    Answer::Virus(virus) => assert!(virus.is_none_or(|name| name.len() <= rest.len() * 3)),
                }
            }
        }
        _ => forwarded(rest),
    }
});

//! Messages over a limit: the rest is opaque, nothing fails, what is kept stays small.

mod support;

use message::{Kind, Scanner};
use model::limits::{HEADER_BYTES_MAX, MIME_DEPTH_MAX, MIME_PARTS_MAX};
use support::{rules, scan};

#[test]
fn nesting_ends_in_an_opaque_part() {
    // No boundary may begin with that of a multipart around it (RFC 2046 §5.1.1).
    let deep = |levels: usize| -> String {
        (0..levels)
            .map(|level| format!("Content-Type: multipart/mixed; boundary=b{level:03}\r\n\r\n--b{level:03}\r\n"))
            .collect()
    };
    let fits = rules::check(deep(MIME_DEPTH_MAX - 1).as_bytes(), &[13]);
    assert_eq!(fits.structure().parts().len(), MIME_DEPTH_MAX);
    let message = deep(500) + "\r\nbody\r\n--b000\r\n\r\nlast\r\n--b000--\r\n";
    let scanned = rules::check(message.as_bytes(), &[13]);
    assert_eq!(scanned.structure().parts().len(), MIME_DEPTH_MAX + 1);
    assert!(scanned.structure().section(&[1; MIME_DEPTH_MAX - 1]).is_some());
    let last = scanned.structure().section(&[2]).unwrap();
    assert_eq!(&message.as_bytes()[last.body.start as usize..last.body.end as usize], b"last");
}

#[test]
fn messages_nest_as_deep() {
    let message = "Content-Type: message/rfc822\r\n\r\n".repeat(500);
    let scanned = rules::check(message.as_bytes(), &[5]);
    assert_eq!(scanned.structure().parts().len(), MIME_DEPTH_MAX);
    assert!(scanned.body().starts_with(b"(\"message\" \"rfc822\" "));
}

#[test]
fn parts_end_in_an_opaque_part() {
    let message =
        ["Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned(), "--b\r\n\r\n".repeat(100_000)].concat();
    let scanned = rules::check(message.as_bytes(), &[1000]);
    let parts = scanned.structure().parts();
    assert!((1000..=MIME_PARTS_MAX).contains(&parts.len()), "{}", parts.len());
    assert_eq!(parts.last().unwrap().body.end, message.len() as u64);
    assert!(parts.last().unwrap().lines > 100_000);
}

#[test]
fn long_descriptions_end_in_an_opaque_part() {
    for field in [
        format!("Content-Disposition: attachment; filename=\"{}\"", "\\\"".repeat(400)),
        format!("Content-Type: text/plain{}", "; a=b".repeat(5000)),
        format!("Content-Description: {}", "\u{e6}".repeat(20_000)),
        format!("Content-Type: message/rfc822\r\n\r\nTo: {}", "x,".repeat(24_000)),
        format!("Content-Language: {}", "a,".repeat(10_000)),
    ] {
        let part = format!("--b\r\n{field}\r\n\r\nbody\r\n");
        let message = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n", part.repeat(400));
        let scanned = rules::check(message.as_bytes(), &[997]);
        assert!(scanned.structure().parts().len() > 4, "{}", scanned.structure().parts().len());
    }
}

#[test]
fn a_header_over_its_limit_is_whole_but_not_all_described() {
    let filler = format!("X-Filler: {}\r\n", "x".repeat(1000)).repeat(HEADER_BYTES_MAX / 1000);
    let message = format!("Subject: first\r\n{filler}To: late@example.com\r\n\r\nbody\r\n");
    let scanned = rules::check(message.as_bytes(), &[4096]);
    let top = scanned.structure().section(&[]).unwrap();
    assert_eq!((top.header.end, top.body.end), (message.len() as u64 - 6, message.len() as u64));
    assert_eq!(scanned.envelope(), b"(NIL \"first\" NIL NIL NIL NIL NIL NIL NIL NIL)");
}

#[test]
fn a_field_that_is_cut_is_not_described() {
    let message = format!("Subject: first\r\nTo: {}\r\n\r\n", "x".repeat(HEADER_BYTES_MAX));
    assert_eq!(scan(message.as_bytes()).envelope(), b"(NIL \"first\" NIL NIL NIL NIL NIL NIL NIL NIL)");
}

#[test]
fn very_long_lines_are_content() {
    let long = "-".repeat(100_000);
    let boundary = "b".repeat(250);
    let message = format!(
        "Content-Type: multipart/mixed; boundary={boundary}\r\n{long}\r\n\r\n{long}\r\n--{boundary}{}\r\n\r\n{long}\r\n--{boundary}--{}\r\nx",
        " ".repeat(746),
        " ".repeat(745),
    );
    let scanned = rules::check(message.as_bytes(), &[997, 3]);
    // The first delimiter line has 1000 octets, the second 1001.
    let part = scanned.structure().section(&[1]).unwrap();
    assert_eq!((part.body.end, part.lines), (message.len() as u64, 2));
    assert_eq!(scanned.structure().parts().len(), 2);
}

#[test]
fn a_large_body_is_only_counted() {
    let mut scanner = Scanner::new();
    scanner.push(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    let line = [b"QUJD".repeat(19), b"\r\n".to_vec()].concat();
    let piece = line.repeat(800);
    (0..1000).for_each(|_| scanner.push(&piece));
    scanner.push(b"--b--\r\n");
    let scanned = scanner.finish();
    let part = scanned.structure().section(&[1]).unwrap();
    assert_eq!((part.body.end - part.body.start, part.lines), (78 * 800_000 - 2, 799_999));
    assert!(matches!(part.kind, Kind::Leaf(_)));
    assert_eq!(scanned.structure().shareable(), std::slice::from_ref(&part.body));
}

/// A header of a megabyte that makes a reader which goes over it again and again take minutes.
#[test]
fn hostile_headers_are_read_once() {
    for (field, unit) in [
        ("Subject", "[a]"),
        ("Subject", "re:"),
        ("Subject", "[fwd:"),
        ("Subject", "=?"),
        ("Subject", "=?a?q?"),
        ("From", "("),
        ("From", "<("),
        ("From", "["),
        ("From", "\"\\"),
        ("To", ":;"),
        ("References", "<"),
        ("Content-Type: a/b", "; ("),
        ("Content-Type: a/b", ";boundary*0=x"),
        ("Content-Language", ",("),
        ("Date", "(1 "),
    ] {
        let message = format!("{field}: {}\r\n\r\n", unit.repeat(HEADER_BYTES_MAX / unit.len() - 20));
        let scanned = scan(message.as_bytes());
        rules::check_structure(scanned.structure(), message.as_bytes());
        rules::check_answers(&scanned);
    }
}

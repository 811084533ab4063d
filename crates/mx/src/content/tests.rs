//! Whole messages.

use super::*;

fn signs(message: &str) -> Vec<String> {
    let mut sample = Sample::default();
    sample.push(message.as_bytes());
    sample.inspect(&["example.com".to_owned()]).signs.into_iter().map(|(name, _)| name.into_owned()).collect()
}

#[test]
fn a_plain_message_shows_nothing() {
    let message = "From: Ann <ann@example.org>\r\nTo: bob@example.com\r\nDate: Mon, 24 Nov 2025 05:07:09 +0000\r\n\
        Message-ID: <1@example.org>\r\nSubject: hello\r\n\r\nSee https://example.org/\r\n";
    assert_eq!(signs(message), Vec::<String>::new());
}

#[test]
fn what_phishing_shows() {
    let message = "From: \"bank@example.com\" <x@examp1e.com>\r\nFrom: y@z.example\r\nSubject: a\r\nSubject: b\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\n<a href=3D\"https://evil.example\">bank.example</a>\r\n--b\r\n\
        Content-Type: application/octet-stream; name=\"pay.exe\"\r\n\r\nMZ\r\n--b--\r\n";
    assert_eq!(
        signs(message),
        [
            "several-from",
            "no-date",
            "no-message-id",
            "repeated-field",
            "name-is-another-address",
            "look-alike",
            "attachment-runs",
            "link-elsewhere"
        ]
    );
}

#[test]
fn only_the_beginning_is_kept() {
    let mut sample = Sample::default();
    (0..10).for_each(|_| sample.push(&vec![b'x'; 100_000]));
    assert_eq!(sample.0.len(), SAMPLE_BYTES_MAX);
}

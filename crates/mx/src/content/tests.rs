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
fn each_sign_counts_once() {
    let part = "--b\r\nContent-Type: application/octet-stream; name=\"pay.exe\"\r\n\r\nMZ\r\n";
    let message = format!(
        "From: a@examp1e.com\r\nDate: Mon, 24 Nov 2025 05:07:09 +0000\r\nMessage-ID: <1@example.org>\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n{part}{part}--b\r\nContent-Type: text/plain\r\n\r\nhttp://examp1e.com/\r\n--b--\r\n"
    );
    assert_eq!(signs(&message), ["look-alike", "attachment-runs"]);
}

#[test]
fn domains_are_names() {
    let mut sample = Sample::default();
    let long = "\u{fc}.".repeat(80);
    sample.push(
        format!("From: a@b.example\r\n\r\nhttp://{long}example http://a\u{1}.example http://B.example. http://.x http://exa\u{2d8}.example")
            .as_bytes(),
    );
    assert_eq!(sample.inspect(&[]).domains, ["b.example"]);
}

/// Names of hosts that are no names took as long as there were octets of them, for each domain of ours.
#[test]
fn a_host_is_no_longer_than_a_name() {
    let header = format!("From: a@{}\r\n\r\n", "1.".repeat(100_000));
    let ours: Vec<String> = (0..100).map(|at| format!("{at}.example.com")).collect();
    let mut sample = Sample::default();
    sample.push(header.as_bytes());
    assert_eq!(sample.inspect(&ours).signs.len(), 2);
}

#[test]
fn only_the_beginning_is_kept() {
    let mut sample = Sample::default();
    (0..10).for_each(|_| sample.push(&vec![b'x'; 100_000]));
    assert_eq!(sample.0.len(), SAMPLE_BYTES_MAX);
}

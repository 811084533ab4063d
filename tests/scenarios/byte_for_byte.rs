//! Every message of the corpus comes back as it went in, but for the trace fields on top.

use harness::{Dev, Imap, Smtp, corpus};

const SEED: u64 = 2026;

#[test]
fn appended_messages_come_back_byte_for_byte() {
    let dev = Dev::start(1, &[]);
    let corpus = corpus::messages(SEED, 120);
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    for (n, message) in corpus.iter().enumerate() {
        let answer = imap.append("INBOX", "", message);
        assert!(answer.tagged.contains(&format!(" {}]", n + 1)), "message {n}: {}", answer.tagged);
    }
    let stored = imap.messages("INBOX");
    assert_eq!(stored.len(), corpus.len());
    for ((uid, bytes), message) in stored.iter().zip(&corpus) {
        assert!(bytes == message, "message {uid} differs:\n{}", String::from_utf8_lossy(bytes));
    }
    dev.stop();
}

#[test]
fn delivered_messages_come_back_with_only_trace_on_top() {
    let dev = Dev::start(1, &[]);
    let corpus = corpus::messages(SEED, 60);
    let mut smtp = Smtp::connect(&dev);
    let mut imap = None;
    for (n, message) in corpus.iter().enumerate() {
        // The first half waits sealed, the second half arrives at an open mailbox.
        if n == corpus.len() / 2 {
            imap = Some(Imap::sign_in(&dev, dev.user(1)));
        }
        smtp.send("ann@elsewhere.test", &[&dev.user(1).address], message);
    }
    dev.drained();
    let stored = imap.expect("signed in half-way").messages("INBOX");
    assert_eq!(stored.len(), corpus.len());
    for ((uid, bytes), message) in stored.iter().zip(&corpus) {
        let trace = bytes
            .strip_suffix(message.as_slice())
            .unwrap_or_else(|| panic!("message {uid} does not end as it was sent"));
        let trace = String::from_utf8(trace.to_vec()).expect("trace fields are ASCII");
        let names: Vec<&str> =
            trace.lines().filter(|l| !l.starts_with([' ', '\t'])).filter_map(|l| l.split(':').next()).collect();
        assert_eq!(names, ["Return-Path", "Received"], "message {uid}: {trace}");
        assert!(trace.starts_with("Return-Path: <ann@elsewhere.test>\r\n"), "{trace}");
    }
    dev.stop();
}

#[test]
fn parts_and_partials_are_the_bytes_of_the_whole() {
    let dev = Dev::start(1, &[]);
    let message = &corpus::messages(SEED, 12)[11];
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    imap.append("INBOX", "", message);
    imap.ok("SELECT INBOX");
    let mut fetch = |what: &str| imap.ok(&format!("FETCH 1 BODY.PEEK[{what}")).literals().pop().unwrap_or_default();
    let split = message.windows(4).position(|w| w == b"\r\n\r\n").expect("a header") + 4;
    assert_eq!(fetch("HEADER]"), &message[..split]);
    assert_eq!(fetch("TEXT]"), &message[split..]);
    assert_eq!(fetch("]<7.900>"), &message[7..907]);
    assert_eq!(fetch(&format!("]<{}.100>", message.len() - 5)), &message[message.len() - 5..]);
    let (mime, body) = (fetch("2.MIME]"), fetch("2]"));
    let part = [mime, body].concat();
    assert!(message.windows(part.len()).any(|w| w == part), "part 2 is not a run of the message");
    dev.stop();
}

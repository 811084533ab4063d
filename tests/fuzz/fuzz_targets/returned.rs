//! What outbound makes of strangers' octets for others to read: the notice that quotes a server's reply, a message's header, and
//! what the envelope said of it, and the JSON that a webhook is called with; and what a webhook's or a policy's server answers,
//! as HTTP.
#![no_main]

use bytes::Bytes;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use outbound::http::{Ask, speak};
use outbound::limits::{WEBHOOK_ANSWER_BYTES_MAX, WEBHOOK_FIELDS_MAX, WEBHOOK_PARTS_MAX};
use outbound::outcome::Outcome;
use outbound::webhook::{Call, body};
use smtp::ReplyParser;
use smtp::dsn::{is_envelope_id, is_original};
use smtp::notice::{Action, HEADER_BYTES_MAX, Letter, Notice, Original, Told};
use tokio::io::AsyncWriteExt;

/// At the start of a line: what is quoted is indented.
const BOUNDARY: &[u8] = b"\r\n--=_id\r\n";
/// Octets of a line without its CRLF (RFC 5322 §2.1.1).
const LINE_BYTES_MAX: usize = 998;

/// Reply, header, ENVID and ORCPT, with NUL between them.
fn notice(input: &[u8]) {
    let mut pieces = input.splitn(4, |octet| *octet == 0);
    let mut piece = || pieces.next().unwrap_or_default();
    let (mut reply, message) = (piece(), piece());
    let [envelope_id, original] = [piece(), piece()].map(String::from_utf8_lossy);
    // As the grammar of MAIL and RCPT lets them in.
    let envelope_id = if is_envelope_id(&envelope_id) { &*envelope_id } else { "" };
    let original_recipient = if is_original(&original) && original.is_ascii() { &*original } else { "" };
    let Ok(Some(reply)) = ReplyParser::default().push(&mut reply) else { return };
    let outcome = Outcome::of_reply(&reply, "mx.example [192.0.2.1]", false);
    assert!(outcome.text.len() <= outbound::limits::REPLY_TEXT_BYTES_MAX);
    let told = Told {
        address: "c@d.example",
        original: original_recipient,
        status: (outcome.status.subject, outcome.status.detail),
        text: &outcome.text,
        is_reply: outcome.is_reply,
        remote: &outcome.remote,
    };
    let original = Original::header_of(message);
    assert!(original.text.is_empty() || original.text.ends_with(b"\r\n"));
    assert!(original.text.len() <= HEADER_BYTES_MAX && message.starts_with(&original.text));
    let letter = Letter { reverse_path: "a@b.example", envelope_id, utf8: false, arrived: Timestamp::UNIX_EPOCH };
    let written = Notice {
        letter,
        action: Action::Failed,
        told: &[told],
        original: &original,
        host: "here.example",
        from: "postmaster@here.example",
        at: Timestamp::UNIX_EPOCH,
        id: "id",
    }
    .write();
    assert_eq!(written.eight_bit, !written.message.is_ascii());
    // All that is ours, the reply in it, is ASCII in lines of CRLF: header, explanation, status.
    let starts: Vec<usize> =
        (0..written.message.len()).filter(|at| written.message[*at..].starts_with(BOUNDARY)).collect();
    let ours = std::str::from_utf8(&written.message[..starts[2]]).unwrap();
    assert!(ours.is_ascii(), "{ours:?}");
    for line in ours.split_terminator("\r\n") {
        assert!(line.len() <= LINE_BYTES_MAX && !line.contains(|c: char| c.is_control() && c != '\t'), "{line:?}");
    }
    // Two groups of fields, each said once.
    let status = &ours[starts[1] + BOUNDARY.len()..];
    for field in ["Reporting-MTA:", "Final-Recipient:", "Action:", "Status:", "Diagnostic-Code:"] {
        assert_eq!(status.split("\r\n").filter(|line| line.starts_with(field)).count(), 1, "{field} {status:?}");
    }
}

fn webhook(message: &[u8]) {
    let call = Call {
        delivery: "1".to_owned(),
        webhook: "2".to_owned(),
        sender: String::new(),
        recipient: None,
        arrived: Timestamp::UNIX_EPOCH,
        parsed: true,
        raw: true,
    };
    let said: serde_json::Value = serde_json::from_slice(&body(&call, message)).unwrap();
    assert_eq!(said["size"], message.len());
    let raw = said["raw"].as_str().unwrap();
    assert_eq!(raw.len(), message.len().div_ceil(3) * 4);
    let attachments = said["attachments"].as_array().unwrap();
    assert!(attachments.len() <= WEBHOOK_PARTS_MAX);
    for attachment in attachments {
        let (size, content) = (attachment["size"].as_u64().unwrap(), attachment["content"].as_str().unwrap());
        assert_eq!(content.len() as u64, size.div_ceil(3) * 4);
        assert!(size <= 3 * message.len() as u64, "an octet is three in UTF-8 at most");
    }
    for list in ["from", "to", "cc", "reply_to", "headers"] {
        assert!(said[list].as_array().is_none_or(|each| each.len() <= WEBHOOK_FIELDS_MAX));
    }
}

fn answer(octets: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (ours, mut theirs) = tokio::io::duplex(1 << 21);
        theirs.write_all(octets).await.unwrap();
        theirs.shutdown().await.unwrap();
        let ask = Ask {
            method: Method::POST,
            uri: "https://hooks.example/in".parse().unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"{}"),
            answer_bytes_max: WEBHOOK_ANSWER_BYTES_MAX,
        };
        if let Ok(answered) = speak(ours, &ask).await {
            assert!(answered.body.len() <= WEBHOOK_ANSWER_BYTES_MAX.min(octets.len()));
            assert!(!answered.status.is_informational());
        }
    });
}

fuzz_target!(|data: &[u8]| {
    let [kind, rest @ ..] = data else { return };
    match kind % 3 {
        0 => notice(rest),
        1 => webhook(rest),
        _ => answer(rest),
    }
});

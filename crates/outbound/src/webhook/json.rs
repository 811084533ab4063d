//! The body of a call. The scanner finds the parts, so that a message of a million parts is described within its limits; each
//! part is then decoded by itself.

use crate::limits::{WEBHOOK_FIELDS_MAX, WEBHOOK_PARTS_MAX};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};
use message::{Kind, Part, Scanner};
use serde_json::{Map, Value, json};
use std::ops::Range;

/// Octets of a header that is read; a scanner's limit for one part is less.
const HEADER_BYTES_MAX: usize = 256 * 1024;
/// Octets that the scanner is given at once.
const PIECE_BYTES: usize = 64 * 1024;

/// What a call says beside the message.
#[derive(Debug, Clone)]
pub struct Call {
    /// The same in every try.
    pub delivery: String,
    /// The webhook's id.
    pub webhook: String,
    /// The reverse-path.
    pub sender: String,
    /// The address that the message was for, where the envelope says it.
    pub recipient: Option<String>,
    /// When it came into the queue.
    pub arrived: Timestamp,
    /// Whether the parsed message is in it.
    pub parsed: bool,
    /// Whether the message's octets are.
    pub raw: bool,
}

/// The JSON.
pub fn body(call: &Call, message: &[u8]) -> Vec<u8> {
    let mut value = json!({
        "version": 1,
        "delivery": call.delivery,
        "webhook": call.webhook,
        "received": call.arrived.to_string(),
        "envelope": { "from": call.sender, "to": call.recipient },
        "size": message.len(),
    });
    if let Some(object) = value.as_object_mut() {
        if call.parsed {
            object.extend(parsed(message));
        }
        if call.raw {
            object.insert("raw".to_owned(), STANDARD.encode(message).into());
        }
    }
    value.to_string().into_bytes()
}

fn parsed(message: &[u8]) -> Map<String, Value> {
    let mut scanner = Scanner::new();
    message.chunks(PIECE_BYTES).for_each(|piece| scanner.push(piece));
    let scanned = scanner.finish();
    let parts = scanned.structure().parts();
    let mut out = Map::new();
    if let Some(top) = parts.first() {
        header(slice(message, &top.header), &mut out);
    }
    let (mut text, mut html, mut attachments) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts.iter().take(WEBHOOK_PARTS_MAX) {
        match part.kind {
            Kind::Leaf(_) => leaf(message, part, &mut text, &mut html, &mut attachments),
            Kind::Multipart | Kind::Message => {}
        }
    }
    out.insert("text".to_owned(), text.join("\n").into());
    out.insert("html".to_owned(), html.join("\n").into());
    out.insert("attachments".to_owned(), attachments.into());
    out.insert("parts_left_out".to_owned(), parts.len().saturating_sub(WEBHOOK_PARTS_MAX).into());
    out
}

fn slice<'m>(message: &'m [u8], range: &Range<u64>) -> &'m [u8] {
    message.get(range.start as usize..range.end as usize).unwrap_or_default()
}

/// Addresses, subject, date, ids, every field, and what our own MX found out about the message.
fn header(header: &[u8], out: &mut Map<String, Value>) {
    let header = header.get(..header.len().min(HEADER_BYTES_MAX)).unwrap_or_default();
    let Some(message) = MessageParser::default().parse_headers(header) else { return };
    let addresses =
        [("from", message.from()), ("to", message.to()), ("cc", message.cc()), ("reply_to", message.reply_to())];
    for (name, value) in addresses {
        out.insert(name.to_owned(), value.map(mailboxes).unwrap_or_default().into());
    }
    out.insert("subject".to_owned(), message.subject().into());
    out.insert("date".to_owned(), message.date().map(|date| date.to_rfc3339()).into());
    out.insert("message_id".to_owned(), message.message_id().into());
    let fields: Vec<_> =
        message.headers_raw().take(WEBHOOK_FIELDS_MAX).map(|(name, value)| json!([name, unfolded(value)])).collect();
    // The topmost one is our MX's: it drops what others write in its name.
    let results = message.headers_raw().find(|(name, _)| name.eq_ignore_ascii_case("authentication-results"));
    out.insert("authentication_results".to_owned(), results.map(|(_, value)| unfolded(value)).into());
    out.insert("headers".to_owned(), fields.into());
}

fn unfolded(value: &str) -> String {
    value.replace("\r\n", "").trim().to_owned()
}

fn mailboxes(addresses: &Address<'_>) -> Vec<Value> {
    let one = |one: &mail_parser::Addr<'_>| json!({ "name": one.name(), "address": one.address() });
    addresses.iter().take(WEBHOOK_FIELDS_MAX).map(one).collect()
}

/// One part, decoded: text that is to be read with the others, or an attachment.
fn leaf(message: &[u8], part: &Part, text: &mut Vec<String>, html: &mut Vec<String>, attachments: &mut Vec<Value>) {
    let whole = slice(message, &part.whole());
    let Some(parsed) = MessageParser::default().parse(whole) else { return };
    let Some(root) = parsed.parts.first() else { return };
    let attached = root.content_disposition().is_some_and(|disposition| disposition.is_attachment());
    let named = root.attachment_name().is_some();
    match &root.body {
        PartType::Text(content) if !attached && !named => text.push(content.to_string()),
        PartType::Html(content) if !attached && !named => html.push(content.to_string()),
        _ => attachments.push(attachment(&parsed, whole)),
    }
}

fn attachment(parsed: &Message<'_>, whole: &[u8]) -> Value {
    let root = parsed.parts.first();
    let kind = root.and_then(|root| root.content_type()).map(|kind| match kind.subtype() {
        Some(subtype) => format!("{}/{subtype}", kind.ctype()),
        None => kind.ctype().to_owned(),
    });
    // What a part is that holds a message or parts in an encoding is its octets.
    let content = root.map_or(whole, |root| root.contents());
    json!({
        "filename": root.and_then(|root| root.attachment_name()),
        "content_type": kind.unwrap_or_else(|| "application/octet-stream".to_owned()).to_ascii_lowercase(),
        "content_id": root.and_then(|root| root.content_id()),
        "size": content.len(),
        "content": STANDARD.encode(content),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(parsed: bool, raw: bool) -> Call {
        Call {
            delivery: "d1".to_owned(),
            webhook: "w1".to_owned(),
            sender: "a@sender.test".to_owned(),
            recipient: Some("hook@example.test".to_owned()),
            arrived: Timestamp::UNIX_EPOCH,
            parsed,
            raw,
        }
    }

    const MESSAGE: &str = "Authentication-Results: mx.example.test;\r\n\tspf=pass\r\nFrom: =?utf-8?q?J=C3=B8rn?= <j@sender.test>\r\n\
        To: hook@example.test\r\nSubject: =?utf-8?b?R3LDvG4=?=\r\nDate: Thu, 01 Jan 1970 00:00:07 +0000\r\nMessage-ID: <1@x>\r\n\
        Authentication-Results: forged.test; spf=fail\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ngr=FCn\r\n\
        --b\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n\
        --b\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=\"a.png\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n";

    #[test]
    fn a_message_is_described() {
        let value: Value = serde_json::from_slice(&body(&call(true, false), MESSAGE.as_bytes())).unwrap();
        let mut expected = json!({
            "version": 1,
            "delivery": "d1",
            "webhook": "w1",
            "received": "1970-01-01T00:00:00Z",
            "envelope": { "from": "a@sender.test", "to": "hook@example.test" },
            "size": MESSAGE.len(),
            "from": [{ "name": "J\u{f8}rn", "address": "j@sender.test" }],
            "to": [{ "name": null, "address": "hook@example.test" }],
            "cc": [],
            "reply_to": [],
            "subject": "Gr\u{fc}n",
            "date": "1970-01-01T00:00:07Z",
            "message_id": "1@x",
            "authentication_results": "mx.example.test;\tspf=pass",
            "text": "gr\u{fc}n",
            "html": "<p>x</p>",
            "attachments": [{
                "filename": "a.png",
                "content_type": "image/png",
                "content_id": null,
                "size": 3,
                "content": "AAEC",
            }],
            "parts_left_out": 0,
        });
        expected["headers"] = value["headers"].clone();
        assert_eq!(value, expected);
        assert_eq!(value["headers"].as_array().unwrap().len(), 9);
        assert_eq!(value["headers"][3], json!(["Subject", "=?utf-8?b?R3LDvG4=?="]));
    }

    #[test]
    fn octets_when_they_are_asked_for() {
        let value: Value = serde_json::from_slice(&body(&call(false, true), b"\xff\r\n")).unwrap();
        assert_eq!(value["raw"], "/w0K");
        assert_eq!(value.get("headers"), None);
    }

    #[test]
    fn a_bomb_is_described_within_its_limits() {
        let mut bomb = String::from("Content-Type: multipart/mixed; boundary=b\r\n\r\n");
        bomb.push_str(&"--b\r\n\r\nx\r\n".repeat(100_000));
        let value: Value = serde_json::from_slice(&body(&call(true, false), bomb.as_bytes())).unwrap();
        assert!(value["parts_left_out"].as_u64().unwrap() > 0);
        let mut deep = String::new();
        for depth in 0..1_000 {
            deep.push_str(&format!("Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n"));
        }
        assert!(body(&call(true, false), deep.as_bytes()).len() < 4 * deep.len());
        let fields = "X: y\r\n".repeat(10_000);
        let value: Value = serde_json::from_slice(&body(&call(true, false), fields.as_bytes())).unwrap();
        assert_eq!(value["headers"].as_array().unwrap().len(), WEBHOOK_FIELDS_MAX);
    }
}

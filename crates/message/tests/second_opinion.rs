//! Second opinions: mail-parser on where parts are, imap-codec on whether the answers are IMAP.

mod corpus;
mod support;

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder;
use mail_parser::{MessageParser, PartType};
use message::{Kind, Structure};
use proptest::prelude::*;
use support::scan;

/// A well-formed entity.
#[derive(Debug, Clone)]
enum Entity {
    Leaf { kind: &'static str, lines: Vec<String> },
    Multipart { subtype: &'static str, children: Vec<Entity> },
    Message { subject: String, inner: Box<Entity> },
}

/// What a scan must find: header and body of each part, in order, and what it is.
type Expected = Vec<(u64, u64, u64, &'static str)>;

fn entity() -> impl Strategy<Value = Entity> {
    let lines = prop::collection::vec("[ -~]{0,60}", 0..5);
    let kind = prop::sample::select(vec!["text/plain", "text/html", "application/pdf", "image/png"]);
    let leaf = (kind, lines).prop_map(|(kind, lines)| Entity::Leaf { kind, lines });
    leaf.prop_recursive(4, 24, 4, |inner| {
        let subtype = prop::sample::select(vec!["mixed", "alternative", "related"]);
        let children = prop::collection::vec(inner.clone(), 1..4);
        // mail-parser 0.11.9 fails an assertion of its own where a message is all that a message in a multipart holds.
        let inner = inner.prop_filter("no message in a message", |inner| !matches!(inner, Entity::Message { .. }));
        prop_oneof![
            3 => (subtype, children).prop_map(|(subtype, children)| Entity::Multipart { subtype, children }),
            1 => ("[a-z]{1,10}", inner).prop_map(|(subject, inner)| Entity::Message { subject, inner: Box::new(inner) }),
        ]
    })
}

/// Writes an entity whose header began at `start`, and notes where it is.
fn write(entity: &Entity, start: usize, out: &mut String, boundaries: &mut usize, expected: &mut Expected) {
    let index = expected.len();
    expected.push((start as u64, 0, 0, "leaf"));
    let body = match entity {
        Entity::Leaf { kind, lines } => {
            out.push_str(&format!("Content-Type: {kind}\r\n\r\n"));
            let body = out.len();
            out.push_str(&lines.iter().map(|line| format!("x{line}")).collect::<Vec<_>>().join("\r\n"));
            body
        }
        Entity::Multipart { subtype, children } => {
            *boundaries += 1;
            let boundary = format!("=_{boundaries}_");
            out.push_str(&format!("Content-Type: multipart/{subtype};\r\n\tboundary=\"{boundary}\"\r\n\r\n"));
            let body = out.len();
            for child in children {
                out.push_str(&format!("\r\n--{boundary}\r\n"));
                write(child, out.len(), out, boundaries, expected);
            }
            out.push_str(&format!("\r\n--{boundary}--"));
            expected[index].3 = "multipart";
            body
        }
        Entity::Message { subject, inner } => {
            out.push_str("Content-Type: message/rfc822\r\n\r\n");
            let body = out.len();
            out.push_str(&format!("Subject: {subject}\r\n"));
            write(inner, body, out, boundaries, expected);
            expected[index].3 = "message";
            body
        }
    };
    (expected[index].1, expected[index].2) = (body as u64, out.len() as u64);
}

fn found(structure: &Structure) -> Expected {
    let name = |kind: &Kind| match kind {
        Kind::Leaf(_) => "leaf",
        Kind::Multipart => "multipart",
        Kind::Message => "message",
    };
    structure.parts().iter().map(|part| (part.header.start, part.body.start, part.body.end, name(&part.kind))).collect()
}

/// mail-parser's leaves: where body begins and ends, counted from the start of the outermost message.
fn leaves_of(message: &mail_parser::Message<'_>, out: &mut Vec<(u64, u64)>) {
    for part in &message.parts {
        match &part.body {
            PartType::Multipart(_) => {}
            PartType::Message(inner) => leaves_of(inner, out),
            _ => out.push((u64::from(part.offset_body), u64::from(part.offset_end))),
        }
    }
}

proptest! {
    #[test]
    fn parts_are_where_they_were_written(entity in entity()) {
        let mut message = "Subject: x\r\nMIME-Version: 1.0\r\n".to_owned();
        let mut expected = Expected::new();
        write(&entity, 0, &mut message, &mut 0, &mut expected);
        let scanned = scan(message.as_bytes());
        prop_assert_eq!(found(scanned.structure()), expected);
        let mut leaves = Vec::new();
        leaves_of(&MessageParser::default().parse(&message).unwrap(), &mut leaves);
        leaves.sort_unstable();
        let is_leaf = |(_, start, end, kind): &(u64, u64, u64, &str)| (*kind == "leaf").then_some((*start, *end));
        prop_assert_eq!(found(scanned.structure()).iter().filter_map(is_leaf).collect::<Vec<_>>(), leaves);
    }
}

#[test]
fn imap_codec_reads_the_answers() {
    for message in corpus::MESSAGES {
        let scanned = scan(&message.octets());
        for (item, value) in
            [("ENVELOPE", scanned.envelope()), ("BODY", scanned.body()), ("BODYSTRUCTURE", scanned.body_structure())]
        {
            let answer = [format!("* 1 FETCH ({item} ").as_bytes(), &value, b")\r\n"].concat();
            let decoded = ResponseCodec::default().decode(&answer);
            let (rest, _) = decoded
                .unwrap_or_else(|error| panic!("{}: {item}: {error:?}: {}", message.name, answer.escape_ascii()));
            assert!(rest.is_empty(), "{}: {item}", message.name);
        }
    }
}

//! Odd messages, and exactly what is said of each. `tests/snapshots` has the answers: read them when they change.

mod corpus;
mod support;

use message::{Kind, Part, Scanned, Section};
use std::fmt::Write as _;
use support::rules;

/// One line a part: its number, kind, lines, and its octets.
fn outline(scanned: &Scanned, message: &[u8]) -> String {
    let structure = scanned.structure();
    let octets = |range: std::ops::Range<u64>| {
        let octets = message[range.start as usize..range.end as usize].escape_ascii().to_string();
        if octets.len() > 100 { format!("{}…{} octets", &octets[..60], range.end - range.start) } else { octets }
    };
    let mut out = String::new();
    let mut queue: Vec<Vec<u32>> = vec![vec![]];
    while let Some(number) = queue.pop() {
        let Some(part) = structure.section(&number) else { continue };
        let name = number.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
        let name = if name.is_empty() { "message".to_owned() } else { name };
        _ = writeln!(out, "{name}: {}, {} lines", kind(part), part.lines);
        _ = writeln!(out, "  header |{}|", octets(part.header.clone()));
        _ = writeln!(out, "  body   |{}|", octets(part.body.clone()));
        if let (Some(header), Some(text)) =
            (structure.range(&number, Section::Header), structure.range(&number, Section::Text))
            && !number.is_empty()
        {
            _ = writeln!(out, "  HEADER |{}|", octets(header));
            _ = writeln!(out, "  TEXT   |{}|", octets(text));
        }
        if number.len() < 8 {
            queue.extend((1..=9).rev().map(|child| [number.as_slice(), &[child]].concat()));
        }
    }
    out
}

fn kind(part: &Part) -> String {
    match &part.kind {
        Kind::Multipart => "multipart".to_owned(),
        Kind::Message => "message/rfc822".to_owned(),
        Kind::Leaf(leaf) => match leaf.text {
            Some(text) => format!("text {text:?} {:?} {:?}", leaf.encoding, leaf.charset).to_lowercase(),
            None => format!("leaf {:?}", leaf.encoding).to_lowercase(),
        },
    }
}

#[test]
fn odd_messages() {
    assert!(corpus::MESSAGES.len() >= 40);
    for message in corpus::MESSAGES {
        let octets = message.octets();
        let scanned = rules::check(&octets, &[1]);
        rules::check(&octets, &[2, 3, 5]);
        let text = |answer: Vec<u8>| String::from_utf8_lossy(&answer).replace("\r\n", "\\r\\n\n").replace('\r', "\\r");
        let answers = format!(
            "{}\nENVELOPE {}\n\nBODY {}\n\nBODYSTRUCTURE {}\n",
            outline(&scanned, &octets),
            text(scanned.envelope()),
            text(scanned.body()),
            text(scanned.body_structure())
        );
        insta::with_settings!({ description => message.why, omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(message.name, answers);
        });
    }
}

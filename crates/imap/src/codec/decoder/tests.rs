//! Commands and literals are cut alike however they arrive, and what is dropped costs no memory.

use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits { command_bytes_max: 150, skipped_bytes_max: 1000 };

/// What a decoder gave, in words; literals up to 10 octets are accepted, up to 20 streamed, others refused.
fn decode(decoder: &mut Decoder, said: &mut Vec<String>) {
    loop {
        let left = decoder.literal_left();
        if left > 0 {
            let piece = decoder.literal_piece(7);
            if piece.is_empty() {
                return;
            }
            let piece = String::from_utf8_lossy(&piece).into_owned();
            match said
                .last_mut()
                .and_then(|last| last.strip_prefix("piece ").map(|before| format!("piece {before}{piece}")))
            {
                Some(longer) => *said.last_mut().unwrap() = longer,
                None => said.push(format!("piece {piece}")),
            }
            continue;
        }
        match decoder.step() {
            Step::More => return,
            Step::Command(text) => said.push(format!("command {}", String::from_utf8_lossy(&text))),
            Step::Literal(Announced { octets, waits }) => {
                let place = if (decoder.text().len() as u64).saturating_add(octets) > 150 { 99 } else { octets };
                said.push(format!("literal {octets}{}", if waits { "" } else { "+" }));
                match place {
                    0..=10 => decoder.accept(),
                    11..=20 => said.push(format!("head {}", String::from_utf8_lossy(&decoder.stream()))),
                    _ => decoder.refuse(),
                }
            }
            Step::Overlong(start) => said.push(format!("overlong {}", String::from_utf8_lossy(&start))),
            Step::Hopeless => {
                said.push("hopeless".into());
                return;
            }
        }
    }
}

fn whole(input: &str) -> Vec<String> {
    let mut decoder = Decoder::new(LIMITS);
    decoder.input().extend_from_slice(input.as_bytes());
    let mut said = Vec::new();
    decode(&mut decoder, &mut said);
    said
}

#[test]
fn commands_and_literals() {
    let long = "x".repeat(200);
    for (input, expected) in [
        ("a NOOP\r\nb NOOP\n", &["command a NOOP", "command b NOOP"][..]),
        ("a NOOP", &[]),
        ("\r\n", &["command "]),
        (
            "a LOGIN {3}\r\nx\r\n {2+}\r\npw\r\nb",
            &["literal 3", "literal 2+", "command a LOGIN {3}\r\nx\r\n {2+}\r\npw"],
        ),
        // The message of an APPEND is not part of any text.
        (
            "a APPEND I {12+}\r\nHello {5}\r\nxy\r\nb NOOP\r\n",
            &["literal 12+", "head a APPEND I {12+}\r\n", "piece Hello {5}\r\nx", "command y", "command b NOOP"],
        ),
        // Refused and on its way: dropped with the rest of its command.
        (
            "a X {30+}\r\n123456789012345678901234567890 {2+}\r\nab rest\r\nb NOOP\r\n",
            &["literal 30+", "command b NOOP"],
        ),
        // Refused and waited for: the client does not send it.
        ("a X {30}\r\nb NOOP\r\n", &["literal 30", "command b NOOP"]),
        ("a X {99999999999999999999999}\r\nb NOOP\r\n", &["literal 18446744073709551615", "command b NOOP"]),
        ("a X {1001+}\r\n", &["literal 1001+", "hopeless"]),
        (
            "a X {}\r\nb X {x}\r\nc X {1 }\r\nd X 1}\r\ne X {1++}\r\n",
            &["command a X {}", "command b X {x}", "command c X {1 }", "command d X 1}", "command e X {1++}"],
        ),
    ] {
        assert_eq!(whole(input), expected, "{input:?}");
    }
    let overlong = whole(&format!("a {long}\r\nb NOOP\r\n"));
    assert_eq!(overlong, [format!("overlong a {}", "x".repeat(126)), "command b NOOP".into()]);
    let with_literal = whole(&format!("a {long} {{5+}}\r\na\r\nbc tail\r\nb NOOP\r\n"));
    assert_eq!(with_literal.last().map(String::as_str), Some("command b NOOP"));
    assert_eq!(with_literal.len(), 2);
    assert_eq!(whole(&format!("a {long} {{5000+}}\r\n")), ["hopeless"]);
}

#[test]
fn a_stream_can_be_abandoned() {
    let mut decoder = Decoder::new(LIMITS);
    decoder.input().extend_from_slice(b"a APPEND I {12+}\r\nHello ");
    assert!(matches!(decoder.step(), Step::Literal(_)));
    decoder.stream();
    assert_eq!(decoder.literal_piece(100), "Hello ");
    decoder.abandon();
    decoder.input().extend_from_slice(b"world. tail\r\nb NOOP\r\n");
    assert_eq!(decoder.step(), Step::Command(Bytes::from_static(b"b NOOP")));
}

#[test]
fn raw_lines() {
    let mut decoder = Decoder::new(LIMITS);
    decoder.input().extend_from_slice(b"DONE\r\nDONE");
    assert_eq!(decoder.raw_line(), Some(Ok(Bytes::from_static(b"DONE"))));
    assert_eq!(decoder.raw_line(), None);
    decoder.input().extend_from_slice(&[b'x'; 200]);
    assert_eq!(decoder.raw_line(), Some(Err(TooLong)));
    decoder.input().extend_from_slice(b"x\r\nb NOOP\r\n");
    assert_eq!(decoder.step(), Step::Command(Bytes::from_static(b"b NOOP")));
}

#[test]
fn memory_does_not_grow_with_what_is_dropped() {
    let limits = Limits { command_bytes_max: 64, skipped_bytes_max: u64::MAX };
    let mut decoder = Decoder::new(limits);
    for _ in 0..10_000 {
        decoder.input().extend_from_slice(&[b'x'; 100]);
        assert_eq!(decoder.step(), Step::More);
        assert!(decoder.input().len() < 200);
    }
    decoder.input().extend_from_slice(b"\r\n");
    assert!(matches!(decoder.step(), Step::Overlong(_)));
    assert!(!decoder.is_midway());
}

proptest! {
    /// However the octets are cut by the network, the same is said.
    #[test]
    fn pieces_do_not_matter(
        input in proptest::collection::vec(prop_oneof![
            "[a-c ]{0,5}", Just("\r\n".to_owned()), Just("{3}\r\n".to_owned()), Just("{3+}\r\n".to_owned()), Just("{12+}\r\n".to_owned()),
            Just("{30+}\r\n".to_owned()), Just("{15}\r\n".to_owned()), "[x{}0-9+]{0,30}",
        ], 0..20),
        size in 1usize..9,
    ) {
        let input = input.concat();
        let mut decoder = Decoder::new(LIMITS);
        let mut said = Vec::new();
        for piece in input.as_bytes().chunks(size) {
            decoder.input().extend_from_slice(piece);
            decode(&mut decoder, &mut said);
        }
        prop_assert_eq!(said, whole(&input));
    }
}

//! What a client sends of any octets, once whole and once in pieces: the same commands, literals and refusals in the same
//! order, and no command that makes the grammar panic. Literals are accepted, streamed or refused as a session does.
#![no_main]

use imap::codec::{Announced, Decoder, Limits, Step, mutf7};
use imap::command::{append, parse};
use imap::session::Enabled;
use libfuzzer_sys::fuzz_target;

/// Little, so that inputs reach the limits.
const LIMITS: Limits = Limits { command_bytes_max: 400, skipped_bytes_max: 2000 };
/// Octets of a literal that becomes part of its command.
const LITERAL_BYTES_MAX: u64 = 200;

/// Names and quoted strings are UTF-8, and messages have no numbers.
const EVERYTHING: Enabled =
    Enabled { condstore: true, qresync: true, rev2: true, utf8: true, uid_only: true, annotations: true };

#[derive(Debug, PartialEq)]
enum Said {
    Command(Vec<u8>),
    Accepted(u64),
    Message(Vec<u8>, Vec<u8>),
    Refused,
    Overlong(Vec<u8>),
    Hopeless,
}

fn listen(decoder: &mut Decoder, said: &mut Vec<Said>) {
    loop {
        if decoder.literal_left() > 0 {
            let piece = decoder.literal_piece(16);
            if piece.is_empty() {
                return;
            }
            if let Some(Said::Message(_, message)) = said.last_mut() {
                message.extend_from_slice(&piece);
            }
            continue;
        }
        match decoder.step() {
            Step::More => return,
            Step::Command(text) => said.push(Said::Command(text.to_vec())),
            Step::Literal(announced) => said.push(answer(decoder, announced)),
            Step::Overlong(start) => said.push(Said::Overlong(start.to_vec())),
            Step::Hopeless => {
                if said.last() != Some(&Said::Hopeless) {
                    said.push(Said::Hopeless);
                }
                return;
            }
        }
    }
}

fn answer(decoder: &mut Decoder, announced: Announced) -> Said {
    match append::head(decoder.text(), true, Enabled::default()) {
        append::Head::Message(..) => Said::Message(decoder.stream().to_vec(), Vec::new()),
        append::Head::Other if announced.octets <= LITERAL_BYTES_MAX => {
            decoder.accept();
            Said::Accepted(announced.octets)
        }
        append::Head::Other | append::Head::Bad(..) => {
            decoder.refuse();
            Said::Refused
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, input)) = data.split_first() else { return };
    let mut whole = Vec::new();
    let mut decoder = Decoder::new(LIMITS);
    decoder.input().extend_from_slice(input);
    listen(&mut decoder, &mut whole);

    let mut pieces = Vec::new();
    let mut decoder = Decoder::new(LIMITS);
    for piece in input.chunks(usize::from(cut).max(1)) {
        decoder.input().extend_from_slice(piece);
        listen(&mut decoder, &mut pieces);
        let held = decoder.input().len();
        let may = LIMITS.command_bytes_max + LITERAL_BYTES_MAX as usize + 256;
        assert!(held <= may || whole.contains(&Said::Hopeless), "{held} octets are held");
    }
    assert_eq!(whole, pieces);

    for said in &whole {
        if let Said::Command(text) = said {
            for enabled in [Enabled::default(), EVERYTHING] {
                let _ = parse(text, enabled);
                let _ = append::head(text, false, enabled);
            }
        }
    }
    let _ = parse(input, EVERYTHING);
    if let Some(name) = mutf7::decode(input) {
        assert_eq!(mutf7::encode(&name).as_bytes(), input, "a name has one form");
    }
});

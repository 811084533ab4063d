//! A message of any octets, once whole and once in pieces: the rules that the message crate's own tests check (parts nest
//! and make up the message, the answers are IMAP and bounded, pieces make no difference, the stored form comes back), and
//! what reads text and headers for people.
#![no_main]

#[path = "../../../crates/message/tests/support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;
use message::trace::HopCounter;
use message::{Part, Structure, select_fields, text};

fuzz_target!(|data: &[u8]| {
    let Some((&cut, message)) = data.split_first() else { return };
    let cuts = [usize::from(cut).max(1), usize::from(cut % 7) + 1];
    let scanned = support::rules::check(message, &cuts);
    let top = &scanned.structure().parts()[0];
    header(&message[..top.header.end as usize]);
    scanned.structure().parts().iter().take(20).for_each(|part| body(message, part));
    hops(message, cuts[0]);
    if let Ok(structure) = Structure::decode(message) {
        assert_eq!(Structure::decode(&structure.encode()), Ok(structure));
    }
});

/// What is chosen and what is left make up the header.
fn header(header: &[u8]) {
    let names = ["subject", "from", "content-type"];
    let (chosen, left) = (select_fields(header, &names, false), select_fields(header, &names, true));
    let empty_line = match header {
        b"\r\n" | [.., b'\n', b'\r', b'\n'] => 2,
        b"\n" | [.., b'\n', b'\n'] => 1,
        _ => 0,
    };
    assert_eq!(chosen.len() + left.len(), header.len() + empty_line);
    text::decoded_header(header);
    text::field_values(header, "subject");
}

fn body(message: &[u8], part: &Part) {
    text::body_text(&message[part.body.start as usize..part.body.end as usize], part);
}

fn hops(message: &[u8], cut: usize) {
    let (mut whole, mut pieces) = (HopCounter::new(), HopCounter::new());
    whole.push(message);
    message.chunks(cut).for_each(|piece| pieces.push(piece));
    assert_eq!(whole.hops(), pieces.hops());
}

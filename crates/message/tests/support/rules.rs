//! What holds for every scan of every message, whatever is in it.

use super::{everything, grammar, scan, scan_pieces};
use message::{Decoder, Encoding, Kind, Leaf, Part, Recoder, Scanned, Section, Structure};
use model::limits::{MIME_DEPTH_MAX, MIME_PARTS_MAX};
use std::ops::Range;

/// Octets that the three answers may have together.
const ANSWERS_BYTES_MAX: usize = 960 * 1024;

/// Checks everything, with `cuts` as the lengths of the pieces (repeated) of a second scan.
pub fn check(message: &[u8], cuts: &[usize]) -> Scanned {
    let scanned = scan(message);
    check_structure(scanned.structure(), message);
    check_answers(&scanned);
    let pieces = pieces(message, cuts);
    assert_eq!(everything(&scan_pieces(pieces.iter().copied())), everything(&scanned), "pieces make a difference");
    let recoded = recode([message]);
    assert!(recode(pieces) == recoded, "pieces make a difference to what is encoded anew");
    check_recoded(scanned.structure(), message, &recoded);
    scanned
}

fn pieces<'a>(message: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = message;
    let mut pieces = Vec::new();
    for cut in cuts.iter().cycle().take(message.len()).filter(|cut| **cut > 0) {
        let (piece, after) = rest.split_at((*cut).min(rest.len()));
        pieces.push(piece);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    pieces.push(rest);
    pieces
}

fn recode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut recoder, mut out) = (Recoder::new(), Vec::new());
    pieces.into_iter().for_each(|piece| recoder.push(piece, &mut out));
    recoder.finish(&mut out);
    out
}

/// The same parts; those that were `binary` hold the same octets in base64, all others are as they were.
fn check_recoded(structure: &Structure, message: &[u8], recoded: &[u8]) {
    let anew = scan(recoded);
    let anew = anew.structure().parts();
    assert_eq!(structure.parts().len(), anew.len(), "{}", recoded.escape_ascii());
    let of = |octets: &[u8], part: &Part| octets[part.body.start as usize..part.body.end as usize].to_vec();
    for (part, anew) in structure.parts().iter().zip(anew) {
        let (before, after) = (of(message, part), of(recoded, anew));
        match (&part.kind, &anew.kind) {
            (Kind::Leaf(old), Kind::Leaf(new)) if old.encoding == Encoding::Binary && new != old => {
                assert_eq!(*new, Leaf { encoding: Encoding::Base64, ..old.clone() });
                let (mut decoder, mut decoded) = (Decoder::new(Encoding::Base64).unwrap(), Vec::new());
                decoder.push(&after, &mut decoded);
                assert_eq!(decoded, before);
            }
            (Kind::Leaf(old), new) => {
                assert_eq!(Kind::Leaf(old.clone()), *new);
                assert!(old.encoding != Encoding::Binary || before.is_empty());
                assert_eq!(after, before);
            }
            (Kind::Multipart | Kind::Message, new) => assert_eq!(part.kind, *new),
        }
    }
    if !structure.parts().iter().any(|part| matches!(&part.kind, Kind::Leaf(leaf) if leaf.encoding == Encoding::Binary))
    {
        assert!(message == recoded, "nothing was binary");
    }
}

/// Parts nest, lie behind each other, cover the message, and survive being stored.
pub fn check_structure(structure: &Structure, message: &[u8]) {
    assert_eq!(structure.size, message.len() as u64);
    assert!(structure.parts().len() <= MIME_PARTS_MAX);
    let top = structure.section(&[]).unwrap();
    assert_eq!(top.whole(), 0..structure.size);
    let mut walk = Walk { structure, message, numbers: Vec::new(), seen: 0, pieces: Vec::new() };
    walk.message(top);
    assert_eq!(walk.seen, structure.parts().len(), "every part has a place");
    assert!(walk.pieces == message, "the parts do not make up the message");
    let stored = structure.encode();
    assert_eq!(Structure::decode(&stored).as_ref(), Ok(structure));
    let shared = structure.shareable();
    assert!(shared.windows(2).all(|pair| pair[0].end <= pair[1].start));
}

/// A walk over the parts by their numbers, that puts the message together again.
struct Walk<'a> {
    structure: &'a Structure,
    message: &'a [u8],
    numbers: Vec<u32>,
    seen: usize,
    pieces: Vec<u8>,
}

impl<'a> Walk<'a> {
    /// The top part of a message: without parts it has the number 1 itself.
    fn message(&mut self, top: &Part) {
        if top.kind == Kind::Multipart {
            return self.part(top);
        }
        self.numbers.push(1);
        assert!(std::ptr::eq(self.structure.section(&self.numbers).unwrap(), top));
        self.part(top);
        self.numbers.pop();
    }

    fn part(&mut self, part: &Part) {
        self.seen += 1;
        assert!(self.numbers.len() <= MIME_DEPTH_MAX);
        assert_eq!(part.header.end, part.body.start);
        let body = self.octets(part.body.clone());
        assert_eq!(part.lines, body.iter().filter(|byte| **byte == b'\n').count() as u64);
        self.keep(part.header.clone());
        match part.kind {
            Kind::Leaf(_) => self.keep(part.body.clone()),
            Kind::Message => self.embedded(part),
            Kind::Multipart => self.children(part),
        }
    }

    fn embedded(&mut self, part: &Part) {
        let inner = part.embedded.as_ref().unwrap();
        let index = self.structure.parts().iter().position(|other| std::ptr::eq(other, part)).unwrap();
        let top = &self.structure.parts()[index + 1];
        assert_eq!((&top.header, &top.body), (&inner.header, &inner.text));
        assert_eq!(top.whole(), part.body);
        self.message(top);
    }

    fn children(&mut self, part: &Part) {
        let mut at = part.body.start;
        for number in 1.. {
            self.numbers.push(number);
            let Some(child) = self.structure.section(&self.numbers) else { break };
            assert_eq!(self.structure.range(&self.numbers, Section::All), Some(child.body.clone()));
            assert!(at <= child.header.start && child.body.end <= part.body.end);
            self.keep(at..child.header.start);
            self.part(child);
            at = child.body.end;
            self.numbers.pop();
        }
        assert!(self.numbers.pop() > Some(1), "a multipart has a part");
        self.keep(at..part.body.end);
    }

    fn keep(&mut self, range: Range<u64>) {
        let octets = self.octets(range);
        self.pieces.extend_from_slice(octets);
    }

    fn octets(&self, range: Range<u64>) -> &'a [u8] {
        &self.message[range.start as usize..range.end as usize]
    }
}

/// The answers are IMAP, and of bounded size.
pub fn check_answers(scanned: &Scanned) {
    let [envelope, body, body_structure] = [scanned.envelope(), scanned.body(), scanned.body_structure()];
    let length = envelope.len() + body.len() + body_structure.len();
    assert!(length <= ANSWERS_BYTES_MAX, "{length} octets");
    let parsed = |bytes: &[u8]| grammar::parse(bytes).unwrap_or_else(|why| panic!("{why}: {}", bytes.escape_ascii()));
    grammar::envelope(&parsed(&envelope)).unwrap();
    grammar::body(&parsed(&body), false).unwrap();
    grammar::body(&parsed(&body_structure), true).unwrap();
}

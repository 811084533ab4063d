//! A message that was read whole: its structure, and the IMAP answers that describe it.

use crate::describe::{Described, Describer};
use crate::envelope;
use crate::imap_string::number;
use crate::structure::{Kind, Part, Structure};
use crate::summary::Summary;
use std::ops::Range;

/// What [`Scanner::finish`](crate::Scanner::finish) found.
#[derive(Debug)]
pub struct Scanned {
    structure: Structure,
    describer: Describer,
    envelope: Vec<u8>,
    summary: Summary,
}

impl Scanned {
    pub(crate) fn new(structure: Structure, describer: Describer, envelope: Vec<u8>, summary: Summary) -> Self {
        Self { structure, describer, envelope, summary }
    }

    /// The parts.
    pub fn structure(&self) -> &Structure {
        &self.structure
    }
    /// What searches and threads ask for.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
    /// The value of ENVELOPE (RFC 9051 §7.5.2), legal for IMAP4rev1: octets over 127 are in literals.
    pub fn envelope(&self) -> Vec<u8> {
        self.envelope.clone()
    }
    /// The value of BODY (RFC 9051 §7.5.2): without extension data.
    pub fn body(&self) -> Vec<u8> {
        self.render(false)
    }
    /// The value of BODYSTRUCTURE (RFC 9051 §7.5.2): with all extension data.
    pub fn body_structure(&self) -> Vec<u8> {
        self.render(true)
    }

    fn render(&self, extended: bool) -> Vec<u8> {
        let parts = self.structure.parts.len();
        let mut out = Vec::with_capacity(self.describer.text.len() + parts * crate::limits::PART_OVERHEAD_BYTES);
        self.write_part(&mut out, 0, extended);
        out
    }

    /// Writes a part and those inside it; recursion is bounded by `MIME_DEPTH_MAX`.
    fn write_part(&self, out: &mut Vec<u8>, index: usize, extended: bool) {
        let (Some(part), Some(described)) = (self.structure.parts.get(index), self.describer.parts.get(index)) else {
            return;
        };
        out.push(b'(');
        match &part.kind {
            Kind::Multipart => {
                for child in self.structure.children(index) {
                    self.write_part(out, child, extended);
                }
                out.push(b' ');
                out.extend_from_slice(self.words(&described.basic));
            }
            Kind::Message => {
                self.write_basic(out, part, described);
                out.push(b' ');
                out.extend_from_slice(self.envelope_of(index + 1));
                out.push(b' ');
                self.write_part(out, index + 1, extended);
                out.push(b' ');
                number(out, part.lines);
            }
            Kind::Leaf(leaf) => {
                self.write_basic(out, part, described);
                if leaf.text.is_some() {
                    out.push(b' ');
                    number(out, part.lines);
                }
            }
        }
        if extended {
            out.push(b' ');
            out.extend_from_slice(self.words(&described.extension));
        }
        out.push(b')');
    }

    fn write_basic(&self, out: &mut Vec<u8>, part: &Part, described: &Described) {
        out.extend_from_slice(self.words(&described.basic));
        out.push(b' ');
        number(out, part.body.end - part.body.start);
    }

    fn envelope_of(&self, index: usize) -> &[u8] {
        let written = self.describer.parts.get(index).map_or(&[][..], |described| self.words(&described.envelope));
        if written.is_empty() { envelope::EMPTY } else { written }
    }

    fn words(&self, range: &Range<usize>) -> &[u8] {
        self.describer.text.get(range.clone()).unwrap_or_default()
    }
}

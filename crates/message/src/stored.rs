//! The stored form of a [`Structure`]: a version octet, then LEB128 numbers. Described in `docs/formats/structure.md`.

use crate::limits::CHARSET_BYTES_MAX;
use crate::structure::{Encoding, Kind, Leaf, Part, Structure, TextKind};
use model::limits::{MIME_DEPTH_MAX, MIME_PARTS_MAX};
use std::ops::Range;

/// The version that is written.
pub const VERSION: u8 = 1;

const KIND_BITS: u8 = 0b0000_0011;
const TEXT_SHIFT: u8 = 2;
const ENCODING_SHIFT: u8 = 4;
const CHARSET_BIT: u8 = 0b1000_0000;

/// Why octets are no stored structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// Written by a later version.
    #[error("the structure has version {0}, this program reads version {VERSION}")]
    UnknownVersion(u8),
    /// Cut short, or damaged; says what is wrong.
    #[error("the structure is damaged: {0}")]
    Malformed(&'static str),
}

impl Structure {
    /// The stored form: some 15 octets a part.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.parts.len() * 16);
        out.push(VERSION);
        put(&mut out, self.size);
        let mut from = 0;
        for (index, part) in self.parts.iter().enumerate() {
            let children = self.children(index).count() as u64;
            encode_part(&mut out, part, from, children);
            from = part.header.start;
        }
        out
    }

    /// From the stored form. What comes back obeys every rule of a structure, however the octets came about.
    ///
    /// # Errors
    /// [`StoredError`] when the octets were not written by [`Structure::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let (version, rest) = bytes.split_first().ok_or(StoredError::Malformed("it is empty"))?;
        if *version != VERSION {
            return Err(StoredError::UnknownVersion(*version));
        }
        let mut decoder = Decoder { rest, parts: Vec::new() };
        let size = decoder.number()?;
        let end = decoder.part(0..size, 0)?;
        if end != size || decoder.parts.first().is_none_or(|top| top.header.start != 0) {
            return Err(StoredError::Malformed("it does not cover the message"));
        }
        if !decoder.rest.is_empty() {
            return Err(StoredError::Malformed("something follows it"));
        }
        Self::link_embedded(&mut decoder.parts);
        Ok(Self { size, parts: decoder.parts })
    }
}

/// One part; `from` is where the part before it began, so that the numbers stay small.
fn encode_part(out: &mut Vec<u8>, part: &Part, from: u64, children: u64) {
    let (flags, charset) = match &part.kind {
        Kind::Leaf(leaf) => (leaf_flags(leaf), leaf.charset.as_deref()),
        Kind::Multipart => (1, None),
        Kind::Message => (2, None),
    };
    out.push(flags);
    put(out, part.header.start - from);
    put(out, part.header.end - part.header.start);
    put(out, part.body.end - part.body.start);
    put(out, part.lines);
    if let Some(charset) = charset {
        put(out, charset.len() as u64);
        out.extend_from_slice(charset.as_bytes());
    }
    if part.kind == Kind::Multipart {
        put(out, children);
    }
}

fn leaf_flags(leaf: &Leaf) -> u8 {
    let text = match leaf.text {
        None => 0,
        Some(TextKind::Plain) => 1,
        Some(TextKind::Html) => 2,
        Some(TextKind::Other) => 3,
    };
    let encoding = match leaf.encoding {
        Encoding::SevenBit => 0,
        Encoding::EightBit => 1,
        Encoding::Binary => 2,
        Encoding::QuotedPrintable => 3,
        Encoding::Base64 => 4,
        Encoding::Other => 5,
    };
    let charset = if leaf.charset.is_some() { CHARSET_BIT } else { 0 };
    text << TEXT_SHIFT | encoding << ENCODING_SHIFT | charset
}

fn put(out: &mut Vec<u8>, number: u64) {
    let mut rest = number;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

struct Decoder<'a> {
    rest: &'a [u8],
    parts: Vec<Part>,
}

impl Decoder<'_> {
    /// Reads a part and those inside it; it must lie in `room`. Returns where it ends. Recursion is bounded by
    /// `MIME_DEPTH_MAX`.
    fn part(&mut self, room: Range<u64>, depth: usize) -> Result<u64, StoredError> {
        if depth >= MIME_DEPTH_MAX || self.parts.len() >= MIME_PARTS_MAX {
            return Err(StoredError::Malformed("it has too many parts"));
        }
        let flags = self.byte()?;
        let before = self.parts.last().map_or(0, |part| part.header.start);
        let start = self.add(before)?;
        let body = self.add(start)?;
        let end = self.add(body)?;
        let lines = self.number()?;
        if start < room.start || end > room.end || lines > end - body {
            return Err(StoredError::Malformed("a part lies outside the one around it"));
        }
        let kind = self.kind(flags)?;
        let index = self.parts.len();
        self.parts.push(Part {
            header: start..body,
            body: body..end,
            lines,
            kind: kind.clone(),
            embedded: None,
            next: 0,
        });
        match kind {
            Kind::Leaf(_) => {}
            Kind::Multipart => self.children(body..end, depth)?,
            Kind::Message => self.embedded(body..end, depth)?,
        }
        let next = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        if let Some(part) = self.parts.get_mut(index) {
            part.next = next;
        }
        Ok(end)
    }

    fn children(&mut self, body: Range<u64>, depth: usize) -> Result<(), StoredError> {
        let children = self.number()?;
        if children == 0 {
            return Err(StoredError::Malformed("a multipart has no part"));
        }
        let mut at = body.start;
        for _ in 0..children {
            at = self.part(at..body.end, depth + 1)?;
        }
        Ok(())
    }

    fn embedded(&mut self, body: Range<u64>, depth: usize) -> Result<(), StoredError> {
        let index = self.parts.len();
        let end = self.part(body.clone(), depth + 1)?;
        let start = self.parts.get(index).map_or(end, |part| part.header.start);
        if (start..end) == body { Ok(()) } else { Err(StoredError::Malformed("a message does not fill its part")) }
    }

    fn kind(&mut self, flags: u8) -> Result<Kind, StoredError> {
        match flags & KIND_BITS {
            0 => self.leaf(flags).map(Kind::Leaf),
            1 if flags == 1 => Ok(Kind::Multipart),
            2 if flags == 2 => Ok(Kind::Message),
            _ => Err(StoredError::Malformed("a part is of no known kind")),
        }
    }

    fn leaf(&mut self, flags: u8) -> Result<Leaf, StoredError> {
        let text = match flags >> TEXT_SHIFT & 3 {
            0 => None,
            1 => Some(TextKind::Plain),
            2 => Some(TextKind::Html),
            _ => Some(TextKind::Other),
        };
        let encoding = match flags >> ENCODING_SHIFT & 7 {
            0 => Encoding::SevenBit,
            1 => Encoding::EightBit,
            2 => Encoding::Binary,
            3 => Encoding::QuotedPrintable,
            4 => Encoding::Base64,
            5 => Encoding::Other,
            _ => return Err(StoredError::Malformed("a part has no known transfer encoding")),
        };
        let charset = if flags & CHARSET_BIT == 0 { None } else { Some(self.charset()?) };
        Ok(Leaf { text, encoding, charset })
    }

    fn charset(&mut self) -> Result<Box<str>, StoredError> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let (name, rest) = self.rest.split_at_checked(length).ok_or(StoredError::Malformed("it is cut short"))?;
        self.rest = rest;
        let name = std::str::from_utf8(name).ok().filter(|name| name.is_ascii() && name.len() <= CHARSET_BYTES_MAX);
        name.map(Into::into).ok_or(StoredError::Malformed("a charset has no valid name"))
    }

    fn add(&mut self, start: u64) -> Result<u64, StoredError> {
        start.checked_add(self.number()?).ok_or(StoredError::Malformed("a number is too large"))
    }

    fn byte(&mut self) -> Result<u8, StoredError> {
        let (byte, rest) = self.rest.split_first().ok_or(StoredError::Malformed("it is cut short"))?;
        self.rest = rest;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u64, StoredError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(StoredError::Malformed("a number is too large"))
    }
}

//! What a message is made of: the tree of its parts as octet ranges, and IMAP's part numbers into it.

use crate::limits::SHARE_BYTES_MIN;
use std::ops::Range;

/// The parts of a message.
///
/// Ranges are absolute octets of the message. A part's body follows its header at once; a part lies whole in the body of
/// the part around it, behind the part before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    /// Octets of the message.
    pub size: u64,
    /// The parts in the order in which they begin; the first is the message itself. Never empty.
    pub(crate) parts: Vec<Part>,
}

/// One part: an entity of RFC 2045 §2.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The header block with its empty line.
    pub header: Range<u64>,
    /// What follows the header; the line end before a delimiter belongs to the delimiter (RFC 2046 §5.1.1).
    pub body: Range<u64>,
    /// Line feeds in the body.
    pub lines: u64,
    /// What the body is.
    pub kind: Kind,
    /// Where the message inside a message/rfc822 part has its header and text.
    pub embedded: Option<Embedded>,
    /// Index of the first part that is not inside this one.
    pub(crate) next: u32,
}

/// What a part's body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Content that is not looked into.
    Leaf(Leaf),
    /// Parts between delimiters; one at least.
    Multipart,
    /// A message: message/rfc822 without a transfer encoding.
    Message,
}

/// How a leaf's octets become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// `7bit`, or nothing said.
    #[default]
    SevenBit,
    /// `8bit`
    EightBit,
    /// `binary`
    Binary,
    /// `quoted-printable`
    QuotedPrintable,
    /// `base64`
    Base64,
    /// Anything else: RFC 2045 §6.4 has such content treated as application/octet-stream.
    Other,
}

/// The subtype of a text part, as far as it matters to reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// text/plain
    Plain,
    /// text/html
    Html,
    /// Any other text type.
    Other,
}

/// What a leaf holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leaf {
    /// Set for text.
    pub text: Option<TextKind>,
    /// The transfer encoding.
    pub encoding: Encoding,
    /// The charset of text, lower case, as far as it was given.
    pub charset: Option<Box<str>>,
}

/// Header and text of the message inside a message/rfc822 part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedded {
    /// Its header block with the empty line.
    pub header: Range<u64>,
    /// Its body.
    pub text: Range<u64>,
}

/// What of a part `BODY[…]` asks for (RFC 9051 §6.4.5); HEADER.FIELDS are chosen from `Header`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// `BODY[]`, `BODY[1]`
    All,
    /// `BODY[HEADER]`, and `BODY[1.HEADER]` of a message/rfc822 part.
    Header,
    /// `BODY[TEXT]`, and `BODY[1.TEXT]` of a message/rfc822 part.
    Text,
    /// `BODY[1.MIME]`
    Mime,
}

impl Part {
    /// Header and body.
    pub fn whole(&self) -> Range<u64> {
        self.header.start..self.body.end
    }
    /// What `BODY[n.MIME]` is: the part's own header block.
    pub fn mime_header(&self) -> Range<u64> {
        self.header.clone()
    }
}

impl Structure {
    /// Every part, each before those inside it; the first is the message itself.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The structure of the same message with so many octets of fields in front of it
    /// ([`Prefix`](crate::trace::Prefix)): they belong to the top header, and all else is that much further on.
    #[must_use]
    pub fn behind(mut self, prefix: u64) -> Self {
        let shift = |range: &mut Range<u64>| *range = range.start + prefix..range.end + prefix;
        self.size += prefix;
        for part in &mut self.parts {
            shift(&mut part.header);
            shift(&mut part.body);
            if let Some(embedded) = &mut part.embedded {
                shift(&mut embedded.header);
                shift(&mut embedded.text);
            }
        }
        if let Some(top) = self.parts.first_mut() {
            top.header.start = 0;
        }
        self
    }

    /// The part of this number. The empty number is the message itself; `1` of a message without parts is its body.
    pub fn section(&self, part: &[u32]) -> Option<&Part> {
        let Some((first, rest)) = part.split_first() else { return self.parts.first() };
        let mut at = self.in_message(0, *first)?;
        for number in rest {
            at = match self.parts.get(at)?.kind {
                Kind::Multipart => self.child(at, *number)?,
                Kind::Message => self.in_message(at + 1, *number)?,
                Kind::Leaf(_) => return None,
            };
        }
        self.parts.get(at)
    }

    /// The octets that `BODY[part.what]` answers; `None` when there is no such part.
    pub fn range(&self, part: &[u32], what: Section) -> Option<Range<u64>> {
        let found = self.section(part)?;
        let message = part.is_empty();
        match what {
            Section::All if message => Some(0..self.size),
            Section::All => Some(found.body.clone()),
            Section::Header if message => Some(found.header.clone()),
            Section::Text if message => Some(found.body.clone()),
            // RFC 9051 §6.4.5: HEADER and TEXT behind a number are those of a message/rfc822 part's message.
            Section::Header => found.embedded.as_ref().map(|inner| inner.header.clone()),
            Section::Text => found.embedded.as_ref().map(|inner| inner.text.clone()),
            Section::Mime => (!message).then(|| found.mime_header()),
        }
    }

    /// The bodies that are large enough to be stored once for all messages that hold them; ascending and disjoint.
    pub fn shareable(&self) -> Vec<Range<u64>> {
        let leaves = self.parts.iter().filter(|part| matches!(part.kind, Kind::Leaf(_)));
        let bodies = leaves.map(|part| part.body.clone());
        bodies.filter(|body| body.end - body.start >= SHARE_BYTES_MIN).collect()
    }

    /// The part numbered `number` of the message whose top part is at `top`: a message without parts is part 1 itself.
    fn in_message(&self, top: usize, number: u32) -> Option<usize> {
        match self.parts.get(top)?.kind {
            Kind::Multipart => self.child(top, number),
            Kind::Leaf(_) | Kind::Message => (number == 1).then_some(top),
        }
    }

    /// The index of the child numbered `number`, from 1.
    fn child(&self, parent: usize, number: u32) -> Option<usize> {
        self.children(parent).nth(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// The indexes of the parts directly inside a part.
    pub(crate) fn children(&self, parent: usize) -> impl Iterator<Item = usize> + '_ {
        let next = |index: usize| self.parts.get(index).map_or(0, |part| part.next as usize);
        let end = next(parent);
        std::iter::successors(Some(parent + 1), move |index| Some(next(*index))).take_while(move |index| *index < end)
    }

    /// Fills in where the messages inside message/rfc822 parts have header and text: the part after each.
    pub(crate) fn link_embedded(parts: &mut [Part]) {
        for index in 1..parts.len() {
            let Some([outer, inner]) = parts.get_mut(index - 1..=index) else { continue };
            if outer.kind == Kind::Message {
                outer.embedded = Some(Embedded { header: inner.header.clone(), text: inner.body.clone() });
            }
        }
    }
}

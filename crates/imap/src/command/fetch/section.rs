//! Pieces of a message as FETCH names them: `BODY[1.2.HEADER.FIELDS (From)]<0.100>`, `RFC822.TEXT`.

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::writer;
use crate::limits::HEADER_FIELDS_MAX;
use wire::session::{SectionKind, SectionWanted};

/// How the piece was asked for, and is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `BODY[…]`
    Body,
    /// `BODY.PEEK[…]`, answered as `BODY[…]`.
    Peek,
    /// `RFC822`: `BODY[]` under an old name.
    Rfc822,
    /// `RFC822.HEADER`: `BODY.PEEK[HEADER]`.
    Rfc822Header,
    /// `RFC822.TEXT`: `BODY[TEXT]`.
    Rfc822Text,
    /// `BINARY[…]` (RFC 3516 §4.2)
    Binary,
    /// `BINARY.PEEK[…]`, answered as `BINARY[…]`.
    BinaryPeek,
    /// `BINARY.SIZE[…]`
    BinarySize,
}

impl Form {
    /// Whether the part is wanted without its transfer encoding.
    pub fn is_binary(self) -> bool {
        match self {
            Self::Binary | Self::BinaryPeek | Self::BinarySize => true,
            Self::Body | Self::Peek | Self::Rfc822 | Self::Rfc822Header | Self::Rfc822Text => false,
        }
    }
}

/// What of the part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// All of it.
    All,
    /// HEADER
    Header,
    /// HEADER.FIELDS, or HEADER.FIELDS.NOT, with the names as the client wrote them.
    Fields {
        /// All but these.
        not: bool,
        /// Field names.
        names: Vec<String>,
    },
    /// TEXT
    Text,
    /// MIME
    Mime,
}

/// One piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// How it was asked for.
    pub form: Form,
    /// The part's number; empty for the message itself.
    pub part: Vec<u32>,
    /// What of it.
    pub kind: Kind,
    /// `<offset.length>`
    pub partial: Option<(u64, u64)>,
}

impl Section {
    /// Reads what follows the item's name, `None` when this name has no section.
    pub(crate) fn parse(name: &[u8], cursor: &mut Cursor<'_>) -> Parsed<Option<Self>> {
        let whole = |form, kind| Some(Self { form, part: Vec::new(), kind, partial: None });
        let form = match name {
            b"RFC822" => return Ok(whole(Form::Rfc822, Kind::All)),
            b"RFC822.HEADER" => return Ok(whole(Form::Rfc822Header, Kind::Header)),
            b"RFC822.TEXT" => return Ok(whole(Form::Rfc822Text, Kind::Text)),
            b"BODY" if cursor.peek() == Some(b'[') => Form::Body,
            b"BODY.PEEK" => Form::Peek,
            b"BINARY" => Form::Binary,
            b"BINARY.PEEK" => Form::BinaryPeek,
            b"BINARY.SIZE" => Form::BinarySize,
            _ => return Ok(None),
        };
        cursor.expect(b'[', "Expected a section in brackets")?;
        let part = part(cursor)?;
        let whole = form.is_binary() || cursor.peek() == Some(b']');
        let kind = if whole { Kind::All } else { kind(cursor, &part)? };
        cursor.expect(b']', "Expected the closing bracket of a section")?;
        let partial = if form != Form::BinarySize && cursor.take(b'<') {
            let offset = cursor.number64()?;
            cursor.expect(b'.', "A partial has the form <offset.length>")?;
            let length = cursor.number64()?;
            if length == 0 {
                return Err(Malformed("The length of a partial may not be 0"));
            }
            cursor.expect(b'>', "A partial has the form <offset.length>")?;
            Some((offset, length))
        } else {
            None
        };
        Ok(Some(Self { form, part, kind, partial }))
    }

    /// Whether fetching it sets \Seen.
    pub fn marks_seen(&self) -> bool {
        match self.form {
            Form::Body | Form::Rfc822 | Form::Rfc822Text | Form::Binary => true,
            Form::Peek | Form::Rfc822Header | Form::BinaryPeek | Form::BinarySize => false,
        }
    }

    /// As the node is asked for it.
    pub fn wire(&self) -> SectionWanted {
        let (kind, fields) = match &self.kind {
            Kind::All if self.form == Form::BinarySize => (SectionKind::BinarySize, Vec::new()),
            Kind::All if self.form.is_binary() => (SectionKind::Binary, Vec::new()),
            Kind::All => (SectionKind::All, Vec::new()),
            Kind::Header => (SectionKind::Header, Vec::new()),
            Kind::Fields { not: false, names } => (SectionKind::Fields, names.clone()),
            Kind::Fields { not: true, names } => (SectionKind::FieldsNot, names.clone()),
            Kind::Text => (SectionKind::Text, Vec::new()),
            Kind::Mime => (SectionKind::Mime, Vec::new()),
        };
        let (offset, length) = self.partial.unwrap_or_default();
        SectionWanted {
            part: self.part.clone(),
            kind: kind.into(),
            fields,
            partial: self.partial.is_some(),
            offset,
            length,
        }
    }

    /// The name in the answer: without PEEK and the partial's length (RFC 3501 §7.4.2).
    pub fn write_name(&self, out: &mut Vec<u8>) {
        match self.form {
            Form::Body | Form::Peek => out.extend_from_slice(b"BODY["),
            Form::Binary | Form::BinaryPeek => out.extend_from_slice(b"BINARY["),
            Form::BinarySize => out.extend_from_slice(b"BINARY.SIZE["),
            Form::Rfc822 => return out.extend_from_slice(b"RFC822"),
            Form::Rfc822Header => return out.extend_from_slice(b"RFC822.HEADER"),
            Form::Rfc822Text => return out.extend_from_slice(b"RFC822.TEXT"),
        }
        for (at, number) in self.part.iter().enumerate() {
            if at > 0 {
                out.push(b'.');
            }
            writer::number(out, u64::from(*number));
        }
        if !self.part.is_empty() && self.kind != Kind::All {
            out.push(b'.');
        }
        self.write_kind(out);
        out.push(b']');
        if let Some((offset, _)) = self.partial {
            out.push(b'<');
            writer::number(out, offset);
            out.push(b'>');
        }
    }

    fn write_kind(&self, out: &mut Vec<u8>) {
        match &self.kind {
            Kind::All => {}
            Kind::Header => out.extend_from_slice(b"HEADER"),
            Kind::Text => out.extend_from_slice(b"TEXT"),
            Kind::Mime => out.extend_from_slice(b"MIME"),
            Kind::Fields { not, names } => {
                out.extend_from_slice(if *not { b"HEADER.FIELDS.NOT (" } else { b"HEADER.FIELDS (" });
                for (at, name) in names.iter().enumerate() {
                    if at > 0 {
                        out.push(b' ');
                    }
                    writer::astring(out, name.as_bytes());
                }
                out.push(b')');
            }
        }
    }
}

/// `section-part`, with the dot that separates it from `section-text`; empty when there is none.
fn part(cursor: &mut Cursor<'_>) -> Parsed<Vec<u32>> {
    let mut part = Vec::new();
    while cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        if part.len() == model::limits::MIME_DEPTH_MAX {
            return Err(Malformed("The part number is too deep"));
        }
        part.push(cursor.nz_number()?);
        if !cursor.take(b'.') {
            if cursor.peek() != Some(b']') {
                return Err(Malformed("A part number has the form 1.2.3"));
            }
            return Ok(part);
        }
        if cursor.peek() == Some(b']') {
            return Err(Malformed("A part number has the form 1.2.3"));
        }
    }
    Ok(part)
}

/// `section-text`
fn kind(cursor: &mut Cursor<'_>, part: &[u32]) -> Parsed<Kind> {
    let name = cursor.while_(|byte| byte.is_ascii_alphabetic() || byte == b'.').to_ascii_uppercase();
    match name.as_slice() {
        b"HEADER" => Ok(Kind::Header),
        b"TEXT" => Ok(Kind::Text),
        // Only a part has a MIME header (RFC 3501 §6.4.5).
        b"MIME" if !part.is_empty() => Ok(Kind::Mime),
        b"HEADER.FIELDS" => Ok(Kind::Fields { not: false, names: names(cursor)? }),
        b"HEADER.FIELDS.NOT" => Ok(Kind::Fields { not: true, names: names(cursor)? }),
        _ => Err(Malformed("There is no such section")),
    }
}

/// `header-list`
fn names(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    cursor.space()?;
    let names = cursor.list(HEADER_FIELDS_MAX, |cursor| {
        let name = cursor.astring()?;
        // RFC 5322 §3.6.8 ftext; a name with anything else can stand in no header, and not in our answer's line.
        let fits = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':');
        match String::from_utf8(name.into_owned()) {
            Ok(name) if fits => Ok(name),
            _ => Err(Malformed("That is no name of a header field")),
        }
    })?;
    if names.is_empty() { Err(Malformed("Expected at least one name of a header field")) } else { Ok(names) }
}

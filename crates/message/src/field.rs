//! Header blocks as fields: where each begins and ends, its name, its raw value. Leaves the values to others.

use crate::lex;
use memchr::memchr;

/// One field as it stands in the header block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    /// The name; empty for a line that is no field (no colon, or a continuation of nothing).
    pub(crate) name: &'a [u8],
    /// What follows the colon, with its folding and its line end.
    pub(crate) value: &'a [u8],
    /// The whole field with its line ends.
    pub(crate) raw: &'a [u8],
}

impl Field<'_> {
    /// Whether the field has this name, in any case.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of a header block, up to its empty line.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Over a header block with or without its empty line.
    pub(crate) fn new(header: &'a [u8]) -> Self {
        Self { rest: header }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.rest.is_empty() || empty_line(self.rest).is_some() {
            return None;
        }
        let mut end = line_end(self.rest, 0);
        let (first, _) = lex::split(self.rest, end);
        // RFC 5322 §2.2.3: a line that begins with white space continues the field.
        while matches!(self.rest.get(end), Some(b' ' | b'\t')) {
            end = line_end(self.rest, end);
        }
        let (raw, rest) = lex::split(self.rest, end);
        self.rest = rest;
        let colon = memchr(b':', first).filter(|_| !matches!(raw.first(), Some(b' ' | b'\t')));
        let Some(colon) = colon else {
            return Some(Field { name: &[], value: &[], raw });
        };
        let (name, value) = lex::split(raw, colon);
        Some(Field { name: lex::trim_end(name), value: value.get(1..).unwrap_or_default(), raw })
    }
}

/// The index after the line that begins at `start`.
fn line_end(bytes: &[u8], start: usize) -> usize {
    let tail = bytes.get(start..).unwrap_or_default();
    memchr(b'\n', tail).map_or(bytes.len(), |index| start + index + 1)
}

/// The empty line that `bytes` begin with.
fn empty_line(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [b'\n', ..] => bytes.get(..1),
        [b'\r', b'\n', ..] => bytes.get(..2),
        _ => None,
    }
}

/// `BODY[HEADER.FIELDS (…)]`, or with `not` `BODY[HEADER.FIELDS.NOT (…)]`: the chosen fields of a header block in
/// their order, octet for octet, and the empty line.
///
/// A header block without an empty line (a message without a body) yields none (RFC 3501 §6.4.5). Lines that are no
/// field count as fields that nobody named.
pub fn select_fields(header: &[u8], names: &[&str], not: bool) -> Vec<u8> {
    let mut fields = Fields::new(header);
    let mut out = Vec::new();
    for field in fields.by_ref() {
        let named = names.iter().any(|name| field.is(name));
        if named != not {
            out.extend_from_slice(field.raw);
        }
    }
    out.extend_from_slice(empty_line(fields.rest).unwrap_or_default());
    out
}

/// The header block with another value in the first field of this name; the line end of the field stays.
pub(crate) fn with_value(header: &[u8], name: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(header.len() + value.len());
    let mut fields = Fields::new(header);
    for field in fields.by_ref() {
        if !field.is(name) {
            out.extend_from_slice(field.raw);
            continue;
        }
        let (before, old) = lex::split(field.raw, field.raw.len() - field.value.len());
        out.extend_from_slice(before);
        out.extend_from_slice(value);
        out.extend_from_slice(if old.ends_with(b"\r\n") { b"\r\n" } else { b"\n" });
        break;
    }
    out.extend_from_slice(fields.rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"From x\r\nSubject : a\r\n b\r\nTO: c\r\nsubject:d\r\n\r\nbody: no\r\n";

    #[test]
    fn fields_keep_order_case_and_folding() {
        assert_eq!(select_fields(HEADER, &["SUBJECT"], false), b"Subject : a\r\n b\r\nsubject:d\r\n\r\n");
        assert_eq!(select_fields(HEADER, &["Subject"], true), b"From x\r\nTO: c\r\n\r\n");
        assert_eq!(select_fields(HEADER, &["cc"], false), b"\r\n");
        assert_eq!(select_fields(b"To: a\n\nx", &["to"], false), b"To: a\n\n");
    }

    #[test]
    fn the_first_field_of_a_name_gets_another_value() {
        assert_eq!(
            with_value(HEADER, "subject", b" x"),
            b"From x\r\nSubject : x\r\nTO: c\r\nsubject:d\r\n\r\nbody: no\r\n"
        );
        assert_eq!(with_value(b"A: b\nTo: c\n\n", "to", b" d"), b"A: b\nTo: d\n\n");
        assert_eq!(with_value(HEADER, "cc", b" x"), HEADER);
    }

    #[test]
    fn without_an_empty_line_none_is_made() {
        assert_eq!(select_fields(b"To: a\r\nCc: b", &["cc"], false), b"Cc: b");
        assert_eq!(select_fields(b"", &["cc"], false), b"");
    }

    #[test]
    fn a_field_has_the_name_before_its_first_colon() {
        let names: Vec<_> =
            Fields::new(b" lost\r\nA\t: 1\r\n: 2\r\nnone\r\n x: 3\r\n").map(|field| field.name).collect();
        assert_eq!(names, [b"".as_slice(), b"A", b"", b""]);
    }
}

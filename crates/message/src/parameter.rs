//! Content-Type and Content-Disposition values: type and parameters as RFC 2045 §5.1 has them, read tolerantly.
//!
//! RFC 2231 parameters (`name*`, `name*0`) are not put together: IMAP wants them as they stand.

use crate::lex;
use crate::limits::PARAMETERS_MAX;
use std::borrow::Cow;

/// Pieces of one value that are put together: only boundary and charset are, and both are short.
const PIECES_MAX: usize = 16;

/// A media type with its parameters still to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MediaType<'a> {
    /// The type, as written.
    pub(crate) kind: &'a [u8],
    /// The subtype, as written.
    pub(crate) subtype: &'a [u8],
    /// The parameters.
    pub(crate) parameters: Parameters<'a>,
}

impl<'a> MediaType<'a> {
    /// What RFC 2045 §5.2 has for an entity without a (valid) Content-Type; the charset is understood.
    pub(crate) const TEXT_PLAIN: Self = Self { kind: b"text", subtype: b"plain", parameters: Parameters::new(b"") };
    /// What a part of multipart/digest is without a Content-Type (RFC 2046 §5.1.5).
    pub(crate) const MESSAGE: Self = Self { kind: b"message", subtype: b"rfc822", parameters: Parameters::new(b"") };
    /// What is not looked into.
    pub(crate) const OPAQUE: Self =
        Self { kind: b"application", subtype: b"octet-stream", parameters: Parameters::new(b"") };

    /// From a field's value; `None` when it is not `type/subtype`.
    pub(crate) fn parse(value: &'a [u8]) -> Option<Self> {
        let (kind, rest) = token(lex::skip_cfws(value));
        let rest = lex::skip_cfws(rest);
        // `Content-Type: text` is what mail from before MIME says.
        let (subtype, rest) = match rest {
            [b'/', rest @ ..] => token(lex::skip_cfws(rest)),
            _ if kind.eq_ignore_ascii_case(b"text") => (b"plain".as_slice(), rest),
            _ => return None,
        };
        let parameters = Parameters::new(rest);
        (!kind.is_empty() && !subtype.is_empty()).then_some(Self { kind, subtype, parameters })
    }

    /// Whether it is this type, in any case.
    pub(crate) fn is(&self, kind: &str, subtype: &str) -> bool {
        self.is_kind(kind) && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }
    /// Whether the type without its subtype is this, in any case.
    pub(crate) fn is_kind(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
    }
}

/// The parameters that follow a type, in order, at most [`PARAMETERS_MAX`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameters<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Parameters<'a> {
    /// From what follows the type: anything up to the first semicolon is skipped.
    pub(crate) const fn new(rest: &'a [u8]) -> Self {
        Self { rest, left: PARAMETERS_MAX }
    }

    /// The value of the first parameter of this name, in any case; put together when it is only there in pieces
    /// (`name*0`, `name*1`, …; RFC 2231 §3).
    pub(crate) fn value(self, name: &str) -> Option<Vec<u8>> {
        let name = name.as_bytes();
        if let Some((_, value)) = self.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)) {
            return Some(value.into_owned());
        }
        let mut whole = None;
        for index in 0..PIECES_MAX {
            let piece = self.into_iter().find(|(found, _)| {
                let (start, number) = lex::split(found, name.len());
                start.eq_ignore_ascii_case(name) && number == format!("*{index}").as_bytes()
            });
            let Some((_, piece)) = piece else { break };
            whole.get_or_insert_with(Vec::new).extend_from_slice(&piece);
        }
        whole
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a [u8], Cow<'a, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let semicolon = memchr::memchr(b';', self.rest)?;
            self.left = self.left.checked_sub(1)?;
            let start = lex::skip_cfws(self.rest.get(semicolon + 1..).unwrap_or_default());
            let (name, rest) = token(start);
            self.rest = lex::skip_cfws(rest);
            let [b'=', rest @ ..] = self.rest else { continue };
            let (value, rest) = parameter_value(lex::skip_cfws(rest));
            self.rest = rest;
            if !name.is_empty() {
                return Some((name, value));
            }
        }
    }
}

/// A quoted string, or whatever stands before the next semicolon: senders forget to quote spaces.
fn parameter_value(bytes: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    if bytes.first() == Some(&b'"') {
        let mut text = Vec::new();
        let rest = lex::quoted(bytes, &mut text);
        return (Cow::Owned(text), rest);
    }
    let end = memchr::memchr(b';', bytes).unwrap_or(bytes.len());
    let (value, rest) = lex::split(bytes, end);
    // A comment may follow a token (RFC 2045 §5.1), but `a(1).txt` is a name.
    let comment = value.windows(2).position(|pair| matches!(pair, [space, b'('] if lex::is_space(*space)));
    let (value, _) = lex::split(value, comment.unwrap_or(value.len()));
    match lex::unfold(value) {
        Cow::Borrowed(value) => (Cow::Borrowed(value), rest),
        Cow::Owned(value) => (Cow::Owned(value), rest),
    }
}

/// A token of RFC 2045 §5.1 (8-bit octets let through), and what follows it.
pub(crate) fn token(bytes: &[u8]) -> (&[u8], &[u8]) {
    let special = |byte: &u8| *byte <= b' ' || *byte == 127 || b"()<>@,;:\\\"/[]?=".contains(byte);
    lex::split(bytes, bytes.iter().position(special).unwrap_or(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &str) -> String {
        let Some(media) = MediaType::parse(value.as_bytes()) else { return "none".to_owned() };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let parameters: Vec<_> =
            media.parameters.map(|(name, value)| format!("{}={}", text(name), text(&value))).collect();
        format!("{}/{} [{}]", text(media.kind), text(media.subtype), parameters.join("|"))
    }

    #[test]
    fn types_and_parameters() {
        assert_eq!(parsed(" text/plain; charset=us-ascii (Plain text)\r\n"), "text/plain [charset=us-ascii]");
        assert_eq!(
            parsed("Text (a) / (b) HTML;\r\n\tname*0*=UTF-8''a;name*1=\"b;c\""),
            "Text/HTML [name*0*=UTF-8''a|name*1=b;c]"
        );
        assert_eq!(parsed("a/b; name=my file (1).txt; x; y=; =z; w = \"\\\"\" ;"), "a/b [name=my file|y=|w=\"]");
        assert_eq!(parsed("a/b; name=file(1).txt;;c=d"), "a/b [name=file(1).txt|c=d]");
        assert_eq!(parsed("a/b; name=\"unclosed; c=d"), "a/b [name=unclosed; c=d]");
        assert_eq!(parsed("text; charset=x"), "text/plain [charset=x]");
        for bad in ["", "a", "a/", "/b", "\"a/b\"", ";x=y"] {
            assert_eq!(parsed(bad), "none", "{bad:?}");
        }
    }

    #[test]
    fn a_value_in_pieces_is_put_together() {
        let parameters = Parameters::new(b";boundary*1=b;BOUNDARY*0=a;charset=x");
        assert_eq!(parameters.value("boundary"), Some(b"ab".to_vec()));
        assert_eq!(parameters.value("Charset"), Some(b"x".to_vec()));
        assert_eq!(parameters.value("name"), None);
    }
}

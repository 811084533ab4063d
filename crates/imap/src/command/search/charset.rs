//! The charset of a search's strings (RFC 3501 §6.4.4): what it is not called, it is UTF-8, which US-ASCII is a part of.

use crate::codec::cursor::{Malformed, Parsed};
use message::text::charset_text_if_known;

/// Charsets that BADCHARSET names; many more are known (those that mail comes in).
pub const CHARSETS_LISTED: &str = "US-ASCII UTF-8 ISO-8859-1 ISO-8859-2 ISO-8859-15 WINDOWS-1250 WINDOWS-1251 WINDOWS-1252 \
                                   KOI8-R GB18030 BIG5 SHIFT_JIS EUC-JP ISO-2022-JP EUC-KR UTF-7";

/// A charset that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charset(Option<Vec<u8>>);

impl Charset {
    /// UTF-8.
    pub const UTF_8: Self = Self(None);

    /// By its name; `None` when it is not known.
    pub fn named(name: &[u8]) -> Option<Self> {
        if [&b"UTF-8"[..], b"US-ASCII"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
            return Some(Self::UTF_8);
        }
        charset_text_if_known(name, b"").map(|_| Self(Some(name.to_vec())))
    }

    /// A string in it.
    ///
    /// # Errors
    /// It should be UTF-8 and is not.
    pub fn text(&self, octets: &[u8]) -> Parsed<String> {
        match &self.0 {
            None => String::from_utf8(octets.to_vec()).map_err(|_| Malformed("The search string is not UTF-8")),
            Some(name) => charset_text_if_known(name, octets).ok_or(Malformed("The charset is not known")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_charset_that_is_listed_is_known() {
        for name in CHARSETS_LISTED.split(' ') {
            assert!(Charset::named(name.as_bytes()).is_some(), "{name}");
        }
        assert_eq!(Charset::named(b"x-klingon"), None);
    }

    #[test]
    fn strings_are_read_in_their_charset() {
        let text = |charset: &str, octets: &[u8]| Charset::named(charset.as_bytes()).unwrap().text(octets);
        assert_eq!(text("utf-8", "Jørn".as_bytes()).as_deref(), Ok("Jørn"));
        assert_eq!(text("iso-8859-1", b"J\xf8rn").as_deref(), Ok("Jørn"));
        assert_eq!(text("ISO-2022-JP", b"\x1b$B\x46\x7c\x1b(B").as_deref(), Ok("日"));
        assert!(text("us-ascii", b"J\xf8rn").is_err());
    }
}

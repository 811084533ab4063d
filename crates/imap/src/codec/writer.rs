//! Writes the words of answers into a buffer: strings as atom, quoted or literal, flags, numbers. Lines are the caller's.

use super::cursor::is_bare_astring;
use model::flags::{Flags, Keyword};

/// Appends a number.
pub fn number(out: &mut Vec<u8>, n: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut n = n;
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + (n % 10) as u8;
        }
        n /= 10;
        if n == 0 || at == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// Appends a string: quoted where that is possible (RFC 3501 §9: 7-bit without CR and LF), else a literal.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    // Long quoted strings are legal but trip clients with line buffers.
    let quotable =
        text.len() <= 1000 && text.iter().all(|byte| matches!(byte, 0x01..=0x7f) && !matches!(byte, b'\r' | b'\n'));
    if !quotable {
        literal_head(out, text.len() as u64);
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Appends a text as an astring, for a client that takes UTF-8 in quoted strings (RFC 9051 §4.3, RFC 6855 §3).
pub fn utf8_astring(out: &mut Vec<u8>, text: &str) {
    if text.is_ascii() || text.contains(['\r', '\n', '\0']) {
        return astring(out, text.as_bytes());
    }
    out.push(b'"');
    for &byte in text.as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Appends an astring: bare where that is possible.
pub fn astring(out: &mut Vec<u8>, text: &[u8]) {
    if is_bare_astring(text) { out.extend_from_slice(text) } else { string(out, text) }
}

/// Announces a literal of this many octets.
pub fn literal_head(out: &mut Vec<u8>, octets: u64) {
    out.push(b'{');
    number(out, octets);
    out.extend_from_slice(b"}\r\n");
}

/// Appends a list of flags in parentheses.
pub fn flags<'a>(out: &mut Vec<u8>, flags: Flags, keywords: impl IntoIterator<Item = &'a str>, recent: bool) {
    out.push(b'(');
    let start = out.len();
    for flag in flags.iter() {
        word(out, start, flag.name());
    }
    for keyword in keywords {
        word(out, start, keyword);
    }
    if recent {
        word(out, start, "\\Recent");
    }
    out.push(b')');
}

/// Appends the keywords' names.
pub fn keyword_names(keywords: &[Keyword]) -> impl Iterator<Item = &str> {
    keywords.iter().map(Keyword::as_str)
}

/// Appends a word, after a space unless it is the first since `start`.
pub fn word(out: &mut Vec<u8>, start: usize, text: &str) {
    if out.len() > start {
        out.push(b' ');
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Cursor;
    use super::*;
    use model::flags::Flag;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings() {
        assert_eq!(written(|out| astring(out, b"INBOX")), "INBOX");
        assert_eq!(written(|out| astring(out, b"a b")), "\"a b\"");
        assert_eq!(written(|out| astring(out, b"")), "\"\"");
        assert_eq!(written(|out| astring(out, b"nil")), "\"nil\"");
        assert_eq!(written(|out| astring(out, b"a%")), "\"a%\"");
        assert_eq!(written(|out| string(out, b"a\\\"b")), "\"a\\\\\\\"b\"");
        assert_eq!(written(|out| string(out, b"a\r\nb")), "{4}\r\na\r\nb");
        assert_eq!(written(|out| string(out, "ä".as_bytes())), "{2}\r\nä");
    }

    #[test]
    fn numbers_and_flags() {
        assert_eq!(written(|out| number(out, 0)), "0");
        assert_eq!(written(|out| number(out, u64::MAX)), "18446744073709551615");
        assert_eq!(written(|out| flags(out, Flags::NONE, [], false)), "()");
        let some = Flags::NONE.with(Flag::Seen).with(Flag::Deleted);
        assert_eq!(written(|out| flags(out, some, ["$x"], true)), "(\\Deleted \\Seen $x \\Recent)");
    }

    proptest! {
        #[test]
        fn strings_are_read_as_written(text in proptest::collection::vec(1u8..=255, 0..40)) {
            let mut out = Vec::new();
            astring(&mut out, &text);
            let mut cursor = Cursor::new(&out);
            let read = cursor.astring();
            prop_assert_eq!(read.as_deref(), Ok(text.as_slice()));
            prop_assert!(cursor.end().is_ok());
        }
    }
}

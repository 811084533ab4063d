//! Text for people out of octets: RFC 2047 encoded words, transfer encodings and charsets, with mail-parser's tables.
//! What cannot be decoded is taken as it stands.

use crate::lex;
use crate::limits::ENCODED_WORD_BYTES_MAX;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use memchr::memmem;
use std::borrow::Cow;

/// An encoded word (RFC 2047 §2), decoded as far as octets.
struct Word<'a> {
    charset: &'a [u8],
    octets: Vec<u8>,
    /// What follows it.
    rest: &'a [u8],
}

/// A header value as text: unfolded, encoded words decoded.
///
/// Words are decoded in quoted strings and comments too, and neighbours of one charset are put together before their
/// charset is decoded, since senders cut characters in two; RFC 2047 allows neither, readers expect both.
pub(crate) fn decode(value: &[u8]) -> String {
    let value = lex::unfold(value);
    let mut out = String::with_capacity(value.len());
    let mut rest: &[u8] = &value;
    // The words that wait for a neighbour: charset and octets.
    let mut waiting: Option<(&[u8], Vec<u8>)> = None;
    let mut search = 0;
    while let Some(start) = memmem::find(rest.get(search..).unwrap_or_default(), b"=?").map(|found| search + found) {
        let (before, at) = lex::split(rest, start);
        let Some(word) = parse(at) else {
            search = start + 2;
            continue;
        };
        let adjacent = lex::trim(before).is_empty();
        match &mut waiting {
            // RFC 2047 §6.2: white space between two encoded words is not shown.
            Some((charset, octets)) if adjacent && charset.eq_ignore_ascii_case(word.charset) => {
                octets.extend_from_slice(&word.octets);
            }
            _ => {
                let follows = waiting.is_some();
                flush(&mut out, waiting.take());
                if !(follows && adjacent) {
                    out.push_str(&plain(before));
                }
                waiting = Some((word.charset, word.octets));
            }
        }
        rest = word.rest;
        search = 0;
    }
    flush(&mut out, waiting);
    out.push_str(&plain(rest));
    out
}

fn flush(out: &mut String, words: Option<(&[u8], Vec<u8>)>) {
    if let Some((charset, octets)) = words {
        out.push_str(&charset_text(charset, &octets));
    }
}

/// The encoded word that `bytes` begin with.
fn parse(bytes: &[u8]) -> Option<Word<'_>> {
    let (window, beyond) = lex::split(bytes, ENCODED_WORD_BYTES_MAX);
    let mut pieces = window.get(2..)?.splitn(3, |byte| *byte == b'?');
    let (charset, encoding, tail) = (pieces.next()?, pieces.next()?, pieces.next()?);
    let end = memmem::find(tail, b"?=")?;
    let (text, rest) = lex::split(tail, end);
    let (_, rest) = lex::split(bytes, bytes.len() - beyond.len() - rest.len() + 2);
    // A language may follow the charset (RFC 2231 §5).
    let charset = charset.split(|byte| *byte == b'*').next().unwrap_or_default();
    if charset.is_empty() || charset.iter().any(|byte| !byte.is_ascii_graphic()) {
        return None;
    }
    let octets = match encoding {
        b"q" | b"Q" => quoted_printable(text, true),
        b"b" | b"B" => base64(text),
        _ => return None,
    };
    Some(Word { charset, octets, rest })
}

/// Octets of a text in this charset; an empty name is none given.
pub(crate) fn charset_text(charset: &[u8], octets: &[u8]) -> String {
    let is = |name: &str| charset.eq_ignore_ascii_case(name.as_bytes());
    if is("utf-8") || is("utf8") {
        return String::from_utf8_lossy(octets).into_owned();
    }
    if charset.is_empty() || is("us-ascii") || is("ascii") {
        return plain(octets).into_owned();
    }
    match charset_decoder(charset) {
        Some(decode) => decode(octets),
        None => plain(octets).into_owned(),
    }
}

/// Octets of which no charset is known: UTF-8 if they are that, else windows-1252, which names every octet.
fn plain(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => charset_decoder(b"windows-1252")
            .map_or_else(|| String::from_utf8_lossy(octets), |decode| Cow::Owned(decode(octets))),
    }
}

/// Base64 (RFC 2045 §6.8); what is not of its alphabet is skipped.
pub(crate) fn base64(text: &[u8]) -> Vec<u8> {
    base64_decode(text).unwrap_or_else(|| {
        let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        let digits: Vec<u8> = text.iter().copied().filter(digit).collect();
        base64_decode(&digits).unwrap_or_default()
    })
}

/// Quoted-printable (RFC 2045 §6.7), or with `word` the Q encoding (RFC 2047 §4.2). An `=` that encodes nothing stands
/// for itself; white space at the end of a line was added on the way and goes (rule 3).
pub(crate) fn quoted_printable(text: &[u8], word: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, after) {
            (b'=', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(*high) << 4 | hex(*low));
                rest = tail;
            }
            (b'_', _) if word => out.push(b' '),
            (b'=', _) => match line_end(after) {
                Some((tail, end)) if !end.is_empty() => rest = tail,
                _ => out.push(b'='),
            },
            (b' ' | b'\t', _) if !word => {
                if let Some((tail, end)) = line_end(after) {
                    out.extend_from_slice(end);
                    rest = tail;
                } else {
                    let blanks = blanks(after);
                    out.push(*byte);
                    out.extend(after.iter().take(blanks));
                    rest = after.get(blanks..).unwrap_or_default();
                }
            }
            _ => out.push(*byte),
        }
    }
    out
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// What follows the line end that is next but for white space, and the line end itself: empty at the end of the text.
fn line_end(text: &[u8]) -> Option<(&[u8], &[u8])> {
    match text.get(blanks(text)..).unwrap_or_default() {
        [] => Some((&[], &[])),
        [b'\r', b'\n', tail @ ..] => Some((tail, b"\r\n")),
        [b'\n', tail @ ..] => Some((tail, b"\n")),
        _ => None,
    }
}

/// The value of a hexadecimal digit.
pub(crate) const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(value: &str) -> String {
        decode(value.as_bytes())
    }

    #[test]
    fn the_examples_of_rfc_2047() {
        assert_eq!(decoded("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>"), "Keith Moore <moore@cs.utk.edu>");
        assert_eq!(decoded("=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?="), "Keld Jørn Simonsen");
        assert_eq!(
            decoded(
                "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?="
            ),
            "If you can read this you understand the example."
        );
        for (encoded, shown) in [
            ("(=?ISO-8859-1?Q?a?=)", "(a)"),
            ("(=?ISO-8859-1?Q?a?= b)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"),
        ] {
            assert_eq!(decoded(encoded), shown);
        }
    }

    #[test]
    fn a_character_cut_in_two_words() {
        assert_eq!(decoded("=?utf-8?Q?J=C3?= =?UTF-8?Q?=B8rn?="), "Jørn");
        assert_eq!(decoded("=?utf-8*da?q?=E2=82=AC?="), "€");
    }

    #[test]
    fn what_is_no_encoded_word_stands() {
        for text in ["=?", "a =? b", "=?x?y?z?=", "=??q?a?=", "=?utf-8?q?open", "a=?=b", "=?utf 8?q?a?="] {
            assert_eq!(decoded(text), text);
        }
        let long = format!("=?utf-8?q?{}?=", "x".repeat(ENCODED_WORD_BYTES_MAX));
        assert_eq!(decoded(&long), long);
        assert_eq!(decoded("=?nope?q?=41=?="), "A=");
        assert_eq!(decode(b"J\xF8rn"), "Jørn");
    }

    #[test]
    fn broken_encodings_give_what_they_can() {
        assert_eq!(base64(b"aGVs\r\nbG8*gd29ybGQ="), b"hello world");
        assert_eq!(quoted_printable(b"a=3D=\r\nb=4=zz\r\n=", false), b"a=b=4=zz\r\n=");
        assert_eq!(charset_text(b"koi8-r", b"\xD0\xD2\xC9"), "при");
    }
}

//! Decoded text for SEARCH: of headers, and of text parts after their transfer encoding and charset.

use crate::encoded_word::{self, charset_text};
use crate::field::Fields;
use crate::structure::{Encoding, Kind, Part, TextKind};
use mail_parser::decoders::html::html_to_text;
use std::borrow::Cow;

/// A header block, one field a line as `Name: value`, unfolded and with encoded words decoded. A line that is no field stands
/// for itself: it is part of the header all the same (RFC 9051 §6.4.4 TEXT).
pub fn decoded_header(header: &[u8]) -> String {
    let mut out = String::with_capacity(header.len());
    for field in Fields::new(header) {
        if field.name.is_empty() {
            out.push_str(&encoded_word::decode(field.raw));
        } else {
            out.push_str(&String::from_utf8_lossy(field.name));
            out.push_str(": ");
            out.push_str(&encoded_word::decode(field.value));
        }
        out.push('\n');
    }
    out
}

/// The decoded values of every field of this name, in order.
pub fn field_values(header: &[u8], name: &str) -> Vec<String> {
    Fields::new(header).filter(|field| field.is(name)).map(|field| encoded_word::decode(field.value)).collect()
}

/// Unstructured text or a phrase, with its encoded words decoded.
pub fn decoded_words(text: &[u8]) -> String {
    encoded_word::decode(text)
}

/// Octets of a text in a charset that is named (RFC 2978); `None` when it is not known.
pub fn charset_text_if_known(charset: &[u8], octets: &[u8]) -> Option<String> {
    let is = |name: &str| charset.eq_ignore_ascii_case(name.as_bytes());
    if is("utf-8") || is("us-ascii") {
        return String::from_utf8(octets.to_vec()).ok();
    }
    mail_parser::decoders::charsets::map::charset_decoder(charset).map(|decode| decode(octets))
}

/// The text of a part whose body is `raw`; empty when the part is not text. Of HTML, what a reader would see.
pub fn body_text(raw: &[u8], part: &Part) -> String {
    let Kind::Leaf(leaf) = &part.kind else { return String::new() };
    let Some(text) = leaf.text else { return String::new() };
    let octets = match leaf.encoding {
        Encoding::Base64 => Cow::Owned(encoded_word::base64(raw)),
        Encoding::QuotedPrintable => Cow::Owned(encoded_word::quoted_printable(raw, false)),
        Encoding::SevenBit | Encoding::EightBit | Encoding::Binary => Cow::Borrowed(raw),
        // RFC 2045 §6.4: what has an unknown encoding is not text, whatever its type says.
        Encoding::Other => return String::new(),
    };
    let decoded = charset_text(leaf.charset.as_deref().unwrap_or_default().as_bytes(), &octets);
    match text {
        TextKind::Html => html_to_text(&decoded),
        TextKind::Plain | TextKind::Other => decoded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scanner;

    fn body_of(message: &[u8]) -> String {
        let mut scanner = Scanner::new();
        scanner.push(message);
        let scanned = scanner.finish();
        let part = scanned.structure().section(&[1]).unwrap();
        body_text(&message[part.body.start as usize..part.body.end as usize], part)
    }

    #[test]
    fn headers_are_unfolded_and_decoded() {
        let header = b"Subject: =?utf-8?q?=C3=A6?=\r\n =?utf-8?q?b?=\r\nlost\r\nX-A:\r\n\r\n";
        assert_eq!(decoded_header(header), "Subject: æb\nlost\nX-A: \n");
        assert_eq!(field_values(header, "SUBJECT"), ["æb"]);
    }

    #[test]
    fn transfer_encodings_and_charsets() {
        assert_eq!(body_of(b"\r\nJ\xC3\xB8rn"), "Jørn");
        assert_eq!(body_of(b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nJ\xF8rn"), "Jørn");
        assert_eq!(
            body_of(b"Content-Type: text/plain; charset=\"ISO-8859-1\"\nContent-Transfer-Encoding: Quoted-Printable\n\nJ=F8=\nrn"),
            "Jørn"
        );
        assert_eq!(
            body_of(
                b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nSsO4\r\ncm4=\r\n"
            ),
            "Jørn"
        );
        assert_eq!(body_of(b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nabc"), "");
        assert_eq!(body_of(b"Content-Type: image/png\r\n\r\nabc"), "");
    }

    #[test]
    fn html_without_its_tags() {
        let html = b"Content-Type: text/html; charset=utf-8\r\n\r\n<style>p{}</style><p>grey &amp; <b>white</b></p>";
        assert_eq!(body_of(html).trim(), "grey & white");
    }
}

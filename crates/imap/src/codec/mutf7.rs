//! Modified UTF-7, in which IMAP4rev1 writes folder names (RFC 3501 §5.1.3). Only the one canonical form is read, so that no
//! folder has two names.

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Writes a name; ASCII that is printable stays as it is, but for `&`, which becomes `&-`.
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let plain = |c: char| matches!(c, ' '..='~');
        if c == '&' {
            out.push_str("&-");
            rest = rest.get(1..).unwrap_or_default();
        } else if plain(c) {
            out.push(c);
            rest = rest.get(1..).unwrap_or_default();
        } else {
            let end = rest.find(plain).unwrap_or(rest.len());
            let (shifted, after) = rest.split_at(end);
            let utf16: Vec<u8> = shifted.encode_utf16().flat_map(u16::to_be_bytes).collect();
            out.push('&');
            BASE64.encode_string(utf16, &mut out);
            out.push('-');
            rest = after;
        }
    }
    out
}

/// Reads a name; `None` when it is not the canonical form of any.
pub fn decode(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    if !name.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((plain, shifted)) = rest.split_once('&') {
        out.push_str(plain);
        let (encoded, after) = shifted.split_once('-')?;
        if encoded.is_empty() {
            out.push('&');
        } else {
            let bytes = BASE64.decode(encoded).ok()?;
            if !bytes.len().is_multiple_of(2) {
                return None;
            }
            let units = bytes.chunks_exact(2).map(|pair| u16::from(pair[0]) << 8 | u16::from(pair[1]));
            let decoded: Result<String, _> = char::decode_utf16(units).collect();
            out.push_str(&decoded.ok()?);
        }
        rest = after;
    }
    out.push_str(rest);
    // Superfluous shifts and printable ASCII in base64 "are not permitted": they would be second names.
    (encode(&out) == name).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_names() {
        for (name, encoded) in [
            ("INBOX", "INBOX"),
            // RFC 3501 §5.1.3
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Hello & goodbye", "Hello &- goodbye"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("📫", "&2D3c6w-"),
            ("ä&", "&AOQ-&-"),
        ] {
            assert_eq!(encode(name), encoded);
            assert_eq!(decode(encoded.as_bytes()).as_deref(), Some(name));
        }
    }

    #[test]
    fn refuses_other_forms() {
        for bad in [
            "&",
            "a&b",
            "&Jjo!",
            "&U,BTFw-&ZeVnLIqe-",
            "&AGE-",
            "&U,BTFx-",
            "&2D0-",
            "&A-",
            "&AOQ",
            "&AOQ=-",
            "ä",
            "a\u{7f}",
            "&AP/8-",
            "&ACY-",
        ] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(decode(b"\xff"), None);
    }

    proptest! {
        #[test]
        fn every_name_has_one_form(name in "\\PC*") {
            prop_assert_eq!(decode(encode(&name).as_bytes()), Some(name));
        }

        #[test]
        fn what_is_read_is_written_alike(text in "[ -~]{0,20}") {
            if let Some(name) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(&name), text);
            }
        }
    }
}

//! What a sender wants to hear of its message, as parameters of MAIL and RCPT say it (RFC 3461 §4); for both sides.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Octets of an envelope identifier (RFC 3461 §4.4).
const ENVELOPE_ID_BYTES_MAX: usize = 100;
/// Octets of an original recipient (RFC 3461 §4.2).
const ORIGINAL_BYTES_MAX: usize = 500;

/// What of a message a failure notice brings back (RFC 3461 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReturnText {
    /// All of it.
    Full,
    /// Its header.
    Headers,
}

impl ReturnText {
    /// The parameter's value as it stands in MAIL; `None` when it is none.
    pub fn parse(value: &str) -> Option<Self> {
        match value.to_ascii_uppercase().as_str() {
            "FULL" => Some(Self::Full),
            "HDRS" => Some(Self::Headers),
            _ => None,
        }
    }
}

/// When the sender wants to hear (RFC 3461 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notify(u32);

impl Notify {
    /// Of nothing.
    pub const NEVER: Self = Self(Self::NEVER_BIT);
    const NEVER_BIT: u32 = 1;
    const SUCCESS: u32 = 2;
    const FAILURE: u32 = 4;
    const DELAY: u32 = 8;

    /// From the bits NEVER 1, SUCCESS 2, FAILURE 4, DELAY 8; 0 when nothing was said. NEVER excludes the others.
    pub const fn from_bits(bits: u32) -> Self {
        Self(if bits & Self::NEVER_BIT != 0 { Self::NEVER_BIT } else { bits & 15 })
    }

    /// Whether success is to be told.
    pub const fn success(self) -> bool {
        self.0 & Self::SUCCESS != 0
    }

    /// Whether failure is to be told; it is when nothing was said.
    pub const fn failure(self) -> bool {
        self.0 == 0 || self.0 & Self::FAILURE != 0
    }

    /// Whether a delay is to be told; it may be when nothing was said (RFC 3461 §4.1).
    pub const fn delay(self) -> bool {
        self.0 == 0 || self.0 & Self::DELAY != 0
    }

    /// The bits of [`Notify::from_bits`].
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The parameter's value as it stands in RCPT; `None` when it is none.
    pub fn parse(value: &str) -> Option<Self> {
        let mut bits = 0;
        for word in value.split(',') {
            let bit = match word.to_ascii_uppercase().as_str() {
                "NEVER" => Self::NEVER_BIT,
                "SUCCESS" => Self::SUCCESS,
                "FAILURE" => Self::FAILURE,
                "DELAY" => Self::DELAY,
                _ => return None,
            };
            bits |= bit;
        }
        // RFC 3461 §4.1: NEVER stands alone.
        (bits & Self::NEVER_BIT == 0 || bits == Self::NEVER_BIT).then_some(Self(bits))
    }

    /// The same without success, which somebody else has told (RFC 3461 §5.2.7.3). Who wanted to hear of nothing else is told
    /// nothing more.
    pub const fn without_success(self) -> Self {
        match self.0 {
            Self::SUCCESS => Self::NEVER,
            bits => Self(bits & !Self::SUCCESS),
        }
    }

    /// The parameter's value; `None` when nothing was said.
    pub(crate) fn value(self) -> Option<String> {
        if self.0 & Self::NEVER_BIT != 0 {
            return Some("NEVER".to_owned());
        }
        let words = [(Self::SUCCESS, "SUCCESS"), (Self::FAILURE, "FAILURE"), (Self::DELAY, "DELAY")];
        let said: Vec<_> = words.into_iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, word)| word).collect();
        (!said.is_empty()).then(|| said.join(","))
    }
}

/// Whether the text is an envelope identifier as it stands in ENVID.
pub fn is_envelope_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= ENVELOPE_ID_BYTES_MAX && is_xtext(text)
}

/// Whether the text is an original recipient as it stands in ORCPT: a type, a semicolon, the address in xtext. Of the type utf-8
/// the address may be in UTF-8 (RFC 6533 §3), which needs SMTPUTF8.
pub fn is_original(text: &str) -> bool {
    let Some((kind, address)) = text.split_once(';') else { return false };
    let is_atom = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_utf8 = kind.eq_ignore_ascii_case("utf-8") && !address.chars().any(|c| !c.is_ascii() && c.is_control());
    let ascii: String = if is_utf8 { address.chars().filter(char::is_ascii).collect() } else { address.to_owned() };
    is_atom && text.len() <= ORIGINAL_BYTES_MAX && is_xtext(&ascii)
}

/// ORCPT for a recipient that came without (RFC 3461 §5.2.1 (d)); `None` where it would be too long.
pub fn original_of(address: &str) -> Option<String> {
    let kind = if address.is_ascii() { "rfc822" } else { "utf-8" };
    let mut original = format!("{kind};");
    for c in address.chars() {
        if c.is_ascii() && (matches!(c, '+' | '=') || !c.is_ascii_graphic()) {
            _ = write!(original, "+{:02X}", u32::from(c));
        } else {
            original.push(c);
        }
    }
    is_original(&original).then_some(original)
}

/// The same original recipient in ASCII (RFC 6533 §3, `EmbeddedUnicodeChar`), for who does not take UTF-8.
pub fn ascii_original(original: &str) -> Cow<'_, str> {
    if original.is_ascii() {
        return Cow::Borrowed(original);
    }
    let mut ascii = String::with_capacity(original.len() * 4);
    for c in original.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            _ = write!(ascii, "\\x{{{:X}}}", u32::from(c));
        }
    }
    Cow::Owned(ascii)
}

/// Xtext (RFC 3461 §4) as it was before; `None` when it is empty, or would not be printable.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'+' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            bytes.push(u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then_some(text)
}

/// RFC 3461 §4: printable ASCII but `+` and `=`, and `+` with two upper-case hexadecimal digits.
fn is_xtext(text: &str) -> bool {
    let mut bytes = text.bytes();
    let hex = |byte: Option<u8>| matches!(byte, Some(b'0'..=b'9' | b'A'..=b'F'));
    while let Some(byte) = bytes.next() {
        let good = match byte {
            b'+' => hex(bytes.next()) && hex(bytes.next()),
            b'=' => false,
            byte => byte.is_ascii_graphic(),
        };
        if !good {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (value, bits) in
            [("NEVER", Some(1)), ("success,Delay", Some(10)), ("FAILURE", Some(4)), ("NEVER,DELAY", None), ("", None)]
        {
            assert_eq!(Notify::parse(value).map(Notify::bits), bits, "{value}");
        }
        assert_eq!(ReturnText::parse("hdrs"), Some(ReturnText::Headers));
        assert_eq!(ReturnText::parse("BODY"), None);
    }

    #[test]
    fn success_that_is_told_already() {
        for (before, after) in [(0, 0), (1, 1), (2, 1), (4, 4), (6, 4), (10, 8)] {
            assert_eq!(Notify::from_bits(before).without_success().bits(), after);
        }
    }

    #[test]
    fn original_recipients() {
        assert!(is_original("rfc822;a+2Bb@c") && is_original("UTF-8;j\u{f8}rn+3D@c") && is_original("utf-8;\\x{F8}@c"));
        for bad in ["rfc822;j\u{f8}rn@c", "utf-8;a b", "utf-8;a\u{85}b", "utf-8;a+b", "a@b", ";a", "x_;a"] {
            assert!(!is_original(bad), "{bad}");
        }
        assert_eq!(original_of("\"a+b c\"@d").as_deref(), Some("rfc822;\"a+2Bb+20c\"@d"));
        assert_eq!(original_of("j\u{f8}rn+x@d").as_deref(), Some("utf-8;j\u{f8}rn+2Bx@d"));
        assert_eq!(original_of(&"x".repeat(500)), None);
        assert_eq!(ascii_original("utf-8;j\u{f8}rn@\u{1f98a}.test"), "utf-8;j\\x{F8}rn@\\x{1F98A}.test");
    }

    #[test]
    fn xtext_is_undone() {
        for (text, plain) in
            [("a+2Bb", Some("a+b")), ("", None), ("+0A", None), ("+2", None), ("+ZZ", None), ("+FF", None)]
        {
            assert_eq!(decoded(text).as_deref(), plain, "{text}");
        }
    }
}

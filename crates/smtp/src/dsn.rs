//! What a sender wants to hear of its message, as parameters of MAIL and RCPT say it (RFC 3461 §4); for both sides.

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
    const NEVER: u32 = 1;
    const SUCCESS: u32 = 2;
    const FAILURE: u32 = 4;
    const DELAY: u32 = 8;

    /// From the bits NEVER 1, SUCCESS 2, FAILURE 4, DELAY 8; 0 when nothing was said. NEVER excludes the others.
    pub const fn from_bits(bits: u32) -> Self {
        Self(if bits & Self::NEVER != 0 { Self::NEVER } else { bits & 15 })
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
                "NEVER" => Self::NEVER,
                "SUCCESS" => Self::SUCCESS,
                "FAILURE" => Self::FAILURE,
                "DELAY" => Self::DELAY,
                _ => return None,
            };
            bits |= bit;
        }
        // RFC 3461 §4.1: NEVER stands alone.
        (bits & Self::NEVER == 0 || bits == Self::NEVER).then_some(Self(bits))
    }

    /// The parameter's value; `None` when nothing was said.
    pub(crate) fn value(self) -> Option<String> {
        if self.0 & Self::NEVER != 0 {
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

/// Whether the text is an original recipient as it stands in ORCPT: a type, a semicolon, the address in xtext.
pub fn is_original(text: &str) -> bool {
    let Some((kind, address)) = text.split_once(';') else { return false };
    let is_atom = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    is_atom && text.len() <= ORIGINAL_BYTES_MAX && is_xtext(address)
}

/// RFC 3461 §4: printable ASCII but `+` and `=`, and `+` with two upper-case hexadecimal digits. RFC 6533 §3 lets UTF-8 stand
/// in the type utf-8; such an address comes with SMTPUTF8 only, and is left out.
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
}

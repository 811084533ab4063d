//! MAIL and RCPT as a client writes them (RFC 5321 §4.1.1.2, .3), with the parameters of the extensions.
//!
//! What comes from elsewhere is checked before it stands in a line: no text can end the line or begin a parameter.

use crate::address::{self, Path};
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

    /// The parameter's value; `None` when nothing was said.
    fn value(self) -> Option<String> {
        if self.0 & Self::NEVER != 0 {
            return Some("NEVER".to_owned());
        }
        let words = [(Self::SUCCESS, "SUCCESS"), (Self::FAILURE, "FAILURE"), (Self::DELAY, "DELAY")];
        let said: Vec<_> = words.into_iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, word)| word).collect();
        (!said.is_empty()).then(|| said.join(","))
    }
}

/// Parameters of MAIL; only what the server offers may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MailParameters<'a> {
    /// SIZE (RFC 1870 §6).
    pub size: Option<u64>,
    /// BODY=8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    /// RET (RFC 3461 §4.3).
    pub ret: Option<ReturnText>,
    /// ENVID (RFC 3461 §4.4), left out when it is empty or none.
    pub envelope_id: &'a str,
}

/// Appends MAIL; `None` when the reverse-path (empty: the null one) cannot stand in a command.
pub fn mail(reverse_path: &str, parameters: &MailParameters<'_>, out: &mut String) -> Option<()> {
    if !reverse_path.is_empty() && !is_mailbox(reverse_path) {
        return None;
    }
    let MailParameters { size, eight_bit, utf8, require_tls, ret, envelope_id } = parameters;
    _ = write!(out, "MAIL FROM:<{reverse_path}>");
    if let Some(size) = size {
        _ = write!(out, " SIZE={size}");
    }
    if *eight_bit {
        out.push_str(" BODY=8BITMIME");
    }
    if *utf8 {
        out.push_str(" SMTPUTF8");
    }
    if *require_tls {
        out.push_str(" REQUIRETLS");
    }
    match ret {
        Some(ReturnText::Full) => out.push_str(" RET=FULL"),
        Some(ReturnText::Headers) => out.push_str(" RET=HDRS"),
        None => {}
    }
    if is_envelope_id(envelope_id) {
        _ = write!(out, " ENVID={envelope_id}");
    }
    out.push_str("\r\n");
    Some(())
}

/// Appends RCPT; `dsn` has what RFC 3461 adds, for a server that offers it. `None` when the address cannot stand in a command.
pub fn rcpt(address: &str, dsn: Option<(Notify, &str)>, out: &mut String) -> Option<()> {
    if !is_mailbox(address) {
        return None;
    }
    _ = write!(out, "RCPT TO:<{address}>");
    if let Some((notify, original)) = dsn {
        if let Some(value) = notify.value() {
            _ = write!(out, " NOTIFY={value}");
        }
        if is_original(original) {
            _ = write!(out, " ORCPT={original}");
        }
    }
    out.push_str("\r\n");
    Some(())
}

/// Whether the text is what a path holds: one mailbox and nothing behind it.
fn is_mailbox(text: &str) -> bool {
    let path = format!("<{text}>");
    matches!(address::parse(&path), Ok((Path::Mailbox(mailbox), "")) if mailbox == text)
}

/// Whether the text is a domain, as EHLO names one.
pub fn is_domain(text: &str) -> bool {
    address::is_domain(text)
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

    fn mail_line(path: &str, parameters: &MailParameters<'_>) -> Option<String> {
        let mut out = String::new();
        mail(path, parameters, &mut out).map(|()| out)
    }

    fn rcpt_line(address: &str, dsn: Option<(Notify, &str)>) -> Option<String> {
        let mut out = String::new();
        rcpt(address, dsn, &mut out).map(|()| out)
    }

    #[test]
    fn commands() {
        assert_eq!(mail_line("", &MailParameters::default()).unwrap(), "MAIL FROM:<>\r\n");
        let all = MailParameters {
            size: Some(7),
            eight_bit: true,
            utf8: true,
            require_tls: true,
            ret: Some(ReturnText::Headers),
            envelope_id: "QQ+2B1",
        };
        assert_eq!(
            mail_line("a@b.example", &all).unwrap(),
            "MAIL FROM:<a@b.example> SIZE=7 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS ENVID=QQ+2B1\r\n"
        );
        assert_eq!(rcpt_line("\"a b\"@c", None).unwrap(), "RCPT TO:<\"a b\"@c>\r\n");
        let dsn = Some((Notify::from_bits(2 | 8), "rfc822;x+2By@z"));
        assert_eq!(rcpt_line("a@c", dsn).unwrap(), "RCPT TO:<a@c> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By@z\r\n");
        assert_eq!(rcpt_line("a@c", Some((Notify::from_bits(3), ""))).unwrap(), "RCPT TO:<a@c> NOTIFY=NEVER\r\n");
        assert_eq!(rcpt_line("a@c", Some((Notify::default(), "x y;z"))).unwrap(), "RCPT TO:<a@c>\r\n");
    }

    #[test]
    fn nothing_breaks_out_of_a_line() {
        for bad in ["a@b>\r\nRSET", "a@b> X=1", "a@b\r\n", "a b@c", "@x:a@b", "postmaster", "a", "a@b\0"] {
            assert_eq!(mail_line(bad, &MailParameters::default()), None, "{bad:?}");
            assert_eq!(rcpt_line(bad, None), None, "{bad:?}");
        }
        assert_eq!(rcpt_line("", None), None);
        for bad in ["", "a b", "a=b", "a+b", "a+2b", "\u{e9}", "a\r\n", &"x".repeat(101)] {
            assert!(!is_envelope_id(bad), "{bad:?}");
        }
        for bad in ["", "a@b", ";a", "rfc822;a b", "rf c;a", &format!("rfc822;{}", "a".repeat(500))] {
            assert!(!is_original(bad), "{bad:?}");
        }
    }

    #[test]
    fn when_the_sender_hears() {
        let told = |bits| {
            let notify = Notify::from_bits(bits);
            (notify.success(), notify.failure(), notify.delay())
        };
        assert_eq!(told(0), (false, true, true));
        assert_eq!(told(1), (false, false, false));
        assert_eq!(told(2), (true, false, false));
        assert_eq!(told(4), (false, true, false));
        assert_eq!(told(4 | 8), (false, true, true));
        assert_eq!(told(1 | 2), (false, false, false));
    }
}

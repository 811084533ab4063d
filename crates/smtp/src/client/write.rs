//! MAIL and RCPT as a client writes them (RFC 5321 §4.1.1.2, .3), with the parameters of the extensions.
//!
//! What comes from elsewhere is checked before it stands in a line: no text can end the line or begin a parameter.

use crate::address::{self, Path};
use crate::dsn::{Notify, ReturnText, is_envelope_id, is_original};
use std::fmt::Write as _;

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

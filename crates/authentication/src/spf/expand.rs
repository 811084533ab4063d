//! Macros filled in (RFC 7208 §7.3).

use super::grammar::{Expand, Letter, MacroString, Part};
use std::fmt::Write as _;
use std::net::IpAddr;

/// What can be filled in.
pub(crate) struct Values<'a> {
    pub(crate) sender: &'a str,
    pub(crate) domain: &'a str,
    pub(crate) ip: IpAddr,
    pub(crate) helo: &'a str,
    pub(crate) host: &'a str,
    pub(crate) validated: &'a str,
    /// Seconds since 1970.
    pub(crate) time: i64,
}

/// Whether the client's validated name is asked for, which takes look-ups.
pub(crate) fn needs_name(text: &MacroString) -> bool {
    text.iter().any(|part| matches!(part, Part::Expand(Expand { letter: Letter::ValidatedName, .. })))
}

/// The text with everything filled in.
pub(crate) fn fill(text: &MacroString, values: &Values<'_>) -> String {
    let mut out = String::new();
    for part in text {
        match part {
            Part::Literal(literal) => out.push_str(literal),
            Part::Expand(expand) => one(expand, values, &mut out),
        }
    }
    out
}

fn one(expand: &Expand, values: &Values<'_>, out: &mut String) {
    let value = values.of(expand.letter);
    let delimiters = if expand.delimiters.is_empty() { "." } else { expand.delimiters.as_str() };
    let mut parts: Vec<&str> = value.split(|c| delimiters.contains(c)).collect();
    if expand.reversed {
        parts.reverse();
    }
    let skipped = parts.len().saturating_sub(expand.parts.unwrap_or(usize::MAX));
    let text = parts.get(skipped..).unwrap_or_default().join(".");
    if expand.escaped {
        escape(&text, out);
    } else {
        out.push_str(&text);
    }
}

/// RFC 3986 §2.3: everything but the unreserved.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            _ = write!(out, "%{byte:02X}");
        }
    }
}

impl Values<'_> {
    fn of(&self, letter: Letter) -> String {
        let (local, domain) = self.sender.rsplit_once('@').unwrap_or(("postmaster", self.sender));
        match letter {
            Letter::Sender => self.sender.to_owned(),
            Letter::Local => local.to_owned(),
            Letter::SenderDomain => domain.to_owned(),
            Letter::Domain => self.domain.to_owned(),
            Letter::Ip => self.dotted(),
            Letter::ValidatedName => self.validated.to_owned(),
            Letter::Version => if self.ip.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
            Letter::Helo => self.helo.to_owned(),
            Letter::ReadableIp => self.ip.to_string(),
            Letter::Host => self.host.to_owned(),
            Letter::Time => self.time.to_string(),
        }
    }

    /// An IPv6 address a digit at a time.
    fn dotted(&self) -> String {
        let IpAddr::V6(address) = self.ip else { return self.ip.to_string() };
        let digits: Vec<String> = address
            .octets()
            .iter()
            .flat_map(|octet| [octet >> 4, octet & 15])
            .map(|digit| format!("{digit:X}"))
            .collect();
        digits.join(".")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spf::grammar::explanation;

    /// The examples of RFC 7208 §7.4.
    #[test]
    fn examples() {
        let mut values = Values {
            sender: "strong-bad@email.example.com",
            domain: "email.example.com",
            ip: "192.0.2.3".parse().unwrap(),
            helo: "mx.example.org",
            host: "receiver",
            validated: "unknown",
            time: 7,
        };
        let filled = |text: &str, values: &Values<'_>| fill(&explanation(text.as_bytes()).unwrap(), values);
        for (text, expected) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l-}", "strong.bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
            ("a%%b%_c%-d %{t} %{r} %{h} %{p}", "a%b c%20d 7 receiver mx.example.org unknown"),
            ("%{S}", "strong-bad%40email.example.com"),
        ] {
            assert_eq!(filled(text, &values), expected, "{text}");
        }
        values.ip = "2001:db8::cb01".parse().unwrap();
        assert_eq!(
            filled("%{ir}.%{v} %{c}", &values),
            "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6 2001:db8::cb01"
        );
    }
}

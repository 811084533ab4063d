//! A name in one form: lower case, A-labels, no final dot.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Octets of a name as text, without the final dot (RFC 1035 §2.3.4: 255 with lengths and root).
pub const NAME_BYTES_MAX: usize = 253;
/// Octets of a label (RFC 1035 §2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a domain name")]
pub struct NameError;

/// A domain name that can be asked for; never the root. Labels may hold what host names may not, such as `_dmarc`, and even
/// spaces (RFC 7208 §7.1 has a macro for them); a name that comes out of an answer has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Box<str>);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This name below labels of the caller's, `_dmarc` or `_25._tcp`.
    ///
    /// # Errors
    /// When it gets too long.
    pub fn child(&self, labels: &str) -> Result<Self, NameError> {
        format!("{labels}.{}", self.0).parse()
    }

    /// What is left without the first label; `None` for a name of one label.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, rest)| Self(rest.into()))
    }

    /// How many labels it has.
    pub fn labels(&self) -> usize {
        self.0.split('.').count()
    }

    /// Whether it is `other` or below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.strip_suffix(&*other.0).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// The name that holds what an address is called (RFC 1035 §3.5, RFC 3596 §2.5).
    pub fn reverse(address: IpAddr) -> Self {
        let zone = if address.to_canonical().is_ipv4() { "in-addr.arpa" } else { "ip6.arpa" };
        Self(reversed(address, zone).into())
    }

    /// The name that a block list holds an address under (RFC 5782 §2.1, §2.4).
    ///
    /// # Errors
    /// When the zone's name is too long for it.
    pub fn reverse_under(address: IpAddr, zone: &Self) -> Result<Self, NameError> {
        reversed(address, &zone.0).parse()
    }
}

fn reversed(address: IpAddr, zone: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(64 + zone.len());
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().iter().rev().for_each(|octet| _ = write!(out, "{octet}.")),
        IpAddr::V6(address) => {
            address.octets().iter().rev().for_each(|octet| _ = write!(out, "{:x}.{:x}.", octet & 15, octet >> 4));
        }
    }
    out + zone
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        // What is over four times the limit is over it in any form.
        if text.len() > 4 * NAME_BYTES_MAX {
            return Err(NameError);
        }
        let name = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii(text).map_err(|_| NameError)?
        };
        let label = |label: &str| {
            (1..=LABEL_BYTES_MAX).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        };
        if name.len() > NAME_BYTES_MAX || !name.split('.').all(label) {
            return Err(NameError);
        }
        Ok(Self(name.into()))
    }
}

impl From<&model::Domain> for Name {
    fn from(domain: &model::Domain) -> Self {
        Self(domain.as_str().into())
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.into()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn one_form() {
        assert_eq!(name("_DMARC.Example.COM.").as_str(), "_dmarc.example.com");
        assert_eq!(name("b\u{fc}cher.example").as_str(), "xn--bcher-kva.example");
        assert_eq!(name("com").as_str(), "com");
        let long = format!("{}.example", "a".repeat(64));
        for bad in ["", ".", "a..b", ".a", "a\tb.example", "a\r\nb", &long, &"a.".repeat(128)] {
            assert_eq!(bad.parse::<Name>(), Err(NameError), "{bad:?}");
        }
        assert_eq!(name(&"a.".repeat(127)[..253]).labels(), 127);
    }

    #[test]
    fn families() {
        let child = name("example.com").child("_25._tcp").unwrap();
        assert_eq!(child.as_str(), "_25._tcp.example.com");
        assert_eq!(child.parent().unwrap().as_str(), "_tcp.example.com");
        assert_eq!(name("com").parent(), None);
        assert!(child.is_within(&name("example.com")) && child.is_within(&child));
        assert!(!name("badexample.com").is_within(&name("example.com")));
        assert!(name("example.com").child(&"a".repeat(64)).is_err());
    }

    #[test]
    fn addresses_backwards() {
        let v4 = "192.0.2.99".parse().unwrap();
        assert_eq!(Name::reverse(v4).as_str(), "99.2.0.192.in-addr.arpa");
        assert_eq!(Name::reverse("::ffff:192.0.2.99".parse().unwrap()), Name::reverse(v4));
        assert_eq!(Name::reverse_under(v4, &name("bl.example")).unwrap().as_str(), "99.2.0.192.bl.example");
        let v6 = "2001:db8:1:2:3:4:567:89ab".parse().unwrap();
        assert_eq!(
            Name::reverse(v6).as_str(),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
        assert!(Name::reverse_under(v6, &name(&"a".repeat(63))).is_ok());
    }
}

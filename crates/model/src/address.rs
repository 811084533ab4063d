//! Addresses, normalised once: lower case, IDNA A-labels for the domain, subaddress split off.

use crate::limits::{DOMAIN_BYTES_MAX, LOCAL_PART_BYTES_MAX};
use std::fmt;
use std::str::FromStr;

/// What separates the local-part from the subaddress (RFC 5233).
pub const SUBADDRESS_SEPARATOR: char = '+';

/// Why a text is not an address that can have a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `@`, or nothing on one side of it.
    #[error("an address has the form local-part@domain")]
    Form,
    /// Over [`LOCAL_PART_BYTES_MAX`] or [`DOMAIN_BYTES_MAX`].
    #[error("the address is too long")]
    TooLong,
    /// The domain is not a host name after IDNA (UTS 46) processing.
    #[error("the domain is not a valid domain name")]
    Domain,
    /// The local-part has a control character, a space, or an `@`.
    #[error("the local-part has a character that is not allowed")]
    LocalPart,
}

/// A domain as lower-case A-labels, without a final dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

impl Domain {
    /// The A-label form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.len() > DOMAIN_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        let ascii = idna::domain_to_ascii_strict(text).map_err(|_| AddressError::Domain)?;
        let labels_fit = ascii.split('.').all(|label| (1..=63).contains(&label.len()));
        if ascii.len() > DOMAIN_BYTES_MAX || !labels_fit {
            return Err(AddressError::Domain);
        }
        Ok(Self(ascii))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A normalised address: what the directory knows an alias by, and the subaddress that came with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local: String,
    domain: Domain,
    subaddress: Option<String>,
}

impl Address {
    /// The local-part without the subaddress, lower case, NFC, unquoted.
    pub fn local(&self) -> &str {
        &self.local
    }
    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }
    /// What followed the first `+`, as it was written.
    pub fn subaddress(&self) -> Option<&str> {
        self.subaddress.as_deref()
    }
    /// The local-part with its subaddress, which is as it was written.
    pub fn whole_local(&self) -> String {
        match &self.subaddress {
            Some(tag) => format!("{}{SUBADDRESS_SEPARATOR}{tag}", self.local),
            None => self.local.clone(),
        }
    }
    /// The alias: `local@domain` without the subaddress.
    pub fn alias(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// From the form in an envelope or at sign-in; a quoted local-part (RFC 5321 §4.1.2) is unquoted.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        use unicode_normalization::UnicodeNormalization;
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::Form)?;
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::Form);
        }
        let local = unquote(local)?;
        if local.is_empty() {
            return Err(AddressError::Form);
        }
        if local.len() > LOCAL_PART_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        let allowed = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '@' | '"' | '<' | '>' | '\\');
        if !local.chars().all(allowed) {
            return Err(AddressError::LocalPart);
        }
        let domain = domain.parse()?;
        let (base, subaddress) = match local.split_once(SUBADDRESS_SEPARATOR) {
            Some((base, tag)) if !base.is_empty() => (base, Some(tag.to_owned())),
            _ => (local.as_str(), None),
        };
        let local: String = base.to_lowercase().nfc().collect();
        let address = Self { local, domain, subaddress };
        // Some characters have a longer form in lower case or NFC, and what is written must be read again.
        if address.whole_local().len() > LOCAL_PART_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        Ok(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.whole_local(), self.domain)
    }
}

fn unquote(local: &str) -> Result<String, AddressError> {
    let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return if local.contains('"') { Err(AddressError::LocalPart) } else { Ok(local.to_owned()) };
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next().ok_or(AddressError::LocalPart)?),
            '"' => return Err(AddressError::LocalPart),
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> String {
        text.parse::<Address>().unwrap().to_string()
    }

    #[test]
    fn one_form_for_many_spellings() {
        assert_eq!(parsed("Ann@Example.COM"), "ann@example.com");
        assert_eq!(parsed("\"ann\"@example.com."), "ann@example.com");
        assert_eq!(parsed("j\u{f8}rn@b\u{fc}cher.example"), "j\u{f8}rn@xn--bcher-kva.example");
        assert_eq!(parsed("a+Tag+x@example.com"), "a+Tag+x@example.com");
        let tagged: Address = "Ann+Lists@example.com".parse().unwrap();
        assert_eq!((tagged.alias().as_str(), tagged.subaddress()), ("ann@example.com", Some("Lists")));
        assert_eq!(parsed("+x@example.com"), "+x@example.com");
    }

    #[test]
    fn bad_ones_say_why() {
        for (bad, why) in [
            ("", AddressError::Form),
            ("ann", AddressError::Form),
            ("@example.com", AddressError::Form),
            ("ann@", AddressError::Form),
            ("\"\"@example.com", AddressError::Form),
            ("a b@example.com", AddressError::LocalPart),
            ("\"a\"b\"@example.com", AddressError::LocalPart),
            ("ann@exa mple.com", AddressError::Domain),
            ("ann@-example.com", AddressError::Domain),
            ("ann@a..b", AddressError::Domain),
        ] {
            assert_eq!(bad.parse::<Address>(), Err(why), "{bad:?}");
        }
        for long in ["x".repeat(65), "\u{130}".repeat(32)] {
            assert_eq!(format!("{long}@example.com").parse::<Address>(), Err(AddressError::TooLong), "{long}");
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in "\\PC{0,20}@[a-zA-Z0-9.\u{e4}\u{f6}-]{1,20}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
        }
    }
}

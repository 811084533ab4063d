//! The message of SASL PLAIN (RFC 4616), which every front-end reads alike.

use crate::Claim;

/// What a message says.
pub enum Plain {
    /// Somebody's name and password.
    Claim(Claim),
    /// Somebody wants to act for somebody else, which nobody may.
    OtherIdentity,
    /// It is none.
    Malformed,
}

impl Plain {
    /// `[authzid] NUL authcid NUL passwd` (RFC 4616 §2), already without its base64.
    pub fn parse(message: &[u8]) -> Self {
        let mut parts = message.splitn(3, |byte| *byte == 0);
        let (Some(as_whom), Some(name), Some(password)) = (parts.next(), parts.next(), parts.next()) else {
            return Self::Malformed;
        };
        if name.is_empty() || password.contains(&0) {
            return Self::Malformed;
        }
        if !as_whom.is_empty() && as_whom != name {
            return Self::OtherIdentity;
        }
        Self::Claim(Claim::new(name, password.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        assert!(matches!(Plain::parse(b"\0a@b.test\0pw"), Plain::Claim(_)));
        assert!(matches!(Plain::parse(b"a@b.test\0a@b.test\0pw"), Plain::Claim(_)));
        assert!(matches!(Plain::parse(b"c@b.test\0a@b.test\0pw"), Plain::OtherIdentity));
        for bad in [&b""[..], b"a", b"\0a", b"\0\0pw", b"\0a\0p\0w"] {
            assert!(matches!(Plain::parse(bad), Plain::Malformed), "{bad:?}");
        }
    }
}

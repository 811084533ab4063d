//! The fields that go in front of a message though they are known only at its end: what was found out about it on the way.

use crate::describe;
use crate::envelope;
use crate::field::Fields;
use crate::limits::PREFIX_BYTES_MAX;

/// Whole fields, each with its CRLF, none of which describes the message: the structure of the message with them is that of
/// the message without, further on ([`Structure::behind`](crate::Structure::behind)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefix(Vec<u8>);

/// Why octets are no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Over [`PREFIX_BYTES_MAX`].
    #[error("the fields in front of a message are more than {PREFIX_BYTES_MAX} octets")]
    TooLong,
    /// A line that is no field, an empty one, or one without CRLF.
    #[error("what goes in front of a message is not made of whole fields")]
    NotFields,
    /// A field that IMAP describes the message by.
    #[error("a field that describes the message cannot be put in front of it")]
    Describes,
}

impl Prefix {
    /// Checks the octets; none at all is the prefix that changes nothing.
    ///
    /// # Errors
    /// [`PrefixError`].
    pub fn new(fields: Vec<u8>) -> Result<Self, PrefixError> {
        if fields.len() > PREFIX_BYTES_MAX {
            return Err(PrefixError::TooLong);
        }
        let mut seen = 0;
        for field in Fields::new(&fields) {
            if field.name.is_empty() || !ends_every_line(field.raw) {
                return Err(PrefixError::NotFields);
            }
            if envelope::names(field.name) || describe::names(field.name) {
                return Err(PrefixError::Describes);
            }
            seen += field.raw.len();
        }
        // The walk ends at an empty line.
        if seen == fields.len() { Ok(Self(fields)) } else { Err(PrefixError::NotFields) }
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Octets.
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// CRLF at the end of every line, and no other CR or LF.
fn ends_every_line(field: &[u8]) -> bool {
    let bare = |line: &[u8]| !line.contains(&b'\r');
    field.split_inclusive(|byte| *byte == b'\n').all(|line| line.strip_suffix(b"\r\n").is_some_and(bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_fields_that_describe_nothing() {
        let fields = b"Return-Path: <>\r\nReceived: from a\r\n\tby b;\r\n\tnow\r\nX-Spam : no\r\n";
        assert_eq!(Prefix::new(fields.to_vec()).unwrap().as_bytes(), fields);
        assert!(Prefix::new(Vec::new()).unwrap().is_empty());
    }

    #[test]
    fn anything_else_is_refused() {
        let refused = |fields: &[u8]| Prefix::new(fields.to_vec()).unwrap_err();
        for fields in [
            b"A: b".as_slice(),
            b"A: b\n",
            b"A: b\r\n\r\n",
            b"A: b\r\n\r\nC: d\r\n",
            b" A: b\r\n",
            b"A b\r\n",
            b"A: b\rc\r\n",
            b"A: b\n c\r\n",
            b"\r\n",
        ] {
            assert_eq!(refused(fields), PrefixError::NotFields, "{fields:?}");
        }
        for name in ["subject", "FROM", "Date", "Message-ID", "Content-Type", "content-id"] {
            assert_eq!(refused(format!("A: b\r\n{name}: x\r\n").as_bytes()), PrefixError::Describes, "{name}");
        }
        let long = [b"A: ".as_slice(), &vec![b'x'; PREFIX_BYTES_MAX], b"\r\n"].concat();
        assert_eq!(refused(&long), PrefixError::TooLong);
    }
}

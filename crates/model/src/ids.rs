//! Identifiers. Random ones are bytes that the caller draws; their text form is lower-case hex.

use std::fmt;
use std::str::FromStr;

/// Why a text or byte string is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct IdError(&'static str);

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Length in bytes; the text form is twice as long.
            pub const LEN: usize = $bytes;

            /// From bytes that the caller drew at random.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;
            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                bytes.try_into().map(Self).map_err(|_| IdError($what))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; $bytes];
                decode_hex(text, &mut bytes).then_some(Self(bytes)).ok_or(IdError($what))
            }
        }
    };
}

random_id!(
    /// A mailbox, and the stem of its file's name: 24 hex digits.
    MailboxId, 12, "mailbox id"
);
random_id!(
    /// One SMTP transaction's delivery; the same in every retry, so that a retry makes no second copy.
    DeliveryId, 16, "delivery id"
);
random_id!(
    /// One message that is put into a queue; the same in every retry, so that it is taken once.
    EnqueueId, 16, "enqueue id"
);
random_id!(
    /// A queue file, and the stem of its name: 24 hex digits. Its first octet is its number on its node.
    QueueId, 12, "queue id"
);
random_id!(
    /// One snapshot of a file, as its backup is named.
    SnapshotId, 12, "snapshot id"
);
random_id!(
    /// One credential of an alias.
    CredentialId, 8, "credential id"
);
random_id!(
    /// Names one change that may be asked for again after a broken link (APPEND, COPY, CREATE).
    Token, 16, "request token"
);

random_id!(
    /// A program that is called with mail.
    WebhookId, 12, "webhook id"
);

fn decode_hex(text: &str, into: &mut [u8]) -> bool {
    fn digit(byte: u8) -> Option<u8> {
        match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        }
    }
    let text = text.as_bytes();
    text.len() == into.len() * 2
        && into.iter_mut().zip(text.chunks_exact(2)).all(|(byte, pair)| {
            digit(pair[0]).zip(digit(pair[1])).is_some_and(|(high, low)| {
                *byte = high << 4 | low;
                true
            })
        })
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The label's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let fits = (1..=crate::limits::LABEL_BYTES_MAX).contains(&text.len());
                let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_'));
                (fits && plain).then(|| Self(text.to_owned())).ok_or(IdError($what))
            }
        }
    };
}

label!(
    /// A storage node: a short label that the operator chose.
    NodeId, "node id"
);
label!(
    /// An account, which owns aliases.
    AccountId, "account id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_rejects_everything_else() {
        let id = MailboxId::from_bytes([0, 1, 2, 3, 0xfe, 0xff, 6, 7, 8, 9, 10, 11]);
        assert_eq!(id.to_string(), "00010203feff060708090a0b");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "00", "00010203FEFF060708090a0b", "00010203feff060708090a0bb", "zz010203feff060708090a0b"] {
            assert!(bad.parse::<MailboxId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn labels_hold_no_path_and_no_space() {
        assert!("node-1".parse::<NodeId>().is_ok());
        for bad in ["", "a/b", "a b", "Ä", "A", &"x".repeat(65)] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad:?}");
        }
    }
}

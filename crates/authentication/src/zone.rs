//! Whether a TXT record is what a check takes it for, by itself: for the fuzzer, whose resolver finds none.

use crate::keys::{domain_key, policy};
use crate::spf::grammar;
use mail_auth::Txt;

/// An SPF record (RFC 7208 §12).
pub fn is_spf(record: &[u8]) -> bool {
    grammar::Record::parse(record).is_ok()
}

/// The text that an SPF record's `exp=` leads to (RFC 7208 §6.2).
pub fn is_explanation(record: &[u8]) -> bool {
    grammar::explanation(record).is_ok()
}

/// A key of DKIM's, and the bits that it says it has (RFC 6376 §3.6.1).
pub fn key_bits(record: &[u8]) -> Option<usize> {
    match domain_key(&[record.to_vec()]) {
        Txt::DomainKey(key) => Some(key.p.public_key_bits()),
        _ => None,
    }
}

/// A policy of DMARC's (RFC 9989 §4.7).
pub fn is_policy(record: &[u8]) -> bool {
    matches!(policy(&[record.to_vec()]), Txt::Dmarc(_))
}

//! Whether a wildcard may stand behind a record (RFC 4035 §5.3.4), where the library sees no proof.
//!
//! The library reads the denials of an answer for the name that was asked alone, and wants a record of its own to cover the
//! wildcard. So it takes a good answer for a forged one when a CNAME leads to what is denied, and when the record that
//! denies the name is the wildcard's. What it verified of each record set still holds; this is what is left to show.

use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::dnssec::rdata::{DNSSECRData, NSEC};
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::{Name, RData, Record};

/// Whether what stands at the name was signed for the name itself, or for a wildcard that no closer name hides.
pub(crate) fn is_proven(message: &Message, name: &Name) -> bool {
    let signed = message.answers.iter().filter(|record| record.name == *name).filter_map(signed_labels);
    // Of several signatures the one that was made furthest up needs the most to be shown.
    let Some(labels) = signed.min().filter(|labels| *labels < name.num_labels()) else { return true };
    message.authorities.iter().filter_map(denial).any(|(owner, denial)| {
        let next = denial.next_domain_name();
        // RFC 4034 §6.1: names are in order, and the last one points to the zone's own.
        let covers = owner < name && (name < next || (next <= owner && next.zone_of(name)));
        let encloser = common_labels(owner, name).max(common_labels(next, name));
        covers && encloser == labels
    })
}

/// Labels of the name that a signature was made for (RFC 4034 §3.1.3).
fn signed_labels(record: &Record) -> Option<u8> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(rrsig)) => Some(rrsig.input().num_labels),
        _ => None,
    }
}

fn denial(record: &Record) -> Option<(&Name, &NSEC)> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC(nsec)) if record.proof == Proof::Secure => Some((&record.name, nsec)),
        _ => None,
    }
}

/// Labels that two names share from the root on.
fn common_labels(one: &Name, other: &Name) -> u8 {
    let shared = one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one.eq_ignore_ascii_case(other));
    u8::try_from(shared.count()).unwrap_or(u8::MAX)
}

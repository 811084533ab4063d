//! What a header shows: fields that every program of people writes, and names that are not what they seem.

use super::names;
use crate::policy::Reason;
use dns::Name;
use message::Summary;
use message::text::field_values;

/// What each sign counts.
const NO_FROM: f64 = 3.0;
const SEVERAL_FROM: f64 = 3.0;
const NO_DATE: f64 = 1.0;
const NO_MESSAGE_ID: f64 = 0.5;
const REPEATED: f64 = 1.0;
const NAME_IS_ADDRESS: f64 = 2.5;

/// Of a message's top header.
pub fn signs(header: &[u8], summary: &Summary, ours: &[String]) -> Vec<Reason> {
    let mut signs: Vec<Reason> = Vec::new();
    let mut note = |is: bool, name: &'static str, points: f64| {
        if is {
            signs.push((name.into(), points));
        }
    };
    let from = field_values(header, "From");
    note(from.is_empty(), "no-from", NO_FROM);
    note(from.len() > 1, "several-from", SEVERAL_FROM);
    note(summary.sent.is_none(), "no-date", NO_DATE);
    note(summary.message_id.is_none(), "no-message-id", NO_MESSAGE_ID);
    // RFC 5322 §3.6: each at most once.
    let repeated = ["Subject", "Date", "To", "Message-ID"].iter().any(|name| field_values(header, name).len() > 1);
    note(repeated, "repeated-field", REPEATED);
    if let Some(from) = from.first() {
        let (name, address) = from.rsplit_once('<').unwrap_or(("", from));
        let domain = address.trim().trim_end_matches('>').rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
        note(names_another(name, &domain), "name-is-another-address", NAME_IS_ADDRESS);
        // What is no name, be it for its length, is taken for none.
        let sign = domain.parse::<Name>().ok().and_then(|domain| names::sign(domain.as_str(), ours));
        if let Some((name, points)) = sign {
            note(true, name, points);
        }
    }
    signs
}

/// Whether a display name holds an address of another domain.
fn names_another(name: &str, domain: &str) -> bool {
    let words = name.split(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '(' | ')' | ',' | '\''));
    let mut domains = words.filter_map(|word| word.split_once('@')).map(|(_, domain)| domain.to_ascii_lowercase());
    domains.any(|named| named.contains('.') && named != domain)
}

//! The author of a message that is forwarded: whether the policy of the author's domain would have the copy refused, and the
//! From that is written then.

use crate::limits::DMARC_LABELS_MAX;
use dns::{Name, Resolver};
use message::select_fields;
use message::text::field_values;

/// Whether DMARC would break: the domain has a policy, and no signature of its own is there to survive. SPF never does.
pub async fn is_broken_by_forwarding(resolver: &Resolver, header: &[u8]) -> bool {
    if !resolver.is_enabled() {
        return false;
    }
    let from = field_values(header, "From");
    let Some(domain) = from.first().and_then(|from| domain_of(from)) else { return false };
    let signed = field_values(header, "DKIM-Signature").iter().any(|field| {
        signing_domain(field).is_some_and(|signer| signer.is_within(&domain) || domain.is_within(&signer))
    });
    !signed && has_policy(resolver, domain).await
}

fn domain_of(from: &str) -> Option<Name> {
    let address = from.rsplit_once('<').map_or(from, |(_, address)| address);
    address.trim().trim_end_matches('>').rsplit_once('@')?.1.trim().parse().ok()
}

/// The value of `d=`.
fn signing_domain(signature: &str) -> Option<Name> {
    let mut tags = signature.split(';').filter_map(|tag| tag.split_once('='));
    tags.find(|(name, _)| name.trim().eq_ignore_ascii_case("d"))?.1.trim().parse().ok()
}

/// Whether the domain, or one above it, asks for quarantine or reject (RFC 9989 §4.10: the nearest record counts).
async fn has_policy(resolver: &Resolver, domain: Name) -> bool {
    let mut at = Some(domain.clone());
    for _ in 0..DMARC_LABELS_MAX {
        let Some(name) = at.filter(|name| name.labels() > 1) else { return false };
        if let Ok(place) = name.child("_dmarc")
            && let Ok(answer) = resolver.txt(&place).await
            && let Some(record) = answer.records.iter().find_map(|record| dmarc_record(record))
        {
            return asks(&record, name != domain);
        }
        at = name.parent();
    }
    false
}

fn dmarc_record(record: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(record);
    text.trim_start().to_ascii_lowercase().starts_with("v=dmarc1").then(|| text.to_ascii_lowercase())
}

fn asks(record: &str, below: bool) -> bool {
    let tag = |wanted: &str| {
        let mut tags = record.split(';').filter_map(|tag| tag.split_once('='));
        tags.find(|(name, _)| name.trim() == wanted).map(|(_, value)| value.trim().to_owned())
    };
    let policy = if below { tag("sp").or_else(|| tag("p")) } else { tag("p") };
    matches!(policy.as_deref(), Some("quarantine" | "reject"))
}

/// The header with the recipient in From, and the author in the display name, in Reply-To where there was none, and in
/// X-Original-From.
pub fn rewritten(header: &[u8], address: &str, domain: &str) -> Vec<u8> {
    let from = String::from_utf8_lossy(&select_fields(header, &["From"], false)).into_owned();
    let from = from.split_once(':').map_or("", |(_, value)| value).replace(['\r', '\n'], "");
    let from = from.trim();
    let (name, author) = match from.rsplit_once('<') {
        Some((name, author)) => (name.trim(), author.trim_end_matches('>').trim()),
        None => ("", from),
    };
    // A name of the author's own making is kept as it is written; without one, the address stands for it.
    let name = if name.is_empty() {
        let shown: String =
            author.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\' | '<' | '>')).collect();
        format!("\"{}\"", shown.replace('@', " at "))
    } else {
        name.to_owned()
    };
    let mut out = format!("From: {name}\r\n via \"{domain}\" <{address}>\r\n");
    if field_values(header, "Reply-To").is_empty() {
        out.push_str(&format!("Reply-To: {from}\r\n"));
    }
    out.push_str(&format!("X-Original-From: {from}\r\n"));
    let mut out = out.into_bytes();
    out.extend(select_fields(header, &["From"], true));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_is_written_anew() {
        let header = b"Received: x\r\nFrom: \"Ann B.\"\r\n <ann@example.org>\r\nTo: c@d\r\n\r\n";
        assert_eq!(
            String::from_utf8(rewritten(header, "list@example.com", "example.com")).unwrap(),
            "From: \"Ann B.\"\r\n via \"example.com\" <list@example.com>\r\nReply-To: \"Ann B.\" <ann@example.org>\r\n\
             X-Original-From: \"Ann B.\" <ann@example.org>\r\nReceived: x\r\nTo: c@d\r\n\r\n"
        );
        let bare = b"from: ann@example.org\r\nreply-to: x@y\r\n\r\n";
        assert_eq!(
            String::from_utf8(rewritten(bare, "list@example.com", "example.com")).unwrap(),
            "From: \"ann at example.org\"\r\n via \"example.com\" <list@example.com>\r\n\
             X-Original-From: ann@example.org\r\nreply-to: x@y\r\n\r\n"
        );
    }

    #[test]
    fn records_and_signatures() {
        assert!(asks("v=dmarc1; p=reject", false) && asks("v=dmarc1;p=none; sp=quarantine", true));
        assert!(!asks("v=dmarc1; p=none", false) && !asks("v=dmarc1; sp=reject; p=none", false));
        assert_eq!(dmarc_record(b"v=spf1 -all"), None);
        assert_eq!(signing_domain("v=1; a=x; d=Example.org; s=y").unwrap().as_str(), "example.org");
        assert_eq!(domain_of("Ann <ann@Example.org>").unwrap().as_str(), "example.org");
    }
}

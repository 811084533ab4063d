//! The author of a message that is forwarded: whether the policy of the author's domain would have the copy refused, and the
//! From that is written then.

use crate::limits::DMARC_LABELS_MAX;
use dns::{Name, Resolver};
use memchr::memmem;
use message::select_fields;
use message::text::field_values;

/// Characters of a name in From: any more would be an attack on who reads it.
const NAME_CHARS_MAX: usize = 150;
/// Octets of a line without its CRLF (RFC 5322 §2.1.1); other hosts may refuse longer ones.
const LINE_BYTES_MAX: usize = 998;

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

/// The header with its empty line; all of it where it has none.
pub fn header_of(text: &[u8]) -> &[u8] {
    let end = if text.starts_with(b"\r\n") { Some(2) } else { memmem::find(text, b"\r\n\r\n").map(|at| at + 4) };
    text.get(..end.unwrap_or(text.len())).unwrap_or(text)
}

/// A header, and what follows it as it is, with the recipient in From, and the author in the display name, in Reply-To where
/// there was none, and in X-Original-From. The author's own lines keep their folds.
pub fn rewritten(text: &[u8], address: &str, domain: &str) -> Vec<u8> {
    let (header, rest) = text.split_at(header_of(text).len());
    let from = select_fields(header, &["From"], false);
    // Of several the first counts, as for `is_broken_by_forwarding`.
    let from = from.splitn(2, |octet| *octet == b':').nth(1).map(first_value).unwrap_or_default();
    let name = display_name(&String::from_utf8_lossy(from).replace(['\r', '\n'], ""));
    let mut out = format!("From: {name}\r\n via \"{domain}\" <{address}>\r\n").into_bytes();
    if field_values(header, "Reply-To").is_empty() {
        push_field("Reply-To", from, &mut out);
    }
    push_field("X-Original-From", from, &mut out);
    out.extend(select_fields(header, &["From"], true));
    out.extend_from_slice(rest);
    out
}

/// The value that these octets begin with, its folds in it, without its last line end.
fn first_value(octets: &[u8]) -> &[u8] {
    let is_end = |at: &usize| !matches!(octets.get(at + 2), Some(b' ' | b'\t'));
    let end = memmem::find_iter(octets, b"\r\n").find(is_end).unwrap_or(octets.len());
    octets.get(..end).unwrap_or_default()
}

fn push_field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let first_line = memmem::find(value, b"\r\n").unwrap_or(value.len());
    if name.len() + 1 + first_line > LINE_BYTES_MAX {
        out.extend_from_slice(b"\r\n");
    }
    if !value.starts_with(b" ") {
        out.push(b' ');
    }
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The author's name as it is written, where it can stand in front of another address; else all of From, as a name.
fn display_name(from: &str) -> String {
    let from = from.trim();
    match from.rsplit_once('<') {
        Some((name, _)) if is_phrase(name.trim()) => name.trim().to_owned(),
        Some(_) | None => {
            let shown: String = from
                .replace('@', " at ")
                .chars()
                .filter(|c| !c.is_control() && !matches!(c, '"' | '\\' | '<' | '>'))
                .collect();
            format!("\"{}\"", shown.chars().take(NAME_CHARS_MAX).collect::<String>().trim_end())
        }
    }
}

/// Whether it is words and quoted strings alone (RFC 5322 §3.2.5, with the dots of §4.1), and no longer than names are.
fn is_phrase(name: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for c in name.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | ')' | '<' | '>' | '[' | ']' | ':' | ';' | '@' | '\\' | ',' if !quoted => return false,
            c if c.is_control() && c != '\t' => return false,
            _ => {}
        }
    }
    !name.is_empty() && !quoted && name.chars().count() <= NAME_CHARS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_is_written_anew() {
        let header = b"Received: x\r\nFrom: \"Ann B.\"\r\n <ann@example.org>\r\nTo: c@d\r\n\r\n";
        assert_eq!(
            String::from_utf8(rewritten(header, "list@example.com", "example.com")).unwrap(),
            "From: \"Ann B.\"\r\n via \"example.com\" <list@example.com>\r\nReply-To: \"Ann B.\"\r\n <ann@example.org>\r\n\
             X-Original-From: \"Ann B.\"\r\n <ann@example.org>\r\nReceived: x\r\nTo: c@d\r\n\r\n"
        );
        let bare = b"from: ann@example.org\r\nreply-to: x@y\r\n\r\n";
        assert_eq!(
            String::from_utf8(rewritten(bare, "list@example.com", "example.com")).unwrap(),
            "From: \"ann at example.org\"\r\n via \"example.com\" <list@example.com>\r\n\
             X-Original-From: ann@example.org\r\nreply-to: x@y\r\n\r\n"
        );
    }

    #[test]
    fn what_follows_the_header_stays() {
        let text = b"From: Ann <ann@example.org>\r\nTo: c@d\r\n\r\nFrom: body\r\n\r\nand more";
        assert_eq!(
            String::from_utf8(rewritten(text, "list@example.com", "example.com")).unwrap(),
            "From: Ann\r\n via \"example.com\" <list@example.com>\r\nReply-To: Ann <ann@example.org>\r\n\
             X-Original-From: Ann <ann@example.org>\r\nTo: c@d\r\n\r\nFrom: body\r\n\r\nand more"
        );
    }

    #[test]
    fn there_is_one_author_whatever_the_old_name_was() {
        let first = |from: &str| {
            let header = format!("From: {from}\r\nReply-To: x@y\r\n\r\n");
            let written = String::from_utf8(rewritten(header.as_bytes(), "list@example.com", "example.com")).unwrap();
            written.split_once("\r\n via \"example.com\" <list@example.com>\r\n").unwrap().0.to_owned()
        };
        for (from, name) in [
            ("Ann B. <a@b>", "Ann B."),
            ("\"B, Ann \\\" <x>\" <a@b>", "\"B, Ann \\\" <x>\""),
            ("=?utf-8?q?J=C3=B8rn?= <a@b>", "=?utf-8?q?J=C3=B8rn?="),
            ("boss@bank.test, x <a@b>", "\"boss at bank.test, x a at b\""),
            ("\"Ann <a@b>", "\"Ann a at b\""),
            ("Ann (at home <a@b>", "\"Ann (at home a at b\""),
            ("x@y\r\nFrom: z@w", "\"x at y\""),
        ] {
            assert_eq!(first(from), format!("From: {name}"), "{from}");
        }
        assert!(first(&format!("{} <a@b>", "x".repeat(2_000))).len() < 200);
    }

    #[test]
    fn no_line_grows_beyond_what_smtp_has() {
        let recipients = "a@example.org,\r\n ".repeat(200);
        let header = format!("From: {recipients}b@example.org\r\n\r\n");
        let written = rewritten(header.as_bytes(), "list@example.com", "example.com");
        assert!(written.split(|octet| *octet == b'\n').all(|line| line.len() < 998));
        let header = format!("From:<{}@example.org>\r\n\r\n", "a".repeat(978));
        let written = rewritten(header.as_bytes(), "list@example.com", "example.com");
        assert!(written.split(|octet| *octet == b'\n').all(|line| line.len() <= 999));
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

//! Paths of the envelope (RFC 5321 §4.1.2, RFC 6531 §3.3); whether a mailbox exists is for others to say.

use crate::limits::PATH_BYTES_MAX;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A reverse-path or forward-path, without its angle brackets and source route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// `<>`, the reverse-path of notifications.
    Null,
    /// `<Postmaster>` without a domain, which every host takes (RFC 5321 §4.5.1).
    Postmaster,
    /// Local-part and domain, as they were written: `local@domain`.
    Mailbox(String),
}

impl Path {
    /// As it was written, `<>` being the empty text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Null => "",
            Self::Postmaster => "postmaster",
            Self::Mailbox(text) => text,
        }
    }

    /// Whether it can be said without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.as_str().is_ascii()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.as_str())
    }
}

/// Why a text is not a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not stand in angle brackets.
    #[error("a path stands in angle brackets")]
    Brackets,
    /// Over [`PATH_BYTES_MAX`].
    #[error("the path is too long")]
    TooLong,
    /// The source route is not `@domain,@domain:`.
    #[error("the source route is malformed")]
    Route,
    /// The local-part is empty, or has a character that must be quoted.
    #[error("the local-part is malformed")]
    LocalPart,
    /// Not a domain and not an address literal.
    #[error("the domain is malformed")]
    Domain,
}

/// The path at the head of `text`, and what follows it.
pub fn parse(text: &str) -> Result<(Path, &str), PathError> {
    let inner = text.strip_prefix('<').ok_or(PathError::Brackets)?;
    let inner = skip_route(inner)?;
    if let Some(rest) = inner.strip_prefix('>') {
        return Ok((Path::Null, rest));
    }
    let after_local = skip_local(inner)?;
    let local_len = inner.len() - after_local.len();
    if let Some(rest) = after_local.strip_prefix('>') {
        let alone = inner.get(..local_len).is_some_and(|local| local.eq_ignore_ascii_case("postmaster"));
        return if alone { Ok((Path::Postmaster, rest)) } else { Err(PathError::Domain) };
    }
    let domain = after_local.strip_prefix('@').ok_or(PathError::LocalPart)?;
    let (domain, rest) = domain.split_once('>').ok_or(PathError::Brackets)?;
    if !is_domain(domain) && !is_literal(domain) {
        return Err(PathError::Domain);
    }
    if text.len() - rest.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    let mailbox = inner.get(..local_len + 1 + domain.len()).unwrap_or_default();
    Ok((Path::Mailbox(mailbox.to_owned()), rest))
}

/// RFC 5321 §4.1.1.3 and appendix C: a source route is accepted and ignored.
fn skip_route(text: &str) -> Result<&str, PathError> {
    if !text.starts_with('@') {
        return Ok(text);
    }
    let (route, rest) = text.split_once(':').ok_or(PathError::Route)?;
    let well_formed = route.split(',').all(|hop| hop.strip_prefix('@').is_some_and(is_domain));
    if well_formed { Ok(rest) } else { Err(PathError::Route) }
}

/// What follows the local-part at the head of `text`.
fn skip_local(text: &str) -> Result<&str, PathError> {
    if let Some(quoted) = text.strip_prefix('"') {
        return skip_quoted(quoted);
    }
    // Dot-string asks for atoms between the dots. Some providers have given out addresses with two dots in a row or one at
    // the end, and their owners write: dots are taken wherever they stand.
    let rest = text.trim_start_matches(|c: char| is_atext(c) || c == '.');
    if rest.len() == text.len() { Err(PathError::LocalPart) } else { Ok(rest) }
}

/// What follows a Quoted-string whose opening quote is gone; `"@` inside it does not end the local-part.
fn skip_quoted(text: &str) -> Result<&str, PathError> {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(chars.as_str()),
            '\\' if !chars.next().is_some_and(|c| matches!(c, ' '..='~')) => return Err(PathError::LocalPart),
            c if c.is_control() => return Err(PathError::LocalPart),
            _ => {}
        }
    }
    Err(PathError::LocalPart)
}

/// RFC 5322 §3.2.3 atext, and UTF8-non-ascii (RFC 6531 §3.3).
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
}

/// A domain of labels; A-labels, U-labels, and the underscore that some hosts have.
pub(crate) fn is_domain(text: &str) -> bool {
    let in_label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || (!c.is_ascii() && !c.is_control());
    text.split('.').all(|label| {
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(in_label)
    })
}

/// RFC 5321 §4.1.3.
pub(crate) fn is_literal(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else { return false };
    if inner.parse::<Ipv4Addr>().is_ok() {
        return true;
    }
    let Some((tag, content)) = inner.split_once(':') else { return false };
    if tag.eq_ignore_ascii_case("IPv6") {
        return content.parse::<Ipv6Addr>().is_ok();
    }
    let ldh = !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    ldh && !content.is_empty() && content.bytes().all(|b| matches!(b, 33..=90 | 94..=126))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (text, path, rest) in [
            ("<>", Path::Null, ""),
            ("<> SIZE=1", Path::Null, " SIZE=1"),
            ("<PostMaster>", Path::Postmaster, ""),
            ("<a@b.example>", Path::Mailbox("a@b.example".into()), ""),
            ("<@x.example,@y:a@b>x", Path::Mailbox("a@b".into()), "x"),
            ("<\"a>@\\\" b\"@b.example>", Path::Mailbox("\"a>@\\\" b\"@b.example".into()), ""),
            ("<a@[192.0.2.1]>", Path::Mailbox("a@[192.0.2.1]".into()), ""),
            ("<a@[IPv6:2001:db8::1]>", Path::Mailbox("a@[IPv6:2001:db8::1]".into()), ""),
            ("<j\u{f8}rn@b\u{fc}cher.example>", Path::Mailbox("j\u{f8}rn@b\u{fc}cher.example".into()), ""),
            ("<a..b.@example.jp>", Path::Mailbox("a..b.@example.jp".into()), ""),
        ] {
            assert_eq!(parse(text), Ok((path, rest)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_path_says_why() {
        for (text, why) in [
            ("a@b", PathError::Brackets),
            ("<a@b", PathError::Brackets),
            ("<", PathError::LocalPart),
            ("<a", PathError::LocalPart),
            ("<a>", PathError::Domain),
            ("<a@>", PathError::Domain),
            ("<@b>", PathError::Route),
            ("<@x,y:a@b>", PathError::Route),
            ("<a b@c>", PathError::LocalPart),
            ("<a(c)@b>", PathError::LocalPart),
            ("<\"a@b>", PathError::LocalPart),
            ("<\"a\"x@b>", PathError::LocalPart),
            ("<a@b@c>", PathError::Domain),
            ("<a@-b>", PathError::Domain),
            ("<a@b..c>", PathError::Domain),
            ("<a@[300.1.1.1]>", PathError::Domain),
            ("<a@[IPv6:1]>", PathError::Domain),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
        assert_eq!(parse(&format!("<{}@b>", "a".repeat(PATH_BYTES_MAX))), Err(PathError::TooLong));
    }
}

//! The patterns of LIST and LSUB: which names they mean (RFC 3501 §6.3.8). What is listed of those is `rows`.

use crate::codec::name;
use model::folder::{INBOX, SEPARATOR};
use std::borrow::Cow;

/// Octets of a pattern that are matched; no folder's name is longer.
const PATTERN_BYTES_MAX: usize = model::limits::FOLDER_NAME_BYTES_MAX;

/// A pattern of LIST with its reference before it; matches names in UTF-8.
pub struct Pattern {
    chars: Vec<char>,
    /// What every name that matches begins with.
    start: String,
}

impl Pattern {
    /// `None` when nothing can match.
    pub fn new(reference: &[u8], pattern: &[u8], utf8: bool) -> Option<Self> {
        // A pattern that starts with the separator leaves the reference aside (RFC 3501 §6.3.8).
        let rooted = pattern.first() == Some(&(SEPARATOR as u8));
        let pattern = if rooted { Cow::Borrowed(pattern) } else { Cow::Owned([reference, pattern].concat()) };
        if pattern.len() > PATTERN_BYTES_MAX {
            return None;
        }
        // Wildcards are ASCII and stand outside of what modified UTF-7 shifts, so the pattern decodes like a name.
        let decoded = unicode_form(&name::decode(&pattern, utf8)?);
        // INBOX is the one name without case (RFC 3501 §5.1).
        let (first, rest) = decoded.split_at(decoded.find(SEPARATOR).unwrap_or(decoded.len()));
        let first = if first.eq_ignore_ascii_case(INBOX) { INBOX } else { first };
        Some(Self::of(&format!("{first}{rest}")))
    }

    fn of(pattern: &str) -> Self {
        let literal = pattern.find(['*', '%']).unwrap_or(pattern.len());
        Self { chars: pattern.chars().collect(), start: pattern.get(..literal).unwrap_or_default().to_owned() }
    }

    /// Whether the whole name matches: `*` is anything, `%` anything within a level. Time is at most the product of both
    /// lengths: one row of the table of prefixes is kept. Most names of a large mailbox do not get that far.
    pub fn matches(&self, name: &str) -> bool {
        (name.starts_with(&self.start) && self.matches_exactly(name)) || (name == INBOX && self.matches_inbox())
    }

    fn matches_inbox(&self) -> bool {
        let upper = Self { chars: self.chars.iter().map(char::to_ascii_uppercase).collect(), start: String::new() };
        upper.matches_exactly(INBOX)
    }

    fn matches_exactly(&self, name: &str) -> bool {
        // reached[p]: the name so far matches the first p characters of the pattern.
        let mut reached = vec![false; self.chars.len() + 1];
        if let Some(start) = reached.first_mut() {
            *start = true;
        }
        self.pass_wildcards(&mut reached);
        let mut next = vec![false; reached.len()];
        for c in name.chars() {
            next.fill(false);
            for ((at, &wanted), _) in self.chars.iter().enumerate().zip(&reached).filter(|(_, here)| **here) {
                let to = match wanted {
                    '*' => at,
                    '%' if c != SEPARATOR => at,
                    wanted if wanted == c && wanted != '%' => at + 1,
                    _ => continue,
                };
                if let Some(cell) = next.get_mut(to) {
                    *cell = true;
                }
            }
            self.pass_wildcards(&mut next);
            std::mem::swap(&mut reached, &mut next);
        }
        reached.last() == Some(&true)
    }

    /// A wildcard may also stand for nothing.
    fn pass_wildcards(&self, reached: &mut [bool]) {
        for (at, &wanted) in self.chars.iter().enumerate() {
            if matches!(wanted, '*' | '%')
                && reached.get(at) == Some(&true)
                && let Some(cell) = reached.get_mut(at + 1)
            {
                *cell = true;
            }
        }
    }
}

/// Names are kept in NFC; so that a pattern finds what was made with it, it takes the same form.
fn unicode_form(pattern: &str) -> String {
    // FolderName takes no wildcards, so the pieces between them are normalised one by one.
    let mut out = String::with_capacity(pattern.len());
    for piece in pattern.split_inclusive(['*', '%', SEPARATOR]) {
        let (text, end) = piece.split_at(piece.trim_end_matches(['*', '%', SEPARATOR]).len());
        match model::FolderName::parse(text) {
            Ok(name) if !text.eq_ignore_ascii_case(INBOX) => out.push_str(name.as_str()),
            _ => out.push_str(text),
        }
        out.push_str(end);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(b"", pattern.as_bytes(), false).is_some_and(|pattern| pattern.matches(name))
    }

    #[test]
    fn wildcards() {
        for (pattern, name, expected) in [
            ("*", "a/b/c", true),
            ("%", "a", true),
            ("%", "a/b", false),
            ("%/%", "a/b", true),
            ("%/%", "a/b/c", false),
            ("a*c", "a/b/c", true),
            ("a%c", "a/c", false),
            ("a%c", "abc", true),
            ("a*", "a", true),
            ("a/*", "a", false),
            ("inbox", "INBOX", true),
            ("InB*", "INBOX", true),
            ("inbox/%", "INBOX/x", true),
            ("Entw&APw-rfe", "Entwürfe", true),
            ("Entw&AHUDCA-rfe", "Entwürfe", false),
            ("**", "", true),
            ("", "a", false),
            ("A", "a", false),
            ("%", "INBOX", true),
            ("%box", "INBOX", true),
            ("inbox*", "INBOXes", false),
            ("a%/c", "a/b/c", false),
            ("*%", "a/b", true),
            ("%*c", "a/b/c", true),
            ("/*", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn the_reference_stands_before() {
        let with = |reference: &str, pattern: &str, name: &str| {
            Pattern::new(reference.as_bytes(), pattern.as_bytes(), false).is_some_and(|pattern| pattern.matches(name))
        };
        assert!(with("a/", "%", "a/b"));
        assert!(!with("a/", "/b", "a/b"));
        assert!(with("a", "/b", "/b"));
        assert!(!with("", "&bad", "&bad"));
    }

    #[test]
    fn utf8_where_it_is_agreed_on() {
        let matches = |pattern: &str, name: &str| {
            Pattern::new(b"", pattern.as_bytes(), true).is_some_and(|pattern| pattern.matches(name))
        };
        assert!(matches("Entw\u{fc}%", "Entw\u{fc}rfe"));
        assert!(matches("Entwu\u{308}%", "Entw\u{fc}rfe"));
        assert!(matches("a&b", "a&b"));
        assert!(!matches("Entw&APw-rfe", "Entw\u{fc}rfe"));
    }

    #[test]
    fn many_wildcards_cost_no_exponential_time() {
        assert!(!matches(&"*a".repeat(400), &"a".repeat(399)));
    }
}

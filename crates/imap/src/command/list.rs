//! LIST (RFC 3501 §6.3.8), with the attributes of CHILDREN (RFC 3348) and SPECIAL-USE (RFC 6154).

use crate::codec::cursor::{Cursor, Parsed};
use crate::codec::{mutf7, writer};
use crate::session::Session;
use crate::session::answer::{Answer, Outcome, Stop};
use model::folder::{INBOX, SEPARATOR};
use std::borrow::Cow;
use std::collections::HashSet;
use wire::session::{Folder, Folders};

/// Octets of a pattern that are matched; no folder's name is longer.
const PATTERN_BYTES_MAX: usize = model::limits::FOLDER_NAME_BYTES_MAX;

/// LIST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// What stands before every name.
    pub reference: Vec<u8>,
    /// The pattern.
    pub pattern: Vec<u8>,
}

impl List {
    /// Reads the reference and the pattern.
    ///
    /// # Errors
    /// One is missing or malformed.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let (reference, pattern) = arguments(cursor)?;
        Ok(Self { reference, pattern })
    }

    /// Lists the folders that match.
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let account = session.account()?;
        if self.pattern.is_empty() {
            // RFC 3501 §6.3.8: asks for the separator and the root of the reference.
            session.connection.out.extend_from_slice(b"* LIST (\\Noselect) \"/\" \"\"\r\n");
            return Ok(Answer::ok("Done"));
        }
        let folders = account.node.list().await?;
        let Some(pattern) = Pattern::new(&self.reference, &self.pattern) else {
            return Ok(Answer::ok("There are no such folders"));
        };
        let parents = parents(&folders);
        for folder in &folders.folders {
            if pattern.matches(&folder.name) {
                write_folder(&mut session.connection.out, folder, parents.contains(folder.name.as_str()))?;
                session.connection.relieve().await?;
            }
        }
        Ok(Answer::ok("Done"))
    }
}

/// The reference and pattern of LIST and LSUB.
pub(super) fn arguments(cursor: &mut Cursor<'_>) -> Parsed<(Vec<u8>, Vec<u8>)> {
    cursor.space()?;
    let reference = cursor.astring()?.into_owned();
    cursor.space()?;
    Ok((reference, cursor.list_mailbox()?.into_owned()))
}

/// Every name above a folder.
fn parents(folders: &Folders) -> HashSet<&str> {
    let above = |name: &'_ str| name.match_indices(SEPARATOR).map(|(at, _)| at).collect::<Vec<_>>();
    let names = folders.folders.iter().map(|folder| folder.name.as_str());
    names.flat_map(|name| above(name).into_iter().filter_map(|at| name.get(..at))).collect()
}

fn write_folder(out: &mut Vec<u8>, folder: &Folder, has_children: bool) -> Result<(), Stop> {
    out.extend_from_slice(b"* LIST (");
    out.extend_from_slice(if has_children { b"\\HasChildren" } else { b"\\HasNoChildren" });
    if folder.no_select {
        out.extend_from_slice(b" \\Noselect");
    }
    if let Some(special_use) = wire::convert::special_use(folder.special_use)? {
        out.push(b' ');
        out.extend_from_slice(special_use.name().as_bytes());
    }
    write_name(out, &folder.name);
    Ok(())
}

/// Ends the attributes, and writes separator and name.
pub(super) fn write_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b") \"/\" ");
    writer::astring(out, mutf7::encode(name).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A pattern of LIST with its reference before it; matches names in UTF-8.
pub(super) struct Pattern(Vec<char>);

impl Pattern {
    /// `None` when nothing can match.
    pub(super) fn new(reference: &[u8], pattern: &[u8]) -> Option<Self> {
        // A pattern that starts with the separator leaves the reference aside (RFC 3501 §6.3.8).
        let rooted = pattern.first() == Some(&(SEPARATOR as u8));
        let pattern = if rooted { Cow::Borrowed(pattern) } else { Cow::Owned([reference, pattern].concat()) };
        if pattern.len() > PATTERN_BYTES_MAX {
            return None;
        }
        let decoded: String = decode(&pattern)?;
        let decoded = unicode_form(&decoded);
        // INBOX is the one name without case (RFC 3501 §5.1).
        let (first, rest) = decoded.split_at(decoded.find(SEPARATOR).unwrap_or(decoded.len()));
        let first = if first.eq_ignore_ascii_case(INBOX) { INBOX } else { first };
        Some(Self(first.chars().chain(rest.chars()).collect()))
    }

    /// Whether the whole name matches: `*` is anything, `%` anything within a level. Time is at most the product of both
    /// lengths: one row of the table of prefixes is kept.
    pub(super) fn matches(&self, name: &str) -> bool {
        self.matches_exactly(name) || (name == INBOX && self.matches_inbox())
    }

    fn matches_inbox(&self) -> bool {
        let upper = Self(self.0.iter().map(char::to_ascii_uppercase).collect());
        upper.matches_exactly(INBOX)
    }

    fn matches_exactly(&self, name: &str) -> bool {
        // reached[p]: the name so far matches the first p characters of the pattern.
        let mut reached = vec![false; self.0.len() + 1];
        if let Some(start) = reached.first_mut() {
            *start = true;
        }
        self.pass_wildcards(&mut reached);
        for c in name.chars() {
            let mut next = vec![false; reached.len()];
            for ((at, &wanted), _) in self.0.iter().enumerate().zip(&reached).filter(|(_, here)| **here) {
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
            reached = next;
        }
        reached.last() == Some(&true)
    }

    /// A wildcard may also stand for nothing.
    fn pass_wildcards(&self, reached: &mut [bool]) {
        for (at, &wanted) in self.0.iter().enumerate() {
            if matches!(wanted, '*' | '%')
                && reached.get(at) == Some(&true)
                && let Some(cell) = reached.get_mut(at + 1)
            {
                *cell = true;
            }
        }
    }
}

/// Wildcards are ASCII and stand outside of what modified UTF-7 shifts, so the pattern decodes like a name.
fn decode(pattern: &[u8]) -> Option<String> {
    mutf7::decode(pattern)
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
        Pattern::new(b"", pattern.as_bytes()).is_some_and(|pattern| pattern.matches(name))
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
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn the_reference_stands_before() {
        let with = |reference: &str, pattern: &str, name: &str| {
            Pattern::new(reference.as_bytes(), pattern.as_bytes()).is_some_and(|pattern| pattern.matches(name))
        };
        assert!(with("a/", "%", "a/b"));
        assert!(!with("a/", "/b", "a/b"));
        assert!(with("a", "/b", "/b"));
        assert!(!with("", "&bad", "&bad"));
    }

    #[test]
    fn many_wildcards_cost_no_exponential_time() {
        assert!(!matches(&"*a".repeat(400), &"a".repeat(399)));
    }
}

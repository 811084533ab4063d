//! LSUB (RFC 3501 §6.3.9): what is subscribed to, whether it exists or not.

use super::list::pattern::Pattern;
use super::list::{above, arguments, write_name};
use crate::codec::cursor::{Cursor, Parsed};
use crate::session::Session;
use crate::session::answer::{Answer, Outcome};
use std::collections::BTreeMap;
use wire::session::Folders;

/// LSUB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lsub {
    /// What stands before every name.
    pub reference: Vec<u8>,
    /// The pattern.
    pub pattern: Vec<u8>,
}

impl Lsub {
    /// Reads the reference and the pattern.
    ///
    /// # Errors
    /// One is missing or malformed.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let (reference, pattern) = arguments(cursor)?;
        Ok(Self { reference, pattern })
    }

    /// Lists the subscriptions that match.
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let folders = session.account()?.node.list().await?;
        let utf8 = session.enabled.utf8_names();
        if let Some(pattern) = Pattern::new(&self.reference, &self.pattern, utf8) {
            for (name, selectable) in matching(&folders, &pattern) {
                let out = &mut session.connection.out;
                out.extend_from_slice(b"* LSUB (");
                if !selectable {
                    out.extend_from_slice(b"\\Noselect");
                }
                write_name(out, &name, utf8);
                out.extend_from_slice(b"\r\n");
                session.connection.relieve().await?;
            }
        }
        Ok(Answer::ok("Done"))
    }
}

/// Names that match, with false for those that cannot be selected or are only above one that is subscribed to.
fn matching(folders: &Folders, pattern: &Pattern) -> BTreeMap<String, bool> {
    let existing = folders.folders.iter().filter(|folder| folder.subscribed);
    let subscribed = existing.map(|folder| (folder.name.as_str(), !folder.no_select));
    let gone = folders.subscribed_only.iter().map(|name| (name.as_str(), false));
    let mut found = BTreeMap::new();
    for (name, selectable) in subscribed.chain(gone) {
        if pattern.matches(name) {
            found.insert(name.to_owned(), selectable);
            continue;
        }
        // RFC 3501 §6.3.9: with `%`, a name above a subscription is told with \Noselect.
        for above in above(name).filter(|above| pattern.matches(above)) {
            found.entry(above.to_owned()).or_insert(false);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::session::Folder;

    #[test]
    fn names_above_subscriptions() {
        let folder = |name: &str, subscribed| Folder { name: name.into(), subscribed, ..Folder::default() };
        let folders = Folders {
            folders: vec![
                folder("INBOX", true),
                folder("a", false),
                folder("a/b", true),
                folder("c", false),
                folder("d", true),
            ],
            subscribed_only: vec!["old/x".into()],
        };
        let found = |pattern: &str| {
            let pattern = Pattern::new(b"", pattern.as_bytes(), false).unwrap();
            matching(&folders, &pattern).into_iter().collect::<Vec<_>>()
        };
        let expected = |names: &[(&str, bool)]| names.iter().map(|&(n, s)| (n.to_owned(), s)).collect::<Vec<_>>();
        assert_eq!(found("%"), expected(&[("INBOX", true), ("a", false), ("d", true), ("old", false)]));
        assert_eq!(found("*"), expected(&[("INBOX", true), ("a/b", true), ("d", true), ("old/x", false)]));
        assert_eq!(found("old/%"), expected(&[("old/x", false)]));
    }
}

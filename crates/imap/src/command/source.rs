//! Which folders a command is about: `source-mbox` of RFC 7377 §3, which is the filter of RFC 5465 §6.

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::{Name, name};
use crate::session::answer::{Answer, Stop};
use model::FolderName;
use model::folder::SEPARATOR;
use std::collections::BTreeSet;
use wire::session::Folders;

/// Sources and names in one command.
const NAMES_MAX: usize = 256;

/// Some folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The selected one.
    Selected,
    /// Those that mail is delivered to.
    Inboxes,
    /// All.
    Personal,
    /// Those that are subscribed to.
    Subscribed,
    /// These, and all below them.
    Subtree(Vec<Name>),
    /// These, and those one level below them.
    SubtreeOne(Vec<Name>),
    /// These.
    Mailboxes(Vec<Name>),
}

impl Source {
    /// `"(" source-mbox ")"`: words, one after the other, with the names that belong to them.
    ///
    /// # Errors
    /// One is malformed or not known.
    pub fn parse_list(cursor: &mut Cursor<'_>) -> Parsed<Vec<Self>> {
        let sources = cursor.list(NAMES_MAX, Self::parse)?;
        if sources.is_empty() { Err(Malformed("Expected at least one source")) } else { Ok(sources) }
    }

    fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let word = cursor.atom()?.to_ascii_lowercase();
        let with_names: fn(Vec<Name>) -> Self = match word.as_str() {
            "selected" => return Ok(Self::Selected),
            "inboxes" => return Ok(Self::Inboxes),
            "personal" => return Ok(Self::Personal),
            "subscribed" => return Ok(Self::Subscribed),
            "subtree" => Self::Subtree,
            "subtree-one" => Self::SubtreeOne,
            "mailboxes" => Self::Mailboxes,
            // RFC 7377 §2.2: selected-delayed is for NOTIFY only.
            _ => return Err(Malformed("There is no such source")),
        };
        cursor.space()?;
        if cursor.peek() != Some(b'(') {
            return Ok(with_names(vec![name::parse(cursor)?]));
        }
        let names = cursor.list(NAMES_MAX, name::parse)?;
        if names.is_empty() { Err(Malformed("Expected at least one folder")) } else { Ok(with_names(names)) }
    }

    /// The folders that are there and can be searched, each once. A name that is not there is passed over (RFC 7377 §2.2).
    ///
    /// # Errors
    /// BAD for the selected folder when there is none.
    pub fn select(
        sources: &[Self],
        folders: &Folders,
        selected: Option<&FolderName>,
    ) -> Result<BTreeSet<String>, Stop> {
        let mut names = BTreeSet::new();
        for source in sources {
            if let Self::Selected = source {
                let selected = selected.ok_or_else(|| Answer::bad("Select a folder first"))?;
                names.insert(selected.as_str().to_owned());
            }
            let there = folders.folders.iter().filter(|folder| !folder.no_select);
            names.extend(
                there.filter(|folder| source.has(&folder.name, folder.subscribed)).map(|folder| folder.name.clone()),
            );
        }
        Ok(names)
    }

    fn has(&self, name: &str, subscribed: bool) -> bool {
        let any = |names: &[Name], fits: &dyn Fn(&str) -> bool| names.iter().flatten().any(|root| fits(root.as_str()));
        match self {
            Self::Selected => false,
            Self::Inboxes => name == FolderName::inbox().as_str(),
            Self::Personal => true,
            Self::Subscribed => subscribed,
            Self::Mailboxes(names) => any(names, &|root| root == name),
            Self::Subtree(names) => any(names, &|root| root == name || below(root, name).is_some()),
            Self::SubtreeOne(names) => {
                any(names, &|root| root == name || below(root, name).is_some_and(|rest| !rest.contains(SEPARATOR)))
            }
        }
    }
}

fn below<'a>(root: &str, name: &'a str) -> Option<&'a str> {
    name.strip_prefix(root)?.strip_prefix(SEPARATOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_what_is_in_them() {
        let read = |text: &str| Source::parse_list(&mut Cursor::new(text.as_bytes()));
        let sources = read("(subtree-one (a b) mailboxes c/d)").unwrap();
        let has = |name: &str| sources.iter().any(|source| source.has(name, false));
        assert!(["a", "a/x", "b/y", "c/d"].iter().all(|name| has(name)));
        assert!(["ab", "a/x/y", "c", "c/d/e", "INBOX"].iter().all(|name| !has(name)));
        assert!(read("(subtree a)").unwrap()[0].has("a/x/y", false));
        assert!(read("(inboxes)").unwrap()[0].has("INBOX", false));
        for text in ["()", "(selected-delayed)", "(mailboxes)", "(mailboxes ())", "selected", "(x)"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}

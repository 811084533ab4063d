//! Which folders a command is about: `source-mbox` of RFC 7377 §3, which is the filter of RFC 5465 §6.

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::name;
use crate::session::answer::{Answer, Stop};
use model::FolderName;
use model::folder::{INBOX, SEPARATOR};
use wire::session::{Folder, Folders};

/// Sources and names in one command.
const NAMES_MAX: usize = 1024;

/// Where an ESEARCH looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the selected folder.
    Selected,
    /// In these.
    Folders(Filter),
}

/// Folders by what they are or how they are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Where mail is delivered.
    Inboxes,
    /// All.
    Personal,
    /// What is subscribed to, when it is asked.
    Subscribed,
    /// These and those below them.
    Subtree(Vec<FolderName>),
    /// These and those one level below them.
    SubtreeOne(Vec<FolderName>),
    /// These.
    Mailboxes(Vec<FolderName>),
}

impl Filter {
    /// The filter that begins with this word in upper case, with the names that belong to it; `None` for another word.
    ///
    /// # Errors
    /// The names are malformed.
    pub fn parse(word: &str, cursor: &mut Cursor<'_>) -> Parsed<Option<Self>> {
        Ok(Some(match word {
            "INBOXES" => Self::Inboxes,
            "PERSONAL" => Self::Personal,
            "SUBSCRIBED" => Self::Subscribed,
            "SUBTREE" => Self::Subtree(names(cursor)?),
            "SUBTREE-ONE" => Self::SubtreeOne(names(cursor)?),
            "MAILBOXES" => Self::Mailboxes(names(cursor)?),
            _ => return Ok(None),
        }))
    }

    /// Whether a folder is among them.
    pub fn fits(&self, name: &str, subscribed: bool) -> bool {
        match self {
            Self::Inboxes => name == INBOX,
            Self::Personal => true,
            Self::Subscribed => subscribed,
            Self::Mailboxes(names) => names.iter().any(|known| known.as_str() == name),
            Self::Subtree(roots) => roots.iter().any(|root| below(root, name).is_some()),
            Self::SubtreeOne(roots) => {
                roots.iter().filter_map(|root| below(root, name)).any(|rest| !rest.contains(SEPARATOR))
            }
        }
    }
}

/// What stands below a folder in a name; empty for the folder itself.
fn below<'a>(root: &FolderName, name: &'a str) -> Option<&'a str> {
    let rest = name.strip_prefix(root.as_str())?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(SEPARATOR) }
}

/// One folder or more. What cannot be a folder's name is none that anything will happen to.
fn names(cursor: &mut Cursor<'_>) -> Parsed<Vec<FolderName>> {
    cursor.space()?;
    if cursor.peek() != Some(b'(') {
        return Ok(name::parse(cursor)?.into_iter().collect());
    }
    let names = cursor.list(NAMES_MAX, name::parse)?;
    if names.is_empty() {
        return Err(Malformed("Expected a folder"));
    }
    Ok(names.into_iter().flatten().collect())
}

impl Source {
    /// `"(" source-mbox ")"`: words, one after the other, with the names that belong to them.
    ///
    /// # Errors
    /// One is malformed or not known.
    pub fn parse_list(cursor: &mut Cursor<'_>) -> Parsed<Vec<Self>> {
        let sources = cursor.list(NAMES_MAX, |cursor| {
            let word = cursor.atom()?.to_ascii_uppercase();
            if word == "SELECTED" {
                return Ok(Self::Selected);
            }
            // RFC 7377 §2.2: selected-delayed is for NOTIFY only.
            Filter::parse(&word, cursor)?.map(Self::Folders).ok_or(Malformed("There is no such set of folders"))
        })?;
        if sources.is_empty() { Err(Malformed("Expected at least one set of folders")) } else { Ok(sources) }
    }

    /// The folders that are there and can be searched, each once, by name. One that is not there is passed over (RFC 7377 §2.2).
    ///
    /// # Errors
    /// BAD for the selected folder when there is none.
    pub fn select<'a>(
        sources: &[Self],
        folders: &'a Folders,
        selected: Option<&FolderName>,
    ) -> Result<Vec<&'a Folder>, Stop> {
        if selected.is_none() && sources.contains(&Self::Selected) {
            return Err(Answer::bad("Select a folder first").into());
        }
        let has = |source: &Self, folder: &Folder| match source {
            Self::Selected => selected.is_some_and(|selected| selected.as_str() == folder.name),
            Self::Folders(filter) => filter.fits(&folder.name, folder.subscribed),
        };
        let there = folders.folders.iter().filter(|folder| !folder.no_select);
        let mut chosen: Vec<_> = there.filter(|folder| sources.iter().any(|source| has(source, folder))).collect();
        chosen.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_what_is_in_them() {
        let read = |text: &str| Source::parse_list(&mut Cursor::new(text.as_bytes()));
        let sources = read("(subtree-one (a b) mailboxes c/d)").unwrap();
        let has = |sources: &[Source], name: &str| {
            sources.iter().any(|source| matches!(source, Source::Folders(filter) if filter.fits(name, false)))
        };
        assert!(["a", "a/x", "b/y", "c/d"].iter().all(|name| has(&sources, name)));
        assert!(["ab", "a/x/y", "c", "c/d/e", "INBOX"].iter().all(|name| !has(&sources, name)));
        assert!(has(&read("(subtree a)").unwrap(), "a/x/y"));
        assert!(has(&read("(inboxes)").unwrap(), "INBOX"));
        assert_eq!(read("(selected)"), Ok(vec![Source::Selected]));
        for text in ["()", "(selected-delayed)", "(mailboxes)", "(mailboxes ())", "selected", "(x)"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}

//! Which names a LIST answers, and what is said of each; knows nothing of how that is written.

use super::options::Selection;
use super::pattern::Pattern;
use model::folder::SEPARATOR;
use std::collections::{BTreeSet, HashSet};
use wire::session::{Folder, Folders, SpecialUse};

/// One name of the answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    /// The name.
    pub name: &'a str,
    /// The folder, unless there is none of that name.
    pub folder: Option<&'a Folder>,
    /// It is what was asked for, and not only above it.
    pub selected: bool,
    /// A name below is what was asked for (RFC 5258 §3.5 CHILDINFO); only with RECURSIVEMATCH.
    pub above_selected: bool,
    /// Folders are below.
    pub has_children: bool,
    /// The name is subscribed to.
    pub subscribed: bool,
}

/// Every name above this one, the nearest last.
pub fn above(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(SEPARATOR).filter_map(|(at, _)| name.get(..at))
}

/// The rows, folders first, both by name; each name once, however many patterns it matches.
pub fn rows<'a>(folders: &'a Folders, patterns: &[Pattern], selection: Selection) -> Vec<Row<'a>> {
    let matches = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    let parents: HashSet<&str> = folders.folders.iter().flat_map(|folder| above(&folder.name)).collect();
    let selects = |folder: &Folder| {
        (!selection.subscribed || folder.subscribed)
            && (!selection.special_use || folder.special_use != i32::from(SpecialUse::None))
    };
    // RFC 5258 §3.4: a subscribed name may have no folder.
    let bare: &[String] = if selection.subscribed && !selection.special_use { &folders.subscribed_only } else { &[] };
    let mut above_selected: BTreeSet<&str> = BTreeSet::new();
    let mut above_hidden: BTreeSet<&str> = BTreeSet::new();
    if selection.recursive {
        // It makes no difference whether the names below match a pattern (RFC 5258 §3.1).
        let selected = folders.folders.iter().filter(|folder| selects(folder)).map(|folder| &folder.name);
        for name in selected.chain(bare) {
            above_selected.extend(above(name));
            if !matches(name) {
                above_hidden.extend(above(name));
            }
        }
    }
    let mut rows = Vec::new();
    for folder in &folders.folders {
        let name = folder.name.as_str();
        let (selected, above) = (selects(folder), above_selected.remove(name));
        // RFC 5258 §3.5: a name that is only above others is told when one of those is not told itself.
        if (selected || above_hidden.contains(name)) && matches(name) {
            rows.push(Row {
                name,
                folder: Some(folder),
                selected,
                above_selected: above,
                has_children: parents.contains(name),
                subscribed: folder.subscribed,
            });
        }
    }
    // What is left of those above has no folder either.
    let bare: BTreeSet<&str> = bare.iter().map(String::as_str).collect();
    for name in bare.union(&above_selected).copied().filter(|name| matches(name)) {
        let selected = bare.contains(name);
        if !selected && !above_hidden.contains(name) {
            continue;
        }
        rows.push(Row {
            name,
            folder: None,
            selected,
            above_selected: above_selected.contains(name),
            has_children: false,
            subscribed: selected,
        });
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox() -> Folders {
        let folder = |name: &str, subscribed, special_use: SpecialUse| Folder {
            name: name.into(),
            subscribed,
            special_use: special_use.into(),
            ..Folder::default()
        };
        Folders {
            folders: vec![
                folder("INBOX", true, SpecialUse::None),
                folder("a", false, SpecialUse::None),
                folder("a/b", true, SpecialUse::None),
                folder("a/b/c", true, SpecialUse::Sent),
                folder("d", false, SpecialUse::Junk),
            ],
            subscribed_only: vec!["old/x".into()],
        }
    }

    /// Names, with `+` for those that are only above, `^` for CHILDINFO and `!` for those without a folder.
    fn listed(patterns: &[&str], subscribed: bool, special_use: bool, recursive: bool) -> Vec<String> {
        let patterns: Vec<_> =
            patterns.iter().map(|pattern| Pattern::new(b"", pattern.as_bytes(), false).unwrap()).collect();
        let mailbox = mailbox();
        let rows = rows(&mailbox, &patterns, Selection { subscribed, special_use, recursive });
        let mark = |row: &Row<'_>| {
            let marks = [(!row.selected, "+"), (row.above_selected, "^"), (row.folder.is_none(), "!")];
            marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).chain([row.name]).collect()
        };
        rows.iter().map(mark).collect()
    }

    #[test]
    fn every_name_once() {
        assert_eq!(listed(&["%", "*"], false, false, false), ["INBOX", "a", "a/b", "a/b/c", "d"]);
        assert_eq!(listed(&["d", "inbox"], false, false, false), ["INBOX", "d"]);
        assert_eq!(listed(&[], false, false, false), [""; 0]);
    }

    #[test]
    fn selection() {
        assert_eq!(listed(&["*"], true, false, false), ["INBOX", "a/b", "a/b/c", "!old/x"]);
        assert_eq!(listed(&["*"], false, true, false), ["a/b/c", "d"]);
        assert_eq!(listed(&["*"], true, true, false), ["a/b/c"]);
        assert_eq!(listed(&["%"], true, false, false), ["INBOX"]);
    }

    #[test]
    fn names_above() {
        assert_eq!(listed(&["%"], true, false, true), ["INBOX", "+^a", "+^!old"]);
        assert_eq!(listed(&["*"], true, false, true), ["INBOX", "^a/b", "a/b/c", "!old/x"]);
        assert_eq!(listed(&["a/%"], false, true, true), ["+^a/b"]);
        assert_eq!(listed(&["old"], true, true, true), [""; 0]);
    }

    #[test]
    fn children_are_folders() {
        let mailbox = mailbox();
        let all = [Pattern::new(b"", b"*", false).unwrap()];
        let rows = rows(&mailbox, &all, Selection::default());
        assert_eq!(rows.iter().map(|row| row.has_children).collect::<Vec<_>>(), [false, true, true, false, false]);
    }
}

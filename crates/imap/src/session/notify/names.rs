//! The names that a client of NOTIFY knows, and what became of them. Knows nothing of how that is told.

use crate::command::list::above;
use model::folder::SEPARATOR;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use wire::session::{Folder, Folders};

/// Folders by number; subscriptions without a folder are kept apart.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Names {
    pub(super) folders: BTreeMap<u64, Folder>,
    /// Names that are subscribed to without being a folder.
    absent: BTreeSet<String>,
}

/// What happened to a name.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Naming<'a> {
    Made(&'a Folder),
    Gone(&'a Folder),
    /// With its old name.
    Renamed(&'a Folder, &'a str),
    /// The name, and whether it is subscribed to now.
    Subscription(&'a str, bool),
}

/// What a session did to names itself, which it is not told (RFC 5465 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Own {
    /// CREATE of this name and those above it.
    Made(String),
    /// DELETE of this name; those above it may have gone with it.
    Gone(String),
    /// RENAME from one name to another.
    Renamed(String, String),
    /// SUBSCRIBE or UNSUBSCRIBE.
    Subscription(String, bool),
}

impl Own {
    fn did(&self, naming: &Naming<'_>) -> bool {
        let above_or_same = |above: &str, name: &str| {
            name.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR))
        };
        match (self, naming) {
            (Self::Made(name) | Self::Renamed(_, name), Naming::Made(folder)) => above_or_same(&folder.name, name),
            (Self::Gone(name) | Self::Renamed(name, _), Naming::Gone(folder)) => above_or_same(&folder.name, name),
            (Self::Renamed(from, to), Naming::Renamed(folder, old)) => folder.name == *to && old == from,
            (Self::Subscription(name, on), Naming::Subscription(other, now)) => name == other && on == now,
            (Self::Made(_) | Self::Gone(_) | Self::Renamed(..) | Self::Subscription(..), _) => false,
        }
    }
}

impl Names {
    pub(super) fn new(folders: Folders) -> Self {
        Self {
            folders: folders.folders.into_iter().map(|folder| (folder.id, Folder { status: None, ..folder })).collect(),
            absent: folders.subscribed_only.into_iter().collect(),
        }
    }

    /// Whether a name is subscribed to, folder or not.
    pub(super) fn subscribed(&self) -> BTreeSet<&str> {
        let folders = self.folders.values().filter(|folder| folder.subscribed).map(|folder| folder.name.as_str());
        folders.chain(self.absent.iter().map(String::as_str)).collect()
    }

    /// Folders by name, and the names above folders.
    pub(super) fn by_name(&self) -> (HashMap<&str, &Folder>, HashSet<&str>) {
        let named = self.folders.values().map(|folder| (folder.name.as_str(), folder)).collect();
        let parents = self.folders.values().flat_map(|folder| above(&folder.name)).collect();
        (named, parents)
    }
}

/// What is other in `now`, in the order of the folders' numbers, but what the session did itself. A folder that was renamed
/// with one above it is no event of its own (RFC 5465 §5.4).
pub(super) fn namings<'a>(before: &'a Names, now: &'a Names, own: &[Own]) -> Vec<Naming<'a>> {
    let gone = before.folders.iter().filter(|(id, _)| !now.folders.contains_key(id));
    let mut found: Vec<_> = gone.map(|(_, folder)| Naming::Gone(folder)).collect();
    let mut renamed = HashMap::new();
    for (id, folder) in &now.folders {
        match before.folders.get(id) {
            None => found.push(Naming::Made(folder)),
            Some(old) if old.name != folder.name => {
                renamed.insert(old.name.as_str(), folder);
            }
            // DELETE leaves a name that is above others.
            Some(old) if folder.no_select && !old.no_select => found.push(Naming::Gone(old)),
            Some(_) => {}
        }
    }
    let moved_along = |old: &str, new: &str| {
        above(old).any(|parent| {
            let to = renamed.get(parent).and_then(|to| new.strip_prefix(to.name.as_str()));
            to.is_some_and(|rest| old.get(parent.len()..) == Some(rest))
        })
    };
    let of_itself = renamed.iter().filter(|(old, folder)| !moved_along(old, &folder.name));
    let mut of_itself: Vec<_> = of_itself.map(|(old, folder)| Naming::Renamed(folder, old)).collect();
    of_itself.sort_unstable_by_key(|naming| if let Naming::Renamed(folder, _) = naming { folder.id } else { 0 });
    found.extend(of_itself);
    let (was, is) = (before.subscribed(), now.subscribed());
    found.extend(is.difference(&was).map(|name| Naming::Subscription(name, true)));
    found.extend(was.difference(&is).map(|name| Naming::Subscription(name, false)));
    found.retain(|naming| !own.iter().any(|own| own.did(naming)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folders: &[(u64, &str, bool)], absent: &[&str]) -> Names {
        let folder = |id, name: &str, subscribed| Folder { id, name: name.to_owned(), subscribed, ..Folder::default() };
        Names::new(Folders {
            folders: folders.iter().map(|&(id, name, subscribed)| folder(id, name, subscribed)).collect(),
            subscribed_only: absent.iter().map(|&name| name.to_owned()).collect(),
        })
    }

    #[test]
    fn names_that_changed() {
        let before = names(&[(1, "INBOX", false), (2, "a", false), (3, "b", true), (4, "c", false)], &["x", "a"]);
        let now = names(&[(1, "INBOX", false), (3, "d", false), (4, "c", true), (5, "a", true)], &["b", "y"]);
        let (a, d, again) = (&before.folders[&2], &now.folders[&3], &now.folders[&5]);
        let expected = [
            Naming::Gone(a),
            Naming::Made(again),
            Naming::Renamed(d, "b"),
            Naming::Subscription("c", true),
            Naming::Subscription("y", true),
            Naming::Subscription("x", false),
        ];
        assert_eq!(namings(&before, &now, &[]), expected);
        assert_eq!(namings(&now, &now, &[]), []);
        let own = [
            Own::Gone("a".into()),
            Own::Made("a/b".into()),
            Own::Renamed("b".into(), "d".into()),
            Own::Subscription("x".into(), false),
            Own::Subscription("y".into(), false),
        ];
        let expected = [Naming::Subscription("c", true), Naming::Subscription("y", true)];
        assert_eq!(namings(&before, &now, &own), expected);
    }

    #[test]
    fn what_is_below_a_renamed_folder_is_no_event() {
        let before = names(&[(1, "a", false), (2, "a/b", false), (3, "a/b/c", false), (4, "a/d", false)], &[]);
        let now = names(&[(1, "x", false), (2, "x/b", false), (3, "y", false), (4, "x/e", false)], &[]);
        let renamed = |id, old| Naming::Renamed(&now.folders[&id], old);
        assert_eq!(namings(&before, &now, &[]), [renamed(1, "a"), renamed(3, "a/b/c"), renamed(4, "a/d")]);
    }
}

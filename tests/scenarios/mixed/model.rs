//! What a client knows of its folders from the answers alone, and what may be true where an answer did not come.

use std::collections::{BTreeMap, BTreeSet};

/// One message as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter {
    /// Its name, which is in its subject and all over its text.
    pub token: String,
    pub flags: BTreeSet<String>,
    /// `None`: the answer that would have told did not come.
    pub uid: Option<u32>,
}

/// A folder's messages.
pub type Folder = Vec<Letter>;
/// What folders may be at the same time; `None`: the folder is not there.
pub type World = BTreeMap<String, Option<Folder>>;

/// Folders that are one of several worlds, since an answer did not come; they are not touched again.
#[derive(Debug)]
pub struct Doubt {
    /// What was asked.
    pub command: String,
    pub worlds: Vec<World>,
}

/// A mailbox as it is.
pub type Found = BTreeMap<String, Folder>;

impl Doubt {
    /// The names that are in doubt.
    pub fn names(&self) -> BTreeSet<&str> {
        self.worlds.iter().flat_map(BTreeMap::keys).map(String::as_str).collect()
    }

    /// One of the worlds is what was found.
    pub fn holds(&self, found: &Found) -> bool {
        self.worlds.iter().any(|world| {
            world.iter().all(|(name, folder)| match (folder, found.get(name)) {
                (None, None) => true,
                (Some(expected), Some(found)) => is(expected, found),
                _ => false,
            })
        })
    }
}

/// Whether what was found is what was expected: messages whose UID is known by that, the others in any order.
pub fn is(expected: &Folder, found: &Folder) -> bool {
    let mut rest: Vec<&Letter> = found.iter().collect();
    let mut unknown = Vec::new();
    for letter in expected {
        match letter.uid {
            None => unknown.push((&letter.token, &letter.flags)),
            Some(_) => match rest.iter().position(|found| *found == letter) {
                Some(at) => drop(rest.remove(at)),
                None => return false,
            },
        }
    }
    let mut rest: Vec<_> = rest.into_iter().map(|letter| (&letter.token, &letter.flags)).collect();
    unknown.sort();
    rest.sort();
    unknown == rest
}

/// Every part of these, the empty one and the whole included.
pub fn parts(of: &[u32]) -> Vec<Vec<u32>> {
    let part = |bits: usize| of.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, uid)| *uid).collect();
    (0..1 << of.len()).map(part).collect()
}

/// Changes the flags of these messages.
pub fn store(folder: &Folder, uids: &[u32], sign: &str, flag: &str) -> Folder {
    let change = |letter: &Letter| {
        let mut letter = letter.clone();
        if letter.uid.is_some_and(|uid| uids.contains(&uid)) {
            match sign {
                "+" => drop(letter.flags.insert(flag.to_owned())),
                "-" => drop(letter.flags.remove(flag)),
                _ => letter.flags = BTreeSet::from([flag.to_owned()]),
            }
        }
        letter
    };
    folder.iter().map(change).collect()
}

/// Without these messages.
pub fn without(folder: &Folder, uids: &[u32]) -> Folder {
    folder.iter().filter(|letter| letter.uid.is_none_or(|uid| !uids.contains(&uid))).cloned().collect()
}

/// With these of another folder, whose new UIDs are `told`, or not known.
pub fn with(folder: &Folder, from: &Folder, uids: &[u32], told: Option<&BTreeMap<u32, u32>>) -> Folder {
    let mut folder = folder.clone();
    for letter in from {
        if let Some(uid) = letter.uid.filter(|uid| uids.contains(uid)) {
            folder.push(Letter { uid: told.and_then(|told| told.get(&uid).copied()), ..letter.clone() });
        }
    }
    folder
}

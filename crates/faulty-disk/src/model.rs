//! What is on a disk: what programs see, what is certainly stored, and the changes between, each of which a power cut may keep,
//! lose or tear.

use crate::dice::Dice;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Octets that a disk writes whole or not at all.
pub const SECTOR_BYTES: u64 = 512;

/// A file, whatever its names are.
pub type Inode = u64;

/// One change, as it was asked for.
#[derive(Clone)]
pub enum Op {
    /// A name for a new, empty file.
    Create(PathBuf, Inode),
    /// Octets at a place.
    Write(Inode, u64, Arc<[u8]>),
    /// The file's length.
    Truncate(Inode, u64),
    /// What was written to a file is stored.
    Sync(Inode),
    /// A sync failed: what was written since the last one is readable, and the system has forgotten that it is not stored.
    Forget(Inode),
    /// Another name. In another folder it is stored when both folders are, and until then there or not, but whole.
    Rename(PathBuf, PathBuf),
    /// A name less.
    Unlink(PathBuf),
    /// The names of a folder are stored.
    SyncFolder(PathBuf),
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create(path, inode) => write!(f, "create {} as {inode}", path.display()),
            Self::Write(inode, at, octets) => write!(f, "write {inode} {at}+{}", octets.len()),
            Self::Truncate(inode, length) => write!(f, "truncate {inode} to {length}"),
            Self::Sync(inode) => write!(f, "sync {inode}"),
            Self::Forget(inode) => write!(f, "forget {inode}"),
            Self::Rename(from, to) => write!(f, "rename {} to {}", from.display(), to.display()),
            Self::Unlink(path) => write!(f, "unlink {}", path.display()),
            Self::SyncFolder(folder) => write!(f, "sync folder {}", folder.display()),
        }
    }
}

/// Names and contents.
#[derive(Debug, Clone, Default)]
struct Tree {
    names: BTreeMap<PathBuf, Inode>,
    contents: BTreeMap<Inode, Vec<u8>>,
}

impl Tree {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Create(path, inode) => {
                self.names.insert(path.clone(), *inode);
                self.contents.entry(*inode).or_default();
            }
            Op::Write(inode, at, octets) => self.write(*inode, *at, octets),
            Op::Truncate(inode, length) => self.contents.entry(*inode).or_default().resize(*length as usize, 0),
            Op::Rename(from, to) => {
                if let Some(inode) = self.names.remove(from) {
                    self.names.insert(to.clone(), inode);
                }
            }
            Op::Unlink(path) => {
                self.names.remove(path);
            }
            Op::Sync(_) | Op::Forget(_) | Op::SyncFolder(_) => {}
        }
    }

    fn write(&mut self, inode: Inode, at: u64, octets: &[u8]) {
        let content = self.contents.entry(inode).or_default();
        let (start, end) = (at as usize, at as usize + octets.len());
        if content.len() < end {
            content.resize(end, 0);
        }
        if let Some(place) = content.get_mut(start..end) {
            place.copy_from_slice(octets);
        }
    }
}

/// How a power cut treats what was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// All of it is lost.
    Lost,
    /// All of it is kept: what a killed process leaves, too.
    Kept,
    /// The disk wrote in order, and was in the middle of one.
    InOrder,
    /// Each change for itself.
    Each,
    /// Each sector for itself.
    Sectors,
    /// All but one.
    AllButOne,
    /// One alone.
    OneAlone,
}

impl Fate {
    /// Each of them.
    pub const ALL: [Self; 7] =
        [Self::Lost, Self::Kept, Self::InOrder, Self::Each, Self::Sectors, Self::AllButOne, Self::OneAlone];
}

/// A change that may not be stored.
#[derive(Debug, Clone)]
struct Pending {
    op: Op,
    /// A sync that came later does not store it.
    forgotten: bool,
    /// Folders whose sync it waits for, where it is about names.
    folders: Vec<PathBuf>,
}

impl Pending {
    fn new(op: Op, forgotten: bool) -> Self {
        let folders = op.folders();
        Self { op, forgotten, folders }
    }

    /// A folder was synced; whether that is the last one that it waited for.
    fn waits_no_more(&mut self, folder: &Path) -> bool {
        let before = self.folders.len();
        self.folders.retain(|other| other != folder);
        before > 0 && self.folders.is_empty()
    }

    /// What is left of an older change to the same file under a newer one that is stored.
    fn under(self, newer: &Op) -> Vec<Self> {
        let Self { op: Op::Write(inode, at, octets), forgotten: true, .. } = &self else { return vec![self] };
        let end = at + octets.len() as u64;
        let (from, to) = match newer {
            Op::Write(other, start, new) if other == inode => (*start, start + new.len() as u64),
            Op::Truncate(other, length) if other == inode => (*length, u64::MAX),
            _ => return vec![self],
        };
        let part = |from: u64, to: u64| {
            let octets = octets.get((from - at) as usize..(to - at) as usize)?;
            Some(Self::new(Op::Write(*inode, from, octets.into()), true))
        };
        let before = (*at < from).then(|| part(*at, from.min(end))).flatten();
        let behind = (to < end).then(|| part(to.max(*at), end)).flatten();
        before.into_iter().chain(behind).collect()
    }
}

/// A disk at one moment.
#[derive(Debug, Clone, Default)]
pub struct Image {
    seen: Tree,
    stored: Tree,
    pending: Vec<Pending>,
    next: Inode,
}

impl Image {
    /// Makes a change.
    pub fn apply(&mut self, op: &Op) {
        self.seen.apply(op);
        match op {
            Op::Sync(inode) => self.store(|pending| !pending.forgotten && pending.op.inode() == Some(*inode)),
            Op::SyncFolder(folder) => self.store(|pending| pending.waits_no_more(folder)),
            Op::Forget(inode) => {
                for pending in self.pending.iter_mut().filter(|pending| pending.op.inode() == Some(*inode)) {
                    pending.forgotten = true;
                }
            }
            Op::Create(_, inode) => {
                self.next = self.next.max(inode + 1);
                self.add(op);
            }
            Op::Write(..) | Op::Truncate(..) | Op::Rename(..) | Op::Unlink(_) => self.add(op),
        }
    }

    fn add(&mut self, op: &Op) {
        self.pending.push(Pending::new(op.clone(), false));
    }

    fn store(&mut self, mut is_stored: impl FnMut(&mut Pending) -> bool) {
        let mut left: Vec<Pending> = Vec::new();
        for mut pending in std::mem::take(&mut self.pending) {
            if is_stored(&mut pending) {
                self.stored.apply(&pending.op);
                // What was forgotten and is written over does not come back.
                left = left.into_iter().flat_map(|old| old.under(&pending.op)).collect();
            } else {
                left.push(pending);
            }
        }
        self.pending = left;
    }

    /// Changes that may not be stored.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// What is found when the power is back.
    pub fn cut(&self, fate: Fate, dice: &mut Dice) -> Self {
        let mut after = self.stored.clone();
        let count = self.pending.len() as u64;
        let at = dice.below(count) as usize;
        for (number, Pending { op, .. }) in self.pending.iter().enumerate() {
            match fate {
                Fate::Lost => {}
                Fate::Kept => after.apply(op),
                Fate::InOrder if number < at => after.apply(op),
                Fate::InOrder if number == at => tear(&mut after, op, dice),
                Fate::InOrder => {}
                Fate::Each => {
                    if dice.once_in(2) {
                        after.apply(op);
                    }
                }
                Fate::Sectors => tear(&mut after, op, dice),
                Fate::AllButOne => {
                    if number != at {
                        after.apply(op);
                    }
                }
                Fate::OneAlone => {
                    if number == at {
                        after.apply(op);
                    }
                }
            }
        }
        let named: std::collections::BTreeSet<_> = after.names.values().copied().collect();
        after.contents.retain(|inode, _| named.contains(inode));
        // A name whose file's octets were never stored is an empty file.
        for inode in named {
            after.contents.entry(inode).or_default();
        }
        Self { seen: after.clone(), stored: after, pending: Vec::new(), next: self.next }
    }

    /// A number that no file has had.
    pub(crate) fn next_inode(&self) -> Inode {
        self.next
    }

    /// The file of that name.
    pub fn find(&self, path: &Path) -> Option<Inode> {
        self.seen.names.get(path).copied()
    }

    /// A file's octets as programs see them.
    pub(crate) fn content(&self, inode: Inode) -> &[u8] {
        self.seen.contents.get(&inode).map(Vec::as_slice).unwrap_or_default()
    }

    /// The octets of the file of that name.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        self.find(path).map(|inode| self.content(inode).to_vec())
    }

    /// Every name.
    pub fn names(&self) -> impl Iterator<Item = &Path> {
        self.seen.names.keys().map(PathBuf::as_path)
    }

    /// Octets of all files that have a name.
    pub(crate) fn octets(&self) -> u64 {
        self.seen.names.values().map(|inode| self.content(*inode).len() as u64).sum()
    }
}

impl Op {
    fn inode(&self) -> Option<Inode> {
        match self {
            Self::Write(inode, ..) | Self::Truncate(inode, _) | Self::Sync(inode) | Self::Forget(inode) => Some(*inode),
            Self::Create(..) | Self::Rename(..) | Self::Unlink(_) | Self::SyncFolder(_) => None,
        }
    }

    /// Folders whose names it changes.
    fn folders(&self) -> Vec<PathBuf> {
        let of = |path: &Path| path.parent().map(Path::to_owned);
        match self {
            Self::Create(path, _) | Self::Unlink(path) => of(path).into_iter().collect(),
            Self::Rename(from, to) => {
                let (from, to) = (of(from), of(to));
                let other = to.filter(|to| from.as_ref() != Some(to));
                from.into_iter().chain(other).collect()
            }
            Self::SyncFolder(_) | Self::Write(..) | Self::Truncate(..) | Self::Sync(_) | Self::Forget(_) => Vec::new(),
        }
    }
}

/// Some sectors of a write, and what was never there before is anything: a file system may have given the file its length, and
/// blocks that hold what was in them. Anything else is there or not.
fn tear(tree: &mut Tree, op: &Op, dice: &mut Dice) {
    let Op::Write(inode, at, octets) = op else {
        if dice.once_in(2) {
            tree.apply(op);
        }
        return;
    };
    let mut start = 0usize;
    while start < octets.len() {
        let place = at + start as u64;
        let left = (SECTOR_BYTES - place % SECTOR_BYTES) as usize;
        let end = (start + left).min(octets.len());
        let sector = octets.get(start..end).unwrap_or_default();
        let length = tree.contents.get(inode).map_or(0, Vec::len) as u64;
        if dice.once_in(2) {
            tree.write(*inode, place, sector);
        } else if place >= length && dice.once_in(2) {
            let garbage: Vec<u8> = sector.iter().map(|_| dice.next() as u8).collect();
            tree.write(*inode, place, &garbage);
        }
        start = end;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may take the short way")]
mod tests {
    use super::*;

    fn disk(ops: &[Op]) -> Image {
        let mut image = Image::default();
        ops.iter().for_each(|op| image.apply(op));
        image
    }

    fn file() -> PathBuf {
        PathBuf::from("/d/f")
    }

    fn after(image: &Image, fate: Fate) -> Option<Vec<u8>> {
        image.cut(fate, &mut Dice::new(1)).read(&file())
    }

    #[test]
    fn octets_need_a_sync_and_names_one_of_their_folder() {
        let write = Op::Write(0, 0, b"abc".as_slice().into());
        let mut image = disk(&[Op::Create(file(), 0), write, Op::Sync(0)]);
        assert_eq!(image.read(&file()).unwrap(), b"abc");
        assert_eq!(after(&image, Fate::Lost), None);
        assert_eq!(after(&image, Fate::Kept).unwrap(), b"abc");
        image.apply(&Op::SyncFolder(PathBuf::from("/d")));
        assert_eq!(after(&image, Fate::Lost).unwrap(), b"abc");
        image.apply(&Op::Unlink(file()));
        assert_eq!(image.read(&file()), None);
        assert_eq!(after(&image, Fate::Lost).unwrap(), b"abc");
        assert_eq!(after(&image, Fate::Kept), None);
    }

    #[test]
    fn a_name_in_another_folder_needs_both_synced() {
        let (from, to) = (file(), PathBuf::from("/e/f"));
        let mut image = disk(&[Op::Create(from.clone(), 0), Op::SyncFolder(PathBuf::from("/d"))]);
        image.apply(&Op::Rename(from.clone(), to.clone()));
        for folder in ["/e", "/d"] {
            let lost = image.cut(Fate::Lost, &mut Dice::new(1));
            assert_eq!((lost.find(&from), lost.find(&to)), (Some(0), None), "before {folder}");
            image.apply(&Op::SyncFolder(PathBuf::from(folder)));
        }
        let stored = image.cut(Fate::Lost, &mut Dice::new(1));
        assert_eq!((stored.find(&from), stored.find(&to)), (None, Some(0)));
    }

    #[test]
    fn a_write_is_torn_at_sectors() {
        let mut image = disk(&[Op::Create(file(), 0), Op::Write(0, 0, [1; 2048].as_slice().into()), Op::Sync(0)]);
        image.apply(&Op::SyncFolder(PathBuf::from("/d")));
        image.apply(&Op::Write(0, 0, [2; 2048].as_slice().into()));
        let mut torn = 0;
        for seed in 0..64 {
            let found = image.cut(Fate::Sectors, &mut Dice::new(seed)).read(&file()).unwrap();
            assert!(found.chunks(512).all(|sector| sector == [1; 512] || sector == [2; 512]));
            torn += u32::from(found.contains(&1) && found.contains(&2));
        }
        assert!(torn > 32);
    }

    #[test]
    fn what_a_failed_sync_forgot_is_stored_by_no_later_one_unless_it_is_written_again() {
        let ops = [
            Op::Create(file(), 0),
            Op::SyncFolder(PathBuf::from("/d")),
            Op::Write(0, 0, b"abc".as_slice().into()),
            Op::Forget(0),
            Op::Sync(0),
        ];
        let mut image = disk(&ops);
        assert_eq!(image.read(&file()).unwrap(), b"abc");
        assert_eq!(after(&image, Fate::Lost).unwrap(), b"");
        image.apply(&Op::Write(0, 1, b"x".as_slice().into()));
        image.apply(&Op::Sync(0));
        assert_eq!(after(&image, Fate::Lost).unwrap(), b"\0x");
        assert_eq!(after(&image, Fate::Kept).unwrap(), b"axc");
        image.apply(&Op::Write(0, 0, b"axc".as_slice().into()));
        image.apply(&Op::Sync(0));
        assert_eq!((image.pending(), after(&image, Fate::Lost).unwrap()), (0, b"axc".to_vec()));
    }
}

//! The disk itself: files under one folder's path, which need not be there, seen by SQLite through [`crate::vfs`] and by the
//! rest through [`mailbox::Disk`].

use crate::dice::Dice;
use crate::faults::{Call, Fault, Faults, Trouble};
use crate::model::{Fate, Image, Inode, Op};
use crate::shared::Index;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Disks by the folder that they stand for.
static DISKS: RwLock<Vec<(PathBuf, Arc<State>)>> = RwLock::new(Vec::new());

/// A disk; what is under its folder's path is in memory alone.
#[derive(Debug)]
pub struct FaultyDisk {
    root: PathBuf,
    state: Arc<State>,
}

/// Every change that was made while it was recorded, in order.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The disk before.
    pub before: Image,
    /// The changes.
    pub ops: Vec<Op>,
}

#[derive(Debug)]
pub(crate) struct State {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) image: Image,
    faults: Faults,
    recorded: Option<History>,
    /// Octets that all files together may have.
    capacity: Option<u64>,
    /// Handles of an earlier life are of no use.
    pub(crate) life: u64,
    pub(crate) locks: HashMap<Inode, Locks>,
    pub(crate) indexes: HashMap<Inode, Arc<Index>>,
}

/// Who has which lock on a database file.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    pub(crate) shared: u32,
    pub(crate) reserved: bool,
    pub(crate) pending: bool,
    pub(crate) exclusive: bool,
}

impl State {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        // No invariant of the model spans a panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of files that are on no disk.
    pub(crate) fn nowhere() -> Self {
        Self { inner: Mutex::default() }
    }

    /// The disk that a path is on.
    pub(crate) fn of(path: &Path) -> Option<Arc<Self>> {
        let disks = DISKS.read().unwrap_or_else(PoisonError::into_inner);
        disks.iter().find(|(root, _)| path.starts_with(root)).map(|(_, state)| state.clone())
    }
}

impl Inner {
    /// Counts a call, which may fail.
    pub(crate) fn call(&mut self, call: Call) -> Result<(), Trouble> {
        self.faults.check(call)
    }

    /// Makes a change.
    pub(crate) fn apply(&mut self, op: Op) {
        self.image.apply(&op);
        if let Some(history) = &mut self.recorded {
            history.ops.push(op);
        }
    }

    pub(crate) fn create(&mut self, path: &Path) -> Result<Inode, Trouble> {
        self.call(Call::Open)?;
        let inode = self.image.next_inode();
        self.apply(Op::Create(path.to_owned(), inode));
        Ok(inode)
    }

    pub(crate) fn write(&mut self, inode: Inode, at: u64, octets: &[u8]) -> Result<(), Trouble> {
        self.call(Call::Write)?;
        let length = self.image.content(inode).len() as u64;
        let grows = (at + octets.len() as u64).saturating_sub(length);
        if grows > 0 && self.capacity.is_some_and(|capacity| self.image.octets() + grows > capacity) {
            return Err(Trouble::NoRoom);
        }
        self.apply(Op::Write(inode, at, octets.into()));
        Ok(())
    }

    pub(crate) fn truncate(&mut self, inode: Inode, length: u64) -> Result<(), Trouble> {
        self.call(Call::Truncate)?;
        self.apply(Op::Truncate(inode, length));
        Ok(())
    }

    pub(crate) fn sync(&mut self, inode: Inode) -> Result<(), Trouble> {
        if let Err(trouble) = self.call(Call::Sync) {
            self.apply(Op::Forget(inode));
            return Err(trouble);
        }
        self.apply(Op::Sync(inode));
        Ok(())
    }

    pub(crate) fn sync_folder(&mut self, folder: &Path) -> Result<(), Trouble> {
        self.call(Call::SyncFolder)?;
        self.apply(Op::SyncFolder(folder.to_owned()));
        Ok(())
    }

    pub(crate) fn unlink(&mut self, path: &Path) -> Result<bool, Trouble> {
        if self.image.find(path).is_none() {
            return Ok(false);
        }
        self.call(Call::Unlink)?;
        self.apply(Op::Unlink(path.to_owned()));
        Ok(true)
    }

    /// Whether an index of a log may grow.
    pub(crate) fn grow_index(&mut self) -> Result<(), Trouble> {
        self.call(Call::Index)?;
        let room = self.capacity.map(|capacity| capacity.saturating_sub(self.image.octets()));
        if room.is_some_and(|room| room < INDEX_STEP_BYTES) { Err(Trouble::NoRoom) } else { Ok(()) }
    }

    /// Whoever has a file open has it no more.
    fn end_life(&mut self) {
        self.life += 1;
        self.locks.clear();
        self.indexes.clear();
    }
}

/// Octets by which an index grows.
const INDEX_STEP_BYTES: u64 = 32 * 1024;

impl FaultyDisk {
    /// An empty disk that stands for the folder, for as long as the process lives: what opens files keeps it for ever.
    pub fn new(root: &Path) -> &'static Self {
        Self::with(root, Image::default())
    }

    /// A disk with something on it.
    pub fn with(root: &Path, image: Image) -> &'static Self {
        crate::vfs::register();
        let state = Arc::new(State { inner: Mutex::new(Inner { image, ..Inner::default() }) });
        let mut disks = DISKS.write().unwrap_or_else(PoisonError::into_inner);
        disks.retain(|(other, _)| other != root);
        disks.push((root.to_owned(), state.clone()));
        Box::leak(Box::new(Self { root: root.to_owned(), state }))
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What programs see and what is stored.
    pub fn image(&self) -> Image {
        self.state.lock().image.clone()
    }

    /// Puts something else on it; whoever has a file open has it no more.
    pub fn set_image(&self, image: Image) {
        let mut inner = self.state.lock();
        inner.end_life();
        inner.image = image;
    }

    /// Begins to record.
    pub fn record(&self) {
        let mut inner = self.state.lock();
        inner.recorded = Some(History { before: inner.image.clone(), ops: Vec::new() });
    }

    /// How many changes were recorded so far.
    pub fn recorded(&self) -> usize {
        self.state.lock().recorded.as_ref().map_or(0, |history| history.ops.len())
    }

    /// Ends the recording.
    pub fn history(&self) -> History {
        self.state.lock().recorded.take().unwrap_or_default()
    }

    /// Calls will fail, or no longer.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.state.lock().faults.set(fault);
    }

    /// Calls that failed since the fault was set.
    pub fn struck(&self) -> u64 {
        self.state.lock().faults.struck()
    }

    /// Octets that all files together may have; `None`: any.
    pub fn set_capacity(&self, capacity: Option<u64>) {
        self.state.lock().capacity = capacity;
    }

    /// Octets of all files.
    pub fn octets(&self) -> u64 {
        self.state.lock().image.octets()
    }

    /// Every process ends as by SIGKILL: handles are of no use any more, what was written stays, and stays unsynced.
    pub fn kill(&self) {
        self.state.lock().end_life();
    }

    /// The power goes and comes back.
    pub fn cut(&self, fate: Fate, dice: &mut Dice) {
        let mut inner = self.state.lock();
        inner.end_life();
        inner.image = inner.image.cut(fate, dice);
    }

    fn with_inode<T>(&self, path: &Path, run: impl FnOnce(&mut Inner, Inode) -> Result<T, Trouble>) -> io::Result<T> {
        let mut inner = self.state.lock();
        let inode = inner.image.find(path).ok_or(io::ErrorKind::NotFound)?;
        run(&mut inner, inode).map_err(Trouble::error)
    }
}

impl mailbox::Disk for FaultyDisk {
    fn vfs(&self) -> Option<&'static str> {
        Some(crate::vfs::NAME)
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        let inner = self.state.lock();
        Ok(inner.image.find(path).map(|inode| inner.image.content(inode).len() as u64))
    }

    fn create(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.state.lock();
        if inner.image.find(path).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        inner.create(path).map(drop).map_err(Trouble::error)
    }

    fn read_at(&self, path: &Path, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.with_inode(path, |inner, inode| {
            inner.call(Call::Read)?;
            let there = inner.image.content(inode).get(offset as usize..).unwrap_or_default();
            let count = there.len().min(into.len());
            if let (Some(to), Some(from)) = (into.get_mut(..count), there.get(..count)) {
                to.copy_from_slice(from);
            }
            Ok(count)
        })
    }

    fn write_at(&self, path: &Path, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.with_inode(path, |inner, inode| inner.write(inode, offset, octets))
    }

    fn overwrite(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        let mut inner = self.state.lock();
        let inode = match inner.image.find(path) {
            Some(inode) => inode,
            None => inner.create(path).map_err(Trouble::error)?,
        };
        inner.write(inode, 0, octets).map_err(Trouble::error)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.with_inode(path, Inner::sync)
    }

    fn renew(&self, path: &Path) -> io::Result<()> {
        self.with_inode(path, |inner, inode| {
            inner.call(Call::Read)?;
            let octets = inner.image.content(inode).to_vec();
            inner.write(inode, 0, &octets)?;
            inner.sync(inode)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with_inode(from, |inner, _| {
            inner.call(Call::Rename)?;
            inner.apply(Op::Rename(from.to_owned(), to.to_owned()));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<bool> {
        self.state.lock().unlink(path).map_err(Trouble::error)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.state.lock().sync_folder(folder).map_err(Trouble::error)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let inner = self.state.lock();
        Ok(inner.image.names().filter(|path| path.parent() == Some(folder)).map(Path::to_owned).collect())
    }

    fn room(&self, _folder: &Path) -> io::Result<u64> {
        let inner = self.state.lock();
        Ok(inner.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(inner.image.octets())))
    }
}

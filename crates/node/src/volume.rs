//! The volumes: folders of mailbox and waiting-mail files, exclusively locked, and where in them a mailbox's files are.
//! Knows nothing of what is in the files.
//!
//! Invariants: a volume's lock is held as long as its `Volumes` lives, so no other process opens a file in it (P4). A
//! mailbox has at most one file of each kind over all volumes; where it is is found by looking, never remembered.

use mailbox::Disk;
use model::MailboxId;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the file in each volume that is locked while a node owns it.
pub const LOCK_NAME: &str = "volume.lock";
/// Folder of probe files, one at a time.
const PROBE_FOLDER: &str = "probe";
/// Folder of queue files.
const QUEUE_FOLDER: &str = "queue";

/// Why the volumes cannot be used, or a file in them not found.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// Nothing is configured.
    #[error("node.volumes is empty: name at least one folder for mailboxes")]
    None,
    /// Another process holds the lock.
    #[error("volume {} is in use by another node process: stop that one first, or give this node its own folder", .0.display())]
    InUse(PathBuf),
    /// The same folder twice.
    #[error("volume {} is configured twice: remove one of them", .0.display())]
    Twice(PathBuf),
    /// Two files for one mailbox: one of them is a copy that somebody made.
    #[error("mailbox {0} has a file on more than one volume: move the copy out of the volumes")]
    Ambiguous(MailboxId),
    /// The operating system said no.
    #[error("volume {}: {source}: check that it is mounted and that this user may write to it", .path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> VolumeError {
    let path = path.to_owned();
    move |source| VolumeError::Io { path, source }
}

/// What a file holds; decides the folder that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The mailbox itself.
    Mailbox,
    /// Mail that waits for its owner.
    Waiting,
}

impl Kind {
    const fn folder(self) -> &'static str {
        match self {
            Self::Mailbox => "mailboxes",
            Self::Waiting => "waiting",
        }
    }
}

/// One locked folder.
struct Volume {
    root: PathBuf,
    /// Holds the lock by being open.
    _lock: File,
}

impl Volume {
    fn open(root: &Path) -> Result<Self, VolumeError> {
        make_folder(root)?;
        let root = fs::canonicalize(root).map_err(io_error(root))?;
        let path = root.join(LOCK_NAME);
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(io_error(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(VolumeError::InUse(root)),
            Err(fs::TryLockError::Error(source)) => return Err(VolumeError::Io { path, source }),
        }
        // The root's own entry, in case it was made just now; who may not read the parent has not made it there.
        if let Some(Ok(parent)) = root.parent().map(File::open) {
            parent.sync_all().map_err(io_error(&root))?;
        }
        // For people who look: the lock itself says who owns the volume.
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(io_error(&path))?;
        Ok(Self { root, _lock: lock })
    }

    fn path(&self, kind: Kind, id: &MailboxId) -> PathBuf {
        let name = id.to_string();
        // Two levels of 256 folders: a million mailboxes are 16 files a folder.
        self.root.join(kind.folder()).join(&name[..2]).join(&name[2..4]).join(format!("{name}.db"))
    }

    /// Octets that may still be written.
    fn room(&self) -> Result<u64, VolumeError> {
        let stat = rustix::fs::statvfs(&self.root).map_err(|e| io_error(&self.root)(e.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

fn make_folder(path: &Path) -> Result<(), VolumeError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error(path))
}

/// Makes the folder durable: its own entry, and those of the levels that were made with it.
fn sync_folders(from: &Path, up_to: &Path) -> Result<(), VolumeError> {
    for folder in from.ancestors().take_while(|folder| folder.starts_with(up_to)) {
        File::open(folder).and_then(|open| open.sync_all()).map_err(io_error(folder))?;
    }
    Ok(())
}

/// Every volume of this node.
pub struct Volumes {
    volumes: Vec<Volume>,
    free_bytes_min: u64,
    /// What the files are on; folders and locks are the system's own.
    disk: &'static dyn Disk,
}

impl Volumes {
    /// Makes the folders where they are missing and locks them all. `free_bytes_min` stays free on each for what is not new
    /// mail: flags, expunges.
    ///
    /// # Errors
    /// [`VolumeError::InUse`] when another process owns one of them.
    pub fn open(roots: &[PathBuf], free_bytes_min: u64, disk: &'static dyn Disk) -> Result<Self, VolumeError> {
        let mut volumes: Vec<Volume> = Vec::with_capacity(roots.len());
        for root in roots {
            let canonical = fs::canonicalize(root).ok();
            if let Some(path) = canonical.filter(|path| volumes.iter().any(|other| other.root == *path)) {
                return Err(VolumeError::Twice(path));
            }
            volumes.push(Volume::open(root)?);
        }
        if volumes.is_empty() { Err(VolumeError::None) } else { Ok(Self { volumes, free_bytes_min, disk }) }
    }

    /// Where the mailbox's file is, `None` when there is none.
    ///
    /// # Errors
    /// [`VolumeError::Ambiguous`] when two volumes have one.
    pub fn find(&self, kind: Kind, id: &MailboxId) -> Result<Option<PathBuf>, VolumeError> {
        let mut found = None;
        for volume in &self.volumes {
            let path = volume.path(kind, id);
            if self.disk.length(&path).map_err(io_error(&path))?.is_some() && found.replace(path).is_some() {
                return Err(VolumeError::Ambiguous(*id));
            }
        }
        Ok(found)
    }

    /// Where a new file for the mailbox goes: on the volume with the most room, its folders made durably.
    pub fn place(&self, kind: Kind, id: &MailboxId) -> Result<PathBuf, VolumeError> {
        let mut best: Option<(u64, &Volume)> = None;
        for volume in &self.volumes {
            let room = volume.room()?;
            if best.is_none_or(|(most, _)| room > most) {
                best = Some((room, volume));
            }
        }
        let (_, volume) = best.ok_or(VolumeError::None)?;
        let path = volume.path(kind, id);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
            // Also when it was there: another thread, or a process that was killed, may have made it and not come to this
            // line. Syncing a folder that is clean costs next to nothing.
            sync_folders(folder, &volume.root)?;
        }
        Ok(path)
    }

    /// Whether so many octets fit: on the volume that has the file, or on the roomiest for a file that is not there yet.
    pub fn has_room(&self, kind: Kind, id: &MailboxId, octets: u64) -> Result<bool, VolumeError> {
        let path = self.find(kind, id)?;
        let mut room = 0;
        for volume in &self.volumes {
            if path.as_ref().is_none_or(|path| path.starts_with(&volume.root)) {
                room = room.max(volume.room()?);
            }
        }
        Ok(room > self.free_bytes_min && room - self.free_bytes_min >= octets)
    }

    /// Every volume's folder.
    pub fn roots(&self) -> Vec<PathBuf> {
        self.volumes.iter().map(|volume| volume.root.clone()).collect()
    }

    /// The folder of queue files on each volume, made durably.
    pub fn queue_folders(&self) -> Result<Vec<PathBuf>, VolumeError> {
        self.folders(QUEUE_FOLDER)
    }

    /// Every waiting-mail file.
    pub fn waiting_files(&self) -> Result<Vec<(PathBuf, MailboxId)>, VolumeError> {
        let mut files = Vec::new();
        let mut folders: Vec<_> = self
            .volumes
            .iter()
            .map(|volume| volume.root.join(Kind::Waiting.folder()))
            .filter(|at| at.is_dir())
            .collect();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(io_error(&folder))? {
                let path = entry.map_err(io_error(&folder))?.path();
                let stem = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".db"));
                if let Some(id) = stem.and_then(|stem| stem.parse().ok()) {
                    files.push((path, id));
                } else if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        Ok(files)
    }

    /// A folder of this name on each volume, made durably.
    pub fn folders(&self, name: &str) -> Result<Vec<PathBuf>, VolumeError> {
        let mut folders = Vec::with_capacity(self.volumes.len());
        for volume in &self.volumes {
            let folder = volume.root.join(name);
            make_folder(&folder)?;
            sync_folders(&folder, &volume.root)?;
            folders.push(folder);
        }
        Ok(folders)
    }

    /// Whether so many octets fit on the volume that has this file, or will have it.
    pub fn has_room_at(&self, path: &Path, octets: u64) -> Result<bool, VolumeError> {
        let volume = self.volumes.iter().find(|volume| path.starts_with(&volume.root)).ok_or(VolumeError::None)?;
        let room = volume.room()?;
        Ok(room > self.free_bytes_min && room - self.free_bytes_min >= octets)
    }

    /// Whether any file is there that only the node key opens: waiting mail, or a queue.
    pub fn has_keyed(&self) -> Result<bool, VolumeError> {
        let keyed = [Kind::Waiting.folder(), QUEUE_FOLDER];
        let mut folders: Vec<_> =
            self.volumes.iter().flat_map(|volume| keyed.map(|folder| volume.root.join(folder))).collect();
        while let Some(folder) = folders.pop() {
            if !folder.try_exists().map_err(io_error(&folder))? {
                continue;
            }
            for entry in fs::read_dir(&folder).map_err(io_error(&folder))? {
                let entry = entry.map_err(io_error(&folder))?;
                if !entry.file_type().map_err(io_error(&folder))?.is_dir() {
                    return Ok(true);
                }
                folders.push(entry.path());
            }
        }
        Ok(false)
    }

    /// A path for a probe file on each volume; whatever an earlier probe left there is removed.
    pub fn probes(&self, id: &MailboxId) -> Result<Vec<PathBuf>, VolumeError> {
        let mut probes = Vec::with_capacity(self.volumes.len());
        for volume in &self.volumes {
            let folder = volume.root.join(PROBE_FOLDER);
            if folder.is_dir() {
                fs::remove_dir_all(&folder).map_err(io_error(&folder))?;
            }
            make_folder(&folder)?;
            probes.push(folder.join(format!("{id}.db")));
        }
        Ok(probes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailbox::SYSTEM_DISK;

    const ID: MailboxId = MailboxId::from_bytes([0xab, 0xcd, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);

    #[test]
    fn a_second_owner_is_refused_and_told_why() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("v");
        let first = Volumes::open(std::slice::from_ref(&root), 0, &SYSTEM_DISK).unwrap();
        let refused = Volumes::open(std::slice::from_ref(&root), 0, &SYSTEM_DISK).err().unwrap();
        assert!(matches!(refused, VolumeError::InUse(_)), "{refused}");
        drop(first);
        Volumes::open(&[root], 0, &SYSTEM_DISK).unwrap();
    }

    #[test]
    fn a_folder_given_twice_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        let refused = Volumes::open(&[root.clone(), root.join(".")], 0, &SYSTEM_DISK).err().unwrap();
        assert!(matches!(refused, VolumeError::Twice(_)), "{refused}");
        assert!(matches!(Volumes::open(&[], 0, &SYSTEM_DISK), Err(VolumeError::None)));
    }

    #[test]
    fn files_are_fanned_out_and_found_by_looking() {
        let dir = tempfile::tempdir().unwrap();
        let roots = [dir.path().join("a"), dir.path().join("b")];
        let volumes = Volumes::open(&roots, 0, &SYSTEM_DISK).unwrap();
        assert_eq!(volumes.find(Kind::Mailbox, &ID).unwrap(), None);
        let placed = volumes.place(Kind::Waiting, &ID).unwrap();
        assert!(placed.ends_with("waiting/ab/cd/abcd0102030405060708090a.db"), "{placed:?}");

        // By hand on the other volume: found all the same.
        let other = fs::canonicalize(&roots[1]).unwrap().join("mailboxes/ab/cd/abcd0102030405060708090a.db");
        fs::create_dir_all(other.parent().unwrap()).unwrap();
        fs::write(&other, b"").unwrap();
        assert_eq!(volumes.find(Kind::Mailbox, &ID).unwrap(), Some(other));
        let copy = fs::canonicalize(&roots[0]).unwrap().join("mailboxes/ab/cd/abcd0102030405060708090a.db");
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::write(&copy, b"").unwrap();
        assert!(matches!(volumes.find(Kind::Mailbox, &ID), Err(VolumeError::Ambiguous(ID))));
    }

    #[test]
    fn room_is_asked_of_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let volumes = Volumes::open(&[dir.path().to_owned()], 0, &SYSTEM_DISK).unwrap();
        assert!(volumes.has_room(Kind::Mailbox, &ID, 1).unwrap());
        assert!(!volumes.has_room(Kind::Mailbox, &ID, u64::MAX).unwrap());
    }
}

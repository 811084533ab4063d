//! What the catalogue asks of a disk beside the engine, handed in so that tests can cut its power.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Octets of a log that are read and written at once.
const RENEWED_BYTES_AT_ONCE: usize = 256 * 1024;

/// The disk. Nothing of it is durable before the sync that says so.
pub(crate) trait Disk: Send + Sync {
    /// The name of the engine's file layer; `None`: the system's own.
    fn vfs(&self) -> Option<&'static str>;

    /// Makes an empty file that only its owner reads, and waits until it is on stable storage; its name is not.
    fn create(&self, path: &Path) -> io::Result<()>;

    /// Writes what a file reads as over itself and waits until that is on stable storage: afterwards what is read is what is
    /// stored, also where a sync failed and the system has dropped what it could not write.
    fn renew(&self, path: &Path) -> io::Result<()>;

    /// Waits until the names in a folder are on stable storage.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The system's own.
pub(crate) struct SystemDisk;

impl Disk for SystemDisk {
    fn vfs(&self) -> Option<&'static str> {
        None
    }

    fn create(&self, path: &Path) -> io::Result<()> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.sync_all()
    }

    fn renew(&self, path: &Path) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let (mut octets, mut at) = (vec![0; RENEWED_BYTES_AT_ONCE], 0);
        loop {
            let count = file.read_at(&mut octets, at)?;
            if count == 0 {
                return file.sync_all();
            }
            file.write_all_at(octets.get(..count).unwrap_or_default(), at)?;
            at += count as u64;
        }
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

/// A database's file on its disk.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) disk: &'static dyn Disk,
    pub(crate) path: PathBuf,
}

impl Place {
    /// Makes the file, if it is missing, for this user alone: wrapped keys can be guessed at offline where a password is weak.
    /// SQLite gives its log the same rights.
    pub(super) fn make(&self) -> io::Result<()> {
        match self.disk.create(&self.path) {
            Ok(()) => self.disk.sync_folder(folder_of(&self.path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What a process that was killed, or a sync that failed, left in the log may be readable and not on stable storage, and so
    /// may the names of both files. It is about to be taken for committed, told and written upon: first it is made durable, so
    /// that what is read and what is stored are one. Blocking.
    pub(super) fn settle(&self) -> io::Result<()> {
        match self.disk.renew(&beside(&self.path, "-wal")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => self.disk.sync_folder(folder_of(&self.path)),
        }
    }
}

/// The folder that a file's name is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The file whose name is this one's and more.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

//! The file layer beside the engine, handed in so that tests can cut its power: names, lengths, syncs, and which layer the
//! engine itself writes through.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Octets that [`Disk::renew`] reads and writes at once.
const RENEWED_BYTES_AT_ONCE: usize = 256 * 1024;

/// What this crate asks of a disk besides what the engine does. Nothing here is durable before the sync that says so.
pub trait Disk: std::fmt::Debug + Send + Sync {
    /// The name of the engine's file layer, as it was registered; `None`: the system's own.
    fn vfs(&self) -> Option<&'static str> {
        None
    }

    /// Octets of the file; `None` when there is none.
    ///
    /// # Errors
    /// Of the system.
    fn length(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Makes an empty file that only its owner reads. Mode 0600 from the start: the engine keeps the mode of a file that is
    /// there.
    ///
    /// # Errors
    /// When there is one, and of the system.
    fn create(&self, path: &Path) -> io::Result<()>;

    /// Reads from an offset until the buffer is full or the file ends; how many octets.
    ///
    /// # Errors
    /// `NotFound` when there is none, and of the system.
    fn read_at(&self, path: &Path, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes the octets at this offset of a file that is there. Nothing waits for the disk.
    ///
    /// # Errors
    /// `NotFound` when there is none, and of the system.
    fn write_at(&self, path: &Path, offset: u64, octets: &[u8]) -> io::Result<()>;

    /// Makes the file have these octets first, in place, and makes the file if there is none. Nothing waits for the disk.
    ///
    /// # Errors
    /// Of the system.
    fn overwrite(&self, path: &Path, octets: &[u8]) -> io::Result<()>;

    /// Waits until the file's octets and its length are on stable storage. Its name is not, until the folder is synced.
    ///
    /// # Errors
    /// Of the system; then nobody knows what is stored of the file's last writes, and a second try would not tell either.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Writes what the file reads as over itself, and syncs it: afterwards what is read is what is stored, also where an
    /// earlier sync failed and the system has dropped what it could not write, or keeps it and believes it written.
    ///
    /// # Errors
    /// Of the system.
    fn renew(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name, in place of one that has the name; in another folder too, of the same file system.
    ///
    /// # Errors
    /// Of the system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; whether there was one.
    ///
    /// # Errors
    /// Of the system.
    fn remove(&self, path: &Path) -> io::Result<bool>;

    /// Waits until the names in a folder are on stable storage: those that were made, changed and removed.
    ///
    /// # Errors
    /// Of the system.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Every file in a folder; none when there is no folder.
    ///
    /// # Errors
    /// Of the system.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;

    /// Octets that may still be written to the file system of this folder.
    ///
    /// # Errors
    /// Of the system.
    fn room(&self, folder: &Path) -> io::Result<u64>;
}

/// The folder that a file's name is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The system's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

/// The disk of every file outside tests.
pub static SYSTEM_DISK: SystemDisk = SystemDisk;

impl Disk for SystemDisk {
    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        match std::fs::metadata(path) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, path: &Path) -> io::Result<()> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
    }

    fn read_at(&self, path: &Path, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let file = File::open(path)?;
        let mut count = 0;
        while let Some(rest) = into.get_mut(count..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, offset + count as u64) {
                Ok(0) => break,
                Ok(some) => count += some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    fn write_at(&self, path: &Path, offset: u64, octets: &[u8]) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.write_all_at(octets, offset)
    }

    fn overwrite(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600).open(path)?.write_all_at(octets, 0)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn renew(&self, path: &Path) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut octets = vec![0; RENEWED_BYTES_AT_ONCE];
        let mut at = 0;
        loop {
            let count = file.read_at(&mut octets, at)?;
            if count == 0 {
                return file.sync_all();
            }
            file.write_all_at(octets.get(..count).unwrap_or_default(), at)?;
            at += count as u64;
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<bool> {
        match std::fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        match std::fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries?.map(|entry| entry.map(|entry| entry.path())).collect(),
        }
    }

    fn room(&self, folder: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(folder)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

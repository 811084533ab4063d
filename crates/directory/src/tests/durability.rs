//! The catalogue through power cuts, kills and disks that fail: what was acknowledged is there, nothing is there half, and files of
//! earlier schemas come through. docs/durability.md says what is promised and how to run more of it.

mod cuts;
mod failures;
pub(super) mod history;
mod view;

use crate::catalogue::{Catalogue, Disk, Error, Place};
use faulty_disk::FaultyDisk;
use std::io;
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

impl Disk for FaultyDisk {
    /// SQLite3MultipleCiphers makes a layer of this name upon the one behind the hyphen, as it does upon the system's.
    fn vfs(&self) -> Option<&'static str> {
        Some("multipleciphers-faulty")
    }

    fn create(&self, path: &Path) -> io::Result<()> {
        mailbox::Disk::create(self, path)?;
        mailbox::Disk::sync(self, path)
    }

    fn renew(&self, path: &Path) -> io::Result<()> {
        mailbox::Disk::renew(self, path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        mailbox::Disk::sync_folder(self, folder)
    }
}

/// A catalogue on a faulty disk; its key is on a sound one.
struct Subject {
    disk: &'static FaultyDisk,
    key: PathBuf,
    runtime: Runtime,
    _folder: tempfile::TempDir,
}

impl Subject {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let key = folder.path().join("directory.key");
        Self { disk: faulty_disk::fresh_disk(name), key, runtime, _folder: folder }
    }

    fn place(&self) -> Place {
        Place { disk: self.disk, path: self.disk.root().join("catalogue.db") }
    }

    /// As a directory opens it that starts, but for the lock, which is no matter of the disk.
    async fn try_open(&self) -> Result<Catalogue, Error> {
        Catalogue::open_at(self.place(), &self.key, None).await
    }

    async fn open(&self) -> Catalogue {
        self.try_open().await.unwrap()
    }
}

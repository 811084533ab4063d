//! Files that change places: what has a name is moved aside and kept, and what was prepared gets the name. What is prepared, and
//! that nobody has either open, is the caller's matter.
//!
//! Invariants: nothing is moved before a journal that says all of it is on stable storage. After a crash the next start ends what
//! the journal says, or there is none and everything is as it was. Whatever was begun and has no journal is removed. What a disk
//! that fails leaves half done is ended, or taken back, before anybody opens a file of that name: a journal that came to life
//! again later would put an old file in place of what was written since.

use crate::beside::{BESIDE, DAMAGED, beside};
use mailbox::Disk;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What ends the name of a journal.
const JOURNAL_SUFFIX: &str = ".journal";
/// Octets of a journal that are read: three names and a report.
const JOURNAL_BYTES_MAX: usize = 1024 * 1024;

/// What a journal says: these files change places. Paths are of one volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The file that was prepared: whole, synced, and closed.
    #[serde(rename = "restored")]
    pub prepared: PathBuf,
    /// The name that it gets.
    pub target: PathBuf,
    /// Where the file goes that has the name, if there is one.
    pub aside: Option<PathBuf>,
    /// What is noted beside it there: why it was moved.
    #[serde(default)]
    pub why: Option<String>,
}

/// An exchange that the disk kept from coming to its end.
enum Unfinished {
    /// Its journal is written: it goes on.
    Begun(Exchange),
    /// Its journal may be there or not: it is taken back.
    GivenUp(Exchange),
}

/// Every exchange of a node.
pub struct Exchanges {
    disk: &'static dyn Disk,
    unfinished: Mutex<Vec<Unfinished>>,
}

impl Exchanges {
    /// None under way.
    pub fn new(disk: &'static dyn Disk) -> Self {
        Self { disk, unfinished: Mutex::default() }
    }

    /// Changes places, durably. What goes wrong before the journal is written leaves everything as it was, without the file that
    /// was prepared; what goes wrong behind it is ended by [`Exchanges::settle`], or by the next start.
    ///
    /// # Errors
    /// Of the disk.
    pub fn run(&self, exchange: Exchange) -> io::Result<()> {
        let (disk, journal) = (self.disk, exchange.journal());
        if let Err(error) = write_new(disk, &journal, &serde_json::to_vec(&exchange)?) {
            if exchange.take_back(disk).is_err() {
                self.unfinished().push(Unfinished::GivenUp(exchange));
            }
            return Err(error);
        }
        exchange.finish(disk).inspect_err(|_| self.unfinished().push(Unfinished::Begun(exchange.clone())))
    }

    /// Ends what was left half done with the files that are named by this id. Whoever opens one asks this first.
    ///
    /// # Errors
    /// Of the disk; then they are not to be opened.
    pub fn settle(&self, id: &impl std::fmt::Display) -> io::Result<()> {
        let mut unfinished = self.unfinished();
        if unfinished.is_empty() {
            return Ok(());
        }
        let (stem, mut at) = (id.to_string(), 0);
        while let Some(next) = unfinished.get(at) {
            let (exchange, begun) = match next {
                Unfinished::Begun(exchange) => (exchange, true),
                Unfinished::GivenUp(exchange) => (exchange, false),
            };
            if exchange.target.file_stem().is_none_or(|name| name != stem.as_str()) {
                at += 1;
                continue;
            }
            if begun {
                exchange.finish(self.disk)?
            } else {
                exchange.take_back(self.disk)?
            }
            unfinished.remove(at);
        }
        Ok(())
    }

    fn unfinished(&self) -> MutexGuard<'_, Vec<Unfinished>> {
        // What is in it is on the disk: nothing is half-changed in memory.
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchange {
    fn journal(&self) -> PathBuf {
        beside(&self.prepared, JOURNAL_SUFFIX)
    }

    /// Removes the journal, which was not acted upon, and what was prepared.
    fn take_back(&self, disk: &dyn Disk) -> io::Result<()> {
        // A power cut may bring the journal back alone, which says that all was done, or both, before anything else was.
        disk.remove(&self.journal())?;
        remove_with_beside(disk, &self.prepared)?;
        sync_folder_of(disk, &self.prepared)
    }

    /// Every step may have been done before: done again, it changes nothing.
    fn finish(&self, disk: &dyn Disk) -> io::Result<()> {
        let journal = &self.journal();
        if disk.length(&self.prepared)?.is_some() {
            if let Some(aside) = &self.aside {
                self.move_aside(disk, aside)?;
            }
            // What is left of it must not be taken for the other file's.
            for suffix in BESIDE {
                disk.remove(&beside(&self.target, suffix))?;
            }
            // Names may reach the disk in any order: that the old ones are gone comes first.
            sync_folder_of(disk, &self.target)?;
            disk.rename(&self.prepared, &self.target)?;
        }
        // Also when it was done before: a process that was killed may not have come to this line.
        sync_folder_of(disk, &self.target)?;
        sync_folder_of(disk, &self.prepared)?;
        disk.remove(journal)?;
        sync_folder_of(disk, journal)
    }

    fn move_aside(&self, disk: &dyn Disk, aside: &Path) -> io::Result<()> {
        for suffix in BESIDE.into_iter().chain([""]) {
            match disk.rename(&beside(&self.target, suffix), &beside(aside, suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        if let Some(why) = &self.why {
            let note = beside(aside, DAMAGED);
            disk.remove(&note)?;
            write_new(disk, &note, why.as_bytes())?;
        }
        sync_folder_of(disk, aside)
    }
}

/// Ends what journals in a folder say, and removes what was not ready. Before any file is opened.
///
/// # Errors
/// Of the disk.
pub fn recover(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    for path in disk.list(folder)?.into_iter().filter(|path| path.to_string_lossy().ends_with(JOURNAL_SUFFIX)) {
        // One that is cut short was never acted upon.
        if let Ok(exchange) = serde_json::from_slice::<Exchange>(&read(disk, &path, JOURNAL_BYTES_MAX)?) {
            exchange.finish(disk)?;
            tracing::info!("files that were changing places when the node ended are in their places");
        } else {
            disk.remove(&path)?;
        }
    }
    for path in disk.list(folder)? {
        disk.remove(&path)?;
    }
    Ok(())
}

/// The first octets of a small file.
///
/// # Errors
/// Of the system.
pub fn read(disk: &dyn Disk, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let length = disk.length(path)?.unwrap_or_default();
    let mut octets = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(bytes_max)];
    let count = disk.read_at(path, 0, &mut octets)?;
    octets.truncate(count);
    Ok(octets)
}

/// Makes a small file, durably.
fn write_new(disk: &dyn Disk, path: &Path, octets: &[u8]) -> io::Result<()> {
    disk.create(path)?;
    disk.overwrite(path, octets)?;
    disk.sync(path)?;
    sync_folder_of(disk, path)
}

/// Removes a file and what stands beside it.
///
/// # Errors
/// Of the system.
pub fn remove_with_beside(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    for suffix in BESIDE.into_iter().chain([""]) {
        disk.remove(&beside(path, suffix))?;
    }
    Ok(())
}

/// Makes durable what is called what in the file's folder.
///
/// # Errors
/// Of the system.
pub fn sync_folder_of(disk: &dyn Disk, file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), |folder| disk.sync_folder(folder))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests;

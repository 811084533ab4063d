//! Where a queue file is: opened for its writer and beside it, and replaced when it is damaged.
//!
//! Invariants: the file changes places while no connection of the queue has it open: who reads holds the gate with others, and who
//! replaces it alone; the writer, which is the only one that replaces it, hands its own over. A finding is of the file that was looked
//! at: once another has its place, nothing is done about it.

use super::limits::READERS_KEPT_MAX;
use crate::fault::Fault;
use crate::keyed::{self, Keyed, queue_options};
use crate::primary::Primary;
use mailbox::Error;
use mailbox::queue::{QueueFile, QueueReader};
use model::QueueId;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use vault::FileKey;
use wire::session::FailureCode;

/// A queue file's place.
pub struct Place {
    id: QueueId,
    path: PathBuf,
    primary: Arc<Primary>,
    gate: RwLock<()>,
    /// Reading connections that nobody uses now.
    readers: Mutex<Vec<QueueReader>>,
    /// How often another file took the place.
    replaced: AtomicU64,
}

/// Damage that was found, and in which of the files that have had the place.
#[derive(Debug, Clone)]
pub struct Found {
    /// What is wrong.
    pub what: String,
    /// How often another file had taken the place.
    pub replaced: u64,
}

impl Place {
    /// Nothing is opened yet.
    pub fn new(path: PathBuf, id: QueueId, primary: Arc<Primary>) -> Self {
        Self { id, path, primary, gate: RwLock::default(), readers: Mutex::default(), replaced: AtomicU64::new(0) }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How often another file has taken the place.
    pub fn replaced(&self) -> u64 {
        self.replaced.load(Ordering::Acquire)
    }

    /// Opens the file for its writer, or makes it; one that is damaged is replaced.
    ///
    /// # Errors
    /// Of the disk, DISK_FULL when what would take its place does not fit.
    pub fn open(&self) -> Result<QueueFile, Error> {
        let settled = self.primary.exchanges.settle(&self.id);
        settled.map_err(|source| Error::Io { doing: "ending an earlier change of files", source })?;
        match self.open_file() {
            Err(error) if keyed::is_damage(&error) => self.replace(&error.to_string(), None),
            opened => opened,
        }
    }

    fn open_file(&self) -> Result<QueueFile, Error> {
        QueueFile::open_or_create(&self.path, &self.key()?, &self.id, queue_options(&self.primary))
    }

    fn key(&self) -> Result<FileKey, Error> {
        self.primary.node_key.queue_key(&self.id).map_err(|error| Error::Vault(error.to_string()))
    }

    /// Sets the damaged file aside, which the writer has open or could not open; the new one, in which what is whole is held.
    ///
    /// # Errors
    /// DISK_FULL when it does not fit; of the disk. Then the damaged one is still there, or the next open ends what was begun.
    pub fn replace(&self, why: &str, open: Option<QueueFile>) -> Result<QueueFile, Error> {
        let mut alone = None;
        // Until what is whole was taken, which may take a while, others read on.
        let close = || {
            alone = Some(self.gate.write().unwrap_or_else(PoisonError::into_inner));
            self.kept().clear();
            // Closed in no order: nothing is written to a damaged file.
            drop(open);
        };
        let set_aside = Keyed::Queue(self.id).set_aside(&self.primary, &self.path, why, close);
        set_aside.map_err(|fault| self.failed(why, &fault))?;
        self.replaced.fetch_add(1, Ordering::Release);
        drop(alone);
        self.open_file()
    }

    fn failed(&self, why: &str, fault: &Fault) -> Error {
        tracing::error!(queue = %self.id, "the damaged queue file cannot be set aside: {fault}");
        if fault.code == FailureCode::DiskFull { Error::DiskFull } else { Error::Damaged(why.to_owned()) }
    }

    /// Reads beside the writer. With the error comes what was found, if the file is damaged.
    ///
    /// # Errors
    /// The read's.
    pub fn read<T>(&self, run: impl FnOnce(&QueueReader) -> Result<T, Error>) -> Result<T, (Error, Option<Found>)> {
        let _with_others = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let read = self.reader().and_then(|reader| {
            let result = run(&reader);
            if result.as_ref().err().is_none_or(Error::is_harmless) {
                let mut kept = self.kept();
                if kept.len() < READERS_KEPT_MAX {
                    kept.push(reader);
                }
            }
            result
        });
        read.map_err(|error| {
            let found = keyed::is_damage(&error).then(|| Found { what: error.to_string(), replaced: self.replaced() });
            (error, found)
        })
    }

    fn reader(&self) -> Result<QueueReader, Error> {
        let kept = self.kept().pop();
        match kept {
            Some(reader) => Ok(reader),
            None => QueueReader::open(&self.path, &self.key()?, &self.id, queue_options(&self.primary)),
        }
    }

    /// Closes what nobody uses, so that the writer's is the last connection, which moves the log into the file.
    pub fn close_readers(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, Vec<QueueReader>> {
        // No invariant spans a panic.
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Reads that last (a copy of the file, a check of it) keep the log from being used again while they do. When it grows to its
//! bound they are ended: mail goes before copies, and whoever made one tries again.
//!
//! By path, because who reads and who writes do not know of each other, and one process has the file.

use rusqlite::{Connection, InterruptHandle};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Those that are under way in this process.
static READS: Mutex<Reads> = Mutex::new(Reads { next: 0, all: Vec::new() });

struct Reads {
    next: u64,
    all: Vec<(u64, PathBuf, InterruptHandle)>,
}

/// A long read under way; it can be ended until this is dropped.
pub(crate) struct LongRead(u64);

impl LongRead {
    /// A connection to the file at this path begins to read for long.
    pub(crate) fn begin(path: &Path, connection: &Connection) -> Self {
        let mut reads = READS.lock().unwrap_or_else(PoisonError::into_inner);
        let number = reads.next;
        reads.next += 1;
        reads.all.push((number, path.to_owned(), connection.get_interrupt_handle()));
        Self(number)
    }
}

impl Drop for LongRead {
    fn drop(&mut self) {
        READS.lock().unwrap_or_else(PoisonError::into_inner).all.retain(|(number, ..)| *number != self.0);
    }
}

/// Ends those of a file: their statements fail with [`crate::Error::Interrupted`].
pub(crate) fn end(path: &Path) {
    let reads = READS.lock().unwrap_or_else(PoisonError::into_inner);
    for (_, _, handle) in reads.all.iter().filter(|(_, of, _)| of == path) {
        handle.interrupt();
    }
}

//! Moves the write-ahead log into the file, when the writer's owner finds the time; never by the engine on its own.

use crate::create::with_suffix;
use crate::engine::{BUSY_WAIT_MS, PAGE_BYTES};
use crate::error::Error;
use crate::long_read;
use crate::types::CheckpointReport;
use crate::writer::Writer;
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

/// Octets of log from which a checkpoint is worth its syncs: reading through a longer log costs more than moving it.
pub const LOG_BYTES_DUE: u64 = 4 * 1024 * 1024;
/// Octets of log from which the file is cut as well, so that one large message does not keep its room for ever.
const LOG_BYTES_TRUNCATE: u64 = 32 * 1024 * 1024;
/// Octets of log at which reads that last are ended, so that it can be used again; at twice as much nothing is written until the
/// last reader has let go. A copy of a mailbox takes seconds, and a mailbox takes in less than this meanwhile; more would take
/// long to read through at the next start, and to move in one step.
pub const LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Milliseconds that a cut waits for readers; they are short, and the next checkpoint tries again.
const TRUNCATE_WAIT_MS: u64 = 50;

impl Writer {
    /// Octets of the write-ahead log on disk, moved or not: the engine writes over what was moved and does not cut it.
    pub fn log_bytes(&self) -> u64 {
        self.disk.length(&with_suffix(&self.path, "-wal")).ok().flatten().unwrap_or_default()
    }

    /// Whether a checkpoint is worth it now: by what is in the log and not in the file. A microsecond.
    ///
    /// # Errors
    /// Of the engine.
    pub fn checkpoint_due(&self) -> Result<bool, Error> {
        let log = self.run_checkpoint("NOOP")?;
        let pages = u64::from(log.log_pages.saturating_sub(log.moved_pages));
        Ok(pages * u64::from(PAGE_BYTES) >= LOG_BYTES_DUE)
    }

    /// Moves what it can of the log into the file, without waiting for readers; cuts the log where it has grown large.
    /// The engine syncs the log before it writes to the file, and the file before the log is used again: at every moment one of
    /// the two has on stable storage what was acknowledged.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Device`], [`Error::Damaged`]; the log stays valid.
    pub fn checkpoint(&mut self) -> Result<CheckpointReport, Error> {
        let passive = self.run_checkpoint("PASSIVE")?;
        if self.log_bytes() < LOG_BYTES_TRUNCATE.min(self.log_bytes_max) {
            return Ok(passive);
        }
        let cut = cut(&self.connection, Duration::from_millis(TRUNCATE_WAIT_MS))?;
        if cut.busy {
            Ok(CheckpointReport { busy: true, ..passive })
        } else {
            Ok(CheckpointReport { truncated: true, ..passive })
        }
    }

    /// Keeps the log within its bound: at it, reads that last are ended, and the log is moved and cut; where something reads on
    /// all the same, nothing more is written at twice the bound until it has ended.
    pub(crate) fn bound_log(&mut self) -> Result<(), Error> {
        if self.log_bytes() < self.log_bytes_max || self.checkpoint()?.truncated {
            return Ok(());
        }
        long_read::end(&self.path);
        if self.checkpoint()?.truncated || self.log_bytes() < self.log_bytes_max.saturating_mul(2) {
            Ok(())
        } else {
            Err(Error::Busy)
        }
    }

    /// Moves what it can of the log, and cuts nothing: the beginning of a snapshot, which then finds most in the file.
    ///
    /// # Errors
    /// As [`Writer::checkpoint`].
    pub fn checkpoint_passive(&mut self) -> Result<CheckpointReport, Error> {
        self.run_checkpoint("PASSIVE")
    }

    fn run_checkpoint(&self, mode: &str) -> Result<CheckpointReport, Error> {
        run(&self.connection, mode)
    }
}

/// Moves the log of a file that one connection writes, and cuts it if nobody is in the way; waits for nobody. At the log's
/// bound it ends reads that last.
///
/// # Errors
/// As [`Writer::checkpoint`].
pub(crate) fn move_log(connection: &Connection, path: &Path, log_bytes: u64) -> Result<(), Error> {
    if log_bytes >= LOG_BYTES_MAX {
        long_read::end(path);
    }
    let moved = run(connection, "PASSIVE")?;
    // With a reader that looks at an older state not all could be moved, and nothing can be cut.
    if moved.moved_pages == moved.log_pages {
        cut(connection, Duration::ZERO)?;
    }
    Ok(())
}

/// Moves all of the log into the file and cuts it, ending reads that last.
///
/// # Errors
/// [`Error::Busy`] when somebody reads on; as [`Writer::checkpoint`].
pub(crate) fn move_all(connection: &Connection, path: &Path) -> Result<(), Error> {
    long_read::end(path);
    if cut(connection, Duration::from_millis(TRUNCATE_WAIT_MS))?.busy { Err(Error::Busy) } else { Ok(()) }
}

/// Cuts the log to nothing, after what is left was moved.
fn cut(connection: &Connection, wait: Duration) -> Result<CheckpointReport, Error> {
    connection.busy_timeout(wait)?;
    let cut = run(connection, "TRUNCATE");
    connection.busy_timeout(Duration::from_millis(u64::from(BUSY_WAIT_MS)))?;
    cut
}

fn run(connection: &Connection, mode: &str) -> Result<CheckpointReport, Error> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    let report = statement.query_row([], |row| {
        let pages = |value: i64| u32::try_from(value.max(0)).unwrap_or(u32::MAX);
        Ok(CheckpointReport {
            busy: row.get::<_, i64>(0)? != 0,
            log_pages: pages(row.get(1)?),
            moved_pages: pages(row.get(2)?),
            truncated: false,
        })
    })?;
    Ok(report)
}

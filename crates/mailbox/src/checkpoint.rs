//! Moves the write-ahead log into the file, when the writer's owner finds the time; never by the engine on its own.

use crate::create::with_suffix;
use crate::engine::{BUSY_WAIT_MS, PAGE_BYTES};
use crate::error::Error;
use crate::types::CheckpointReport;
use crate::writer::Writer;
use std::time::Duration;

/// Octets of log from which a checkpoint is worth its syncs: reading through a longer log costs more than moving it.
pub const LOG_BYTES_DUE: u64 = 4 * 1024 * 1024;
/// Octets of log from which the file is cut as well, so that one large message does not keep its room for ever.
const LOG_BYTES_TRUNCATE: u64 = 32 * 1024 * 1024;
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
    /// The engine syncs the log before it writes to the file, and the file before the log is used again.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Damaged`]; the log stays valid.
    pub fn checkpoint(&mut self) -> Result<CheckpointReport, Error> {
        let passive = self.run_checkpoint("PASSIVE")?;
        if self.log_bytes() < LOG_BYTES_TRUNCATE {
            return Ok(passive);
        }
        self.connection.busy_timeout(Duration::from_millis(TRUNCATE_WAIT_MS))?;
        let cut = self.run_checkpoint("TRUNCATE");
        self.connection.busy_timeout(Duration::from_millis(u64::from(BUSY_WAIT_MS)))?;
        let cut = cut?;
        if cut.busy {
            return Ok(CheckpointReport { busy: true, ..passive });
        }
        Ok(CheckpointReport { truncated: true, ..passive })
    }

    /// Moves what it can of the log, and cuts nothing: the beginning of a snapshot, which then finds most in the file.
    ///
    /// # Errors
    /// As [`Writer::checkpoint`].
    pub fn checkpoint_passive(&mut self) -> Result<CheckpointReport, Error> {
        self.run_checkpoint("PASSIVE")
    }

    fn run_checkpoint(&self, mode: &str) -> Result<CheckpointReport, Error> {
        let mut statement = self.connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
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
}

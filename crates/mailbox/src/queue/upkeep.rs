//! What the file needs from time to time: old ids forgotten, the log moved into the file, free pages given back.

use super::REMEMBERED_MS;
use super::file::QueueFile;
use crate::checkpoint;
use crate::create::with_suffix;
use crate::error::Error;
use rusqlite::{Connection, params};

/// Ids that one commit forgets at most: more than one commit takes.
const FORGOTTEN_PER_COMMIT_MAX: u32 = 512;
/// Octets of log from which it is moved when there is nothing else to do.
const LOG_BYTES_IDLE: u64 = 4 * 1024 * 1024;
/// Octets of log from which that does not wait for an idle moment.
const LOG_BYTES_BUSY: u64 = 64 * 1024 * 1024;
/// Free pages that stay in the file for what comes next, 64 MiB: queues fill and empty all day.
const FREE_PAGES_KEPT: i64 = 16 * 1024;
/// Pages that one call gives back to the volume.
const PAGES_RETURNED_PER_CALL: i64 = 1024;

impl QueueFile {
    /// Moves the log into the file once it is long; without haste (`is_idle`) already when it is not. Gives free pages back
    /// when idle. The engine syncs the log before it writes to the file, and the file before the log is used again.
    /// Returns whether there is more to do.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Damaged`]; the log stays valid.
    pub fn upkeep(&mut self, is_idle: bool) -> Result<bool, Error> {
        let log = with_suffix(&self.path, "-wal");
        let log = self.options.disk.length(&log).map_err(|error| Error::io("measuring the log", error))?;
        let log = log.unwrap_or_default();
        if log >= if is_idle { LOG_BYTES_IDLE } else { LOG_BYTES_BUSY } {
            // It is cut too where nobody is in the way, so that the length says what is left to move.
            checkpoint::move_log(&self.connection, &self.path, log)?;
        }
        if is_idle { self.shrink() } else { Ok(false) }
    }

    fn shrink(&mut self) -> Result<bool, Error> {
        let free: i64 = self.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
        let surplus = free - FREE_PAGES_KEPT;
        if surplus <= 0 {
            return Ok(false);
        }
        let pages = surplus.min(PAGES_RETURNED_PER_CALL);
        // Each step of the statement frees one page.
        let mut statement = self.connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(surplus > pages)
    }
}

/// Forgets ids that nobody asks for any more.
pub(super) fn forget(connection: &Connection, now: i64) -> Result<(), Error> {
    connection
        .prepare_cached(
            "DELETE FROM taken WHERE enqueue IN (SELECT enqueue FROM taken WHERE taken_ms < ?1 ORDER BY taken_ms LIMIT ?2)",
        )?
        .execute(params![now.saturating_sub(REMEMBERED_MS), FORGOTTEN_PER_COMMIT_MAX])?;
    Ok(())
}

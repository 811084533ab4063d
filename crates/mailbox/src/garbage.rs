//! Collects what no message refers to any more. Deferred, so that a FETCH that runs keeps its bytes: the caller decides when.

use crate::content::{chunk_ids, decode_segments};
use crate::error::Error;
use crate::writer::Writer;
use rusqlite::{Connection, OptionalExtension, params};

/// Emails and contents that one call looks at: bounds how long the write lock is held.
const COLLECTED_PER_CALL_MAX: u32 = 256;
/// Chunks that one call removes before it stops: some 64 MiB, and as much in the log.
const CHUNKS_PER_CALL_MAX: u64 = 512;
/// Free pages that stay in the file for what comes next, 4 MiB.
const FREE_PAGES_KEPT: i64 = 1024;
/// Pages that one call gives back to the volume.
const PAGES_RETURNED_PER_CALL: i64 = 4096;

impl Writer {
    /// Removes emails that no message refers to, contents that no email refers to, and uploads that were given up; gives
    /// free pages back to the volume. Bounded work: call again until it answers 0, which is how many emails and contents
    /// were done with.
    ///
    /// # Errors
    /// Of the engine; then nothing of this call was done.
    pub fn collect_garbage(&mut self) -> Result<u64, Error> {
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut collector = Collector { connection: &transaction, done: 0, chunks: 0 };
        collector.emails()?;
        collector.given_up()?;
        let done = collector.done;
        if done > 0 {
            transaction.commit()?;
        } else {
            transaction.rollback()?;
            self.shrink()?;
        }
        Ok(done)
    }

    /// Gives pages back once there is nothing else to collect.
    fn shrink(&self) -> Result<(), Error> {
        let free: i64 = self.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
        let surplus = (free - FREE_PAGES_KEPT).min(PAGES_RETURNED_PER_CALL);
        if surplus > 0 {
            // Each step of the statement frees one page.
            let mut statement = self.connection.prepare(&format!("PRAGMA incremental_vacuum({surplus})"))?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(())
    }
}

struct Collector<'c> {
    connection: &'c Connection,
    done: u64,
    chunks: u64,
}

impl Collector<'_> {
    fn emails(&mut self) -> Result<(), Error> {
        let mut statement = self.connection.prepare_cached("SELECT email FROM garbage LIMIT ?1")?;
        let marked: Vec<i64> =
            statement.query_map([COLLECTED_PER_CALL_MAX], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for email in marked {
            if self.chunks >= CHUNKS_PER_CALL_MAX {
                break;
            }
            let used = self.connection.prepare_cached("SELECT 1 FROM message WHERE email = ?1")?.exists([email])?;
            if !used {
                self.email(email)?;
            }
            self.connection.prepare_cached("DELETE FROM garbage WHERE email = ?1")?.execute([email])?;
            self.done += 1;
        }
        Ok(())
    }

    fn email(&mut self, email: i64) -> Result<(), Error> {
        let segments: Option<Vec<u8>> = self
            .connection
            .prepare_cached("DELETE FROM email WHERE id = ?1 RETURNING segments")?
            .query_row([email], |row| row.get(0))
            .optional()?;
        crate::index::forget(self.connection, email)?;
        for segment in decode_segments(&segments.unwrap_or_default())? {
            let left: Option<i64> = self
                .connection
                .prepare_cached("UPDATE content SET refs = refs - 1 WHERE id = ?1 RETURNING refs")?
                .query_row([segment.content], |row| row.get(0))
                .optional()?;
            match left {
                Some(0) => self.content(segment.content)?,
                Some(_) => {}
                None => return Err(Error::damaged("a message names a content that is not there")),
            }
        }
        Ok(())
    }

    fn given_up(&mut self) -> Result<(), Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id FROM content WHERE sha256 IS NULL AND upload IS NULL LIMIT ?1")?;
        let contents: Vec<i64> =
            statement.query_map([COLLECTED_PER_CALL_MAX], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for content in contents {
            if self.chunks >= CHUNKS_PER_CALL_MAX {
                break;
            }
            self.content(content)?;
            self.done += 1;
        }
        Ok(())
    }

    fn content(&mut self, content: i64) -> Result<(), Error> {
        let (first, last) = chunk_ids(content);
        let chunks = self
            .connection
            .prepare_cached("DELETE FROM chunk WHERE id BETWEEN ?1 AND ?2")?
            .execute(params![first, last])?;
        self.chunks += chunks as u64;
        self.connection.prepare_cached("DELETE FROM content WHERE id = ?1")?.execute([content])?;
        Ok(())
    }
}

//! Reads beside the writer: bodies for workers, lists for operators.

use super::file::{QueueOptions, check_id};
use super::row::{self, ENTRY_COLUMNS, Entry, STATE_COLUMNS, STATE_COLUMNS_COUNT};
use super::types::{Destination, Listed, ListedRecipient};
use super::{ENVELOPE_BYTES_MAX, enqueue, lost};
use crate::engine::{self, Access, Clock, Options};
use crate::error::Error;
use crate::schema::QUEUE;
use model::{EnqueueId, QueueId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::Path;
use vault::FileKey;

/// Page cache of one reading connection, KiB: chunks are read once.
const CACHE_KIB: u32 = 512;

/// A reading connection.
pub struct QueueReader {
    connection: Connection,
    clock: Clock,
}

impl QueueReader {
    /// Opens a file that its writer has open.
    ///
    /// # Errors
    /// As [`crate::Reader::open`].
    pub fn open(path: &Path, key: &FileKey, id: &QueueId, options: QueueOptions) -> Result<Self, Error> {
        let (clock, disk) = (options.clock, options.disk);
        let options = Options { cache_kib: CACHE_KIB, disk, ..Options::default() };
        let connection = engine::open(path, &key.raw_key(), &options, Access::Read)?;
        QUEUE.check(&connection)?;
        check_id(&connection, id)?;
        Ok(Self { connection, clock })
    }

    /// Whether a message of this id was taken.
    ///
    /// # Errors
    /// Of the engine.
    pub fn is_taken(&self, id: &EnqueueId) -> Result<bool, Error> {
        enqueue::is_taken(&self.connection, id)
    }

    /// A chunk of a leased message: 0 is the prefix, empty when there is none; `None` after the last.
    ///
    /// # Errors
    /// [`Error::NoSuchLease`] when the lease is gone, [`Error::Damaged`] when the chunk is.
    pub fn read(&self, entry: i64, lease: i64, number: u32) -> Result<Option<Vec<u8>>, Error> {
        // Both questions are of one state of the file: what is settled in between is gone with its chunks, and not damaged.
        let state = self.connection.unchecked_transaction()?;
        let chunks = lost::chunks(&state, entry, lease)?.ok_or(Error::NoSuchLease)?;
        chunk(&state, entry, number, chunks)
    }

    /// The same of a message that nobody leases: of a backup.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`], [`Error::Damaged`].
    pub fn text(&self, entry: i64, number: u32) -> Result<Option<Vec<u8>>, Error> {
        let state = self.connection.unchecked_transaction()?;
        let sql = "SELECT chunks FROM entry WHERE id = ?1";
        let chunks: Option<u32> = state.prepare_cached(sql)?.query_row([entry], |row| row.get(0)).optional()?;
        chunk(&state, entry, number, chunks.ok_or(Error::NoSuchEntry)?)
    }

    /// Entries after `after`, oldest first, all or those with recipients at one destination; fewer than `limit` when their
    /// envelopes are long. And how many there are in all.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn list(&self, destination: Option<&str>, after: i64, limit: usize) -> Result<(Vec<Listed>, u64), Error> {
        let (clause, total) = match destination {
            None => ("?1 IS NULL", "SELECT count(*) FROM entry WHERE ?1 IS NULL AND arrived_ms IS NOT NULL"),
            Some(_) => (
                "id IN (SELECT entry FROM share WHERE destination = (SELECT id FROM destination WHERE name = ?1))",
                "SELECT count(*) FROM share WHERE destination = (SELECT id FROM destination WHERE name = ?1)",
            ),
        };
        let total: i64 = self.connection.prepare_cached(total)?.query_row([destination], |row| row.get(0))?;
        let sql = format!(
            "SELECT {ENTRY_COLUMNS} FROM entry WHERE {clause} AND id > ?2 AND arrived_ms IS NOT NULL ORDER BY id LIMIT ?3"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![destination, after, limit as i64])?;
        let (mut listed, mut octets) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let entry = Entry::read(row)?;
            octets += entry.octets();
            let one = self.with_recipients(entry)?;
            octets += one.recipients.iter().map(|recipient| row::octets(&recipient.state)).sum::<usize>();
            listed.push(one);
            if octets >= ENVELOPE_BYTES_MAX {
                break;
            }
        }
        Ok((listed, total.unsigned_abs()))
    }

    /// One entry; `None` when it is not there.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn show(&self, entry: i64) -> Result<Option<Listed>, Error> {
        let sql = format!("SELECT {ENTRY_COLUMNS} FROM entry WHERE id = ?1 AND arrived_ms IS NOT NULL");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([entry])?;
        rows.next()?.map(Entry::read).transpose()?.map(|entry| self.with_recipients(entry)).transpose()
    }

    /// Destinations with the most recipients first, and how many there are.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn destinations(&self, limit: usize) -> Result<(Vec<Destination>, u64), Error> {
        let total: i64 = self.connection.query_row("SELECT count(*) FROM destination", [], |row| row.get(0))?;
        let now = (self.clock)().as_millisecond();
        let mut statement = self.connection.prepare_cached(
            "SELECT name, recipients, paused_ms, paused_status, \
             (SELECT count(*) FROM share JOIN recipient ON share = share.id WHERE destination = destination.id \
              AND lease_ends_ms > ?2 AND next_ms <= leased_ms), \
             (SELECT count(*) FROM share JOIN recipient ON share = share.id WHERE destination = destination.id \
              AND due_ms IS NULL) \
             FROM destination ORDER BY recipients DESC, name LIMIT ?1",
        )?;
        let rows = statement.query_map(params![limit as i64, now], |row| {
            let (paused_ms, is_paused) = (row.get::<_, i64>(2)?, row.get::<_, i64>(2)? > now);
            Ok(Destination {
                name: row.get(0)?,
                recipients: row.get::<_, i64>(1)?.unsigned_abs(),
                leased: row.get::<_, i64>(4)?.unsigned_abs(),
                held: row.get::<_, i64>(5)?.unsigned_abs(),
                paused_until_ms: if is_paused { paused_ms } else { 0 },
                paused_status: if is_paused { row.get(3)? } else { String::new() },
            })
        })?;
        Ok((rows.collect::<Result<_, _>>()?, total.unsigned_abs()))
    }

    /// Recipients that wait, by destination, the most first: what the metrics show. One look at each destination.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn recipients_by_destination(&self, limit: usize) -> Result<Vec<(String, u64)>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT name, recipients FROM destination ORDER BY recipients DESC, name LIMIT ?1")?;
        let rows =
            statement.query_map([limit as i64], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        rows.collect::<Result<_, _>>().map_err(Error::from)
    }

    /// Messages that are held, each as often as it has destinations.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn held(&self) -> Result<u64, Error> {
        // By the index of what is due: one look at each destination.
        let sql = "SELECT coalesce(sum((SELECT count(*) FROM share WHERE destination = destination.id AND due_ms IS NULL)), 0) \
                   FROM destination";
        let count: i64 = self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    fn with_recipients(&self, entry: Entry) -> Result<Listed, Error> {
        let sql = format!(
            "SELECT {STATE_COLUMNS}, destination.name, share.lease_ends_ms > ?2 AND recipient.next_ms <= share.leased_ms, \
             share.worker, share.due_ms IS NULL, destination.paused_ms, share.held_why FROM share \
             JOIN destination ON destination.id = share.destination JOIN recipient ON recipient.share = share.id \
             WHERE share.entry = ?1 ORDER BY share.id, recipient.id"
        );
        let now = (self.clock)().as_millisecond();
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![entry.id, now], |row| listed(row, now))?;
        Ok(Listed {
            entry: entry.id,
            envelope: entry.envelope,
            size: entry.size,
            arrived_ms: entry.arrived_ms,
            recipients: rows.collect::<Result<_, _>>()?,
        })
    }
}

fn chunk(state: &Connection, entry: i64, number: u32, chunks: u32) -> Result<Option<Vec<u8>>, Error> {
    if number > chunks {
        return Ok(None);
    }
    let found = state
        .prepare_cached("SELECT bytes FROM chunk WHERE entry = ?1 AND number = ?2")?
        .query_row(params![entry, number], |row| row.get(0))
        .optional()?;
    match found {
        None if number == 0 => Ok(Some(Vec::new())),
        None => Err(Error::damaged("a chunk of a queued message is missing")),
        found => Ok(found),
    }
}

fn listed(row: &Row<'_>, now: i64) -> rusqlite::Result<ListedRecipient> {
    const AT: usize = STATE_COLUMNS_COUNT;
    let is_leased: Option<bool> = row.get(AT + 1)?;
    let worker: Option<String> = row.get(AT + 2)?;
    let paused: i64 = row.get(AT + 4)?;
    Ok(ListedRecipient {
        state: row::state(row)?,
        destination: row.get(AT)?,
        leased_by: worker.filter(|_| is_leased == Some(true)).unwrap_or_default(),
        held: row.get(AT + 3)?,
        held_why: row.get(AT + 5)?,
        paused_until_ms: if paused > now { paused } else { 0 },
    })
}

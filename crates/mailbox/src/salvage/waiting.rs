//! Takes what is whole out of a damaged waiting-mail file into a new one. Whether a message opens shows when its owner comes, as
//! ever.
//!
//! Invariants: a message is taken only with all of its parts, and once. Each read is a transaction of its own: a page that fails
//! makes all else fail that is read in the same one.

use super::{CACHE_KIB, COMMIT_BYTES, Lost, Salvaged, is_loss, one, open_damaged};
use crate::create::create_file;
use crate::disk::Disk;
use crate::engine::Options;
use crate::error::Error;
use crate::schema::WAITING;
use model::{DeliveryId, MailboxId};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use vault::FileKey;

/// Rows in a row that cannot be read, after which nothing is looked for behind them: more than one waiting-mail file has.
const SKIPPED_ROWS_MAX: u32 = 200_000;
/// Makes a waiting-mail file at `into` with every message of the one at `from` that is whole. Nobody writes to either.
///
/// # Errors
/// Of the new file, [`Error::DiskFull`] among them; of the disk. That nothing can be read of the damaged one is none.
pub fn waiting(
    from: &Path,
    into: &Path,
    key: &FileKey,
    mailbox: &MailboxId,
    disk: &'static dyn Disk,
) -> Result<Salvaged, Error> {
    let options = Options { cache_kib: CACHE_KIB, disk, ..Options::default() };
    let damaged = open_damaged(from, key, &options)?;
    let mut salvaged = Salvaged { unnamed: true, ..Salvaged::default() };
    create_file(into, &key.raw_key(), &WAITING, &options, |new| {
        new.execute("INSERT INTO waiting (one, mailbox) VALUES (1, ?1)", [&mailbox.as_bytes()[..]])?;
        if let Some(damaged) = &damaged {
            salvaged = Source::of(damaged, mailbox)?.pour(new)?;
        }
        Ok(())
    })?;
    Ok(salvaged)
}

/// What there is in the damaged file.
struct Source<'c> {
    damaged: &'c Connection,
    /// Its deliveries have a prefix and a mark of junk: schema 2.
    has_prefix: bool,
    /// Rows of deliveries, in order of arrival, and what the index says is in each; a row may be in either alone.
    rows: BTreeMap<i64, Option<DeliveryId>>,
    /// Rows of chunks, by delivery's row and place.
    chunks: HashMap<(i64, u32), i64>,
    unnamed: bool,
}

/// A delivery that can be read.
struct Found {
    delivery: DeliveryId,
    received_ms: i64,
    size: i64,
    chunks: u32,
    wrap: Vec<u8>,
    prefix: Option<Vec<u8>>,
    junk: bool,
}

impl<'c> Source<'c> {
    fn of(damaged: &'c Connection, mailbox: &MailboxId) -> Result<Self, Error> {
        let number = one::<i64>(damaged, "PRAGMA user_version", [])?.unwrap_or_default();
        let mut source =
            Self { damaged, has_prefix: number >= 2, rows: BTreeMap::new(), chunks: HashMap::new(), unnamed: false };
        // Whose it is shows in its key, which no other file has; that it says otherwise is our own fault, and nothing is taken.
        let owner = match one::<Vec<u8>>(damaged, "SELECT mailbox FROM waiting", []) {
            Err(error) if is_loss(&error) => None,
            owner => owner?,
        };
        if owner.is_some_and(|owner| owner != mailbox.as_bytes()) {
            source.unnamed = true;
            return Ok(source);
        }
        source.look_for_deliveries()?;
        source.look_for_names()?;
        source.look_for_chunks()?;
        Ok(source)
    }

    /// By the table.
    fn look_for_deliveries(&mut self) -> Result<(), Error> {
        let mut rows = Vec::new();
        let next = "SELECT id FROM delivery WHERE id > ?1 ORDER BY id LIMIT 1";
        self.unnamed |= walk(self.damaged, "delivery", next, |row| {
            let id = row.get(0)?;
            rows.push(id);
            Ok(id)
        })?;
        self.rows.extend(rows.into_iter().map(|id| (id, None)));
        Ok(())
    }

    /// By the index of delivery ids, which names also what the table cannot show any more.
    fn look_for_names(&mut self) -> Result<(), Error> {
        let next = "SELECT delivery, id FROM delivery INDEXED BY sqlite_autoindex_delivery_1 WHERE delivery > ?1 ORDER BY delivery LIMIT 1";
        let mut last = Vec::new();
        loop {
            let found = self.damaged.prepare_cached(next).and_then(|mut statement| {
                statement.query_row([&last], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?))).optional()
            });
            match found.map_err(Error::from) {
                Ok(None) => return Ok(()),
                Ok(Some((delivery, row))) => {
                    self.rows.insert(row, DeliveryId::try_from(delivery.as_slice()).ok());
                    last = delivery;
                }
                // What the table cannot show either stays without a name.
                Err(error) if is_loss(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// By the table alone: the place of each chunk stands in its row.
    fn look_for_chunks(&mut self) -> Result<(), Error> {
        let chunks = &mut self.chunks;
        let next = "SELECT rowid, delivery, sequence FROM chunk NOT INDEXED WHERE rowid > ?1 ORDER BY rowid LIMIT 1";
        // A chunk that is not found is missed by its delivery.
        let _ = walk(self.damaged, "chunk", next, |row| {
            let at = row.get(0)?;
            chunks.insert((row.get(1)?, row.get(2)?), at);
            Ok(at)
        })?;
        Ok(())
    }

    /// Writes what is whole into the new file.
    fn pour(self, new: &Connection) -> Result<Salvaged, Error> {
        let mut salvaged = Salvaged { unnamed: self.unnamed, ..Salvaged::default() };
        let (mut written, mut taken) = (0, HashSet::new());
        new.execute_batch("BEGIN IMMEDIATE")?;
        for (row, named) in &self.rows {
            let found = match self.find(*row) {
                Ok(Some(found)) => found,
                // Not whole when it was written: nobody was told that it was kept.
                Ok(None) => continue,
                Err(error) if is_loss(&error) => {
                    salvaged.lost.push(Lost { delivery: *named, row: *row, what: error.to_string() });
                    continue;
                }
                Err(error) => return Err(error),
            };
            if !taken.insert(found.delivery) {
                continue;
            }
            new.execute_batch("SAVEPOINT message")?;
            match self.copy(*row, &found, new) {
                Ok(octets) => {
                    written += octets;
                    salvaged.taken += 1;
                }
                Err(error) if error.is_damage() => {
                    taken.remove(&found.delivery);
                    new.execute_batch("ROLLBACK TO message")?;
                    salvaged.lost.push(Lost { delivery: Some(found.delivery), row: *row, what: error.to_string() });
                }
                Err(error) => return Err(error),
            }
            new.execute_batch("RELEASE message")?;
            if written >= COMMIT_BYTES {
                written = 0;
                new.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
            }
        }
        new.execute("UPDATE waiting SET changes = ?1", [salvaged.taken.cast_signed()])?;
        new.execute_batch("COMMIT")?;
        Ok(salvaged)
    }

    /// The delivery in a row; none when it had not come whole.
    fn find(&self, row: i64) -> Result<Option<Found>, Error> {
        let more = if self.has_prefix { "prefix, junk" } else { "NULL, 0" };
        let sql = format!("SELECT delivery, received_ms, size, chunks, wrap, {more} FROM delivery WHERE id = ?1");
        let read = self.damaged.prepare_cached(&sql)?.query_row([row], |row| {
            Ok((
                row.get::<_, Vec<u8>>(0)?,
                row.get::<_, Option<Vec<u8>>>(4)?,
                Found {
                    delivery: DeliveryId::from_bytes([0; DeliveryId::LEN]),
                    received_ms: row.get(1)?,
                    size: row.get(2)?,
                    chunks: row.get(3)?,
                    wrap: Vec::new(),
                    prefix: row.get(5)?,
                    junk: row.get(6)?,
                },
            ))
        });
        let Some((delivery, wrap, found)) = read.optional()? else {
            return Err(Error::damaged("its row is missing"));
        };
        let Some(wrap) = wrap else { return Ok(None) };
        let delivery = DeliveryId::try_from(delivery.as_slice()).map_err(|error| Error::damaged(error.to_string()))?;
        Ok(Some(Found { delivery, wrap, ..found }))
    }

    /// Copies a message with all of its parts; how many octets.
    fn copy(&self, row: i64, found: &Found, new: &Connection) -> Result<u64, Error> {
        let id = new
            .prepare_cached(
                "INSERT INTO delivery (delivery, received_ms, size, chunks, wrap, prefix, junk) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .insert(params![
                &found.delivery.as_bytes()[..],
                found.received_ms,
                found.size,
                found.chunks,
                found.wrap,
                found.prefix,
                found.junk
            ])?;
        let mut size = 0;
        for sequence in 0..found.chunks {
            let at = self.chunks.get(&(row, sequence));
            let at = at.ok_or_else(|| Error::damaged(format!("its part {sequence} cannot be found")))?;
            let read = one::<Vec<u8>>(self.damaged, "SELECT bytes FROM chunk WHERE rowid = ?1", [at]);
            let part = read.map_err(|error| match error {
                Error::Damaged(why) => Error::damaged(format!("its part {sequence} cannot be read ({why})")),
                other => other,
            })?;
            let part = part.unwrap_or_default();
            size += part.len() as u64;
            new.prepare_cached("INSERT INTO chunk (delivery, sequence, bytes) VALUES (?1, ?2, ?3)")?
                .execute(params![id, sequence, part])?;
        }
        if i64::try_from(size).ok() != Some(found.size) {
            return Err(Error::damaged(format!("its parts have {size} octets instead of {}", found.size)));
        }
        Ok(size + found.prefix.as_ref().map_or(0, |prefix| prefix.len() as u64))
    }
}

/// Every row that can be read, in order of its number; whether some could not. `take` gives back the row's number.
fn walk(
    connection: &Connection,
    table: &str,
    next: &str,
    mut take: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<i64>,
) -> Result<bool, Error> {
    let last = match one::<Option<i64>>(connection, &format!("SELECT max(rowid) FROM {table}"), []) {
        Ok(last) => Some(last.flatten().unwrap_or_default()),
        Err(error) if is_loss(&error) => None,
        Err(error) => return Err(error),
    };
    let (mut after, mut skipped, mut missed) = (0, 0, last.is_none());
    loop {
        let found = connection
            .prepare_cached(next)
            .and_then(|mut statement| statement.query_row([after], &mut take).optional());
        match found.map_err(Error::from) {
            Ok(None) => return Ok(missed),
            Ok(Some(row)) => (after, skipped) = (row, 0),
            // The page of the next row, or one above it: rows behind it may be on others.
            Err(error) if is_loss(&error) => {
                (after, skipped, missed) = (after + 1, skipped + 1, true);
                if skipped >= SKIPPED_ROWS_MAX || last.is_some_and(|last| after >= last) {
                    return Ok(true);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

//! The waiting-mail file of one alias: sealed messages, in order of arrival, until the owner signs in. What is stored is
//! ciphertext already; the file's own key is a second layer.
//!
//! A message is whole when its key wrap is there, which is written in the same commit as its last octets. What is not whole
//! is dropped on open: nobody was told that it was kept.

use crate::checkpoint;
use crate::create::{create_file, remove_if_there, sync_parent, with_suffix};
use crate::disk::Disk;
use crate::engine::{self, Access, Options};
use crate::error::Error;
use crate::mark::Mark;
use crate::quota::Usage;
use crate::schema::WAITING;
use jiff::Timestamp;
use model::limits::MESSAGE_BYTES_MAX;
use model::{DeliveryId, MailboxId};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use vault::FileKey;

/// Octets of one stored chunk of sealed body, and what is held of each delivery under way.
const CHUNK_BYTES: usize = 128 * 1024;
/// Octets of one sealed message: the message, and room for what sealing adds (a tag for each 64 KiB).
const SEALED_BYTES_MAX: u64 = MESSAGE_BYTES_MAX + MESSAGE_BYTES_MAX / 1024 + 4096;
/// Deliveries under way at once in one file; each holds a chunk in memory.
const UNDER_WAY_MAX: usize = 64;
/// Page cache, KiB: rows are written once and read once.
const CACHE_KIB: u32 = 256;
/// Octets of log that make a completed message worth a checkpoint.
const LOG_BYTES_DUE: u64 = 4 * 1024 * 1024;

/// The file, open; one per alias in one process.
pub struct WaitingFile {
    connection: Connection,
    path: PathBuf,
    disk: &'static dyn Disk,
    mark: Mark,
    waits: Totals,
    under_way: HashMap<DeliveryId, UnderWay>,
}

/// What waits, whole, in sums: kept beside the rows, so that a delivery does not count them all.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    messages: u64,
    /// Octets of sealed body.
    bytes: u64,
    /// Octets of what stands in front.
    prefix_bytes: u64,
}

/// A delivery whose body is coming.
struct UnderWay {
    received_at: Timestamp,
    /// Its row, once a chunk was written.
    row: Option<i64>,
    chunks: u32,
    size: u64,
    held: Vec<u8>,
}

/// What is known of a message when its body is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing<'a> {
    /// The content key, wrapped for the owner.
    pub wrap: &'a [u8],
    /// Fields that stand in front of the body, sealed under the same key; empty when there are none.
    pub prefix: &'a [u8],
    /// Whether it was found to be junk.
    pub junk: bool,
}

/// What begin found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// Push the body, then complete it.
    New,
    /// The delivery was completed before: there is nothing to do.
    Already,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingMessage {
    /// The delivery.
    pub delivery: DeliveryId,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The content key, wrapped for the owner.
    pub wrap: Vec<u8>,
    /// Fields that stand in front of the body, sealed under the same key; empty when there are none.
    pub prefix: Vec<u8>,
    /// Whether it was found to be junk.
    pub junk: bool,
    /// Octets of sealed body.
    pub size: u64,
    /// Chunks of sealed body: [`WaitingFile::read`] takes 0 to `chunks` - 1.
    pub chunks: u32,
    /// Its place in the order of arrival.
    pub(crate) row: i64,
}

impl WaitingMessage {
    /// Octets that it is counted as, of those in [`WaitingFile::usage`].
    pub fn octets(&self) -> u64 {
        self.size.saturating_add(self.prefix.len() as u64)
    }
}

impl WaitingFile {
    /// Opens the file, or makes it; drops deliveries that were not completed.
    ///
    /// # Errors
    /// As [`crate::Writer::open`], but that a missing file is made.
    pub fn open_or_create(
        path: &Path,
        key: &FileKey,
        mailbox: &MailboxId,
        disk: &'static dyn Disk,
    ) -> Result<Self, Error> {
        let options = Options { cache_kib: CACHE_KIB, disk, ..Options::default() };
        match Self::open_file(path, key, mailbox, &options) {
            Err(Error::Missing) => {}
            opened => return opened,
        }
        create_file(path, &key.raw_key(), &WAITING, &options, |connection| {
            connection.execute("INSERT INTO waiting (one, mailbox) VALUES (1, ?1)", [&mailbox.as_bytes()[..]])?;
            Ok(())
        })?;
        Self::open_file(path, key, mailbox, &options)
    }

    fn open_file(path: &Path, key: &FileKey, mailbox: &MailboxId, options: &Options) -> Result<Self, Error> {
        let mut connection = engine::open(path, &key.raw_key(), options, Access::Write)?;
        WAITING.migrate(&mut connection)?;
        WAITING.check(&connection)?;
        check_id(&connection, mailbox)?;
        let mark = Mark::of(options.disk, path);
        mark.require(connection.query_row("SELECT changes FROM waiting", [], |row| row.get(0))?)?;
        connection.execute("DELETE FROM delivery WHERE wrap IS NULL", [])?;
        let waits = Totals::count(&connection)?;
        Ok(Self { connection, path: path.to_owned(), disk: options.disk, mark, waits, under_way: HashMap::new() })
    }

    /// Begins a delivery. One under way with the same id is dropped: its sender began again.
    ///
    /// # Errors
    /// [`Error::LimitReached`] when too many are under way.
    pub fn begin(&mut self, delivery: &DeliveryId, received_at: Timestamp) -> Result<Begun, Error> {
        if self.known(delivery)? {
            return Ok(Begun::Already);
        }
        self.discard(delivery)?;
        if self.under_way.len() >= UNDER_WAY_MAX {
            return Err(Error::LimitReached("deliveries under way"));
        }
        let fresh = UnderWay { received_at, row: None, chunks: 0, size: 0, held: Vec::new() };
        self.under_way.insert(*delivery, fresh);
        Ok(Begun::New)
    }

    /// The next octets of sealed body. Chunks are committed as they fill, without waiting for the disk: what makes them
    /// durable is [`WaitingFile::complete`].
    ///
    /// # Errors
    /// [`Error::NoSuchDelivery`] when it was not begun, [`Error::TooBig`], [`Error::DiskFull`]; then discard it.
    pub fn push(&mut self, delivery: &DeliveryId, mut bytes: &[u8]) -> Result<(), Error> {
        let coming = self.under_way.get_mut(delivery).ok_or(Error::NoSuchDelivery)?;
        coming.size = coming.size.saturating_add(bytes.len() as u64);
        if coming.size > SEALED_BYTES_MAX {
            return Err(Error::TooBig);
        }
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at((CHUNK_BYTES - coming.held.len()).min(bytes.len()));
            coming.held.extend_from_slice(now);
            bytes = rest;
            if coming.held.len() == CHUNK_BYTES {
                self.connection.execute_batch("PRAGMA synchronous=NORMAL")?;
                let written = write(&mut self.connection, delivery, coming, None);
                self.connection.execute_batch("PRAGMA synchronous=FULL")?;
                written.map(drop)?;
            }
        }
        Ok(())
    }

    /// Writes what is left of the body and what closes it, and waits for the disk. With `synchronous=FULL` the log is synced
    /// before COMMIT returns, and with it every chunk that was written to the log before.
    ///
    /// # Errors
    /// [`Error::NoSuchDelivery`] when it was not begun, [`Error::DiskFull`]; then it is not kept.
    pub fn complete(&mut self, delivery: &DeliveryId, closing: Closing<'_>) -> Result<(), Error> {
        let coming = self.under_way.get_mut(delivery).ok_or(Error::NoSuchDelivery)?;
        if let Some(changes) = write(&mut self.connection, delivery, coming, Some(closing))? {
            self.mark.put(changes);
        }
        self.waits.add(coming.size, closing.prefix.len() as u64);
        self.under_way.remove(delivery);
        Ok(())
    }

    /// Moves the log into the file once it is long; between two operations. The engine syncs the log before it writes to the
    /// file, and the file before it cuts the log.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Device`]; what was completed is kept all the same.
    pub fn upkeep(&mut self) -> Result<(), Error> {
        let log = self
            .disk
            .length(&with_suffix(&self.path, "-wal"))
            .map_err(|error| Error::io("measuring the log", error))?;
        let log = log.unwrap_or_default();
        if log >= LOG_BYTES_DUE { checkpoint::move_log(&self.connection, &self.path, log) } else { Ok(()) }
    }

    /// Closes the file in order: its log goes into it.
    ///
    /// # Errors
    /// Of the engine; then the log stays, and is read at the next open.
    pub fn close(self) -> Result<(), Error> {
        engine::close(self.connection)?;
        self.mark.closed(&self.path);
        Ok(())
    }

    /// Drops a delivery that was begun and not completed; one that is not there is none.
    ///
    /// # Errors
    /// Of the engine.
    pub fn discard(&mut self, delivery: &DeliveryId) -> Result<(), Error> {
        self.under_way.remove(delivery);
        self.connection
            .prepare_cached("DELETE FROM delivery WHERE delivery = ?1 AND wrap IS NULL")?
            .execute([&delivery.as_bytes()[..]])?;
        Ok(())
    }

    /// Whether the delivery was completed and still waits.
    ///
    /// # Errors
    /// Of the engine.
    pub fn known(&self, delivery: &DeliveryId) -> Result<bool, Error> {
        let mut statement =
            self.connection.prepare_cached("SELECT 1 FROM delivery WHERE delivery = ?1 AND wrap IS NOT NULL")?;
        Ok(statement.exists([&delivery.as_bytes()[..]])?)
    }

    /// The message that has waited longest.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn oldest(&self) -> Result<Option<WaitingMessage>, Error> {
        self.next_after(None)
    }

    /// The message that arrived next after this one, which may be gone by now: how to walk past one that does not open.
    /// `None` asks for the oldest.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn next_after(&self, before: Option<&WaitingMessage>) -> Result<Option<WaitingMessage>, Error> {
        let found = self
            .connection
            .prepare_cached(
                "SELECT delivery, received_ms, wrap, size, chunks, id, coalesce(prefix, x''), junk FROM delivery WHERE wrap IS NOT NULL AND id > ?1 \
                 ORDER BY id LIMIT 1",
            )?
            .query_row([before.map_or(0, |before| before.row)], |row| {
                let delivery: Vec<u8> = row.get(0)?;
                Ok((delivery, row.get(1)?, row.get::<_, i64>(3)?, WaitingMessage {
                    delivery: DeliveryId::from_bytes([0; DeliveryId::LEN]),
                    received_at: Timestamp::UNIX_EPOCH,
                    wrap: row.get(2)?,
                    prefix: row.get(6)?,
                    junk: row.get(7)?,
                    size: 0,
                    chunks: row.get(4)?,
                    row: row.get(5)?,
                }))
            })
            .optional()?;
        let Some((delivery, received_ms, size, message)) = found else { return Ok(None) };
        Ok(Some(WaitingMessage {
            delivery: DeliveryId::try_from(delivery.as_slice()).map_err(|error| Error::damaged(error.to_string()))?,
            received_at: Timestamp::from_millisecond(received_ms).map_err(|_| Error::damaged("an impossible date"))?,
            size: u64::try_from(size).map_err(|_| Error::damaged("a negative size"))?,
            ..message
        }))
    }

    /// A chunk of a message's sealed body, from 0; `None` after the last.
    ///
    /// # Errors
    /// Of the engine.
    pub fn read(&self, delivery: &DeliveryId, sequence: u32) -> Result<Option<Vec<u8>>, Error> {
        let found = self
            .connection
            .prepare_cached(
                "SELECT c.bytes FROM chunk c JOIN delivery d ON d.id = c.delivery \
                 WHERE d.delivery = ?1 AND d.wrap IS NOT NULL AND c.sequence = ?2",
            )?
            .query_row(params![&delivery.as_bytes()[..], sequence], |row| row.get(0))
            .optional()?;
        Ok(found)
    }

    /// Removes a message, once it is in the mailbox. Durable on return.
    ///
    /// # Errors
    /// Of the engine.
    pub fn remove(&mut self, delivery: &DeliveryId) -> Result<(), Error> {
        self.remove_all(std::slice::from_ref(delivery))
    }

    /// Removes messages, once they are in the mailbox, in one commit. Durable on return.
    ///
    /// # Errors
    /// Of the engine; then all of them are still there.
    pub fn remove_all(&mut self, deliveries: &[DeliveryId]) -> Result<(), Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut left = self.waits;
        for delivery in deliveries {
            let removed = transaction
                .prepare_cached("DELETE FROM delivery WHERE delivery = ?1 RETURNING size, coalesce(length(prefix), 0), wrap IS NOT NULL")?
                .query_row([&delivery.as_bytes()[..]], |row| Ok((octets(row, 0)?, octets(row, 1)?, row.get(2)?)))
                .optional()?;
            if let Some((size, prefix, true)) = removed {
                left.take(size, prefix);
            }
        }
        transaction.commit()?;
        self.waits = left;
        Ok(())
    }

    /// Messages that wait.
    pub fn count(&self) -> u64 {
        self.waits.messages
    }

    /// Octets of sealed body that wait.
    pub fn bytes(&self) -> u64 {
        self.waits.bytes
    }

    /// Octets that wait, with what stands in front of messages, and messages: no less than they will be in the mailbox.
    pub fn usage(&self) -> Usage {
        let Totals { messages, bytes, prefix_bytes } = self.waits;
        Usage { bytes: bytes.saturating_add(prefix_bytes), messages, folders: 0 }
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.waits.messages == 0
    }

    /// Closes the file and removes it with its log. A crash in between leaves either the file, without messages, or nothing
    /// that would be taken for one.
    ///
    /// # Errors
    /// [`Error::StillWaiting`] when it is not empty, [`Error::Busy`] while somebody reads it; then it stays as it is.
    pub fn delete_file(self) -> Result<(), Error> {
        let mut rows = self.connection.prepare_cached("SELECT 1 FROM delivery WHERE wrap IS NOT NULL")?;
        if !self.under_way.is_empty() || rows.exists([])? {
            return Err(Error::StillWaiting);
        }
        drop(rows);
        // All of the log is in the file, and that on stable storage, before the log's name goes: a power cut may bring back
        // either name without the other, and the file must be empty without its log.
        checkpoint::move_all(&self.connection, &self.path)?;
        engine::close(self.connection)?;
        for suffix in ["-mark", "", "-wal", "-shm"] {
            remove_if_there(self.disk, &with_suffix(&self.path, suffix))?;
        }
        sync_parent(self.disk, &self.path)
    }
}

impl Totals {
    fn count(connection: &Connection) -> Result<Self, Error> {
        let sql = "SELECT count(*), coalesce(sum(size), 0), coalesce(sum(length(prefix)), 0) FROM delivery";
        let read = |row: &Row<'_>| {
            Ok(Self { messages: octets(row, 0)?, bytes: octets(row, 1)?, prefix_bytes: octets(row, 2)? })
        };
        Ok(connection.query_row(sql, [], read)?)
    }

    fn add(&mut self, size: u64, prefix: u64) {
        self.messages = self.messages.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size);
        self.prefix_bytes = self.prefix_bytes.saturating_add(prefix);
    }

    fn take(&mut self, size: u64, prefix: u64) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
        self.prefix_bytes = self.prefix_bytes.saturating_sub(prefix);
    }
}

/// A count that is never negative.
fn octets(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(at)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, value))
}

/// Refuses a file of another mailbox's mail.
pub(crate) fn check_id(connection: &Connection, mailbox: &MailboxId) -> Result<(), Error> {
    let found: Vec<u8> = connection.query_row("SELECT mailbox FROM waiting", [], |row| row.get(0))?;
    if found == mailbox.as_bytes() {
        return Ok(());
    }
    Err(Error::WrongMailbox(format!("waiting mail of another mailbox, expected {mailbox}")))
}

/// Writes what is held of a delivery, and with its closing completes it, in one commit; on an error nothing is written. How
/// many were completed in this file so far, when this one was.
fn write(
    connection: &mut Connection,
    delivery: &DeliveryId,
    coming: &mut UnderWay,
    closing: Option<Closing<'_>>,
) -> Result<Option<i64>, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let row = match coming.row {
        Some(row) => row,
        None => insert(&transaction, delivery, coming.received_at)?,
    };
    let mut chunks = coming.chunks;
    if !coming.held.is_empty() {
        transaction
            .prepare_cached("INSERT INTO chunk (delivery, sequence, bytes) VALUES (?1, ?2, ?3)")?
            .execute(params![row, chunks, &coming.held])?;
        chunks += 1;
    }
    transaction
        .prepare_cached("UPDATE delivery SET size = ?2, chunks = ?3, wrap = ?4, prefix = ?5, junk = ?6 WHERE id = ?1")?
        .execute(params![
            row,
            coming.size as i64,
            chunks,
            closing.map(|closing| closing.wrap),
            closing.map(|closing| closing.prefix).filter(|prefix| !prefix.is_empty()),
            closing.is_some_and(|closing| closing.junk)
        ])?;
    let changes = match closing {
        Some(_) => {
            let count = "UPDATE waiting SET changes = changes + 1 RETURNING changes";
            Some(transaction.prepare_cached(count)?.query_row([], |row| row.get(0))?)
        }
        None => None,
    };
    transaction.commit()?;
    (coming.row, coming.chunks) = (Some(row), chunks);
    coming.held.clear();
    Ok(changes)
}

fn insert(transaction: &Transaction<'_>, delivery: &DeliveryId, received_at: Timestamp) -> Result<i64, Error> {
    let row = transaction
        .prepare_cached("INSERT INTO delivery (delivery, received_ms, size, chunks) VALUES (?1, ?2, 0, 0)")?
        .insert(params![&delivery.as_bytes()[..], received_at.as_millisecond()])?;
    Ok(row)
}

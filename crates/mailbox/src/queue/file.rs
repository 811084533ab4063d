//! Opens the file for its one writer.

use super::types::{Limits, Totals};
use super::{AHEAD_MS_MAX, QueueBatch, WriteBehind};
use crate::create::create_file;
use crate::disk::{Disk, SYSTEM_DISK};
use crate::engine::{self, Access, Clock, Options};
use crate::error::Error;
use crate::mark::Mark;
use crate::schema::QUEUE;
use jiff::Timestamp;
use model::QueueId;
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use vault::FileKey;

/// Page cache of the writing connection, KiB: the inner pages of the indexes of some hundred thousand entries.
const CACHE_KIB: u32 = 8 * 1024;

/// How a queue file is opened.
#[derive(Debug, Clone, Copy)]
pub struct QueueOptions {
    /// What it may hold.
    pub limits: Limits,
    /// The time.
    pub clock: Clock,
    /// The disk.
    pub disk: &'static dyn Disk,
}

/// The one writing connection.
pub struct QueueFile {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) options: QueueOptions,
    pub(super) totals: Totals,
    /// The highest lease number given out.
    pub(super) lease: i64,
    /// Commits do not wait for the disk, as text that comes needs not.
    pub(super) behind: bool,
    /// The latest time seen.
    pub(super) latest_ms: i64,
    pub(super) mark: Mark,
}

impl QueueFile {
    /// Opens the file, or makes it; drops messages that had not come whole.
    ///
    /// # Errors
    /// As [`crate::Writer::open`], but that a missing file is made.
    pub fn open_or_create(path: &Path, key: &FileKey, id: &QueueId, options: QueueOptions) -> Result<Self, Error> {
        let engine_options = Options { cache_kib: CACHE_KIB, disk: options.disk, ..Options::default() };
        match Self::open(path, key, id, options, &engine_options) {
            Err(Error::Missing) => {}
            opened => return opened,
        }
        create_file(path, &key.raw_key(), &QUEUE, &engine_options, |connection| {
            connection.execute("INSERT INTO queue (one, id, lease) VALUES (1, ?1, 0)", [&id.as_bytes()[..]])?;
            Ok(())
        })?;
        Self::open(path, key, id, options, &engine_options)
    }

    fn open(
        path: &Path,
        key: &FileKey,
        id: &QueueId,
        options: QueueOptions,
        engine_options: &Options,
    ) -> Result<Self, Error> {
        let mut connection = engine::open(path, &key.raw_key(), engine_options, Access::Write)?;
        QUEUE.migrate(&mut connection)?;
        QUEUE.check(&connection)?;
        check_id(&connection, id)?;
        let mark = Mark::of(options.disk, path);
        mark.require(connection.query_row("SELECT changes FROM queue", [], |row| row.get(0))?)?;
        connection.execute("DELETE FROM entry WHERE arrived_ms IS NULL", [])?;
        let latest_ms = (options.clock)().as_millisecond();
        let lease = connection.query_row("SELECT lease FROM queue", [], |row| row.get(0))?;
        let totals = totals(&connection)?;
        let mut file =
            Self { connection, path: path.to_owned(), options, totals, lease, behind: false, latest_ms, mark };
        file.mend_times(latest_ms)?;
        Ok(file)
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

    /// What the file holds.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Begins a batch that is on stable storage once it is committed. Dropping it undoes it.
    ///
    /// # Errors
    /// [`Error::Busy`], which does not happen while there is one writer.
    pub fn batch(&mut self) -> Result<QueueBatch<'_>, Error> {
        QueueBatch::begin(self)
    }

    /// Begins a batch of text that need not be on stable storage yet: what makes it so is the [`QueueBatch`] that takes the
    /// message.
    ///
    /// # Errors
    /// As [`QueueFile::batch`].
    pub fn write_behind(&mut self) -> Result<WriteBehind<'_>, Error> {
        WriteBehind::begin(self)
    }

    /// Now; when the clock was set back, what was put off by the old time is put right first.
    pub(super) fn now(&mut self) -> Result<i64, Error> {
        let now = (self.options.clock)().as_millisecond();
        if now < self.latest_ms {
            self.mend_times(now)?;
        }
        self.latest_ms = now;
        Ok(now)
    }

    /// Turns of destinations that lie ahead would keep them from their next one; so would attempts in years to come.
    fn mend_times(&mut self, now: i64) -> Result<(), Error> {
        let horizon = now.saturating_add(AHEAD_MS_MAX);
        let transaction = self.connection.transaction()?;
        transaction.execute("UPDATE destination SET served_ms = ?1 WHERE served_ms > ?1", [now])?;
        transaction.execute("UPDATE destination SET paused_ms = 0 WHERE paused_ms > ?1", [horizon])?;
        transaction.execute("UPDATE recipient SET next_ms = ?1 WHERE next_ms > ?2", params![now, horizon])?;
        let moved = transaction.execute("UPDATE share SET due_ms = ?1 WHERE due_ms > ?2", params![now, horizon])?;
        if moved > 0 {
            transaction.execute(
                "UPDATE destination SET due_ms = (SELECT min(due_ms) FROM share WHERE destination = destination.id)",
                [],
            )?;
        }
        transaction.commit()?;
        Ok(())
    }
}

fn totals(connection: &Connection) -> Result<Totals, Error> {
    let count = |sql: &str| -> Result<u64, Error> {
        let value: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        u64::try_from(value).map_err(|_| Error::damaged("a negative total"))
    };
    Ok(Totals {
        entries: count("SELECT count(*) FROM entry")?,
        octets: count("SELECT coalesce(sum(size), 0) FROM entry")?,
        recipients: count("SELECT coalesce(sum(recipients), 0) FROM destination")?,
    })
}

/// Refuses a file that holds another queue.
pub(crate) fn check_id(connection: &Connection, id: &QueueId) -> Result<(), Error> {
    let found: Vec<u8> = connection.query_row("SELECT id FROM queue", [], |row| row.get(0))?;
    if found == id.as_bytes() { Ok(()) } else { Err(Error::WrongMailbox(format!("another queue, expected {id}"))) }
}

impl QueueOptions {
    /// Options with the system's clock and disk.
    pub fn new(limits: Limits) -> Self {
        Self { limits, clock: Timestamp::now, disk: &SYSTEM_DISK }
    }
}

//! The ledger of a volume: which snapshots were taken of what, which of them wait to be uploaded, what is due, and what was erased.
//! It holds ids, counts and digests, under the node key, and no key of its own.
//!
//! A row is committed before anybody is told of its snapshot, and its file is there before the row is: a file without a row is
//! what a crash left.

use crate::create::create_file;
use crate::disk::Disk;
use crate::engine::{self, Access, Options};
use crate::error::Error;
use crate::schema::LEDGER;
use crate::snapshot::Snapshot;
use model::SnapshotId;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::Path;
use vault::FileKey;

/// Page cache, KiB: a row for each mailbox.
const CACHE_KIB: u32 = 1024;
/// Octets that are kept of why an upload failed.
const WHY_BYTES_MAX: usize = 500;
/// Erased mailboxes that are remembered, the newest of them: nobody has had the id of an older one cached for so long, and as many
/// are some 4 MB in the memory of a node.
const ERASED_REMEMBERED_MAX: u32 = 100_000;
/// The columns of an entry, as [`entry`] reads them.
const COLUMNS: &str = "id, kind, subject, changes, schema, sha256, bytes, messages, taken_ms, state, why";

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A mailbox file.
    Mailbox,
    /// A waiting-mail file.
    Waiting,
    /// A queue file.
    Queue,
}

impl Kind {
    const fn number(self) -> i64 {
        match self {
            Self::Mailbox => 1,
            Self::Waiting => 2,
            Self::Queue => 3,
        }
    }

    fn of(number: i64) -> Option<Self> {
        [Self::Mailbox, Self::Waiting, Self::Queue].into_iter().find(|kind| kind.number() == number)
    }
}

/// A file by its kind and the id that it has.
pub type Subject = (Kind, [u8; 12]);

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: SnapshotId,
    /// What it is of.
    pub subject: Subject,
    /// What is in it.
    pub snapshot: Snapshot,
    /// When it was taken.
    pub taken_ms: i64,
    /// It waits no more: it is in a store, or wanted in none.
    pub uploaded: bool,
    /// Why the last try to upload it failed, or why no store is to have it; empty when nothing is to be said.
    pub why: String,
}

impl Entry {
    /// It is in no store, and will not be.
    pub fn is_unwanted(&self) -> bool {
        self.uploaded && !self.why.is_empty()
    }
}

/// The ledger, open.
pub struct Ledger {
    connection: Connection,
}

impl Ledger {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// As [`crate::Writer::open`], but that a missing file is made.
    pub fn open_or_create(path: &Path, key: &FileKey, disk: &'static dyn Disk) -> Result<Self, Error> {
        let options = Options { cache_kib: CACHE_KIB, disk, ..Options::default() };
        let mut opened = engine::open(path, &key.raw_key(), &options, Access::Write);
        if matches!(opened, Err(Error::Missing)) {
            create_file(path, &key.raw_key(), &LEDGER, &options, |_| Ok(()))?;
            opened = engine::open(path, &key.raw_key(), &options, Access::Write);
        }
        let mut connection = opened?;
        LEDGER.migrate(&mut connection)?;
        LEDGER.check(&connection)?;
        // Small and seldom written: the engine's own checkpoints are nobody's wait.
        connection.execute_batch("PRAGMA wal_autocheckpoint=1000;")?;
        Ok(Self { connection })
    }

    /// The newest snapshot of it, uploaded or not.
    ///
    /// # Errors
    /// Of the engine.
    pub fn newest(&self, subject: Subject) -> Result<Option<Entry>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM snapshot WHERE kind = ?1 AND subject = ?2 ORDER BY taken_ms DESC, id DESC LIMIT 1"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row(params![subject.0.number(), subject.1], entry).optional()?)
    }

    /// Notes a snapshot whose file is in place. Those of the same subject that wait are given up, because this one has all that
    /// they have: their ids are answered, so that their files go. It is durable on return (`synchronous=FULL`).
    ///
    /// # Errors
    /// [`Error::DiskFull`]; [`Error::Missing`] when its mailbox was erased meanwhile.
    pub fn stage(&mut self, entry: &Entry) -> Result<Vec<SnapshotId>, Error> {
        let transaction = self.connection.transaction()?;
        let (kind, subject) = (entry.subject.0.number(), entry.subject.1);
        if is_erased(&transaction, entry.subject)? {
            return Err(Error::Missing);
        }
        let older = staged_of(&transaction, entry.subject)?;
        transaction.execute("DELETE FROM snapshot WHERE kind = ?1 AND subject = ?2", params![kind, subject])?;
        let of = &entry.snapshot;
        transaction.execute(
            &format!("INSERT INTO snapshot ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, '')"),
            params![
                entry.id.as_bytes(),
                kind,
                subject,
                of.changes.cast_signed(),
                of.schema,
                of.sha256,
                of.bytes.cast_signed(),
                of.messages.cast_signed(),
                entry.taken_ms
            ],
        )?;
        transaction.execute("DELETE FROM due WHERE kind = ?1 AND subject = ?2", params![kind, subject])?;
        transaction.commit()?;
        Ok(older)
    }

    /// Snapshots that wait, the oldest first.
    ///
    /// # Errors
    /// Of the engine.
    pub fn staged(&self, at_most: u32) -> Result<Vec<Entry>, Error> {
        self.staged_after(i64::MIN, &[], at_most)
    }

    /// Those of them that come behind this moment and id, whether that one waits still or not.
    ///
    /// # Errors
    /// Of the engine.
    pub fn staged_after(&self, taken_ms: i64, id: &[u8], at_most: u32) -> Result<Vec<Entry>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM snapshot WHERE state = 1 AND (taken_ms, id) > (?1, ?2) ORDER BY taken_ms, id LIMIT ?3"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_map(params![taken_ms, id, at_most], entry)?.collect::<Result<_, _>>()?)
    }

    /// One snapshot.
    ///
    /// # Errors
    /// Of the engine.
    pub fn entry(&self, id: &SnapshotId) -> Result<Option<Entry>, Error> {
        let mut statement = self.connection.prepare_cached(&format!("SELECT {COLUMNS} FROM snapshot WHERE id = ?1"))?;
        Ok(statement.query_row([id.as_bytes()], entry).optional()?)
    }

    /// It is in a store, whole; or, with a reason, it is to be in none. Whether it waited here for that.
    ///
    /// # Errors
    /// Of the engine.
    pub fn settled(&mut self, id: &SnapshotId, unwanted: &str) -> Result<bool, Error> {
        let settle = "UPDATE snapshot SET state = 2, why = ?2 WHERE id = ?1 AND state = 1";
        Ok(self.connection.execute(settle, params![id.as_bytes(), short(unwanted)])? > 0)
    }

    /// A try failed; it waits for the next.
    ///
    /// # Errors
    /// Of the engine.
    pub fn failed(&mut self, id: &SnapshotId, why: &str) -> Result<(), Error> {
        self.connection
            .execute("UPDATE snapshot SET why = ?2 WHERE id = ?1 AND state = 1", params![id.as_bytes(), short(why)])?;
        Ok(())
    }

    /// It changed and has no snapshot of that; keeps the earliest time it is told. Nothing is due of what was erased.
    ///
    /// # Errors
    /// Of the engine.
    pub fn mark_due(&mut self, subject: Subject, since_ms: i64) -> Result<(), Error> {
        if is_erased(&self.connection, subject)? {
            return Ok(());
        }
        self.connection.execute(
            "INSERT INTO due (kind, subject, since_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![subject.0.number(), subject.1, since_ms],
        )?;
        Ok(())
    }

    /// There is nothing of it any more that could be copied.
    ///
    /// # Errors
    /// Of the engine.
    pub fn not_due(&mut self, subject: Subject) -> Result<(), Error> {
        let sql = "DELETE FROM due WHERE kind = ?1 AND subject = ?2";
        self.connection.execute(sql, params![subject.0.number(), subject.1])?;
        Ok(())
    }

    /// Since when it has changed without a snapshot.
    ///
    /// # Errors
    /// Of the engine.
    pub fn due_since(&self, subject: Subject) -> Result<Option<i64>, Error> {
        let mut statement =
            self.connection.prepare_cached("SELECT since_ms FROM due WHERE kind = ?1 AND subject = ?2")?;
        Ok(statement.query_row(params![subject.0.number(), subject.1], |row| row.get(0)).optional()?)
    }

    /// What is not in a store though it changed before that moment: without a snapshot of that, and with one that waits.
    ///
    /// # Errors
    /// Of the engine.
    pub fn late(&self, before_ms: i64, at_most: u32) -> Result<Vec<Subject>, Error> {
        let sql = "SELECT kind, subject FROM due WHERE since_ms < ?1 UNION ALL \
                   SELECT kind, subject FROM snapshot WHERE state = 1 AND taken_ms < ?1 LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![before_ms, at_most], |row| subject(row, 0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A mailbox is erased: forgets all that is known of it, and remembers that; the ids of snapshots whose files are to go. What was
    /// being copied meanwhile is not staged any more.
    ///
    /// # Errors
    /// Of the engine.
    pub fn erase(&mut self, mailbox: [u8; 12], at_ms: i64) -> Result<Vec<SnapshotId>, Error> {
        let transaction = self.connection.transaction()?;
        let mut staged = Vec::new();
        for subject in [(Kind::Mailbox, mailbox), (Kind::Waiting, mailbox)] {
            staged.extend(staged_of(&transaction, subject)?);
            for table in ["snapshot", "due"] {
                transaction.execute(
                    &format!("DELETE FROM {table} WHERE kind = ?1 AND subject = ?2"),
                    params![subject.0.number(), mailbox],
                )?;
            }
        }
        transaction.execute(
            "INSERT INTO erased (mailbox, at_ms) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms, swept = 0",
            params![mailbox, at_ms],
        )?;
        transaction.execute(
            "DELETE FROM erased WHERE mailbox IN (SELECT mailbox FROM erased ORDER BY at_ms DESC LIMIT -1 OFFSET ?1)",
            [ERASED_REMEMBERED_MAX],
        )?;
        transaction.commit()?;
        Ok(staged)
    }

    /// Every mailbox that was erased, as far as is remembered.
    ///
    /// # Errors
    /// Of the engine.
    pub fn erased(&self) -> Result<Vec<[u8; 12]>, Error> {
        let mut statement = self.connection.prepare("SELECT mailbox FROM erased")?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Those of which an upload may still have been under way, by their ids and behind this one: no worker has looked through the
    /// stores since.
    ///
    /// # Errors
    /// Of the engine.
    pub fn unswept_after(&self, mailbox: &[u8], at_most: u32) -> Result<Vec<[u8; 12]>, Error> {
        let sql = "SELECT mailbox FROM erased WHERE swept = 0 AND mailbox > ?1 ORDER BY mailbox LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_map(params![mailbox, at_most], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// A worker has removed everything of it from the stores.
    ///
    /// # Errors
    /// Of the engine.
    pub fn swept(&mut self, mailbox: [u8; 12]) -> Result<(), Error> {
        self.connection.execute("UPDATE erased SET swept = 1 WHERE mailbox = ?1", [mailbox])?;
        Ok(())
    }
}

/// A queue has an id of its own, and is not erased.
fn is_erased(connection: &Connection, subject: Subject) -> Result<bool, Error> {
    match subject.0 {
        Kind::Queue => Ok(false),
        Kind::Mailbox | Kind::Waiting => {
            let mut statement = connection.prepare_cached("SELECT 1 FROM erased WHERE mailbox = ?1")?;
            Ok(statement.exists([subject.1])?)
        }
    }
}

/// Snapshots of it that wait.
fn staged_of(connection: &Connection, subject: Subject) -> Result<Vec<SnapshotId>, Error> {
    let sql = "SELECT id FROM snapshot WHERE kind = ?1 AND subject = ?2 AND state = 1";
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement.query_map(params![subject.0.number(), subject.1], |row| id(row, 0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// What is kept of a reason.
fn short(why: &str) -> &str {
    why.get(..why.floor_char_boundary(WHY_BYTES_MAX)).unwrap_or_default()
}

fn count(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

/// From two columns.
fn subject(row: &Row<'_>, column: usize) -> Result<Subject, rusqlite::Error> {
    let kind: i64 = row.get(column)?;
    let known = Kind::of(kind).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, kind))?;
    Ok((known, row.get(column + 1)?))
}

fn id(row: &Row<'_>, column: usize) -> Result<SnapshotId, rusqlite::Error> {
    Ok(SnapshotId::from_bytes(row.get(column)?))
}

fn entry(row: &Row<'_>) -> Result<Entry, rusqlite::Error> {
    Ok(Entry {
        id: id(row, 0)?,
        subject: subject(row, 1)?,
        snapshot: Snapshot {
            changes: count(row, 3)?,
            schema: row.get(4)?,
            sha256: row.get(5)?,
            bytes: count(row, 6)?,
            messages: count(row, 7)?,
        },
        taken_ms: row.get(8)?,
        uploaded: row.get::<_, i64>(9)? == 2,
        why: row.get(10)?,
    })
}

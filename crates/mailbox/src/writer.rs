//! The one writing connection of a mailbox: batches of operations that commit together, each undone alone if it fails.
//!
//! Invariants: one `Writer` per file in one process; counters that live here (MODSEQ, content ids) only grow, also over a
//! rollback, and start above everything that the file holds.

use crate::disk::Disk;
use crate::engine::{self, Access, Clock, Options};
use crate::error::Error;
use crate::keywords::KeywordMap;
use crate::log;
use crate::mark::Mark;
use crate::quota::Quota;
use crate::schema::MAILBOX;
use crate::types::Change;
use model::{MailboxId, ModSeq};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use vault::MailboxKey;

/// The one writing connection.
pub struct Writer {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) disk: &'static dyn Disk,
    counters: Counters,
    clock: Clock,
    pub(crate) quota: Quota,
    /// See [`Options`].
    pub(crate) log_bytes_max: u64,
    /// The disk failed under an operation.
    failed: bool,
    mark: Mark,
}

/// What the writer remembers between operations.
pub(crate) struct Counters {
    /// The highest MODSEQ given out.
    modseq: i64,
    /// The highest content id given out.
    content: i64,
    /// `None`: read it when it is asked for.
    pub(crate) keywords: Option<KeywordMap>,
    /// Commits that changed what the owner has.
    changes: i64,
    /// Deliveries and tokens noted since old ones were dropped.
    pub(crate) noted: u32,
}

impl Writer {
    /// Opens the file for writing, brings its schema up to date and checks it, and gives up uploads that were left over.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::WrongKey`], [`Error::WrongMailbox`], [`Error::NewerSchema`], [`Error::SchemaDiffers`],
    /// [`Error::Damaged`], [`Error::NoCipher`].
    pub fn open(path: &Path, key: &MailboxKey, id: &MailboxId, options: &Options) -> Result<Self, Error> {
        if let Some(bad) = log::damage(options.disk, path).map_err(|error| Error::io("reading the log", error))? {
            return Err(Error::damaged(format!("frame {} of its log, at offset {}", bad.frame, bad.offset)));
        }
        let mut connection = engine::open(path, &key.raw_key(), options, Access::Write)?;
        MAILBOX.migrate(&mut connection)?;
        MAILBOX.check(&connection)?;
        check_id(&connection, id)?;
        let (counters, mark) = (Counters::read(&connection)?, Mark::of(options.disk, path));
        // Before anything is written: behind what the engine takes for the log's end may be what the owner was told is kept.
        mark.require(counters.changes)?;
        crate::staging::give_up_all(&connection)?;
        let (disk, clock, quota) = (options.disk, options.clock, options.quota);
        let log_bytes_max = options.log_bytes_max;
        Ok(Self { connection, path: path.to_owned(), disk, counters, clock, quota, log_bytes_max, failed: false, mark })
    }

    /// Closes the file in order: when no reader is left its log goes into it and is removed. A writer that is dropped instead,
    /// because something failed, leaves the files as they are.
    ///
    /// # Errors
    /// Of the engine; then the log stays, and is read at the next open.
    pub fn close(self) -> Result<(), Error> {
        engine::close(self.connection)?;
        self.mark.closed(&self.path);
        Ok(())
    }

    /// Whether the disk failed under an operation: what was committed stands, and the file is to be opened anew.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Begins a batch; nobody else may write until it ends. Dropping it undoes it.
    ///
    /// # Errors
    /// [`Error::Busy`] when another connection writes, and while one that reads on keeps the log at twice its bound.
    pub fn batch(&mut self) -> Result<Batch<'_>, Error> {
        self.bound_log().map_err(|error| error.on(self.disk, &self.path))?;
        run(&self.connection, "BEGIN IMMEDIATE")?;
        Ok(Batch { writer: self, changes: Vec::new(), device: None, dirty: false, done: false })
    }
}

impl Counters {
    fn read(connection: &Connection) -> Result<Self, Error> {
        let modseq = "SELECT max((SELECT modseq FROM mailbox), (SELECT coalesce(max(highest_modseq), 0) FROM folder), \
                      (SELECT coalesce(max(id), 0) FROM email))";
        Ok(Self {
            modseq: connection.query_row(modseq, [], |row| row.get(0))?,
            content: connection.query_row("SELECT coalesce(max(id), 0) FROM content", [], |row| row.get(0))?,
            changes: connection.query_row("SELECT changes FROM mailbox", [], |row| row.get(0))?,
            keywords: None,
            noted: 0,
        })
    }

    /// The next MODSEQ: higher than every one before it in this mailbox.
    pub(crate) fn next_modseq(&mut self) -> Result<ModSeq, Error> {
        self.modseq = self.modseq.checked_add(1).ok_or(Error::LimitReached("mod-sequences"))?;
        ModSeq::new(self.modseq as u64).ok_or(Error::LimitReached("mod-sequences"))
    }

    /// The highest MODSEQ given out so far.
    pub(crate) const fn modseq(&self) -> i64 {
        self.modseq
    }

    /// The next content id; never used before while this writer lives, so that a reader's cursor cannot meet another content.
    pub(crate) fn next_content(&mut self) -> Result<i64, Error> {
        self.content += 1;
        if self.content >= crate::content::CONTENT_IDS_MAX {
            Err(Error::LimitReached("contents"))
        } else {
            Ok(self.content)
        }
    }
}

/// Operations that become durable together.
pub struct Batch<'w> {
    writer: &'w mut Writer,
    changes: Vec<Change>,
    /// What the disk failed an operation with.
    device: Option<(i32, String)>,
    /// Something was written that a backup would have to have.
    dirty: bool,
    done: bool,
}

impl Batch<'_> {
    /// Runs one operation in a savepoint: an error undoes it alone.
    ///
    /// # Errors
    /// The operation's own, or [`Error::Undone`] when an earlier failure (a full disk) made the engine undo the batch.
    pub fn run<T>(&mut self, operation: impl FnOnce(&mut Tx<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let connection = &self.writer.connection;
        if connection.is_autocommit() {
            return Err(self.undone());
        }
        run(connection, "SAVEPOINT operation")?;
        let (before, rows) = (self.changes.len(), connection.total_changes());
        let counters = &mut self.writer.counters;
        let (clock, quota) = (self.writer.clock, self.writer.quota);
        let mut tx = Tx { connection, counters, changes: &mut self.changes, clock, quota, derived: false };
        let result = operation(&mut tx);
        let derived = tx.derived;
        let result = result.and_then(|value| {
            run(connection, "RELEASE operation")?;
            Ok(value)
        });
        self.dirty |= result.is_ok() && !derived && connection.total_changes() != rows;
        let result = result.map_err(|error| error.on(self.writer.disk, &self.writer.path));
        if let Err(error) = &result {
            if let Error::Device { code, text } = error {
                self.writer.failed = true;
                self.device = Some((*code, text.clone()));
            }
            self.changes.truncate(before);
            self.writer.counters.keywords = None;
            if !connection.is_autocommit() {
                run(connection, "ROLLBACK TO operation")?;
                run(connection, "RELEASE operation")?;
            }
        }
        result
    }

    /// How many changes there are so far: tells which operation made which of those that [`Batch::commit`] answers.
    pub fn changes(&self) -> usize {
        self.changes.len()
    }

    /// Whether messages came or went so far.
    pub(crate) fn changes_usage(&self) -> bool {
        self.changes.iter().any(|change| match change {
            Change::Appended { .. } | Change::Vanished { .. } | Change::FolderDeleted { .. } => true,
            Change::Flags { .. } | Change::FolderCreated { .. } | Change::FolderRenamed { .. } => false,
        })
    }

    /// Makes the batch durable and answers its changes in order.
    ///
    /// With `synchronous=FULL` the commit record and everything before it in the log are synced before COMMIT returns, so
    /// that a power cut right after the answer loses nothing. What this writer found in the log it has made durable when it
    /// opened the file, so that nothing before the record is in doubt.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and the like: nothing of the batch was kept. [`Error::Device`]: nobody knows; it is not tried
    /// again on this connection, which is dropped, and the next open tells.
    pub fn commit(mut self) -> Result<Vec<Change>, Error> {
        if self.writer.connection.is_autocommit() {
            return Err(self.undone());
        }
        if self.dirty {
            // With what it counts, so that a copy of the file says exactly which state it is of.
            run(&self.writer.connection, "UPDATE mailbox SET changes = changes + 1")?;
        }
        run(&self.writer.connection, "COMMIT").map_err(|error| error.on(self.writer.disk, &self.writer.path))?;
        self.done = true;
        if self.dirty {
            self.writer.counters.changes += 1;
            self.writer.mark.put(self.writer.counters.changes);
        }
        Ok(std::mem::take(&mut self.changes))
    }

    /// Why the engine undid the batch.
    fn undone(&self) -> Error {
        match &self.device {
            Some((code, text)) => Error::Device { code: *code, text: text.clone() },
            None => Error::Undone,
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        self.writer.counters.keywords = None;
        if !self.writer.connection.is_autocommit() {
            // If even this fails, the transaction stays open, the next BEGIN fails, and nothing was acknowledged.
            let _ = run(&self.writer.connection, "ROLLBACK");
        }
    }
}

/// One operation's view of the mailbox; the operations are methods in the modules that are named after them.
pub struct Tx<'t> {
    pub(crate) connection: &'t Connection,
    pub(crate) counters: &'t mut Counters,
    pub(crate) changes: &'t mut Vec<Change>,
    pub(crate) clock: Clock,
    pub(crate) quota: Quota,
    /// What it writes is made from what the file has: a backup loses nothing without it.
    pub(crate) derived: bool,
}

/// Refuses a file that holds another mailbox.
pub(crate) fn check_id(connection: &Connection, id: &MailboxId) -> Result<(), Error> {
    let found: Vec<u8> = connection.query_row("SELECT id FROM mailbox", [], |row| row.get(0))?;
    if found == id.as_bytes() {
        return Ok(());
    }
    let found =
        MailboxId::try_from(found.as_slice()).map_err(|_| Error::damaged("the mailbox id has a wrong length"))?;
    Err(Error::WrongMailbox(format!("it holds {found}, expected {id}")))
}

/// A statement without parameters or rows, from the cache.
fn run(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Append, Content, Reader, create};
    use jiff::Timestamp;
    use model::{Flags, FolderName};

    fn append(text: &[u8]) -> Content {
        Content::from_bytes(text).unwrap()
    }

    #[test]
    fn a_full_disk_is_named_and_nothing_of_the_batch_is_kept() {
        let (folder, key, id) =
            (tempfile::tempdir().unwrap(), MailboxKey::generate().unwrap(), MailboxId::from_bytes([1; 12]));
        let path = folder.path().join("mailbox.db");
        create(&path, &key, &id, Timestamp::UNIX_EPOCH).unwrap();
        let mut writer = Writer::open(&path, &key, &id, &Options::default()).unwrap();
        let limit = |writer: &Writer, pages: u32| {
            writer.connection.query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(())).unwrap();
        };
        limit(&writer, 1);
        let noise: Vec<u8> = (0..900_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let inbox = FolderName::inbox();
        let message = |content: Content| Append {
            folder: (&inbox).into(),
            flags: Flags::NONE,
            keywords: &[],
            internal_date: Timestamp::UNIX_EPOCH,
            content,
            delivery: None,
            token: None,
        };
        let mut batch = writer.batch().unwrap();
        let full = batch.run(|tx| tx.append(message(append(&noise))));
        assert!(matches!(full, Err(Error::DiskFull)), "{full:?}");
        // The engine may have undone the whole batch; then everything after it says so.
        match batch.commit() {
            Ok(changes) => assert_eq!(changes, []),
            Err(error) => assert!(matches!(error, Error::Undone), "{error}"),
        }
        limit(&writer, 1_000_000);
        let mut batch = writer.batch().unwrap();
        batch.run(|tx| tx.append(message(append(&noise)))).unwrap();
        batch.commit().unwrap();
        let reader = Reader::open(&path, &key, &id, &Options::default()).unwrap();
        assert_eq!(reader.status(&FolderName::inbox()).unwrap().messages, 1);
        reader.check().unwrap();
    }

    #[test]
    fn keywords_have_a_limit_and_unused_ones_make_room() {
        let (folder, key, id) =
            (tempfile::tempdir().unwrap(), MailboxKey::generate().unwrap(), MailboxId::from_bytes([1; 12]));
        let path = folder.path().join("mailbox.db");
        create(&path, &key, &id, Timestamp::UNIX_EPOCH).unwrap();
        let mut writer = Writer::open(&path, &key, &id, &Options::default()).unwrap();
        let inbox = FolderName::inbox();
        let keyword = |n: u32| model::Keyword::parse(&format!("k{n}")).unwrap();
        let all: Vec<_> = (0..256).map(keyword).collect();
        let mut batch = writer.batch().unwrap();
        let first = batch
            .run(|tx| {
                tx.append(Append {
                    folder: (&inbox).into(),
                    flags: Flags::NONE,
                    keywords: &all,
                    internal_date: Timestamp::UNIX_EPOCH,
                    content: append(b"x"),
                    delivery: None,
                    token: None,
                })
            })
            .unwrap();
        let one = model::UidSet::range(first.uid, first.uid);
        let edit = |mode, keywords| crate::FlagEdit { mode, flags: Flags::NONE, keywords };
        let add = edit(crate::StoreMode::Add, vec![keyword(300)]);
        let refused = batch.run(|tx| tx.store(first.folder, &one, &add, None));
        assert!(matches!(refused, Err(Error::LimitReached("keywords"))), "{refused:?}");
        let fewer = edit(crate::StoreMode::Replace, all[..255].to_vec());
        batch.run(|tx| tx.store(first.folder, &one, &fewer, None)).unwrap();
        let stored = batch.run(|tx| tx.store(first.folder, &one, &add, None)).unwrap();
        batch.commit().unwrap();
        assert_eq!(stored.messages[0].keywords.len(), 256);
        assert!(
            stored.messages[0].keywords.contains(&keyword(300)) && !stored.messages[0].keywords.contains(&keyword(255))
        );
    }
}

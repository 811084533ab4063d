//! The one writing connection of a mailbox: batches of operations that commit together, each undone alone if it fails.
//!
//! Invariants: one `Writer` per file in one process; counters that live here (MODSEQ, content ids) only grow, also over a
//! rollback, and start above everything that the file holds.

use crate::engine::{self, Access, Clock, Options};
use crate::error::Error;
use crate::keywords::KeywordMap;
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
    counters: Counters,
    clock: Clock,
    quota: Quota,
}

/// What the writer remembers between operations.
pub(crate) struct Counters {
    /// The highest MODSEQ given out.
    modseq: i64,
    /// The highest content id given out.
    content: i64,
    /// `None`: read it when it is asked for.
    pub(crate) keywords: Option<KeywordMap>,
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
        let mut connection = engine::open(path, &key.raw_key(), options, Access::Write)?;
        MAILBOX.migrate(&mut connection)?;
        MAILBOX.check(&connection)?;
        check_id(&connection, id)?;
        crate::staging::give_up_all(&connection)?;
        let counters = Counters::read(&connection)?;
        Ok(Self { connection, path: path.to_owned(), counters, clock: options.clock, quota: options.quota })
    }

    /// Begins a batch; nobody else may write until it ends. Dropping it undoes it.
    ///
    /// # Errors
    /// [`Error::Busy`] when another connection writes.
    pub fn batch(&mut self) -> Result<Batch<'_>, Error> {
        run(&self.connection, "BEGIN IMMEDIATE")?;
        Ok(Batch { writer: self, changes: Vec::new(), done: false })
    }
}

impl Counters {
    fn read(connection: &Connection) -> Result<Self, Error> {
        let modseq = "SELECT max((SELECT modseq FROM mailbox), (SELECT coalesce(max(highest_modseq), 0) FROM folder), \
                      (SELECT coalesce(max(id), 0) FROM email))";
        Ok(Self {
            modseq: connection.query_row(modseq, [], |row| row.get(0))?,
            content: connection.query_row("SELECT coalesce(max(id), 0) FROM content", [], |row| row.get(0))?,
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
            return Err(Error::Undone);
        }
        run(connection, "SAVEPOINT operation")?;
        let before = self.changes.len();
        let counters = &mut self.writer.counters;
        let (clock, quota) = (self.writer.clock, self.writer.quota);
        let mut tx = Tx { connection, counters, changes: &mut self.changes, clock, quota };
        let result = operation(&mut tx).and_then(|value| {
            run(connection, "RELEASE operation")?;
            Ok(value)
        });
        if result.is_err() {
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

    /// Makes the batch durable and answers its changes in order.
    ///
    /// With `synchronous=FULL` the commit record and everything before it in the log are synced before COMMIT returns, so
    /// that a power cut right after the answer loses nothing.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and the like: nothing of the batch was kept.
    pub fn commit(mut self) -> Result<Vec<Change>, Error> {
        if self.writer.connection.is_autocommit() {
            return Err(Error::Undone);
        }
        run(&self.writer.connection, "COMMIT")?;
        self.done = true;
        Ok(std::mem::take(&mut self.changes))
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

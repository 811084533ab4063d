//! A reading connection, beside the writer and beside other readers; sees what was committed when an operation begins.

use crate::content::ChunkCache;
use crate::disk::Disk;
use crate::engine::{self, Access, Options};
use crate::error::Error;
use crate::schema::MAILBOX;
use crate::types::{Appended, Counts, FolderId, FolderStatus, Folders, SelectState, Since, TokenAnswer};
use crate::{select, tokens, writer};
use model::{DeliveryId, FolderName, MailboxId, ModSeq, Token, UidSet};
use rusqlite::Connection;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use vault::MailboxKey;

/// A reading connection.
pub struct Reader {
    pub(crate) connection: Connection,
    pub(crate) chunk: RefCell<ChunkCache>,
    path: PathBuf,
    disk: &'static dyn Disk,
}

impl Reader {
    /// Opens the file for reading. The writer is opened first: a reader mends no schema.
    ///
    /// # Errors
    /// As [`crate::Writer::open`].
    pub fn open(path: &Path, key: &MailboxKey, id: &MailboxId, options: &Options) -> Result<Self, Error> {
        let connection = engine::open(path, &key.raw_key(), options, Access::Read)?;
        MAILBOX.check(&connection)?;
        writer::check_id(&connection, id)?;
        Ok(Self { connection, chunk: RefCell::default(), path: path.to_owned(), disk: options.disk })
    }

    /// Opens the file of a writer that is open: what it has checked is not checked again.
    ///
    /// # Errors
    /// As [`crate::Writer::open`].
    pub fn beside(writer: &writer::Writer, key: &MailboxKey, options: &Options) -> Result<Self, Error> {
        let connection = engine::open(&writer.path, &key.raw_key(), options, Access::Read)?;
        Ok(Self { connection, chunk: RefCell::default(), path: writer.path.clone(), disk: options.disk })
    }

    /// What a check reads any file of this crate with.
    pub(crate) fn of(connection: Connection, path: &Path, disk: &'static dyn Disk) -> Self {
        Self { connection, chunk: RefCell::default(), path: path.to_owned(), disk }
    }

    /// Every folder and every subscribed name.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn folders(&self) -> Result<Folders, Error> {
        self.folders_with(Counts::None)
    }

    /// The same, and what STATUS answers of each, from one state of the mailbox.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn folders_with(&self, counts: Counts) -> Result<Folders, Error> {
        self.snapshot(|connection| select::folders(connection, counts))
    }

    /// STATUS.
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`].
    pub fn status(&self, name: &FolderName) -> Result<FolderStatus, Error> {
        self.snapshot(|connection| select::status(connection, name))
    }

    /// SELECT.
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`].
    pub fn select(&self, name: &FolderName) -> Result<SelectState, Error> {
        self.snapshot(|connection| select::select(connection, name))
    }

    /// Messages that are new or changed, and UIDs that vanished, after a MODSEQ (RFC 7162 §3.2.5).
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`].
    pub fn changes_since(&self, folder: FolderId, since: ModSeq) -> Result<Since, Error> {
        self.snapshot(|connection| select::changes_since(connection, folder, since))
    }

    /// UIDs that vanished after a MODSEQ, alone (RFC 7162 §3.2.5.1).
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`].
    pub fn vanished_since(&self, folder: FolderId, since: ModSeq) -> Result<UidSet, Error> {
        self.snapshot(|connection| select::vanished(connection, folder, since))
    }

    /// Whether the delivery was committed.
    ///
    /// # Errors
    /// Of the engine.
    pub fn delivery_known(&self, id: &DeliveryId) -> Result<bool, Error> {
        Ok(self.delivery(id)?.is_some())
    }

    /// Where a delivery was stored.
    ///
    /// # Errors
    /// Of the engine.
    pub fn delivery(&self, id: &DeliveryId) -> Result<Option<Appended>, Error> {
        tokens::delivery(&self.connection, id)
    }

    /// What was answered to the request with this token.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn token_result(&self, id: &Token) -> Result<Option<TokenAnswer>, Error> {
        tokens::token(&self.connection, id)
    }

    /// How many commits have changed what the owner has: two equal answers are of the same mail.
    ///
    /// # Errors
    /// Of the engine.
    pub fn changes(&self) -> Result<u64, Error> {
        let mut statement = self.connection.prepare_cached("SELECT changes FROM mailbox")?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    /// Looks at every page and every rule of the file at once; [`crate::Checker`] does it step by step, beside others. What this
    /// connection has in its cache is not read from the file again.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the first finding.
    pub fn check(&self) -> Result<(), Error> {
        crate::check::check(self, &self.path, self.disk)
    }

    /// Several statements see one state of the file.
    pub(crate) fn snapshot<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let transaction = self.connection.unchecked_transaction()?;
        let result = read(&transaction);
        transaction.rollback()?;
        result
    }
}

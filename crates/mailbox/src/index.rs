//! The full-text index: filled behind the deliveries, a batch at a time, and emptied as emails go. Reads and writes are
//! apart, so that the writer is held only for the inserts. How it is asked is `search`'s.
//!
//! Invariant: `mailbox.indexed_to` and the rows of `text_index` change in one transaction. Every email up to it is in the
//! index, none after it is; so a kill at any point leaves an index that is right, and searches look into the rest.

use crate::error::Error;
use crate::reader::Reader;
use crate::search::fold;
use crate::search::grams::Grams;
use crate::search::texts::Texts;
use crate::writer::Tx;
use rusqlite::{Connection, OptionalExtension, params};

/// Octets of index text after which a batch is closed: some 20 ms of the writer's time.
const BATCH_WORDS_BYTES: usize = 256 * 1024;

/// Emails made ready for the index, in order.
#[derive(Debug)]
pub struct IndexBatch {
    /// What was indexed when it was made.
    after: i64,
    emails: Vec<(i64, String)>,
    /// Whether more are left behind it.
    more: bool,
}

impl IndexBatch {
    /// Emails in it.
    pub fn len(&self) -> usize {
        self.emails.len()
    }
    /// Everything is indexed already.
    pub fn is_empty(&self) -> bool {
        self.emails.is_empty()
    }
    /// Whether more emails are left behind it.
    pub fn has_more(&self) -> bool {
        self.more
    }
}

/// How far the index reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexState {
    /// Emails that are in it.
    pub indexed: u64,
    /// Emails that wait for it.
    pub waiting: u64,
}

impl Reader {
    /// Decodes the next emails for the index, at most `emails_max` and fewer when they are long.
    ///
    /// # Errors
    /// Of the engine. An email that cannot be read is marked to be looked into, so that the search names the damage.
    pub fn index_batch(&self, emails_max: usize) -> Result<IndexBatch, Error> {
        self.snapshot(|connection| {
            let after = indexed_to(connection)?;
            let mut batch = IndexBatch { after, emails: Vec::new(), more: false };
            let mut statement = connection.prepare_cached("SELECT id FROM email WHERE id > ?1 ORDER BY id")?;
            let mut rows = statement.query([after])?;
            let mut octets = 0;
            while let Some(row) = rows.next()? {
                if octets >= BATCH_WORDS_BYTES || batch.emails.len() >= emails_max.max(1) {
                    batch.more = true;
                    break;
                }
                let email = row.get(0)?;
                let words = self.grams(connection, email)?.into_words();
                octets += words.len();
                batch.emails.push((email, words));
            }
            Ok(batch)
        })
    }

    /// Whether emails are there that are not in the index.
    ///
    /// # Errors
    /// Of the engine.
    pub fn index_is_behind(&self) -> Result<bool, Error> {
        self.snapshot(|connection| {
            let mut later = connection.prepare_cached("SELECT 1 FROM email WHERE id > ?1 LIMIT 1")?;
            Ok(later.exists([indexed_to(connection)?])?)
        })
    }

    /// How far the index reaches.
    ///
    /// # Errors
    /// Of the engine.
    pub fn index_state(&self) -> Result<IndexState, Error> {
        self.snapshot(|connection| {
            let count =
                |sql: &str, to: i64| connection.prepare_cached(sql)?.query_row([to], |row| row.get::<_, i64>(0));
            let to = indexed_to(connection)?;
            Ok(IndexState {
                indexed: count("SELECT count(*) FROM email WHERE id <= ?1", to)? as u64,
                waiting: count("SELECT count(*) FROM email WHERE id > ?1", to)? as u64,
            })
        })
    }

    pub(crate) fn grams(&self, connection: &Connection, email: i64) -> Result<Grams, Error> {
        match self.all_grams(connection, email) {
            Err(Error::Damaged(_) | Error::Gone) => Ok(Grams::look_into()),
            other => other,
        }
    }

    fn all_grams(&self, connection: &Connection, email: i64) -> Result<Grams, Error> {
        let mut grams = Grams::default();
        // The columns have what several fields of one name are together; headers have each alone.
        let mut statement = connection.prepare_cached(
            "SELECT subject, \"from\", \"to\", cc, bcc, message_id, in_reply_to FROM email WHERE id = ?1",
        )?;
        let mut rows = statement.query([email])?;
        let Some(row) = rows.next()? else { return Err(Error::Gone) };
        for column in 0..7 {
            let text = row.get_ref(column)?.as_str_or_null().map_err(|error| Error::damaged(error.to_string()))?;
            grams.add(&fold(text.unwrap_or_default()));
        }
        let mut chunk = self.chunk.borrow_mut();
        let texts = Texts::load(connection, email)?;
        grams.add(&fold(&texts.header(&mut chunk)?));
        texts.any_of_part_headers(&mut chunk, |text| {
            grams.add(&fold(text));
            false
        })?;
        texts.any_of_body(&mut chunk, |text| {
            grams.add(&fold(text));
            false
        })?;
        Ok(grams)
    }
}

impl Tx<'_> {
    /// Adds a batch to the index; emails that went meanwhile are left out. A batch that another one overtook is dropped
    /// whole. No session is told: nothing that it can see changes.
    ///
    /// # Errors
    /// Of the engine.
    pub fn index(&mut self, batch: &IndexBatch) -> Result<(), Error> {
        self.derived = true;
        let Some((last, _)) = batch.emails.last() else { return Ok(()) };
        if indexed_to(self.connection)? != batch.after {
            return Ok(());
        }
        let mut exists = self.connection.prepare_cached("SELECT 1 FROM email WHERE id = ?1")?;
        let mut insert = self.connection.prepare_cached("INSERT INTO text_index (rowid, grams) VALUES (?1, ?2)")?;
        for (email, words) in &batch.emails {
            if exists.exists([email])? {
                insert.execute(params![email, words])?;
            }
        }
        self.connection.prepare_cached("UPDATE mailbox SET indexed_to = ?1")?.execute([last])?;
        Ok(())
    }
}

/// Emails up to this id are in the index.
pub(crate) fn indexed_to(connection: &Connection) -> Result<i64, Error> {
    let found = connection.prepare_cached("SELECT indexed_to FROM mailbox")?.query_row([], |row| row.get(0));
    found.optional()?.ok_or_else(|| Error::damaged("the mailbox row is missing"))
}

/// Takes a removed email out of the index.
pub(crate) fn forget(connection: &Connection, email: i64) -> Result<(), Error> {
    if email <= indexed_to(connection)? {
        connection.prepare_cached("DELETE FROM text_index WHERE rowid = ?1")?.execute([email])?;
    }
    Ok(())
}

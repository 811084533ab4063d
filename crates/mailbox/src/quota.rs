//! How much a mailbox holds and how much it may (RFC 9208). Mail that was accepted for delivery is never refused here: whoever
//! accepts it asks first.

use crate::error::Error;
use crate::reader::Reader;
use crate::types::FolderId;
use crate::writer::{Batch, Tx, Writer};
use model::UidSet;
use model::limits::FOLDERS_MAX;
use rusqlite::{Connection, params};

/// What a mailbox may hold; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Octets of all messages, copies included.
    pub bytes_max: u64,
    /// Messages.
    pub messages_max: u64,
}

/// What a mailbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Octets of all messages, copies included: what an owner can add up from what clients show.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
    /// Folders and names that are kept for those below them; [`FOLDERS_MAX`] at most.
    pub folders: u64,
}

impl Usage {
    /// Whether so much more would be within the limits.
    pub fn fits(self, quota: Quota, bytes: u64, messages: u64) -> bool {
        let within = |held: u64, more: u64, max: u64| max == 0 || more == 0 || held.saturating_add(more) <= max;
        within(self.bytes, bytes, quota.bytes_max) && within(self.messages, messages, quota.messages_max)
    }

    /// The limit on folders.
    pub const FOLDERS_MAX: u64 = FOLDERS_MAX as u64;
}

/// From the folders' counters.
fn usage(connection: &Connection) -> Result<Usage, Error> {
    let sums = "SELECT coalesce(sum(size), 0), coalesce(sum(messages), 0), count(*) FROM folder";
    let (bytes, messages, folders): (i64, i64, i64) =
        connection.prepare_cached(sums)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let sum = |number: i64| u64::try_from(number).map_err(|_| Error::damaged("a folder's counter is negative"));
    Ok(Usage { bytes: sum(bytes)?, messages: sum(messages)?, folders: sum(folders)? })
}

impl Reader {
    /// What the mailbox holds.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn usage(&self) -> Result<Usage, Error> {
        usage(&self.connection)
    }

    /// What a copy of these messages would add; those that are not there add nothing. `folders` is 0.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn usage_of(&self, folder: FolderId, uids: &UidSet) -> Result<Usage, Error> {
        let sums = "SELECT coalesce(sum(size), 0), count(*) FROM message WHERE folder = ?1 AND uid BETWEEN ?2 AND ?3";
        let mut statement = self.connection.prepare_cached(sums)?;
        let mut all = Usage::default();
        for &(first, last) in uids.runs() {
            let (bytes, messages): (i64, i64) =
                statement.query_row(params![folder.0, first, last], |row| Ok((row.get(0)?, row.get(1)?)))?;
            all.bytes += bytes.unsigned_abs();
            all.messages += messages.unsigned_abs();
        }
        Ok(all)
    }
}

impl Writer {
    /// From the next batch on the mailbox may hold this.
    pub fn set_quota(&mut self, quota: Quota) {
        self.quota = quota;
    }
}

impl Batch<'_> {
    /// What the mailbox will hold when the batch commits, counted in its transaction; `None` when it changes nothing of that.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn usage(&mut self) -> Result<Option<Usage>, Error> {
        if !self.changes_usage() {
            return Ok(None);
        }
        self.run(|tx| usage(tx.connection)).map(Some)
    }
}

impl Tx<'_> {
    /// Refuses what would take the mailbox over its quota, counted in the transaction that adds it.
    pub(crate) fn require_room(&self, bytes: u64, messages: u64) -> Result<(), Error> {
        if self.quota == Quota::default() || usage(self.connection)?.fits(self.quota, bytes, messages) {
            Ok(())
        } else {
            Err(Error::OverQuota)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let usage = Usage { bytes: 90, messages: 3, folders: 6 };
        let fits =
            |bytes_max, messages_max, bytes, messages| usage.fits(Quota { bytes_max, messages_max }, bytes, messages);
        assert!(fits(0, 0, u64::MAX, u64::MAX));
        assert!(fits(100, 4, 10, 1));
        assert!(!fits(100, 4, 11, 1));
        assert!(!fits(100, 4, 10, 2));
        // A limit that was lowered below what is there forbids only more.
        assert!(fits(50, 2, 0, 0));
        assert!(!fits(50, 0, 1, 1));
    }
}

//! Takes entries of a backup of a queue that are not in it, held: they may have been sent since. In steps, so that a large backup keeps
//! nobody waiting.
//!
//! Invariants: an entry is taken once, by an id that comes from its queue and its number there, and is remembered like that of any
//! message that was taken; where the backup is of this very queue, also by its number. What is wrong with the backup is no damage of the
//! file.

use super::batch::QueueTx;
use super::enqueue::{self, Incoming, Message, Taken};
use super::look::QueueReader;
use super::row;
use super::types::{Listed, Recipient};
use crate::error::Error;
use model::{EnqueueId, QueueId};
use rusqlite::params;

/// Octets of messages after which a step ends.
const STEP_BYTES: u64 = 8 * 1024 * 1024;
/// Entries of one step.
const STEP_ENTRIES: usize = 64;

/// A backup of a queue.
pub struct QueueBackup {
    /// Opened with its key: a copy that nobody else has.
    pub reader: QueueReader,
    /// The queue that it is of.
    pub id: QueueId,
    /// Whether that is the one that it comes into.
    pub is_same: bool,
    /// Why its entries are held.
    pub why: String,
}

/// What came of a backup's entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Taken.
    pub taken: u64,
    /// There already, or taken before.
    pub there: u64,
}

impl QueueTx<'_> {
    /// One step, of entries behind `after`, which is 0 at first; what came of them, and where the next step goes on.
    ///
    /// # Errors
    /// [`Error::LimitReached`], [`Error::DiskFull`]; [`Error::Io`] when the backup cannot be read. What earlier steps took stays.
    pub fn restore(&mut self, backup: &QueueBackup, after: i64) -> Result<(Merged, Option<i64>), Error> {
        let (entries, _) = backup.reader.list(None, after, STEP_ENTRIES).map_err(unreadable)?;
        let (mut merged, mut octets, mut last) = (Merged::default(), 0, None);
        for listed in &entries {
            match self.restore_entry(backup, listed)? {
                Taken::New(_) => {
                    merged.taken += 1;
                    octets += listed.size;
                }
                Taken::Before => merged.there += 1,
            }
            last = Some(listed.entry);
            if octets >= STEP_BYTES {
                break;
            }
        }
        Ok((merged, last))
    }

    fn restore_entry(&mut self, backup: &QueueBackup, listed: &Listed) -> Result<Taken, Error> {
        let id = id_of(&backup.id, listed.entry);
        let there = backup.is_same && {
            let sql = "SELECT 1 FROM entry WHERE id = ?1";
            self.connection.prepare_cached(sql)?.exists([listed.entry])?
        };
        if there || enqueue::is_taken(self.connection, &id)? {
            return Ok(Taken::Before);
        }
        let text = |number| backup.reader.text(listed.entry, number).map_err(unreadable);
        let prefix = text(0)?.unwrap_or_default();
        let mut incoming = Incoming::default();
        for number in 1.. {
            let Some(text) = text(number)? else { break };
            incoming = self.push(incoming, &text)?;
        }
        let recipient = |one: &super::types::ListedRecipient| Recipient {
            address: one.state.address.clone(),
            destination: one.destination.clone(),
            notify: one.state.notify,
            original: one.state.original.clone(),
        };
        let recipients = listed.recipients.iter().map(recipient).collect();
        let (envelope, rest) = (listed.envelope.clone(), Vec::new());
        let taken = self.take(&Message { id: Some(id), envelope, recipients, prefix, incoming, rest })?;
        if let Taken::New(entry) = taken {
            self.hold_restored(entry, listed, &backup.why)?;
        }
        Ok(taken)
    }

    /// What is known of its recipients comes with it.
    fn hold_restored(&self, entry: i64, listed: &Listed, why: &str) -> Result<(), Error> {
        self.connection
            .prepare_cached("UPDATE entry SET arrived_ms = ?2 WHERE id = ?1")?
            .execute(params![entry, listed.arrived_ms])?;
        self.connection
            .prepare_cached("UPDATE share SET due_ms = NULL, held_why = ?2 WHERE entry = ?1")?
            .execute(params![entry, why])?;
        for one in &listed.recipients {
            let state = &one.state;
            self.connection
                .prepare_cached(
                    "UPDATE recipient SET attempts = ?4, next_ms = ?5, delay_notified = ?6, status = ?7, remote = ?8 \
                     WHERE address = ?2 AND share IN (SELECT share.id FROM share JOIN destination \
                     ON destination.id = share.destination WHERE entry = ?1 AND name = ?3)",
                )?
                .execute(params![
                    entry,
                    state.address,
                    one.destination,
                    state.attempts,
                    state.next_ms,
                    state.delay_notified,
                    state.status,
                    state.remote
                ])?;
        }
        let mut destinations = self.connection.prepare_cached("SELECT destination FROM share WHERE entry = ?1")?;
        for destination in destinations.query_map([entry], |row| row.get(0))? {
            row::refresh(self.connection, destination?)?;
        }
        Ok(())
    }
}

/// The same, whenever the entry is restored.
fn id_of(queue: &QueueId, entry: i64) -> EnqueueId {
    let said = [b"brevdue queue restore 1\0", &queue.as_bytes()[..], &entry.to_be_bytes()].concat();
    let mut id = [0; EnqueueId::LEN];
    id.iter_mut().zip(vault::digest(&said)).for_each(|(to, from)| *to = from);
    EnqueueId::from_bytes(id)
}

/// What is wrong with the backup.
fn unreadable(error: Error) -> Error {
    Error::Io { doing: "reading the backup", source: std::io::Error::other(error) }
}

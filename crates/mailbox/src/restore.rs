//! Makes a snapshot the mailbox again: a copy that has been checked gets counters above everything that was given out since it
//! was taken. Which file it takes the place of, and when, is the node's matter.

use crate::engine::{self, Access, Options};
use crate::error::Error;
use crate::writer::Writer;
use model::MailboxId;
use rusqlite::{Connection, params};
use std::path::Path;
use vault::MailboxKey;

/// How far MODSEQ and ids are moved on when the file that is replaced cannot say what it gave out: more than any mailbox gives
/// out between two backups, and far under 2^53, above which some clients count wrong.
const LEAP: i64 = 1 << 32;

/// What was given out and must not be given out again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Floor {
    /// The last UIDVALIDITY.
    pub uid_validity: i64,
    /// The highest MODSEQ, which also names emails; none when nobody knows.
    pub modseq: Option<i64>,
    /// The highest folder id.
    pub folder: i64,
    /// The change counter.
    pub changes: u64,
}

impl Floor {
    /// Of the file that will be replaced.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub fn of(path: &Path, key: &MailboxKey, options: &Options) -> Result<Self, Error> {
        let connection = engine::open(path, &key.raw_key(), options, Access::Read)?;
        read(&connection)
    }
}

fn read(connection: &Connection) -> Result<Floor, Error> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    Ok(Floor {
        uid_validity: number("SELECT max((SELECT uid_validity FROM mailbox), (SELECT max(uid_validity) FROM folder))")?,
        modseq: Some(number(
            "SELECT max((SELECT modseq FROM mailbox), (SELECT coalesce(max(highest_modseq), 0) FROM folder), \
             (SELECT coalesce(max(id), 0) FROM email))",
        )?),
        folder: number("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'folder'")?,
        changes: number("SELECT changes FROM mailbox")?.unsigned_abs(),
    })
}

/// Prepares the copy at `path` to be the mailbox: its schema is brought up to date, and every folder gets a new UIDVALIDITY,
/// because UIDs that were given out after the snapshot may come to mean other messages (RFC 9051 §2.3.1.1). MODSEQ, the ids of
/// emails and folders, and the change counter go on above the floor.
///
/// # Errors
/// As [`Writer::open`].
pub fn adopt(path: &Path, key: &MailboxKey, id: &MailboxId, options: &Options, floor: Floor) -> Result<(), Error> {
    let mut writer = Writer::open(path, key, id, options)?;
    let own = read(&writer.connection)?;
    let now = (options.clock)().as_second();
    let modseq = floor.modseq.unwrap_or_else(|| own.modseq.unwrap_or_default().saturating_add(LEAP));
    let transaction = writer.connection.transaction()?;
    let mut validity = own.uid_validity.max(floor.uid_validity).max(now);
    let folders = {
        let mut statement = transaction.prepare("SELECT id FROM folder ORDER BY id")?;
        statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?
    };
    for folder in folders {
        validity += 1;
        transaction.execute("UPDATE folder SET uid_validity = ?1 WHERE id = ?2", params![validity, folder])?;
    }
    if validity > i64::from(u32::MAX) {
        return Err(Error::LimitReached("UIDVALIDITY values"));
    }
    transaction.execute(
        "UPDATE mailbox SET uid_validity = ?1, modseq = max(modseq, ?2), changes = max(changes, ?3) + 1",
        params![validity, modseq, floor.changes.cast_signed()],
    )?;
    transaction.execute("UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'folder'", [floor.folder])?;
    transaction.commit()?;
    writer.checkpoint()?;
    // Closing the only connection moves the rest of the log into the file and removes it.
    writer.close()?;
    options.disk.sync(path).map_err(|error| Error::io("syncing the restored file", error))
}

//! Leases that a damaged file gave out and of which the file that took its place may know nothing: the log that had them was lost.
//! Their workers may have delivered, so that what they say counts, and what they are at is theirs.
//!
//! Invariants: such a lease has a number above `share.lost_after`, which is the highest that could be read when the share was carried
//! over, or that was settled since; and at most `queue.lost_lease`, above which this file gives out its own. A share that is handed
//! out anew is carried over no longer.

use crate::error::Error;
use rusqlite::{Connection, OptionalExtension, params};

/// Whether the lease ?2 may have been lost with the file that had the share.
const MAY_BE: &str = "share.lost_after < ?2 AND ?2 <= (SELECT lost_lease FROM queue)";

/// A share that a lost lease was on.
pub(super) struct Share {
    pub(super) id: i64,
    pub(super) destination: i64,
    pub(super) is_held: bool,
}

/// The share of an entry that a lost lease was on, if it was, by one of its recipients.
pub(super) fn share_of(connection: &Connection, entry: i64, lease: i64, address: &str) -> Result<Option<Share>, Error> {
    let sql = format!(
        "SELECT id, destination, due_ms IS NULL FROM share WHERE entry = ?1 AND {MAY_BE} \
         AND EXISTS (SELECT 1 FROM recipient WHERE share = share.id AND address = ?3)"
    );
    let found = connection.prepare_cached(&sql)?.query_row(params![entry, lease, address], |row| {
        Ok(Share { id: row.get(0)?, destination: row.get(1)?, is_held: row.get(2)? })
    });
    Ok(found.optional()?)
}

/// Whether such a lease may go on: nobody else is handed the entry while it is held.
pub(super) fn goes_on(connection: &Connection, entry: i64, lease: i64) -> Result<bool, Error> {
    let sql = format!("SELECT 1 FROM share WHERE entry = ?1 AND due_ms IS NULL AND {MAY_BE}");
    Ok(connection.prepare_cached(&sql)?.exists(params![entry, lease])?)
}

/// Chunks of an entry's text, for who has it under this lease, known or lost.
pub(super) fn chunks(connection: &Connection, entry: i64, lease: i64) -> Result<Option<u32>, Error> {
    let sql = format!(
        "SELECT entry.chunks FROM share JOIN entry ON entry.id = share.entry \
         WHERE share.entry = ?1 AND (lease = ?2 OR ({MAY_BE})) LIMIT 1"
    );
    Ok(connection.prepare_cached(&sql)?.query_row(params![entry, lease], |row| row.get(0)).optional()?)
}

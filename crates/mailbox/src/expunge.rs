//! EXPUNGE, and the log of what vanished that QRESYNC answers from (RFC 7162 §3.2).

use crate::error::Error;
use crate::folders::FolderState;
use crate::row::{modseq, uid};
use crate::types::{Change, Expunged, FolderId};
use crate::writer::Tx;
use jiff::Timestamp;
use model::{Flag, Flags, ModSeq, Uid, UidSet};
use rusqlite::{OptionalExtension, params};

/// Runs of vanished UIDs that a folder keeps on record; some 200 KB. What is older is answered by a superset.
pub(crate) const VANISHED_RUNS_MAX: u32 = 10_000;
/// Runs that are left when there were too many, so that trimming is rare.
const VANISHED_RUNS_KEPT: u32 = 5_000;

/// A message that is removed.
pub(crate) struct Gone {
    pub(crate) uid: Uid,
    pub(crate) flags: Flags,
    pub(crate) size: i64,
    pub(crate) email: i64,
}

impl Tx<'_> {
    /// Removes the messages with `\Deleted`, of `uids` alone where given (UID EXPUNGE). Their bytes go later:
    /// [`crate::Writer::collect_garbage`]. `now` is not kept; the log of what vanished goes by MODSEQ.
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`].
    pub fn expunge(&mut self, folder: FolderId, uids: Option<&UidSet>, _now: Timestamp) -> Result<Expunged, Error> {
        let state = FolderState::load(self.connection, folder.into())?;
        let gone = if state.deleted == 0 { Vec::new() } else { self.deleted(folder, uids)? };
        if gone.is_empty() {
            return Ok(Expunged { uids: UidSet::new(), highest_modseq: state.highest_modseq });
        }
        let highest_modseq = self.remove(folder, &gone)?;
        Ok(Expunged { uids: gone.iter().map(|each| each.uid).collect(), highest_modseq })
    }

    fn deleted(&self, folder: FolderId, uids: Option<&UidSet>) -> Result<Vec<Gone>, Error> {
        let mut found = Vec::new();
        let mut statement = self.connection.prepare_cached(
            "SELECT uid, flags, size, email FROM message \
             WHERE folder = ?1 AND uid BETWEEN ?2 AND ?3 AND flags & ?4 ORDER BY uid",
        )?;
        let runs = uids.map_or(&[(1, u32::MAX)][..], UidSet::runs);
        for &(first, last) in runs {
            let mut rows = statement.query(params![folder.0, first, last, Flag::Deleted as u32])?;
            while let Some(row) = rows.next()? {
                let flags = Flags::from_bits(row.get(1)?);
                found.push(Gone { uid: uid(row, 0)?, flags, size: row.get(2)?, email: row.get(3)? });
            }
        }
        Ok(found)
    }

    /// One message that is to be removed.
    pub(crate) fn message_to_go(&self, folder: FolderId, uid: Uid) -> Result<Gone, Error> {
        let found = self
            .connection
            .prepare_cached("SELECT flags, size, email FROM message WHERE folder = ?1 AND uid = ?2")?
            .query_row(params![folder.0, uid.get()], |row| {
                Ok(Gone { uid, flags: Flags::from_bits(row.get(0)?), size: row.get(1)?, email: row.get(2)? })
            })
            .optional()?;
        found.ok_or(Error::NoSuchMessage)
    }

    /// Removes messages that exist, logs their UIDs, and answers the folder's new HIGHESTMODSEQ.
    pub(crate) fn remove(&mut self, folder: FolderId, gone: &[Gone]) -> Result<ModSeq, Error> {
        let mut state = FolderState::load(self.connection, folder.into())?;
        let modseq = self.counters.next_modseq()?;
        let mut delete = self.connection.prepare_cached("DELETE FROM message WHERE folder = ?1 AND uid = ?2")?;
        let mut mark = self.connection.prepare_cached("INSERT OR IGNORE INTO garbage (email) VALUES (?1)")?;
        for each in gone {
            delete.execute(params![folder.0, each.uid.get()])?;
            mark.execute([each.email])?;
            state.count_out(each.flags, each.size);
        }
        let uids: UidSet = gone.iter().map(|each| each.uid).collect();
        self.log_vanished(&mut state, &uids, modseq)?;
        state.highest_modseq = modseq;
        state.save(self.connection)?;
        self.changes.push(Change::Vanished { folder, uids, modseq });
        Ok(modseq)
    }

    fn log_vanished(&self, state: &mut FolderState, uids: &UidSet, modseq: ModSeq) -> Result<(), Error> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO vanished (folder, modseq, first, last) VALUES (?1, ?2, ?3, ?4)")?;
        for &(first, last) in uids.runs() {
            insert.execute(params![state.id.0, modseq.get() as i64, first, last])?;
        }
        let added = u32::try_from(uids.runs().len()).unwrap_or(u32::MAX);
        state.vanished_runs = state.vanished_runs.saturating_add(added);
        if state.vanished_runs > VANISHED_RUNS_MAX { self.trim_vanished(state) } else { Ok(()) }
    }

    /// Forgets when the oldest runs went, whole commits at a time, and raises the floor to the newest of them.
    fn trim_vanished(&self, state: &mut FolderState) -> Result<(), Error> {
        let floor = self
            .connection
            .prepare_cached(
                "SELECT modseq FROM vanished WHERE folder = ?1 ORDER BY modseq DESC, first DESC LIMIT 1 OFFSET ?2",
            )?
            .query_row(params![state.id.0, VANISHED_RUNS_KEPT], |row| modseq(row, 0))
            .optional()?;
        let Some(floor) = floor else { return Ok(()) };
        crate::gaps::forget(self.connection, state, floor)?;
        state.vanished_floor = floor;
        state.vanished_runs = self
            .connection
            .prepare_cached("SELECT count(*) FROM vanished WHERE folder = ?1")?
            .query_row([state.id.0], |row| row.get(0))?;
        Ok(())
    }
}

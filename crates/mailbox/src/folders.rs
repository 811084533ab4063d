//! A folder's row: its counters, how they change, and the lookups that every operation begins with.

use crate::error::Error;
use crate::row::{modseq, uid_validity};
use crate::types::{FolderId, FolderRef};
use model::folder::INBOX;
use model::{Flag, Flags, FolderName, ModSeq, SpecialUse, Uid, UidValidity};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

/// What [`FolderState::from_row`] reads, from the first column on.
pub(crate) const COLUMNS: &str = "id, uid_validity, uid_next, highest_modseq, recent_from, vanished_floor, vanished_runs, messages, \
                       unseen, deleted, size, deleted_size";
/// How many those are.
pub(crate) const COLUMN_COUNT: usize = 12;

/// The row of a folder that can be selected, but its name.
#[derive(Debug, Clone)]
pub(crate) struct FolderState {
    pub(crate) id: FolderId,
    pub(crate) uid_validity: UidValidity,
    pub(crate) uid_next: u32,
    pub(crate) highest_modseq: ModSeq,
    pub(crate) recent_from: u32,
    pub(crate) vanished_floor: ModSeq,
    pub(crate) vanished_runs: u32,
    pub(crate) messages: i64,
    pub(crate) unseen: i64,
    pub(crate) deleted: i64,
    pub(crate) size: i64,
    pub(crate) deleted_size: i64,
}

impl FolderState {
    /// The folder, if it is there and more than a name.
    pub(crate) fn load(connection: &Connection, folder: FolderRef<'_>) -> Result<Self, Error> {
        let find = |what: &str, value: &dyn ToSql| {
            connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM folder WHERE {what} = ?1 AND selectable"))?
                .query_row([value], Self::from_row)
                .optional()
        };
        let found = match folder {
            FolderRef::Id(id) => find("id", &id.0)?,
            FolderRef::Name(name) => find("name", &name.as_str())?,
            FolderRef::Incoming { junk: false } => find("name", &INBOX)?,
            FolderRef::Incoming { junk: true } => match find("special_use", &special_use_number(SpecialUse::Junk))? {
                Some(folder) => Some(folder),
                None => find("name", &INBOX)?,
            },
        };
        found.ok_or(Error::NoSuchFolder)
    }

    /// The row that a query for [`COLUMNS`] gives.
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: FolderId(row.get(0)?),
            uid_validity: uid_validity(row, 1)?,
            uid_next: row.get(2)?,
            highest_modseq: modseq(row, 3)?,
            recent_from: row.get(4)?,
            vanished_floor: modseq(row, 5)?,
            vanished_runs: row.get(6)?,
            messages: row.get(7)?,
            unseen: row.get(8)?,
            deleted: row.get(9)?,
            size: row.get(10)?,
            deleted_size: row.get(11)?,
        })
    }

    /// Writes the counters back.
    pub(crate) fn save(&self, connection: &Connection) -> Result<(), Error> {
        connection
            .prepare_cached(
                "UPDATE folder SET uid_next = ?2, highest_modseq = ?3, recent_from = ?4, vanished_floor = ?5, \
                 vanished_runs = ?6, messages = ?7, unseen = ?8, deleted = ?9, size = ?10, \
                 deleted_size = ?11 WHERE id = ?1",
            )?
            .execute(params![
                self.id.0,
                self.uid_next,
                self.highest_modseq.get() as i64,
                self.recent_from,
                self.vanished_floor.get() as i64,
                self.vanished_runs,
                self.messages,
                self.unseen,
                self.deleted,
                self.size,
                self.deleted_size
            ])?;
        Ok(())
    }

    /// The next UID. The highest 32-bit number is never given out, so that UIDNEXT always is one.
    pub(crate) fn take_uid(&mut self) -> Result<Uid, Error> {
        let uid = Uid::new(self.uid_next)
            .filter(|uid| uid.get() < u32::MAX)
            .ok_or(Error::LimitReached("UIDs of a folder"))?;
        self.uid_next += 1;
        Ok(uid)
    }

    /// UIDNEXT as RFC 9051 §2.3.1.1 has it.
    pub(crate) fn next_uid(&self) -> Result<Uid, Error> {
        Uid::new(self.uid_next).ok_or_else(|| Error::damaged("a folder's next UID is 0"))
    }

    /// Counts a message in.
    pub(crate) fn count_in(&mut self, flags: Flags, size: i64) {
        self.messages += 1;
        self.size += size;
        self.count_flags(flags, size, 1);
    }

    /// Counts a message out.
    pub(crate) fn count_out(&mut self, flags: Flags, size: i64) {
        self.messages -= 1;
        self.size -= size;
        self.count_flags(flags, size, -1);
    }

    /// Counts a message whose flags change.
    pub(crate) fn count_flag_change(&mut self, before: Flags, after: Flags, size: i64) {
        self.count_flags(before, size, -1);
        self.count_flags(after, size, 1);
    }

    fn count_flags(&mut self, flags: Flags, size: i64, by: i64) {
        if !flags.has(Flag::Seen) {
            self.unseen += by;
        }
        if flags.has(Flag::Deleted) {
            self.deleted += by;
            self.deleted_size += by * size;
        }
    }
}

/// Adds a folder without messages. `marks`: UIDVALIDITY and HIGHESTMODSEQ.
pub(crate) fn insert(
    connection: &Connection,
    name: &FolderName,
    usage: Option<SpecialUse>,
    selectable: bool,
    marks: (i64, i64),
) -> Result<FolderId, Error> {
    connection
        .prepare_cached(
            "INSERT INTO folder (name, special_use, selectable, uid_validity, uid_next, highest_modseq, recent_from, \
             vanished_floor, vanished_runs, messages, unseen, deleted, size, deleted_size) \
             VALUES (?1, ?2, ?3, ?4, 1, ?5, 1, 0, 0, 0, 0, 0, 0, 0)",
        )?
        .execute(params![name.as_str(), usage.map(special_use_number), selectable, marks.0, marks.1])?;
    Ok(FolderId(connection.last_insert_rowid()))
}

/// The number in the file.
pub(crate) const fn special_use_number(usage: SpecialUse) -> u8 {
    match usage {
        SpecialUse::All => 1,
        SpecialUse::Archive => 2,
        SpecialUse::Drafts => 3,
        SpecialUse::Flagged => 4,
        SpecialUse::Junk => 5,
        SpecialUse::Sent => 6,
        SpecialUse::Trash => 7,
    }
}

/// The special use of a number in the file.
pub(crate) fn special_use(number: u8) -> Option<SpecialUse> {
    SpecialUse::ALL.into_iter().find(|usage| special_use_number(*usage) == number)
}

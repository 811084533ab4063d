//! Creating, deleting and renaming folders, and subscriptions (RFC 9051 §6.3.4 to §6.3.8).

use crate::error::Error;
use crate::folders::{self, FolderState};
use crate::row::stored_name;
use crate::types::{Change, FolderId};
use crate::writer::Tx;
use model::limits::FOLDERS_MAX;
use model::{FolderName, SpecialUse};
use rusqlite::{OptionalExtension, params};

/// Subscribed names of one mailbox: as many as folders, and as many again whose folders are gone.
const SUBSCRIPTIONS_MAX: usize = 2 * FOLDERS_MAX;

impl Tx<'_> {
    /// CREATE: makes the folder, and names above it that are missing.
    ///
    /// # Errors
    /// [`Error::FolderExists`], [`Error::CannotInbox`], [`Error::SpecialUseTaken`], [`Error::LimitReached`].
    pub fn create_folder(&mut self, name: &FolderName, usage: Option<SpecialUse>) -> Result<FolderId, Error> {
        if name.is_inbox() {
            return Err(Error::CannotInbox);
        }
        if let Some(usage) = usage {
            self.special_use_is_free(usage)?;
        }
        self.make_parents(name)?;
        let id = match self.find(name)? {
            Some((_, true)) => return Err(Error::FolderExists),
            Some((id, false)) => self.revive(id, name, usage)?,
            None => self.insert_folder(name, usage, true)?,
        };
        self.changes.push(Change::FolderCreated { folder: id, name: name.clone() });
        Ok(id)
    }

    /// DELETE: the messages go; with children the name stays and cannot be selected.
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`], [`Error::CannotInbox`], [`Error::HasChildren`] for a name that is kept for its children.
    pub fn delete_folder(&mut self, name: &FolderName) -> Result<(), Error> {
        if name.is_inbox() {
            return Err(Error::CannotInbox);
        }
        let (id, selectable) = self.find(name)?.ok_or(Error::NoSuchFolder)?;
        let has_children = !self.below(name)?.is_empty();
        if !selectable && has_children {
            return Err(Error::HasChildren);
        }
        self.empty_folder(id)?;
        if has_children {
            let keep = "UPDATE folder SET selectable = 0, special_use = NULL WHERE id = ?1";
            self.connection.prepare_cached(keep)?.execute([id.0])?;
        } else {
            self.connection.prepare_cached("DELETE FROM folder WHERE id = ?1")?.execute([id.0])?;
        }
        // Folders keep the MODSEQ counter up; a folder that goes takes its mark away, so it is written down here.
        self.connection.prepare_cached("UPDATE mailbox SET modseq = ?1")?.execute([self.counters.modseq()])?;
        self.changes.push(Change::FolderDeleted { folder: id });
        Ok(())
    }

    /// RENAME, with everything below; INBOX gives its messages to a new folder and stays (RFC 9051 §6.3.6).
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`], [`Error::FolderExists`], [`Error::CannotInbox`], [`Error::BelowItself`],
    /// [`Error::LimitReached`] when a name below becomes too long.
    pub fn rename_folder(&mut self, from: &FolderName, to: &FolderName) -> Result<(), Error> {
        if to.is_inbox() {
            return Err(Error::CannotInbox);
        }
        let (id, _) = self.find(from)?.ok_or(Error::NoSuchFolder)?;
        if self.find(to)?.is_some() {
            return Err(Error::FolderExists);
        }
        if from.is_inbox() {
            return self.rename_inbox(id, to);
        }
        if to.is_below(from) {
            return Err(Error::BelowItself);
        }
        self.make_parents(to)?;
        let mut moves = vec![(id, to.clone())];
        for (child, name) in self.below(from)? {
            let rest = name.as_str().strip_prefix(from.as_str()).unwrap_or_default();
            let new = FolderName::parse(&format!("{to}{rest}")).map_err(|_| Error::LimitReached("a folder's name"))?;
            moves.push((child, new));
        }
        for (folder, name) in moves {
            self.connection
                .prepare_cached("UPDATE folder SET name = ?2 WHERE id = ?1")?
                .execute(params![folder.0, name.as_str()])?;
            self.changes.push(Change::FolderRenamed { folder, name });
        }
        Ok(())
    }

    /// SUBSCRIBE and UNSUBSCRIBE; the name need not be a folder's. Subscriptions stay when folders go.
    ///
    /// # Errors
    /// [`Error::LimitReached`].
    pub fn set_subscribed(&mut self, name: &FolderName, subscribed: bool) -> Result<(), Error> {
        if !subscribed {
            self.connection.prepare_cached("DELETE FROM subscription WHERE name = ?1")?.execute([name.as_str()])?;
            return Ok(());
        }
        let count: i64 = self.connection.query_row("SELECT count(*) FROM subscription", [], |row| row.get(0))?;
        if count >= SUBSCRIPTIONS_MAX as i64 {
            return Err(Error::LimitReached("subscriptions"));
        }
        let add = "INSERT OR IGNORE INTO subscription (name) VALUES (?1)";
        self.connection.prepare_cached(add)?.execute([name.as_str()])?;
        Ok(())
    }

    fn rename_inbox(&mut self, inbox: FolderId, to: &FolderName) -> Result<(), Error> {
        self.create_folder(to, None)?;
        let all = crate::select::uids(self.connection, inbox)?;
        self.move_(inbox, &all, to, (self.clock)(), None)?;
        Ok(())
    }

    /// The folder or mere name, and whether it can be selected.
    fn find(&self, name: &FolderName) -> Result<Option<(FolderId, bool)>, Error> {
        let found = self
            .connection
            .prepare_cached("SELECT id, selectable FROM folder WHERE name = ?1")?
            .query_row([name.as_str()], |row| Ok((FolderId(row.get(0)?), row.get(1)?)))
            .optional()?;
        Ok(found)
    }

    /// Everything below a name, as far as the hierarchy goes.
    fn below(&self, name: &FolderName) -> Result<Vec<(FolderId, FolderName)>, Error> {
        // '0' follows '/' in ASCII: the range is every name that begins with "name/".
        let (first, end) = (format!("{name}/"), format!("{name}0"));
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, name FROM folder WHERE name >= ?1 AND name < ?2 ORDER BY name")?;
        let mut rows = statement.query([first, end])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push((FolderId(row.get(0)?), stored_name(row, 1)?));
        }
        Ok(found)
    }

    /// Names above one that are missing are made as names only.
    fn make_parents(&mut self, name: &FolderName) -> Result<(), Error> {
        let mut missing = Vec::new();
        let mut above = name.parent();
        while let Some(parent) = above {
            if self.find(&parent)?.is_some() {
                break;
            }
            above = parent.parent();
            missing.push(parent);
        }
        missing.iter().rev().try_for_each(|parent| self.insert_folder(parent, None, false).map(drop))
    }

    fn insert_folder(
        &mut self,
        name: &FolderName,
        usage: Option<SpecialUse>,
        selectable: bool,
    ) -> Result<FolderId, Error> {
        let count: i64 = self.connection.query_row("SELECT count(*) FROM folder", [], |row| row.get(0))?;
        if count >= FOLDERS_MAX as i64 {
            return Err(Error::OverQuota);
        }
        let marks = (self.next_uid_validity()?, self.counters.next_modseq()?.get() as i64);
        folders::insert(self.connection, name, usage, selectable, marks)
    }

    /// A name becomes a folder again, as if it were new: neither its UIDVALIDITY nor its id is one that it ever had.
    fn revive(&mut self, id: FolderId, name: &FolderName, usage: Option<SpecialUse>) -> Result<FolderId, Error> {
        self.connection.prepare_cached("DELETE FROM folder WHERE id = ?1")?.execute([id.0])?;
        self.insert_folder(name, usage, true)
    }

    /// From the clock, and always above the last one, so that a name that is made again never repeats one.
    fn next_uid_validity(&mut self) -> Result<i64, Error> {
        let last: i64 = self.connection.query_row("SELECT uid_validity FROM mailbox", [], |row| row.get(0))?;
        let next = (self.clock)().as_second().max(last + 1);
        let next = if next > i64::from(u32::MAX) { last + 1 } else { next };
        if next > i64::from(u32::MAX) {
            return Err(Error::LimitReached("UIDVALIDITY values"));
        }
        self.connection.prepare_cached("UPDATE mailbox SET uid_validity = ?1")?.execute([next])?;
        Ok(next)
    }

    fn special_use_is_free(&self, usage: SpecialUse) -> Result<(), Error> {
        let taken = self
            .connection
            .prepare_cached("SELECT 1 FROM folder WHERE special_use = ?1")?
            .exists([folders::special_use_number(usage)])?;
        if taken { Err(Error::SpecialUseTaken) } else { Ok(()) }
    }

    /// Removes every message, the annotations and the record of those that vanished; nobody can ask for them any more.
    fn empty_folder(&mut self, id: FolderId) -> Result<(), Error> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO garbage (email) SELECT email FROM message WHERE folder = ?1")?
            .execute([id.0])?;
        self.connection.prepare_cached("DELETE FROM message WHERE folder = ?1")?.execute([id.0])?;
        self.connection.prepare_cached("DELETE FROM vanished WHERE folder = ?1")?.execute([id.0])?;
        self.connection.prepare_cached("DELETE FROM gap WHERE folder = ?1")?.execute([id.0])?;
        // RFC 5464 §4: "when a mailbox is deleted, its annotations are".
        self.connection.prepare_cached("DELETE FROM annotation WHERE folder = ?1")?.execute([id.0])?;
        let counters = "UPDATE folder SET messages = 0, unseen = 0, deleted = 0, size = 0, deleted_size = 0, vanished_runs = 0 \
                        WHERE id = ?1";
        self.connection.prepare_cached(counters)?.execute([id.0])?;
        Ok(())
    }

    /// Messages from `recent_from` on, claimed by one session: no other will see them as `\Recent` (RFC 3501 §2.3.2).
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`].
    pub fn claim_recent(&mut self, folder: FolderId) -> Result<model::UidSet, Error> {
        let mut state = FolderState::load(self.connection, folder.into())?;
        if state.recent_from == state.uid_next {
            return Ok(model::UidSet::new());
        }
        let recent = crate::select::uids_from(self.connection, &state, state.recent_from)?;
        state.recent_from = state.uid_next;
        state.save(self.connection)?;
        Ok(recent)
    }
}

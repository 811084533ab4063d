//! What SELECT, STATUS, LIST and QRESYNC ask about a folder's messages; reads only, for writer and reader alike.

use crate::error::Error;
use crate::folders::{self, FolderState};
use crate::gaps;
use crate::keywords::KeywordMap;
use crate::row::{modseq, octets, stored_name, uid};
use crate::types::{Counts, FlagState, FolderId, FolderRow, FolderStatus, Folders, SelectState, Since};
use model::{Flags, FolderName, ModSeq, Uid, UidSet};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;

/// Recent messages up to which they are counted by looking: few, as a rule, and cheaper than the record of what vanished.
const RECENT_COUNTED_MAX: u32 = 1000;

/// Every UID of a folder.
pub(crate) fn uids(connection: &Connection, folder: FolderId) -> Result<UidSet, Error> {
    gaps::uids(connection, &FolderState::load(connection, folder.into())?)
}

/// Every UID of a folder from one on.
pub(crate) fn uids_from(connection: &Connection, state: &FolderState, first: u32) -> Result<UidSet, Error> {
    let from = Uid::new(first).map_or_else(UidSet::new, |first| UidSet::range(first, Uid::MAX));
    Ok(gaps::uids(connection, state)?.intersection(&from))
}

/// LIST: every folder and name.
pub(crate) fn folders(connection: &Connection, counts: Counts) -> Result<Folders, Error> {
    let mut subscribed = subscriptions(connection)?;
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {}, name, special_use, selectable FROM folder ORDER BY name",
        folders::COLUMNS
    ))?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let state = FolderState::from_row(row)?;
        let name = stored_name(row, folders::COLUMN_COUNT)?;
        let special_use = row.get::<_, Option<u8>>(folders::COLUMN_COUNT + 1)?.and_then(folders::special_use);
        let selectable = row.get::<_, bool>(folders::COLUMN_COUNT + 2)?;
        let status = match counts {
            Counts::Kept if selectable => Some(counted(&state, 0)?),
            Counts::All if selectable => Some(counted(&state, recent(connection, &state)?)?),
            Counts::None | Counts::Kept | Counts::All => None,
        };
        let subscribed = subscribed.remove(&name);
        found.push(FolderRow { id: state.id, name, special_use, subscribed, no_select: !selectable, status });
    }
    Ok(Folders { folders: found, subscribed_only: subscribed.into_iter().collect() })
}

fn subscriptions(connection: &Connection) -> Result<BTreeSet<FolderName>, Error> {
    let mut statement = connection.prepare_cached("SELECT name FROM subscription")?;
    let mut rows = statement.query([])?;
    let mut names = BTreeSet::new();
    while let Some(row) = rows.next()? {
        names.insert(stored_name(row, 0)?);
    }
    Ok(names)
}

/// STATUS, from the folder's counters.
pub(crate) fn status(connection: &Connection, name: &FolderName) -> Result<FolderStatus, Error> {
    let state = FolderState::load(connection, name.into())?;
    counted(&state, recent(connection, &state)?)
}

/// Messages that no session has claimed; the one count that is not kept.
fn recent(connection: &Connection, state: &FolderState) -> Result<i64, Error> {
    if state.recent_from == state.uid_next {
        return Ok(0);
    }
    if state.uid_next - state.recent_from > RECENT_COUNTED_MAX {
        return Ok(uids_from(connection, state, state.recent_from)?.len() as i64);
    }
    Ok(connection
        .prepare_cached("SELECT count(*) FROM message WHERE folder = ?1 AND uid >= ?2")?
        .query_row(params![state.id.0, state.recent_from], |row| row.get(0))?)
}

fn counted(state: &FolderState, recent: i64) -> Result<FolderStatus, Error> {
    let count = |number: i64| u32::try_from(number).map_err(|_| Error::damaged("a folder's counter is out of range"));
    let size = |number: i64| u64::try_from(number).map_err(|_| Error::damaged("a folder's size is negative"));
    Ok(FolderStatus {
        folder: state.id,
        messages: count(state.messages)?,
        recent: count(recent)?,
        unseen: count(state.unseen)?,
        deleted: count(state.deleted)?,
        size: size(state.size)?,
        deleted_size: size(state.deleted_size)?,
        uid_validity: state.uid_validity,
        uid_next: state.next_uid()?,
        highest_modseq: state.highest_modseq,
    })
}

/// SELECT: what is kept of the folder, and one look for the first unseen.
pub(crate) fn select(connection: &Connection, name: &FolderName) -> Result<SelectState, Error> {
    let state = FolderState::load(connection, name.into())?;
    let uids = gaps::uids(connection, &state)?;
    let first_unseen = if state.unseen == 0 { None } else { first_unseen(connection, state.id)? };
    Ok(SelectState {
        folder: state.id,
        uid_validity: state.uid_validity,
        uid_next: state.next_uid()?,
        highest_modseq: state.highest_modseq,
        uids,
        first_unseen,
        recent_from: Uid::new(state.recent_from).ok_or_else(|| Error::damaged("a folder's recent mark is 0"))?,
        keywords: KeywordMap::read(connection)?.all(),
    })
}

fn first_unseen(connection: &Connection, folder: FolderId) -> Result<Option<Uid>, Error> {
    let sql =
        "SELECT uid FROM message INDEXED BY message_unseen WHERE folder = ?1 AND flags & 1 = 0 ORDER BY uid LIMIT 1";
    Ok(connection.prepare_cached(sql)?.query_row([folder.0], |row| uid(row, 0)).optional()?)
}

/// What changed and what vanished after `since`.
pub(crate) fn changes_since(connection: &Connection, folder: FolderId, since: ModSeq) -> Result<Since, Error> {
    let state = FolderState::load(connection, folder.into())?;
    if since >= state.highest_modseq {
        return Ok(Since::default());
    }
    let keywords = KeywordMap::read(connection)?;
    let mut statement = connection
        .prepare_cached("SELECT uid, flags, keywords, modseq FROM message WHERE folder = ?1 AND modseq > ?2")?;
    let mut rows = statement.query(params![folder.0, since.get() as i64])?;
    let mut changed = Vec::new();
    while let Some(row) = rows.next()? {
        let names = keywords.names(octets(row, 2)?)?;
        let flags = Flags::from_bits(row.get(1)?);
        changed.push(FlagState { uid: uid(row, 0)?, flags, keywords: names, modseq: modseq(row, 3)? });
    }
    changed.sort_unstable_by_key(|state| state.uid);
    Ok(Since { changed, vanished: vanished_since(connection, &state, since)? })
}

/// What vanished after `since`.
pub(crate) fn vanished(connection: &Connection, folder: FolderId, since: ModSeq) -> Result<UidSet, Error> {
    vanished_since(connection, &FolderState::load(connection, folder.into())?, since)
}

/// Below the floor the record is gone: every UID that is not there now is named (RFC 7162 §3.2.5.1 allows the superset).
fn vanished_since(connection: &Connection, state: &FolderState, since: ModSeq) -> Result<UidSet, Error> {
    if since < state.vanished_floor {
        let ever = match Uid::new(state.uid_next - 1) {
            Some(last) => UidSet::range(Uid::new(1).unwrap_or(last), last),
            None => UidSet::new(),
        };
        return Ok(ever.difference(&gaps::uids(connection, state)?));
    }
    gaps::vanished_after(connection, state, since)
}

//! What SELECT, STATUS, LIST and QRESYNC ask about a folder's messages; reads only, for writer and reader alike.

use crate::error::Error;
use crate::folders::{self, FolderState};
use crate::keywords::KeywordMap;
use crate::row::{modseq, octets, stored_name, uid};
use crate::types::{FlagState, FolderId, FolderRow, FolderStatus, Folders, SelectState, Since};
use model::{Flag, Flags, FolderName, ModSeq, Uid, UidSet};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;

/// Every UID of a folder.
pub(crate) fn uids(connection: &Connection, folder: FolderId) -> Result<UidSet, Error> {
    uids_from(connection, folder, 1)
}

/// Every UID of a folder from one on.
pub(crate) fn uids_from(connection: &Connection, folder: FolderId, first: u32) -> Result<UidSet, Error> {
    let mut statement =
        connection.prepare_cached("SELECT uid FROM message WHERE folder = ?1 AND uid >= ?2 ORDER BY uid")?;
    let rows = statement.query_map(params![folder.0, first], |row| uid(row, 0))?;
    Ok(rows.collect::<Result<UidSet, _>>()?)
}

/// LIST: every folder and name.
pub(crate) fn folders(connection: &Connection) -> Result<Folders, Error> {
    let mut subscribed = subscriptions(connection)?;
    let mut statement =
        connection.prepare_cached("SELECT id, name, special_use, selectable FROM folder ORDER BY name")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let name = stored_name(row, 1)?;
        let special_use = row.get::<_, Option<u8>>(2)?.and_then(folders::special_use);
        let subscribed = subscribed.remove(&name);
        found.push(FolderRow {
            id: FolderId(row.get(0)?),
            name,
            special_use,
            subscribed,
            no_select: !row.get::<_, bool>(3)?,
        });
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
    let recent: i64 = if state.recent_from == state.uid_next {
        0
    } else {
        connection
            .prepare_cached("SELECT count(*) FROM message WHERE folder = ?1 AND uid >= ?2")?
            .query_row(params![state.id.0, state.recent_from], |row| row.get(0))?
    };
    let count = |number: i64| u32::try_from(number).map_err(|_| Error::damaged("a folder's counter is out of range"));
    Ok(FolderStatus {
        folder: state.id,
        messages: count(state.messages)?,
        recent: count(recent)?,
        unseen: count(state.unseen)?,
        deleted: count(state.deleted)?,
        size: u64::try_from(state.size).map_err(|_| Error::damaged("a folder's size is negative"))?,
        uid_validity: state.uid_validity,
        uid_next: state.next_uid()?,
        highest_modseq: state.highest_modseq,
    })
}

/// SELECT: one pass over the folder's narrow rows.
pub(crate) fn select(connection: &Connection, name: &FolderName) -> Result<SelectState, Error> {
    let state = FolderState::load(connection, name.into())?;
    let mut statement = connection.prepare_cached("SELECT uid, flags FROM message WHERE folder = ?1 ORDER BY uid")?;
    let mut rows = statement.query([state.id.0])?;
    let (mut first_unseen, mut damage) = (None, None);
    let uids: UidSet = std::iter::from_fn(|| match next_uid(&mut rows) {
        Ok(Some((uid, flags))) => {
            if first_unseen.is_none() && !flags.has(Flag::Seen) {
                first_unseen = Some(uid);
            }
            Some(uid)
        }
        Ok(None) => None,
        Err(error) => {
            damage = Some(error);
            None
        }
    })
    .collect();
    if let Some(error) = damage {
        return Err(error.into());
    }
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

fn next_uid(rows: &mut rusqlite::Rows<'_>) -> rusqlite::Result<Option<(Uid, Flags)>> {
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((uid(row, 0)?, Flags::from_bits(row.get(1)?))))
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

/// Below the floor the record is gone: every UID that is not there now is named (RFC 7162 §3.2.5.1 allows the superset).
fn vanished_since(connection: &Connection, state: &FolderState, since: ModSeq) -> Result<UidSet, Error> {
    if since < state.vanished_floor {
        let ever = match Uid::new(state.uid_next - 1) {
            Some(last) => UidSet::range(Uid::new(1).unwrap_or(last), last),
            None => UidSet::new(),
        };
        return Ok(ever.difference(&uids(connection, state.id)?));
    }
    let mut statement =
        connection.prepare_cached("SELECT first, last FROM vanished WHERE folder = ?1 AND modseq > ?2")?;
    let mut rows = statement.query(params![state.id.0, since.get() as i64])?;
    let mut runs: Vec<(u32, u32)> = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push((row.get(0)?, row.get(1)?));
    }
    runs.sort_unstable();
    let bounds: Vec<u32> = runs.iter().flat_map(|&(first, last)| [first, last]).collect();
    UidSet::from_bounds(&bounds).ok_or_else(|| Error::damaged("a UID vanished twice"))
}

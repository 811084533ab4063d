//! Which UIDs a folder has, without a look at its messages: every UID up to UIDNEXT but those that vanished. The newest of
//! these are rows of `vanished`, for QRESYNC; what is forgotten there is kept here as runs, without a MODSEQ.

use crate::error::Error;
use crate::folders::FolderState;
use model::{ModSeq, Uid, UidSet};
use rusqlite::{Connection, OptionalExtension, params};

/// Every UID of a folder.
pub(crate) fn uids(connection: &Connection, state: &FolderState) -> Result<UidSet, Error> {
    let Some(last) = Uid::new(state.uid_next - 1) else { return Ok(UidSet::new()) };
    if state.messages == 0 {
        return Ok(UidSet::new());
    }
    let ever = UidSet::range(Uid::new(1).unwrap_or(last), last);
    if state.messages == i64::from(last.get()) {
        return Ok(ever);
    }
    let gone = forgotten(connection, state)?.union(&vanished_after(connection, state, ModSeq::ZERO)?);
    let uids = ever.difference(&gone);
    if uids.len() as i64 == state.messages {
        Ok(uids)
    } else {
        Err(Error::damaged("what vanished from a folder differs from its number of messages"))
    }
}

/// What vanished after a MODSEQ and is on record.
pub(crate) fn vanished_after(connection: &Connection, state: &FolderState, since: ModSeq) -> Result<UidSet, Error> {
    let sql = "SELECT first, last FROM vanished WHERE folder = ?1 AND modseq > ?2";
    runs(connection, sql, state, since)
}

/// Moves what vanished up to a MODSEQ from the record into the gaps.
pub(crate) fn forget(connection: &Connection, state: &FolderState, floor: ModSeq) -> Result<(), Error> {
    let sql = "SELECT first, last FROM vanished WHERE folder = ?1 AND modseq <= ?2";
    let gone = forgotten(connection, state)?.union(&runs(connection, sql, state, floor)?);
    connection
        .prepare_cached("INSERT OR REPLACE INTO gap (folder, runs) VALUES (?1, ?2)")?
        .execute(params![state.id.0, encode(&gone)])?;
    connection
        .prepare_cached("DELETE FROM vanished WHERE folder = ?1 AND modseq <= ?2")?
        .execute(params![state.id.0, floor.get() as i64])?;
    Ok(())
}

fn forgotten(connection: &Connection, state: &FolderState) -> Result<UidSet, Error> {
    let stored = connection
        .prepare_cached("SELECT runs FROM gap WHERE folder = ?1")?
        .query_row([state.id.0], |row| row.get::<_, Vec<u8>>(0))
        .optional()?;
    decode(&stored.unwrap_or_default()).ok_or_else(|| Error::damaged("a folder's gaps cannot be read"))
}

fn runs(connection: &Connection, sql: &str, state: &FolderState, modseq: ModSeq) -> Result<UidSet, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![state.id.0, modseq.get() as i64])?;
    let mut runs: Vec<(u32, u32)> = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push((row.get(0)?, row.get(1)?));
    }
    runs.sort_unstable();
    let bounds: Vec<u32> = runs.iter().flat_map(|&(first, last)| [first, last]).collect();
    UidSet::from_bounds(&bounds).ok_or_else(|| Error::damaged("a UID vanished twice"))
}

/// `gap.runs`: of each run, how far it begins after the end of the one before and how far it goes on, as LEB128 numbers.
fn encode(set: &UidSet) -> Vec<u8> {
    let mut out = Vec::with_capacity(set.runs().len() * 3);
    let mut before = 0;
    for &(first, last) in set.runs() {
        crate::content::push_number(&mut out, u64::from(first - before));
        crate::content::push_number(&mut out, u64::from(last - first));
        before = last;
    }
    out
}

fn decode(mut bytes: &[u8]) -> Option<UidSet> {
    let (mut bounds, mut before) = (Vec::new(), 0u32);
    while !bytes.is_empty() {
        let mut next = || u32::try_from(crate::content::take_number(&mut bytes)?).ok();
        let first = before.checked_add(next()?)?;
        before = first.checked_add(next()?)?;
        bounds.extend([first, before]);
    }
    UidSet::from_bounds(&bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_come_back_and_damage_is_noticed() {
        let runs = [1, 1, 3, 300, 302, 70_000, u32::MAX - 1, u32::MAX];
        let set = UidSet::from_bounds(&runs).unwrap();
        let stored = encode(&set);
        assert_eq!(decode(&stored), Some(set));
        assert_eq!(decode(&[]), Some(UidSet::new()));
        assert_eq!(decode(&stored[..stored.len() - 1]), None);
        assert_eq!(decode(&[0, 0]), None, "UID 0");
        assert_eq!(decode(&[1, 0xff, 0xff, 0xff, 0xff, 0x0f]), None, "above 32 bits");
    }
}

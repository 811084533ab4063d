//! Proves a file sound: pages, references, counters and contents agree.

use crate::content::decode_segments;
use crate::error::Error;
use crate::row::octets;
use crate::types::FolderId;
use model::UidSet;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Each query answers a row for what is wrong.
const RULES: [(&str, &str); 8] = [
    (
        "a folder's counters differ from its messages",
        "SELECT f.id FROM folder f LEFT JOIN message m ON m.folder = f.id GROUP BY f.id \
         HAVING f.messages <> count(m.uid) OR f.size <> coalesce(sum(m.size), 0) \
         OR f.unseen <> count(m.uid) FILTER (WHERE m.flags & 1 = 0) OR f.deleted <> count(m.uid) FILTER (WHERE m.flags & 8) \
         OR f.deleted_size <> coalesce(sum(m.size) FILTER (WHERE m.flags & 8), 0)",
    ),
    (
        "a message's UID or MODSEQ is above its folder's",
        "SELECT 1 FROM message m JOIN folder f ON f.id = m.folder WHERE m.uid >= f.uid_next OR m.modseq > f.highest_modseq",
    ),
    ("a folder that is only a name has messages", "SELECT 1 FROM folder WHERE NOT selectable AND messages > 0"),
    (
        "a folder's vanished runs are miscounted",
        "SELECT f.id FROM folder f WHERE f.vanished_runs <> (SELECT count(*) FROM vanished v WHERE v.folder = f.id)",
    ),
    (
        "a UID is there and vanished",
        "SELECT 1 FROM vanished v JOIN message m ON m.folder = v.folder AND m.uid BETWEEN v.first AND v.last",
    ),
    (
        "an annotation is of a folder that is not there",
        "SELECT 1 FROM annotation WHERE folder <> 0 AND folder NOT IN (SELECT id FROM folder)",
    ),
    (
        "an email without messages is not marked as garbage",
        "SELECT 1 FROM email e WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.email = e.id) \
         AND NOT EXISTS (SELECT 1 FROM garbage g WHERE g.email = e.id)",
    ),
    (
        "the text index has other emails than it says",
        "SELECT id FROM email WHERE id <= (SELECT indexed_to FROM mailbox) EXCEPT SELECT id FROM text_index_docsize \
         UNION ALL SELECT id FROM (SELECT id FROM text_index_docsize EXCEPT SELECT id FROM email \
         WHERE id <= (SELECT indexed_to FROM mailbox))",
    ),
];

/// Everything there is to check, cheapest first.
pub(crate) fn check(connection: &Connection) -> Result<(), Error> {
    let answer: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if answer != "ok" {
        return Err(Error::damaged(answer));
    }
    if connection.prepare("PRAGMA foreign_key_check")?.exists([])? {
        return Err(Error::damaged("a row refers to one that is not there"));
    }
    for (finding, query) in RULES {
        if connection.prepare(query)?.exists([])? {
            return Err(Error::damaged(finding));
        }
    }
    uids(connection)?;
    contents(connection)
}

/// What vanished from each folder, on record and off it, is what its messages leave.
fn uids(connection: &Connection) -> Result<(), Error> {
    let mut statement = connection.prepare("SELECT id FROM folder WHERE selectable")?;
    let folders = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    let mut statement = connection.prepare("SELECT uid FROM message WHERE folder = ?1 ORDER BY uid")?;
    for folder in folders {
        let there = statement.query_map([folder], |row| crate::row::uid(row, 0))?.collect::<Result<UidSet, _>>()?;
        if crate::select::uids(connection, FolderId(folder))? != there {
            return Err(Error::damaged("what vanished from a folder differs from its messages"));
        }
    }
    Ok(())
}

/// Every content is named as often as it says, and is as long as its chunks.
fn contents(connection: &Connection) -> Result<(), Error> {
    let mut named: BTreeMap<i64, (i64, u64)> = BTreeMap::new();
    let mut statement = connection.prepare("SELECT size, segments FROM email")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let segments = decode_segments(octets(row, 1)?)?;
        if segments.iter().map(|segment| segment.size).sum::<u64>() != row.get::<_, i64>(0)? as u64 {
            return Err(Error::damaged("a message's segments differ from its size"));
        }
        for segment in segments {
            let entry = named.entry(segment.content).or_insert((0, segment.size));
            entry.0 += 1;
        }
    }
    let mut statement = connection.prepare(
        "SELECT c.id, c.refs, c.size, coalesce(k.held, 0) FROM content c \
         LEFT JOIN (SELECT id >> 20 AS content, sum(size) AS held FROM chunk GROUP BY 1) k ON k.content = c.id \
         WHERE c.sha256 IS NOT NULL",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, refs, size, held): (i64, i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        if named.remove(&id) != Some((refs, size as u64)) || size != held {
            return Err(Error::damaged("a content differs from what is said of it"));
        }
    }
    if named.is_empty() { Ok(()) } else { Err(Error::damaged("a message names a content that is not there")) }
}

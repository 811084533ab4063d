//! Rows that must agree with each other: counters, UIDs, mod-sequences, what vanished, annotations, keywords, garbage.

use super::At;
use super::finding::{Finding, Findings};
use crate::error::Error;
use crate::types::FolderId;
use model::UidSet;
use rusqlite::{Connection, OptionalExtension, Row};

/// Rows that one rule names.
const ROWS_PER_RULE_MAX: usize = 50;

/// What must not be: a query for what breaks it, which answers folder, UID and row, each of them or NULL.
struct Rule {
    what: &'static str,
    table: &'static str,
    query: &'static str,
}

const RULES: [Rule; 14] = [
    Rule {
        what: "the row that says whose file this is is missing",
        table: "mailbox",
        query: "SELECT NULL, NULL, 1 WHERE NOT EXISTS (SELECT 1 FROM mailbox)",
    },
    Rule {
        what: "a folder's counters differ from its messages",
        table: "folder",
        query: "SELECT f.id, NULL, NULL FROM folder f LEFT JOIN message m ON m.folder = f.id GROUP BY f.id \
         HAVING f.messages <> count(m.uid) OR f.size <> coalesce(sum(m.size), 0) \
         OR f.unseen <> count(m.uid) FILTER (WHERE m.flags & 1 = 0) OR f.deleted <> count(m.uid) FILTER (WHERE m.flags & 8) \
         OR f.deleted_size <> coalesce(sum(m.size) FILTER (WHERE m.flags & 8), 0)",
    },
    Rule {
        what: "a message's UID is not below its folder's UIDNEXT",
        table: "message",
        query: "SELECT m.folder, m.uid, NULL FROM message m JOIN folder f ON f.id = m.folder WHERE m.uid >= f.uid_next",
    },
    Rule {
        what: "a message's MODSEQ is above its folder's HIGHESTMODSEQ",
        table: "message",
        query: "SELECT m.folder, m.uid, NULL FROM message m JOIN folder f ON f.id = m.folder \
         WHERE m.modseq > f.highest_modseq",
    },
    Rule {
        what: "a message differs in size from its email",
        table: "message",
        query: "SELECT m.folder, m.uid, NULL FROM message m JOIN email e ON e.id = m.email WHERE m.size <> e.size",
    },
    Rule {
        what: "UIDs vanished at or above the folder's UIDNEXT, or after its HIGHESTMODSEQ",
        table: "vanished",
        query: "SELECT f.id, v.last, NULL FROM vanished v JOIN folder f ON f.id = v.folder \
         WHERE v.last >= f.uid_next OR v.modseq > f.highest_modseq",
    },
    Rule {
        what: "two folders have the same UIDVALIDITY, or one has a later one than was given out",
        table: "folder",
        query: "SELECT id, NULL, NULL FROM folder WHERE uid_validity > (SELECT uid_validity FROM mailbox)",
    },
    Rule {
        what: "a folder that is only a name has messages",
        table: "folder",
        query: "SELECT id, NULL, NULL FROM folder WHERE NOT selectable AND messages > 0",
    },
    Rule {
        what: "a folder's vanished runs are miscounted",
        table: "vanished",
        query: "SELECT f.id, NULL, NULL FROM folder f \
         WHERE f.vanished_runs <> (SELECT count(*) FROM vanished v WHERE v.folder = f.id)",
    },
    Rule {
        what: "a UID is there and vanished",
        table: "vanished",
        query: "SELECT m.folder, m.uid, NULL FROM vanished v \
         JOIN message m ON m.folder = v.folder AND m.uid BETWEEN v.first AND v.last",
    },
    Rule {
        what: "an annotation is of a folder that is not there",
        table: "annotation",
        query: "SELECT folder, NULL, id FROM annotation WHERE folder <> 0 AND folder NOT IN (SELECT id FROM folder)",
    },
    Rule {
        what: "an email without messages is not marked as garbage",
        table: "email",
        query: "SELECT NULL, NULL, e.id FROM email e WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.email = e.id) \
         AND NOT EXISTS (SELECT 1 FROM garbage g WHERE g.email = e.id)",
    },
    Rule {
        what: "an email that is said to be in the text index is not",
        table: "text_index",
        query: "SELECT NULL, NULL, id FROM (SELECT id FROM email WHERE id <= (SELECT indexed_to FROM mailbox) \
         EXCEPT SELECT id FROM text_index_docsize)",
    },
    Rule {
        what: "the text index has an email that is not there, or not said to be in it",
        table: "text_index",
        query: "SELECT NULL, NULL, id FROM (SELECT id FROM text_index_docsize EXCEPT SELECT id FROM email \
         WHERE id <= (SELECT indexed_to FROM mailbox))",
    },
];

/// The next rule, over all rows in one statement.
pub(super) fn rule(connection: &Connection, next: &mut usize, findings: &mut Findings) -> Result<At, Error> {
    let Some(rule) = RULES.get(*next) else { return Ok(At::end_of(RULES.len() as u64)) };
    *next += 1;
    if let Err(error) = broken(connection, rule, findings) {
        if !error.is_damage() {
            *next -= 1;
            return Err(error);
        }
        findings.add(Finding { table: Some(rule.table.to_owned()), ..Finding::new(error.to_string()) });
    }
    Ok(At::on_the_way(*next as u64, RULES.len() as u64))
}

fn broken(connection: &Connection, rule: &Rule, findings: &mut Findings) -> Result<(), Error> {
    let mut statement = connection.prepare(rule.query)?;
    let mut rows = statement.query([])?;
    for _ in 0..ROWS_PER_RULE_MAX {
        let Some(row) = rows.next()? else { break };
        findings.add(Finding {
            table: Some(rule.table.to_owned()),
            folder: number(row, 0)?,
            uid: number(row, 1)?,
            row: row.get(2)?,
            ..Finding::new(rule.what)
        });
    }
    Ok(())
}

fn number<T: TryFrom<i64>>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    Ok(row.get::<_, Option<i64>>(column)?.and_then(|number| T::try_from(number).ok()))
}

/// The next folder: what vanished from it, on record and off it, is what its messages leave; their keywords have names.
pub(super) fn folder(
    connection: &Connection,
    after: &mut i64,
    counted: &mut u64,
    findings: &mut Findings,
) -> Result<At, Error> {
    let folders: i64 = connection.query_row("SELECT count(*) FROM folder WHERE selectable", [], |row| row.get(0))?;
    let next = "SELECT id FROM folder WHERE selectable AND id > ?1 ORDER BY id LIMIT 1";
    let Some(id) = connection.prepare_cached(next)?.query_row([*after], |row| row.get::<_, i64>(0)).optional()? else {
        return Ok(At::end_of(*counted));
    };
    let of_folder = |what: String| Finding { folder: u64::try_from(id).ok(), ..Finding::new(what) };
    match messages(connection, id) {
        Ok(None) => {}
        Ok(Some(what)) => findings.add(of_folder(what.to_owned())),
        Err(error) if error.is_damage() => findings.add(of_folder(error.to_string())),
        Err(error) => return Err(error),
    }
    *after = id;
    *counted += 1;
    Ok(At::on_the_way(*counted, u64::try_from(folders).unwrap_or(0).max(*counted)))
}

fn messages(connection: &Connection, folder: i64) -> Result<Option<&'static str>, Error> {
    let mut names = [false; 256];
    let mut statement = connection.prepare_cached("SELECT id FROM keyword")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(name) = names.get_mut(usize::from(row.get::<_, u8>(0)?)) {
            *name = true;
        }
    }
    drop(rows);
    let mut there = UidSet::new();
    let mut statement =
        connection.prepare_cached("SELECT uid, keywords FROM message WHERE folder = ?1 ORDER BY uid")?;
    let mut rows = statement.query([folder])?;
    let mut uids: Vec<u32> = Vec::new();
    while let Some(row) = rows.next()? {
        let uid = crate::row::uid(row, 0)?;
        let keywords = crate::row::octets(row, 1)?;
        if !keywords.is_sorted_by(|a, b| a < b)
            || keywords.iter().any(|id| !names.get(usize::from(*id)).is_some_and(|n| *n))
        {
            return Ok(Some("a message has a keyword without a name"));
        }
        match uids.last_mut() {
            Some(last) if *last + 1 == uid.get() => *last = uid.get(),
            Some(last) if *last >= uid.get() => return Ok(Some("its messages are not in the order of their UIDs")),
            _ => uids.extend([uid.get(), uid.get()]),
        }
    }
    if let Some(set) = UidSet::from_bounds(&uids) {
        there = set;
    }
    let differs = crate::select::uids(connection, FolderId(folder))? != there;
    Ok(differs.then_some("what vanished from the folder differs from its messages"))
}

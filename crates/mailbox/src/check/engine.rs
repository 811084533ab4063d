//! The engine's own checks: trees, indexes, free pages, constraints, references.

use super::At;
use super::finding::{Finding, Findings};
use crate::error::Error;
use rusqlite::{Connection, OptionalExtension};

/// Lines that the engine's check says at most.
const LINES_MAX: usize = 100;

/// `integrity_check`: one statement over the whole file.
pub(super) fn check(connection: &Connection, findings: &mut Findings) -> Result<At, Error> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({LINES_MAX})"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let said: String = row.get(0)?;
        for line in said.lines().filter(|line| *line != "ok" && !line.starts_with("***")) {
            findings.add(Finding {
                page: number_behind(line, "page ").map(i64::unsigned_abs),
                table: number_behind(line, "Tree ").and_then(|root| of_root(connection, root)),
                ..Finding::new(line)
            });
        }
    }
    Ok(At::END)
}

/// Rows that refer to rows that are not there.
pub(super) fn references(connection: &Connection, findings: &mut Findings) -> Result<At, Error> {
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        if count > LINES_MAX {
            break;
        }
        let (table, id, parent): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        findings.add(Finding {
            table: Some(table),
            row: id,
            ..Finding::new(format!("the row refers to one of {parent} that is not there"))
        });
    }
    Ok(At::END)
}

/// The number behind a word.
fn number_behind(line: &str, word: &str) -> Option<i64> {
    let rest = line.split_once(word)?.1;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// The table or index with this root page, if that can still be read.
fn of_root(connection: &Connection, root: i64) -> Option<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE rootpage = ?1";
    connection.query_row(sql, [root], |row| row.get(0)).optional().ok().flatten()
}

//! Pours the rows of a table that can be read into the same table of a new file: from both of its ends up to what is damaged, and
//! what lies between by the names that an index has.
//!
//! Invariants: no read outlives the one that fails, for a page that fails makes all else fail that is read in the same transaction.
//! A row keeps its number, and is poured once.

use super::{COMMIT_BYTES, is_loss, one};
use crate::error::Error;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

/// A table with row numbers.
pub(super) struct Table {
    /// What it is called.
    pub(super) name: &'static str,
    /// Its columns, of which the first is the row's number.
    pub(super) columns: &'static str,
    /// What names its rows elsewhere, each with whose part it is.
    pub(super) names: Names,
}

/// Where rows of a table are named.
#[derive(Clone, Copy)]
pub(super) enum Names {
    /// By an index of it in the damaged file: an `ORDER BY` of the columns to be followed by its direction.
    Index(&'static str, &'static [&'static str]),
    /// By rows of other tables that were poured.
    Poured(&'static str),
}

/// Rows that could not be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Missed {
    /// Those that something names, by number, each with whose part it is.
    pub(super) named: Vec<(i64, i64)>,
    /// There may be others.
    pub(super) unnamed: bool,
}

/// From one file into another.
pub(super) struct Pour<'c> {
    damaged: &'c Connection,
    new: &'c Connection,
    /// Octets since the last commit.
    written: u64,
}

#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
}

impl Direction {
    const BOTH: [Self; 2] = [Self::Up, Self::Down];

    const fn word(self) -> &'static str {
        match self {
            Self::Up => "ASC",
            Self::Down => "DESC",
        }
    }
}

impl<'c> Pour<'c> {
    /// Begins: the new file has its tables, and nobody else has it.
    pub(super) fn begin(damaged: &'c Connection, new: &'c Connection) -> Result<Self, Error> {
        // What a row refers to may be lost; what then is left over is removed in the end. A page that comes and goes in one transaction
        // is written too, so that it authenticates like all others.
        new.execute_batch("PRAGMA foreign_keys=OFF; PRAGMA secure_delete=ON; BEGIN IMMEDIATE")?;
        Ok(Self { damaged, new, written: 0 })
    }

    /// Commits.
    pub(super) fn end(self) -> Result<(), Error> {
        Ok(self.new.execute_batch("COMMIT; PRAGMA foreign_keys=ON")?)
    }

    /// Every row of a table that can be read.
    pub(super) fn table(&mut self, table: &Table) -> Result<Missed, Error> {
        for direction in Direction::BOTH {
            let sql =
                format!("SELECT {} FROM {} NOT INDEXED ORDER BY 1 {}", table.columns, table.name, direction.word());
            if self.each(&sql, |pour, row| pour.put(table, row))? {
                return Ok(Missed::default());
            }
        }
        let (names, complete) = self.names(table.names)?;
        let mut missed = Missed { named: Vec::new(), unnamed: !complete };
        let there = format!("SELECT 1 FROM {} WHERE rowid = ?1", table.name);
        let sql = format!("SELECT {} FROM {} NOT INDEXED WHERE rowid = ?1", table.columns, table.name);
        for (number, of) in names {
            if one::<i64>(self.new, &there, [number])?.is_none() && !self.row(table, &sql, number)? {
                missed.named.push((number, of));
            }
        }
        Ok(missed)
    }

    /// Pairs that a query gives, such as the ids of messages that were taken; whether all of them could be read.
    pub(super) fn pairs(&mut self, select: &str, order: &[&str], insert: &str) -> Result<bool, Error> {
        for direction in Direction::BOTH {
            let all = self.each(&format!("{select} {}", ordered(order, direction)), |pour, row| {
                let values = [row.get::<_, Value>(0)?, row.get(1)?];
                pour.new.prepare_cached(insert)?.execute(params_from_iter(values))?;
                Ok(())
            })?;
            if all {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Rows that something names; whether those are all.
    fn names(&self, names: Names) -> Result<(Vec<(i64, i64)>, bool), Error> {
        let mut found = Vec::new();
        match names {
            Names::Poured(sql) => {
                let mut statement = self.new.prepare(sql)?;
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                found.extend(rows.collect::<Result<Vec<_>, _>>()?);
                Ok((found, true))
            }
            Names::Index(select, order) => {
                for direction in Direction::BOTH {
                    let sql = format!("{select} {}", ordered(order, direction));
                    let all = each(self.damaged, &sql, |row| {
                        found.push((row.get(0)?, row.get(1)?));
                        Ok(())
                    })?;
                    if all {
                        return Ok((found, true));
                    }
                }
                found.sort_unstable();
                found.dedup();
                Ok((found, false))
            }
        }
    }

    /// One row, by its number; whether it could be read.
    fn row(&mut self, table: &Table, sql: &str, number: i64) -> Result<bool, Error> {
        let mut statement = match self.damaged.prepare_cached(sql).map_err(Error::from) {
            Err(error) if is_loss(&error) => return Ok(false),
            statement => statement?,
        };
        let mut rows = statement.query([number])?;
        match rows.next().map_err(Error::from) {
            Ok(Some(row)) => self.put(table, row).map(|()| true),
            Ok(None) => Ok(false),
            Err(error) if is_loss(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Runs a query as far as it can be read; whether to its end.
    fn each(
        &mut self,
        sql: &str,
        mut take: impl FnMut(&mut Self, &Row<'_>) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        each(self.damaged, sql, |row| take(self, row))
    }

    fn put(&mut self, table: &Table, row: &Row<'_>) -> Result<(), Error> {
        let count = table.columns.split(',').count();
        let values = (0..count).map(|at| row.get::<_, Value>(at)).collect::<Result<Vec<_>, _>>()?;
        let places = (1..=count).map(|at| format!("?{at}")).collect::<Vec<_>>().join(", ");
        let sql = format!("INSERT OR IGNORE INTO {} ({}) VALUES ({places})", table.name, table.columns);
        self.written += values.iter().map(octets).sum::<u64>();
        self.new.prepare_cached(&sql)?.execute(params_from_iter(values))?;
        if self.written >= COMMIT_BYTES {
            self.written = 0;
            self.new.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        }
        Ok(())
    }
}

fn ordered(columns: &[&str], direction: Direction) -> String {
    let columns = columns.iter().map(|column| format!("{column} {}", direction.word())).collect::<Vec<_>>();
    format!("ORDER BY {}", columns.join(", "))
}

/// As far as it can be read; whether to its end.
fn each(damaged: &Connection, sql: &str, mut take: impl FnMut(&Row<'_>) -> Result<(), Error>) -> Result<bool, Error> {
    let mut statement = match damaged.prepare(sql).map_err(Error::from) {
        Err(error) if is_loss(&error) => return Ok(false),
        statement => statement?,
    };
    let mut rows = statement.query([])?;
    loop {
        match rows.next().map_err(Error::from) {
            Ok(Some(row)) => take(row)?,
            Ok(None) => return Ok(true),
            Err(error) if is_loss(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

fn octets(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 8,
        Value::Text(text) => text.len() as u64,
        Value::Blob(blob) => blob.len() as u64,
    }
}

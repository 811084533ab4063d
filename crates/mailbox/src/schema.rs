//! The numbered schema files, what brings a file up to date with them, and the check that says what differs.

use crate::error::Error;
use rusqlite::{Connection, TransactionBehavior};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// One kind of file: its mark and its schema files, of which number n is at index n-1.
pub(crate) struct Schema {
    /// `PRAGMA application_id`.
    pub(crate) application_id: i32,
    /// Forward only; a released one is never edited.
    pub(crate) files: &'static [&'static str],
    /// Filled at first use.
    pub(crate) expected: &'static OnceLock<Objects>,
}

/// What stands in `sqlite_schema`, by type and name.
pub(crate) type Objects = BTreeMap<(String, String), String>;

static MAILBOX_OBJECTS: OnceLock<Objects> = OnceLock::new();
/// The mailbox file; its mark is `Brvm`.
pub(crate) static MAILBOX: Schema = Schema {
    application_id: 0x4272_766d,
    files: &[
        include_str!("../schema/0001.sql"),
        include_str!("../schema/0002.sql"),
        include_str!("../schema/0003.sql"),
    ],
    expected: &MAILBOX_OBJECTS,
};

static WAITING_OBJECTS: OnceLock<Objects> = OnceLock::new();
/// The waiting-mail file; its mark is `Brvw`.
pub(crate) static WAITING: Schema = Schema {
    application_id: 0x4272_7677,
    files: &[
        include_str!("../schema/waiting-0001.sql"),
        include_str!("../schema/waiting-0002.sql"),
        include_str!("../schema/waiting-0003.sql"),
    ],
    expected: &WAITING_OBJECTS,
};

static QUEUE_OBJECTS: OnceLock<Objects> = OnceLock::new();
/// The queue file; its mark is `Brvq`.
pub(crate) static QUEUE: Schema = Schema {
    application_id: 0x4272_7671,
    files: &[
        include_str!("../schema/queue-0001.sql"),
        include_str!("../schema/queue-0002.sql"),
        include_str!("../schema/queue-0003.sql"),
    ],
    expected: &QUEUE_OBJECTS,
};

static LEDGER_OBJECTS: OnceLock<Objects> = OnceLock::new();
/// The ledger of snapshots; its mark is `Brvl`.
pub(crate) static LEDGER: Schema = Schema {
    application_id: 0x4272_766c,
    files: &[include_str!("../schema/ledger-0001.sql"), include_str!("../schema/ledger-0002.sql")],
    expected: &LEDGER_OBJECTS,
};

impl Schema {
    /// The newest schema's number.
    pub(crate) fn known(&self) -> u32 {
        self.files.len() as u32
    }

    /// Brings a connection's file to the newest schema, one committed step a file.
    pub(crate) fn migrate(&self, connection: &mut Connection) -> Result<(), Error> {
        let found = self.number(connection)?;
        for (at, file) in self.files.iter().enumerate().skip(found as usize) {
            let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            step.execute_batch(file)?;
            step.pragma_update(None, "application_id", self.application_id)?;
            step.pragma_update(None, "user_version", at as i64 + 1)?;
            step.commit()?;
        }
        Ok(())
    }

    /// Checks mark, number and every object of a file that is up to date.
    pub(crate) fn check(&self, connection: &Connection) -> Result<(), Error> {
        let found = self.number(connection)?;
        if found != self.known() {
            return Err(Error::SchemaDiffers(format!("number {found}, expected {}", self.known())));
        }
        let differences = differences(&objects(connection)?, self.expected()?);
        if differences.is_empty() { Ok(()) } else { Err(Error::SchemaDiffers(differences.join("; "))) }
    }

    /// The number of a file that may be of an earlier schema: its mark and number are looked at, and its objects when it is up to
    /// date. What is older is brought up to date before it is used.
    pub(crate) fn check_any(&self, connection: &Connection) -> Result<u32, Error> {
        let found = self.number(connection)?;
        if found == self.known() {
            self.check(connection)?;
        }
        if found == 0 { Err(Error::SchemaDiffers("the file has no tables".to_owned())) } else { Ok(found) }
    }

    /// The file's schema number, 0 for a file that was just made; refuses other kinds of file and later versions.
    fn number(&self, connection: &Connection) -> Result<u32, Error> {
        let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
        let (mark, found) = (pragma("application_id")?, pragma("user_version")?);
        if mark != i64::from(self.application_id) && (mark, found) != (0, 0) {
            return Err(Error::WrongMailbox(format!("application id {mark:#x}, expected {:#x}", self.application_id)));
        }
        let found = u32::try_from(found).map_err(|_| Error::damaged(format!("schema number {found}")))?;
        if found > self.known() {
            return Err(Error::NewerSchema { found, known: self.known() });
        }
        Ok(found)
    }

    fn expected(&self) -> Result<&'static Objects, Error> {
        if let Some(known) = self.expected.get() {
            return Ok(known);
        }
        let mut plain = Connection::open_in_memory()?;
        self.migrate(&mut plain)?;
        let objects = objects(&plain)?;
        Ok(self.expected.get_or_init(|| objects))
    }
}

fn objects(connection: &Connection) -> Result<Objects, Error> {
    let mut statement = connection.prepare("SELECT type, name, coalesce(sql, '') FROM sqlite_schema")?;
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
    rows.collect::<Result<_, _>>().map_err(Error::from)
}

/// One line for every object or clause that is missing, unexpected or different.
fn differences(found: &Objects, expected: &Objects) -> Vec<String> {
    let mut lines = Vec::new();
    for ((kind, name), sql) in expected {
        match found.get(&(kind.clone(), name.clone())) {
            None => lines.push(format!("{kind} {name} is missing")),
            Some(other) if other == sql => {}
            Some(other) => {
                let (have, want) = (clauses(other), clauses(sql));
                let extra =
                    have.iter().filter(|line| !want.contains(line)).map(|line| format!("{kind} {name} has `{line}`"));
                let lost =
                    want.iter().filter(|line| !have.contains(line)).map(|line| format!("{kind} {name} lacks `{line}`"));
                lines.extend(extra.chain(lost));
            }
        }
    }
    let unexpected = found.keys().filter(|key| !expected.contains_key(*key));
    lines.extend(unexpected.map(|(kind, name)| format!("{kind} {name} is unexpected")));
    lines
}

/// The statement's lines without comments and layout.
fn clauses(sql: &str) -> Vec<&str> {
    let bare = sql.lines().map(|line| line.split("--").next().unwrap_or_default().trim().trim_end_matches(','));
    bare.filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        MAILBOX.migrate(&mut connection).unwrap();
        connection
    }

    #[test]
    fn a_fresh_file_is_what_is_expected() {
        let mut connection = fresh();
        MAILBOX.check(&connection).unwrap();
        MAILBOX.migrate(&mut connection).unwrap();
        MAILBOX.check(&connection).unwrap();
    }

    #[test]
    fn differences_are_named_exactly() {
        let connection = fresh();
        connection
            .execute_batch(
                "DROP INDEX message_email; CREATE TABLE extra (x); DROP TABLE subscription;
                 CREATE TABLE subscription (\n  name BLOB PRIMARY KEY\n) STRICT, WITHOUT ROWID;",
            )
            .unwrap();
        let Err(Error::SchemaDiffers(text)) = MAILBOX.check(&connection) else { panic!("no difference found") };
        assert_eq!(
            text,
            "index message_email is missing; table subscription has `name BLOB PRIMARY KEY`; table subscription lacks \
             `name TEXT PRIMARY KEY`; table extra is unexpected"
        );
    }

    #[test]
    fn other_files_and_later_versions_are_refused() {
        let connection = fresh();
        connection.execute_batch("PRAGMA user_version=7").unwrap();
        assert!(matches!(MAILBOX.check(&connection), Err(Error::NewerSchema { found: 7, known: 3 })));
        connection.execute_batch("PRAGMA user_version=3; PRAGMA application_id=5").unwrap();
        assert!(matches!(MAILBOX.check(&connection), Err(Error::WrongMailbox(_))));
    }
}

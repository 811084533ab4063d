//! Annotations of folders and of the mailbox (RFC 5464): entries with values, all of them the owner's. A folder's special use
//! is one of them (RFC 6154 §4), kept where LIST finds it. What entry names look like is the front-end's to check.

use crate::error::Error;
use crate::folders;
use crate::reader::Reader;
use crate::types::FolderId;
use crate::writer::Tx;
use model::limits::{ANNOTATION_VALUE_BYTES_MAX, ANNOTATIONS_MAX};
use model::{FolderName, SpecialUse};
use rusqlite::{Connection, OptionalExtension, Statement, params};

/// The entry whose value is the special use.
const SPECIAL_USE: &str = "/private/specialuse";
/// Stands in the file for the mailbox itself; folders are numbered from 1.
const MAILBOX: FolderId = FolderId(0);

/// What is annotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Annotated<'a> {
    /// The mailbox.
    Mailbox,
    /// One folder.
    Folder(&'a FolderName),
    /// Every folder; only to be asked.
    EveryFolder,
}

/// How far below an entry to look (RFC 5464 §4.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// The entry.
    #[default]
    Zero,
    /// And those right below.
    One,
    /// And all below.
    Infinity,
}

/// One entry with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Whose it is, `None` for the mailbox's.
    pub folder: Option<FolderId>,
    /// The entry as it was first written; names are the same in any case.
    pub entry: String,
    /// The value.
    pub value: Vec<u8>,
}

impl Tx<'_> {
    /// SETMETADATA: sets values, or removes them where there is `None`; all of it or nothing. Gives the folder, `None` for the
    /// mailbox.
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`]; [`Error::TooBig`] for a value; [`Error::LimitReached`] for one entry too many;
    /// [`Error::SpecialUseTaken`], [`Error::NoSuchSpecialUse`], also for a use of INBOX or of the mailbox.
    pub fn annotate(
        &mut self,
        target: Annotated<'_>,
        changes: &[(String, Option<Vec<u8>>)],
    ) -> Result<Option<FolderId>, Error> {
        let folder = match target {
            Annotated::Mailbox => MAILBOX,
            Annotated::Folder(name) => folder_id(self.connection, name)?,
            Annotated::EveryFolder => return Err(Error::NoSuchFolder),
        };
        let mut changed = 0;
        for (entry, value) in changes {
            changed += match value {
                _ if entry.eq_ignore_ascii_case(SPECIAL_USE) => self.set_special_use(target, value.as_deref())?,
                Some(value) => self.set_annotation(folder, entry, value)?,
                None => {
                    let remove = "DELETE FROM annotation WHERE folder = ?1 AND entry = ?2";
                    self.connection.prepare_cached(remove)?.execute(params![folder.0, entry])?
                }
            };
        }
        if folder == MAILBOX {
            return Ok(None);
        }
        if changed > 0 {
            // RFC 7162 §3.2: it is a change of the folder.
            let modseq = self.counters.next_modseq()?.get() as i64;
            let raise = "UPDATE folder SET highest_modseq = ?2 WHERE id = ?1";
            self.connection.prepare_cached(raise)?.execute(params![folder.0, modseq])?;
        }
        Ok(Some(folder))
    }

    /// Gives how many changed: one, or none where it had the value.
    fn set_annotation(&self, folder: FolderId, entry: &str, value: &[u8]) -> Result<usize, Error> {
        if value.len() > ANNOTATION_VALUE_BYTES_MAX {
            return Err(Error::TooBig);
        }
        // The entry keeps the form that it was first written in.
        let set = "INSERT INTO annotation (folder, entry, value) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (folder, entry) DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value";
        let changed = self.connection.prepare_cached(set)?.execute(params![folder.0, entry, value])?;
        let count: i64 = self.connection.query_row("SELECT count(*) FROM annotation", [], |row| row.get(0))?;
        if count > ANNOTATIONS_MAX as i64 { Err(Error::LimitReached("annotations")) } else { Ok(changed) }
    }

    fn set_special_use(&self, target: Annotated<'_>, value: Option<&[u8]>) -> Result<usize, Error> {
        let name = match target {
            Annotated::Folder(name) if !name.is_inbox() => name,
            Annotated::Folder(_) | Annotated::Mailbox | Annotated::EveryFolder => {
                return Err(Error::NoSuchSpecialUse);
            }
        };
        let parse = |value: &[u8]| std::str::from_utf8(value).ok().and_then(SpecialUse::parse);
        let usage = value.map(|value| parse(value).ok_or(Error::NoSuchSpecialUse)).transpose()?;
        let number = usage.map(folders::special_use_number);
        let holder = "SELECT 1 FROM folder WHERE special_use = ?1 AND name <> ?2";
        if self.connection.prepare_cached(holder)?.exists(params![number, name.as_str()])? {
            return Err(Error::SpecialUseTaken);
        }
        let set = "UPDATE folder SET special_use = ?2 WHERE name = ?1 AND selectable";
        match self.connection.prepare_cached(set)?.execute(params![name.as_str(), number])? {
            0 => Err(Error::NoSuchSpecialUse),
            changed => Ok(changed),
        }
    }
}

impl Reader {
    /// GETMETADATA: those of the entries that have a value, and those below them as far as asked; each once, by folder and
    /// entry.
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`].
    pub fn annotations(
        &self,
        target: Annotated<'_>,
        entries: &[String],
        depth: Depth,
    ) -> Result<Vec<Annotation>, Error> {
        self.snapshot(|connection| {
            let (first, last) = match target {
                Annotated::Mailbox => (MAILBOX.0, MAILBOX.0),
                Annotated::Folder(name) => folder_id(connection, name).map(|id| (id.0, id.0))?,
                Annotated::EveryFolder => (MAILBOX.0 + 1, i64::MAX),
            };
            let mut found = Vec::new();
            for entry in entries {
                stored(connection, (first, last), (entry, depth), &mut found)?;
                if reaches(entry, depth) {
                    special_uses(connection, (first, last), &mut found)?;
                }
            }
            found.sort_by(|a, b| (a.folder, &a.entry).cmp(&(b.folder, &b.entry)));
            found.dedup_by(|a, b| (a.folder, &a.entry) == (b.folder, &b.entry));
            Ok(found)
        })
    }
}

fn folder_id(connection: &Connection, name: &FolderName) -> Result<FolderId, Error> {
    let found = connection
        .prepare_cached("SELECT id FROM folder WHERE name = ?1 AND selectable")?
        .query_row([name.as_str()], |row| row.get(0).map(FolderId))
        .optional()?;
    found.ok_or(Error::NoSuchFolder)
}

/// Whether an entry is the one asked for or is as far below as is asked.
fn is_within(entry: &str, asked: &str, depth: Depth) -> bool {
    let (Some(start), Some(rest)) = (entry.get(..asked.len()), entry.get(asked.len()..)) else { return false };
    let below = rest.strip_prefix('/');
    start.eq_ignore_ascii_case(asked)
        && match depth {
            Depth::Zero => rest.is_empty(),
            Depth::One => rest.is_empty() || below.is_some_and(|below| !below.contains('/')),
            Depth::Infinity => rest.is_empty() || below.is_some(),
        }
}

fn reaches(asked: &str, depth: Depth) -> bool {
    is_within(SPECIAL_USE, asked, depth)
}

fn stored(
    connection: &Connection,
    (first, last): (i64, i64),
    (asked, depth): (&str, Depth),
    found: &mut Vec<Annotation>,
) -> Result<(), Error> {
    // '0' follows '/' in ASCII: the second range is every entry that begins with "asked/".
    let mut statement = connection.prepare_cached(
        "SELECT folder, entry, value FROM annotation WHERE folder BETWEEN ?1 AND ?2 \
         AND (entry = ?3 OR (?4 AND entry >= ?3 || '/' AND entry < ?3 || '0'))",
    )?;
    let rows = read(&mut statement, params![first, last, asked, depth != Depth::Zero])?;
    found.extend(rows.into_iter().filter(|row| is_within(&row.entry, asked, depth)));
    Ok(())
}

fn special_uses(connection: &Connection, (first, last): (i64, i64), found: &mut Vec<Annotation>) -> Result<(), Error> {
    let mut statement = connection
        .prepare_cached("SELECT id, special_use FROM folder WHERE special_use IS NOT NULL AND id BETWEEN ?1 AND ?2")?;
    let mut rows = statement.query([first, last])?;
    while let Some(row) = rows.next()? {
        if let Some(usage) = folders::special_use(row.get(1)?) {
            let folder = Some(FolderId(row.get(0)?));
            found.push(Annotation { folder, entry: SPECIAL_USE.to_owned(), value: usage.name().into() });
        }
    }
    Ok(())
}

fn read(statement: &mut Statement<'_>, params: impl rusqlite::Params) -> Result<Vec<Annotation>, Error> {
    let rows = statement.query_map(params, |row| {
        let folder = Some(FolderId(row.get(0)?)).filter(|id| *id != MAILBOX);
        Ok(Annotation { folder, entry: row.get(1)?, value: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth() {
        let within = |entry, depth| is_within(entry, "/private/a", depth);
        for (entry, zero, one, infinity) in [
            ("/private/a", true, true, true),
            ("/PRIVATE/A", true, true, true),
            ("/private/a/b", false, true, true),
            ("/private/a/b/c", false, false, true),
            ("/private/ab", false, false, false),
            ("/private", false, false, false),
            ("/private/b", false, false, false),
        ] {
            assert_eq!(within(entry, Depth::Zero), zero, "{entry}");
            assert_eq!(within(entry, Depth::One), one, "{entry}");
            assert_eq!(within(entry, Depth::Infinity), infinity, "{entry}");
        }
    }
}

//! Which messages can be found at all, by the indexes: a superset, and only where it is small enough to be worth having.
//! What is in it is looked into by the scan, so that nothing here decides what is found.

use super::grams;
use super::program::Test;
use crate::error::Error;
use crate::row::uid;
use model::{Flag, UidSet};
use rusqlite::{Connection, ToSql, params};

/// Messages up to which a list from an index is preferred to a scan over the folder's narrow rows: above it the list costs as
/// much as the scan, and its first result comes later.
const CANDIDATES_MAX: usize = 4096;
/// Messages that are not in the text index yet and are listed with what the index found; with more, the folder is scanned.
const UNINDEXED_MAX: usize = 65_536;
/// Questions to the text index while a search is planned: a program of a thousand texts is scanned for, step by step.
const TEXT_QUERIES_MAX: u32 = 16;

/// What planning needs to know.
pub(crate) struct Planner<'c> {
    connection: &'c Connection,
    folder: i64,
    /// Emails up to this id are in the text index.
    indexed_to: i64,
    text_queries: u32,
    /// The text index has answered with a list: there is no need to ask it again of each email.
    pub(crate) by_text: bool,
}

impl<'c> Planner<'c> {
    pub(crate) fn new(connection: &'c Connection, folder: i64, indexed_to: i64) -> Self {
        Self { connection, folder, indexed_to, text_queries: 0, by_text: false }
    }

    /// A superset of the UIDs that can pass; `None` is every one. Recursion is bounded by `SEARCH_DEPTH_MAX`.
    pub(crate) fn bound(&mut self, test: &Test) -> Result<Option<UidSet>, Error> {
        match test {
            Test::All(tests) => self.all(tests),
            Test::Any(tests) => self.any(tests),
            Test::Uids(uids) => Ok(Some(uids.clone())),
            Test::Not(test) => match **test {
                Test::Flag(Flag::Seen) => self.listed(
                    "SELECT uid FROM message INDEXED BY message_unseen WHERE folder = ?1 AND flags & 1 = 0 ORDER BY uid",
                    &[&self.folder],
                ),
                _ => Ok(None),
            },
            Test::Flag(Flag::Flagged) => self.listed(
                "SELECT uid FROM message INDEXED BY message_flagged WHERE folder = ?1 AND flags & 4 ORDER BY uid",
                &[&self.folder],
            ),
            Test::Flag(Flag::Deleted) => self.listed(
                "SELECT uid FROM message INDEXED BY message_deleted WHERE folder = ?1 AND flags & 8 ORDER BY uid",
                &[&self.folder],
            ),
            Test::ModSeqAtLeast(modseq) => self.listed(
                "SELECT uid FROM message WHERE folder = ?1 AND modseq >= ?2",
                &[&self.folder, &(modseq.get() as i64)],
            ),
            Test::Email(email) => self.listed(
                "SELECT uid FROM message INDEXED BY message_email WHERE email = ?2 AND folder = ?1",
                &[&self.folder, &i64::try_from(*email).unwrap_or(-1)],
            ),
            Test::Keyword(None) => Ok(Some(UidSet::new())),
            Test::Column(..) | Test::Field { .. } | Test::Body(_) | Test::Text(_) => {
                self.with_texts(test.text().into_iter())
            }
            Test::Flag(_)
            | Test::Keyword(Some(_))
            | Test::InternalDate(..)
            | Test::Larger(_)
            | Test::Smaller(_)
            | Test::SentDate(..)
            | Test::ReceivedFrom(_)
            | Test::ReceivedUntil(_)
            | Test::SavedDate(..)
            | Test::Thread(_)
            | Test::Matches(..) => Ok(None),
        }
    }

    /// The texts that all must be there are one question: the index goes by the rarest of all their runs.
    fn all(&mut self, tests: &[Test]) -> Result<Option<UidSet>, Error> {
        let mut bound = self.with_texts(tests.iter().filter_map(Test::text))?;
        for test in tests.iter().filter(|test| test.text().is_none()) {
            bound = match (bound, self.bound(test)?) {
                (Some(one), Some(other)) => Some(one.intersection(&other)),
                (one, other) => one.or(other),
            };
        }
        Ok(bound)
    }

    fn any(&mut self, tests: &[Test]) -> Result<Option<UidSet>, Error> {
        let mut union = UidSet::new();
        for test in tests {
            match self.bound(test)? {
                Some(bound) => union = union.union(&bound),
                None => return Ok(None),
            }
        }
        Ok(Some(union))
    }

    /// Messages whose emails can contain every one of the texts.
    fn with_texts<'t>(&mut self, texts: impl Iterator<Item = &'t str>) -> Result<Option<UidSet>, Error> {
        let Some(query) = grams::query(texts) else { return Ok(None) };
        if self.text_queries >= TEXT_QUERIES_MAX {
            return Ok(None);
        }
        self.text_queries += 1;
        let mut statement =
            self.connection.prepare_cached("SELECT rowid FROM text_index WHERE text_index MATCH ?1 LIMIT ?2")?;
        let emails = statement.query_map(params![query, CANDIDATES_MAX as i64 + 1], |row| row.get::<_, i64>(0))?;
        let emails: Vec<i64> = emails.collect::<Result<_, _>>()?;
        if emails.len() > CANDIDATES_MAX {
            return Ok(None);
        }
        let later = "SELECT uid FROM message INDEXED BY message_email WHERE email > ?2 AND folder = ?1 LIMIT ?3";
        let limit = UNINDEXED_MAX as i64 + 1;
        let mut found = self.numbers(later, &[&self.folder, &self.indexed_to, &limit])?;
        if found.len() > UNINDEXED_MAX {
            return Ok(None);
        }
        let mut statement = self
            .connection
            .prepare_cached("SELECT uid FROM message INDEXED BY message_email WHERE email = ?2 AND folder = ?1")?;
        for email in emails {
            let mut rows = statement.query(params![self.folder, email])?;
            while let Some(row) = rows.next()? {
                found.push(uid(row, 0)?);
            }
        }
        self.by_text = true;
        Ok(Some(found.into_iter().collect()))
    }

    /// What an index lists, unless that is too much to be worth it.
    fn listed(&self, sql: &str, parameters: &[&dyn ToSql]) -> Result<Option<UidSet>, Error> {
        let found = self.numbers(&format!("{sql} LIMIT {}", CANDIDATES_MAX + 1), parameters)?;
        Ok((found.len() <= CANDIDATES_MAX).then(|| found.into_iter().collect()))
    }

    fn numbers(&self, sql: &str, parameters: &[&dyn ToSql]) -> Result<Vec<model::Uid>, Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(parameters, |row| uid(row, 0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

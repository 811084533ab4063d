//! SEARCH, step by step: a scan over the folder's narrow rows that looks deeper only where the program asks for it.

mod candidate;
mod fold;
mod key;
mod program;

use crate::error::Error;
use crate::keywords::KeywordMap;
use crate::reader::Reader;
use crate::types::FolderId;
use candidate::{Candidate, Narrow};
pub(crate) use fold::fold;
pub use key::{DateRelation, SearchKey, SearchStep};
use model::{Uid, UidSet};
use program::Test;
use rusqlite::{Connection, params};

/// Where a search goes on. A new one begins at the first message.
#[derive(Debug, Clone)]
pub struct SearchCursor {
    next: u32,
    /// Only these can be found; known after the first step.
    bound: Option<UidSet>,
}

impl Default for SearchCursor {
    fn default() -> Self {
        Self::new()
    }
}

impl SearchCursor {
    /// At the first message.
    pub const fn new() -> Self {
        Self { next: 1, bound: None }
    }
}

impl Reader {
    /// Looks at up to `budget_messages` messages and answers those that pass. A step sees one state of the file, two steps
    /// may see two: a message that goes between them is not found, one that comes is.
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`], [`Error::BadSearch`], [`Error::Damaged`].
    pub fn search(
        &self,
        folder: FolderId,
        key: &SearchKey,
        cursor: &mut SearchCursor,
        budget_messages: usize,
    ) -> Result<SearchStep, Error> {
        key.check()?;
        self.snapshot(|connection| {
            crate::folders::FolderState::load(connection, folder.into())?;
            let test = Test::new(key, &KeywordMap::read(connection)?);
            let bound = cursor.bound.get_or_insert_with(|| key.bound().unwrap_or_else(every_uid));
            let mut scan = Scan { step: SearchStep::default(), budget: budget_messages.max(1), next: cursor.next };
            scan.step.done = scan.run(self, connection, folder, bound, &test)?;
            cursor.next = scan.next;
            Ok(scan.step)
        })
    }
}

fn every_uid() -> UidSet {
    Uid::new(1).zip(Uid::new(u32::MAX)).map_or_else(UidSet::new, |(first, last)| UidSet::range(first, last))
}

struct Scan {
    step: SearchStep,
    budget: usize,
    next: u32,
}

impl Scan {
    /// Goes over the messages of `bound` from `next` on; true when it came to the end.
    fn run(
        &mut self,
        reader: &Reader,
        connection: &Connection,
        folder: FolderId,
        bound: &UidSet,
        test: &Test,
    ) -> Result<bool, Error> {
        let sql =
            format!("SELECT {} FROM message WHERE folder = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid", Narrow::COLUMNS);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut chunk = reader.chunk.borrow_mut();
        let from = bound.runs().partition_point(|run| run.1 < self.next);
        for &(first, last) in bound.runs().get(from..).unwrap_or_default() {
            let mut rows = statement.query(params![folder.0, first.max(self.next), last])?;
            while let Some(row) = rows.next()? {
                let narrow = Narrow::from_row(row)?;
                if self.budget == 0 {
                    self.next = narrow.uid.get();
                    return Ok(false);
                }
                self.budget -= 1;
                if Candidate::new(connection, &mut chunk, &narrow).passes(test)? {
                    self.step.found.insert(narrow.uid);
                    self.step.highest_modseq = self.step.highest_modseq.max(narrow.modseq);
                }
            }
        }
        self.next = u32::MAX;
        Ok(true)
    }
}

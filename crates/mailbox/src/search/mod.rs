//! SEARCH, step by step: a scan over the folder's narrow rows that looks deeper only where the program asks for it and the
//! indexes leave it open.

mod candidate;
mod filter;
mod fold;
pub(crate) mod grams;
mod key;
mod pattern;
mod plan;
mod program;
pub(crate) mod texts;

use crate::error::Error;
use crate::keywords::KeywordMap;
use crate::reader::Reader;
use crate::types::FolderId;
use candidate::{Candidate, Narrow};
use filter::Filters;
pub(crate) use fold::{casemap, fold};
pub use key::{DateRelation, SearchKey, SearchStep};
use model::{Uid, UidSet};
pub use pattern::{BadPattern, PATTERN_BYTES_MAX, Pattern, Place};
use plan::Planner;
use program::Test;
use rusqlite::{Connection, params};

/// What one narrow row costs of a step's budget, one email row, and one message that is read and decoded.
const NARROW_COST: usize = 1;
const WIDE_COST: usize = 4;
const READ_COST: usize = 32;

/// Where a search goes on. A new one begins at the first message.
#[derive(Debug, Clone)]
pub struct SearchCursor {
    next: u32,
    /// Known after the first step.
    plan: Option<Plan>,
}

/// What the indexes said when the search began.
#[derive(Debug, Clone)]
struct Plan {
    /// Only these can be found.
    bound: UidSet,
    filters: Filters,
}

impl Default for SearchCursor {
    fn default() -> Self {
        Self::new()
    }
}

impl SearchCursor {
    /// At the first message.
    pub const fn new() -> Self {
        Self { next: 1, plan: None }
    }
}

impl Reader {
    /// Looks for messages that pass, as long as it would take to read and decode `budget_messages` of them, and answers those
    /// that were found; in UID order over the steps. A step sees one state of the file, two steps may see two: a message that
    /// goes between them is not found, one that comes may be.
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
            let SearchCursor { next, plan } = cursor;
            if plan.is_none() {
                *plan = Some(Plan::new(connection, folder, &test)?);
            }
            let Some(plan) = plan else { return Ok(SearchStep::default()) };
            let budget = budget_messages.max(1).saturating_mul(READ_COST);
            let mut scan = Scan { step: SearchStep::default(), budget, next: *next };
            scan.step.done = scan.run(self, connection, folder, plan, &test)?;
            *next = scan.next;
            Ok(scan.step)
        })
    }
}

impl Plan {
    fn new(connection: &Connection, folder: FolderId, test: &Test) -> Result<Self, Error> {
        let indexed_to = crate::index::indexed_to(connection)?;
        let mut planner = Planner::new(connection, folder.0, indexed_to);
        let bound = planner.bound(test)?.unwrap_or_else(every_uid);
        let filters = if planner.by_text { Filters::default() } else { Filters::new(indexed_to) };
        Ok(Self { bound, filters })
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
    /// Goes over the messages that the plan leaves from `next` on; true when it came to the end.
    fn run(
        &mut self,
        reader: &Reader,
        connection: &Connection,
        folder: FolderId,
        plan: &mut Plan,
        test: &Test,
    ) -> Result<bool, Error> {
        let sql =
            format!("SELECT {} FROM message WHERE folder = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid", Narrow::COLUMNS);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut chunk = reader.chunk.borrow_mut();
        let from = plan.bound.runs().partition_point(|run| run.1 < self.next);
        for &(first, last) in plan.bound.runs().get(from..).unwrap_or_default() {
            let mut rows = statement.query(params![folder.0, first.max(self.next), last])?;
            while let Some(row) = rows.next()? {
                let narrow = Narrow::from_row(row)?;
                if self.budget == 0 {
                    self.next = narrow.uid.get();
                    return Ok(false);
                }
                let mut candidate = Candidate::new(connection, &mut chunk, &mut plan.filters, &narrow);
                let passes = candidate.passes(test)?;
                self.budget = self.budget.saturating_sub(candidate.cost());
                if passes {
                    self.step.found.insert(narrow.uid);
                    self.step.highest_modseq = self.step.highest_modseq.max(narrow.modseq);
                }
            }
        }
        self.next = u32::MAX;
        Ok(true)
    }
}

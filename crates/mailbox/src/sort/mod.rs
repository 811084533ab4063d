//! SORT (RFC 5256, RFC 5957): puts messages that a search found in order, in bounded memory and step by step.
//!
//! A step reads rows and keeps the lowest keys that fit in `SORT_BYTES_MAX`. When a pass is over they are answered, and if
//! some did not fit the next pass looks for those above them. A folder of some hundred thousand messages is one pass.

mod criteria;
mod key;

pub use criteria::{SortCriterion, SortField};

use crate::error::Error;
use crate::reader::Reader;
use crate::types::FolderId;
use criteria::Columns;
use key::Key;
use model::{Uid, UidSet};
use rusqlite::{Connection, params};
use std::collections::BinaryHeap;

/// Octets of keys that one SORT keeps.
pub const SORT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What a kept key costs beside its octets.
const KEY_OVERHEAD_BYTES: usize = 32;

/// A SORT under way.
#[derive(Debug)]
pub struct SortCursor {
    uids: UidSet,
    criteria: Vec<SortCriterion>,
    /// The pass goes on here.
    next: u32,
    kept: BinaryHeap<Key>,
    kept_bytes: usize,
    kept_bytes_max: usize,
    /// Everything up to here has been answered.
    answered: Option<Key>,
    /// Some keys of this pass did not fit.
    overflowed: bool,
}

/// One step's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SortStep {
    /// The next messages, in order.
    pub sorted: Vec<Uid>,
    /// All were answered.
    pub done: bool,
}

impl SortCursor {
    /// Of these messages, by these criteria, the first of which counts most.
    pub const fn new(uids: UidSet, criteria: Vec<SortCriterion>) -> Self {
        Self::within(uids, criteria, SORT_BYTES_MAX)
    }

    /// With another bound on what is kept.
    const fn within(uids: UidSet, criteria: Vec<SortCriterion>, kept_bytes_max: usize) -> Self {
        Self {
            uids,
            criteria,
            next: 1,
            kept: BinaryHeap::new(),
            kept_bytes: 0,
            kept_bytes_max,
            answered: None,
            overflowed: false,
        }
    }

    fn keep(&mut self, key: Key) {
        if self.answered.as_ref().is_some_and(|answered| key <= *answered) {
            return;
        }
        if self.overflowed && self.kept.peek().is_some_and(|highest| key > *highest) {
            return;
        }
        self.kept_bytes += key.len() + KEY_OVERHEAD_BYTES;
        self.kept.push(key);
        // One key is kept whatever its size: each pass must answer something.
        while self.kept_bytes > self.kept_bytes_max && self.kept.len() > 1 {
            let Some(dropped) = self.kept.pop() else { break };
            self.kept_bytes -= dropped.len() + KEY_OVERHEAD_BYTES;
            self.overflowed = true;
        }
    }

    /// The pass is over: what was kept is the answer.
    fn finish_pass(&mut self) -> SortStep {
        let kept = std::mem::take(&mut self.kept).into_sorted_vec();
        let sorted = kept.iter().filter_map(Key::uid).collect();
        let done = !std::mem::replace(&mut self.overflowed, false);
        self.answered = kept.into_iter().next_back();
        (self.next, self.kept_bytes) = (1, 0);
        SortStep { sorted, done }
    }
}

impl Reader {
    /// Looks at up to `budget_messages` messages. What is answered is in order over all steps. A message that goes between
    /// two steps may be missing; none comes twice, because nothing that is sorted by ever changes.
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`], [`Error::Damaged`].
    pub fn sort(&self, folder: FolderId, cursor: &mut SortCursor, budget_messages: usize) -> Result<SortStep, Error> {
        self.snapshot(|connection| {
            crate::folders::FolderState::load(connection, folder.into())?;
            if pass(connection, folder, cursor, budget_messages.max(1))? {
                return Ok(cursor.finish_pass());
            }
            Ok(SortStep::default())
        })
    }
}

/// Goes on with the pass; true when it came to the end.
fn pass(connection: &Connection, folder: FolderId, cursor: &mut SortCursor, budget: usize) -> Result<bool, Error> {
    let columns = Columns::of(&cursor.criteria);
    let mut statement = connection.prepare_cached(&columns.sql())?;
    let (mut budget, criteria) = (budget, cursor.criteria.clone());
    let runs = cursor.uids.runs();
    let runs = runs.get(runs.partition_point(|run| run.1 < cursor.next)..).unwrap_or_default().to_vec();
    for (first, last) in runs {
        let mut rows = statement.query(params![folder.get() as i64, first.max(cursor.next), last])?;
        while let Some(row) = rows.next()? {
            let key = Key::of(row, &criteria)?;
            if budget == 0 {
                cursor.next = key.uid().map_or(u32::MAX, Uid::get);
                return Ok(false);
            }
            budget -= 1;
            cursor.keep(key);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;

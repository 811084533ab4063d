//! FETCH of flags alone, answered as columns: clients without CONDSTORE ask for those of a whole folder whenever they look at it.

use super::plan::{FetchPlan, FlagColumns, FlagStep};
use super::{Answered, FetchCursor, NAME_BYTES, STEP_BYTES_MIN, walk};
use crate::error::Error;
use crate::keywords::KeywordMap;
use crate::reader::Reader;
use crate::row::{modseq, octets, uid};
use model::Flags;
use rusqlite::{Connection, Row};
use std::collections::HashMap;

/// What a message costs: a UID, flags, a MODSEQ and the number of a set.
const MESSAGE_BYTES: usize = 12;

const FLAGS_OF_MESSAGES: &str =
    "SELECT uid, flags, keywords, modseq FROM message WHERE folder = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid";

impl Reader {
    /// The flags of the plan's next messages, some `budget` octets of them, as committed when the step began. What else the
    /// plan asks for is not answered.
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`], [`Error::Damaged`].
    pub fn fetch_flags(&self, plan: &FetchPlan, cursor: &mut FetchCursor, budget: usize) -> Result<FlagStep, Error> {
        self.step(plan, |connection| {
            let left = budget.max(STEP_BYTES_MIN);
            let columns = FlagColumns::default();
            let mut builder = Builder { connection, left, names: None, sets: HashMap::new(), columns };
            let done = walk(connection, plan, cursor, FLAGS_OF_MESSAGES, |row| builder.add(row))?;
            Ok(FlagStep { columns: builder.columns, done })
        })
    }
}

/// Columns under way.
struct Builder<'a> {
    connection: &'a Connection,
    left: usize,
    names: Option<KeywordMap>,
    /// Numbers of sets by what the rows hold.
    sets: HashMap<Vec<u8>, u32>,
    columns: FlagColumns,
}

impl Builder<'_> {
    fn add(&mut self, row: &Row<'_>) -> Result<Answered, Error> {
        let uid = uid(row, 0)?;
        if self.left < MESSAGE_BYTES {
            return Ok(Answered::NotYet(uid));
        }
        self.left -= MESSAGE_BYTES;
        let ids = octets(row, 2)?;
        let set = if ids.is_empty() { 0 } else { self.set(ids)? };
        let columns = &mut self.columns;
        columns.uids.push(uid.get());
        columns.flags.push(Flags::from_bits(row.get(1)?).bits());
        columns.modseqs.push(modseq(row, 3)?.get());
        columns.sets_of.push(set);
        Ok(Answered::Whole)
    }

    /// The number of a set of keywords.
    fn set(&mut self, ids: &[u8]) -> Result<u32, Error> {
        if let Some(number) = self.sets.get(ids) {
            return Ok(*number);
        }
        if self.names.is_none() {
            self.names = Some(KeywordMap::read(self.connection)?);
        }
        let set = self.names.get_or_insert_default().names(ids)?;
        let used = set.iter().map(|keyword| keyword.as_str().len() + NAME_BYTES).sum();
        self.left = self.left.saturating_sub(used);
        self.columns.sets.push(set);
        // A row's set is one of at most as many as there are rows, whose numbers are UIDs.
        let number = u32::try_from(self.columns.sets.len()).unwrap_or(u32::MAX);
        self.sets.insert(ids.to_vec(), number);
        Ok(number)
    }
}

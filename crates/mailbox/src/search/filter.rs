//! Asks the index, while a scan goes on, whether an email can contain a text. Memory and time follow the scan: what the index
//! says is fetched for a block of emails at a time, when the first of them is met.

use super::grams;
use crate::error::Error;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Bits of an email's id that number it within its block: one question to the index brings what it says of 8,192 emails.
const BLOCK_BITS: u32 = 13;
const WORDS_PER_BLOCK: usize = (1 << BLOCK_BITS) / 64;
/// Texts of one search that are looked up; those beyond are compared without the index. Bounds memory: a block has 1 KiB, and
/// a million messages some 130 blocks.
const TEXTS_MAX: usize = 32;

/// What the index knows of each text that is searched for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filters {
    /// Emails up to this id are in the index; 0 when it is not to be asked.
    indexed_to: i64,
    texts: BTreeMap<String, Filter>,
}

#[derive(Debug, Clone)]
struct Filter {
    /// `None`: the index cannot tell.
    query: Option<String>,
    blocks: BTreeMap<i64, Box<[u64]>>,
}

impl Filters {
    /// For a search that begins while emails up to `indexed_to` are in the index. What is indexed later is not counted on.
    pub(crate) fn new(indexed_to: i64) -> Self {
        Self { indexed_to, texts: BTreeMap::new() }
    }

    /// False when the email cannot contain the folded text.
    pub(crate) fn may_contain(&mut self, connection: &Connection, email: i64, text: &str) -> Result<bool, Error> {
        if email > self.indexed_to {
            return Ok(true);
        }
        if !self.texts.contains_key(text) {
            if self.texts.len() >= TEXTS_MAX {
                return Ok(true);
            }
            let query = grams::query(std::iter::once(text));
            self.texts.insert(text.to_owned(), Filter { query, blocks: BTreeMap::new() });
        }
        self.texts.get_mut(text).map_or(Ok(true), |filter| filter.may_contain(connection, email))
    }
}

impl Filter {
    fn may_contain(&mut self, connection: &Connection, email: i64) -> Result<bool, Error> {
        let Some(query) = &self.query else { return Ok(true) };
        let (block, within) = (email >> BLOCK_BITS, (email & ((1 << BLOCK_BITS) - 1)) as usize);
        let words = match self.blocks.entry(block) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(load(connection, query, block)?),
        };
        Ok(words.get(within / 64).is_none_or(|word| word >> (within % 64) & 1 == 1))
    }
}

fn load(connection: &Connection, query: &str, block: i64) -> Result<Box<[u64]>, Error> {
    let first = block << BLOCK_BITS;
    let mut words = vec![0u64; WORDS_PER_BLOCK];
    let mut statement = connection
        .prepare_cached("SELECT rowid FROM text_index WHERE text_index MATCH ?1 AND rowid >= ?2 AND rowid < ?3")?;
    let mut rows = statement.query(params![query, first, first + (1 << BLOCK_BITS)])?;
    while let Some(row) = rows.next()? {
        let within = (row.get::<_, i64>(0)? - first) as usize;
        if let Some(word) = words.get_mut(within / 64) {
            *word |= 1 << (within % 64);
        }
    }
    Ok(words.into_boxed_slice())
}

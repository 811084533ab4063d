//! Keywords by number: a message row holds one byte for each, the table holds the names.

use crate::error::Error;
use crate::row::octets;
use crate::writer::Tx;
use model::Keyword;
use model::limits::KEYWORDS_PER_MAILBOX_MAX;
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};

// One byte names each.
const _: () = assert!(KEYWORDS_PER_MAILBOX_MAX == 256);

/// Every keyword of the mailbox.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeywordMap {
    names: BTreeMap<u8, Keyword>,
    ids: BTreeMap<Keyword, u8>,
}

impl KeywordMap {
    pub(crate) fn read(connection: &Connection) -> Result<Self, Error> {
        let mut map = Self::default();
        let mut statement = connection.prepare_cached("SELECT id, name FROM keyword")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id: u8 = row.get(0)?;
            let name = row.get_ref(1)?.as_str().ok().and_then(Keyword::parse);
            map.add(id, name.ok_or_else(|| Error::damaged("a stored keyword is not one"))?);
        }
        Ok(map)
    }

    fn add(&mut self, id: u8, name: Keyword) {
        self.ids.insert(name.clone(), id);
        self.names.insert(id, name);
    }

    /// The number of a keyword that some message has or had.
    pub(crate) fn id(&self, keyword: &Keyword) -> Option<u8> {
        self.ids.get(keyword).copied()
    }

    /// The names of a row's bytes, sorted.
    pub(crate) fn names(&self, ids: &[u8]) -> Result<Vec<Keyword>, Error> {
        let name =
            |id: &u8| self.names.get(id).cloned().ok_or_else(|| Error::damaged("a message has an unknown keyword"));
        let mut names: Vec<_> = ids.iter().map(name).collect::<Result<_, _>>()?;
        names.sort_unstable();
        Ok(names)
    }

    /// All names, sorted.
    pub(crate) fn all(&self) -> Vec<Keyword> {
        self.ids.keys().cloned().collect()
    }
}

impl Tx<'_> {
    /// The mailbox's keywords, from memory where possible.
    pub(crate) fn keyword_map(&mut self) -> Result<&mut KeywordMap, Error> {
        if self.counters.keywords.is_none() {
            self.counters.keywords = Some(KeywordMap::read(self.connection)?);
        }
        Ok(self.counters.keywords.get_or_insert_default())
    }

    /// The numbers of keywords, ascending; new ones are added.
    pub(crate) fn keyword_ids(&mut self, keywords: &[Keyword]) -> Result<Vec<u8>, Error> {
        if keywords.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: BTreeSet<&Keyword> = keywords.iter().collect();
        let map = self.keyword_map()?;
        let new = wanted.iter().filter(|keyword| map.id(keyword).is_none()).count();
        if map.names.len() + new > KEYWORDS_PER_MAILBOX_MAX {
            self.drop_unused_keywords(&wanted)?;
        }
        let mut ids = wanted.into_iter().map(|keyword| self.keyword_id(keyword)).collect::<Result<Vec<_>, _>>()?;
        ids.sort_unstable();
        Ok(ids)
    }

    fn keyword_id(&mut self, keyword: &Keyword) -> Result<u8, Error> {
        let map = self.keyword_map()?;
        if let Some(id) = map.id(keyword) {
            return Ok(id);
        }
        let free = (0..=u8::MAX).find(|id| !map.names.contains_key(id)).ok_or(Error::LimitReached("keywords"))?;
        map.add(free, keyword.clone());
        let mut insert = self.connection.prepare_cached("INSERT INTO keyword (id, name) VALUES (?1, ?2)")?;
        insert.execute(params![free, keyword.as_str()])?;
        Ok(free)
    }

    /// Makes room: numbers that no message carries may name something else.
    fn drop_unused_keywords(&mut self, wanted: &BTreeSet<&Keyword>) -> Result<(), Error> {
        let mut used = BTreeSet::new();
        let mut statement =
            self.connection.prepare_cached("SELECT keywords FROM message WHERE keywords IS NOT NULL")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            used.extend(octets(row, 0)?.iter().copied());
        }
        let connection = self.connection;
        let map = self.keyword_map()?;
        let unused: Vec<u8> = map
            .names
            .iter()
            .filter(|(id, name)| !used.contains(id) && !wanted.contains(name))
            .map(|(id, _)| *id)
            .collect();
        for id in unused {
            connection.prepare_cached("DELETE FROM keyword WHERE id = ?1")?.execute([id])?;
            if let Some(name) = map.names.remove(&id) {
                map.ids.remove(&name);
            }
        }
        Ok(())
    }
}

/// What a row's column holds: nothing where there are none.
pub(crate) fn column(ids: &[u8]) -> Option<&[u8]> {
    (!ids.is_empty()).then_some(ids)
}

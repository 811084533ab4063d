//! One message under test: loads what a test asks for when it is asked for, and no earlier.

use super::filter::Filters;
use super::fold::fold;
use super::pattern::{Pattern, Place};
use super::program::{Column, Test};
use super::texts::Texts;
use super::{NARROW_COST, READ_COST, WIDE_COST};
use crate::content::ChunkCache;
use crate::error::Error;
use crate::row::{modseq, octets, uid};
use model::{Flags, ModSeq, Uid};
use rusqlite::{Connection, Row};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What the narrow row says.
pub(crate) struct Narrow {
    pub(crate) uid: Uid,
    pub(crate) modseq: ModSeq,
    flags: Flags,
    keywords: Vec<u8>,
    internal_ms: i64,
    saved_ms: i64,
    size: u64,
    email: i64,
}

impl Narrow {
    /// The columns that [`Narrow::from_row`] reads.
    pub(crate) const COLUMNS: &str = "uid, modseq, flags, keywords, internal_ms, size, email, saved_ms";

    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            uid: uid(row, 0)?,
            modseq: modseq(row, 1)?,
            flags: Flags::from_bits(row.get(2)?),
            keywords: octets(row, 3)?.to_vec(),
            internal_ms: row.get(4)?,
            size: row.get::<_, i64>(5)? as u64,
            email: row.get(6)?,
            saved_ms: row.get(7)?,
        })
    }
}

/// One message under test.
pub(crate) struct Candidate<'r> {
    connection: &'r Connection,
    chunk: &'r mut ChunkCache,
    filters: &'r mut Filters,
    narrow: &'r Narrow,
    /// The email row was asked.
    wide: bool,
    texts: Option<Texts<'r>>,
}

impl<'r> Candidate<'r> {
    pub(crate) fn new(
        connection: &'r Connection,
        chunk: &'r mut ChunkCache,
        filters: &'r mut Filters,
        narrow: &'r Narrow,
    ) -> Self {
        Self { connection, chunk, filters, narrow, wide: false, texts: None }
    }

    /// What looking at it cost.
    pub(crate) fn cost(&self) -> usize {
        if self.texts.is_some() {
            READ_COST
        } else if self.wide {
            WIDE_COST
        } else {
            NARROW_COST
        }
    }

    /// Whether the test holds. Recursion is bounded by `SEARCH_DEPTH_MAX`.
    pub(crate) fn passes(&mut self, test: &Test) -> Result<bool, Error> {
        if let Some(text) = test.text()
            && !self.filters.may_contain(self.connection, self.narrow.email, text)?
        {
            return Ok(false);
        }
        Ok(match test {
            Test::All(tests) => {
                for test in tests {
                    if !self.passes(test)? {
                        return Ok(false);
                    }
                }
                true
            }
            Test::Any(tests) => {
                for test in tests {
                    if self.passes(test)? {
                        return Ok(true);
                    }
                }
                false
            }
            Test::Not(test) => !self.passes(test)?,
            Test::Uids(uids) => uids.contains(self.narrow.uid),
            Test::Flag(flag) => self.narrow.flags.has(*flag),
            Test::Keyword(id) => id.is_some_and(|id| self.narrow.keywords.contains(&id)),
            // UTC: INTERNALDATE is kept without the zone that it was given in.
            Test::InternalDate(relation, day) => relation.holds(self.narrow.internal_ms.div_euclid(DAY_MS), *day),
            Test::Larger(size) => self.narrow.size > *size,
            Test::Smaller(size) => self.narrow.size < *size,
            Test::ModSeqAtLeast(modseq) => self.narrow.modseq >= *modseq,
            Test::SentDate(relation, day) => self
                .email("SELECT sent_day FROM email WHERE id = ?1", |row| row.get::<_, Option<i64>>(0))?
                .is_some_and(|sent| relation.holds(sent, *day)),
            Test::Column(column, text) => self.column_contains(*column, text)?,
            Test::Field { name, value } => self.field_contains(name, value)?,
            Test::Body(text) => self.body_passes(&|body| fold(body).contains(text))?,
            Test::Text(text) => self.text_passes(&|part| fold(part).contains(text))?,
            Test::ReceivedFrom(ms) => self.narrow.internal_ms >= *ms,
            Test::ReceivedUntil(ms) => self.narrow.internal_ms <= *ms,
            Test::SavedDate(relation, day) => relation.holds(self.narrow.saved_ms.div_euclid(DAY_MS), *day),
            Test::Email(email) => self.narrow.email as u64 == *email,
            Test::Thread(thread) => {
                self.email("SELECT thread FROM email WHERE id = ?1", |row| row.get::<_, i64>(0))? as u64 == *thread
            }
            Test::Matches(place, pattern) => self.matches(place, pattern)?,
        })
    }

    /// One column of the email row: a search asks for one as a rule, and the row is looked up faster than it is copied.
    fn email<T>(&mut self, sql: &str, read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>) -> Result<T, Error> {
        self.wide = true;
        Ok(self.connection.prepare_cached(sql)?.query_row([self.narrow.email], read)?)
    }

    fn column_contains(&mut self, column: Column, text: &str) -> Result<bool, Error> {
        let (sql, folded) = match column {
            Column::Subject => ("SELECT subject FROM email WHERE id = ?1", true),
            Column::From => ("SELECT \"from\" FROM email WHERE id = ?1", true),
            Column::To => ("SELECT \"to\" FROM email WHERE id = ?1", true),
            Column::Cc => ("SELECT cc FROM email WHERE id = ?1", true),
            Column::Bcc => ("SELECT bcc FROM email WHERE id = ?1", true),
            // Message ids are kept as they were written.
            Column::MessageId => ("SELECT message_id FROM email WHERE id = ?1", false),
            Column::InReplyTo => ("SELECT in_reply_to FROM email WHERE id = ?1", false),
        };
        self.email(sql, |row| {
            let value = row.get_ref(0)?.as_str_or_null()?.unwrap_or_default();
            Ok(if folded { value.contains(text) } else { fold(value).contains(text) })
        })
    }

    fn texts(&mut self) -> Result<(&Texts<'r>, &mut ChunkCache), Error> {
        let texts = match self.texts.take() {
            Some(texts) => texts,
            None => Texts::load(self.connection, self.narrow.email)?,
        };
        Ok((self.texts.insert(texts), self.chunk))
    }

    /// The values of the top header's fields of this name, decoded.
    fn field_values(&mut self, name: &str) -> Result<Vec<String>, Error> {
        let (texts, chunk) = self.texts()?;
        Ok(message::text::field_values(&texts.top_header(chunk)?, name))
    }

    fn field_contains(&mut self, name: &str, value: &str) -> Result<bool, Error> {
        Ok(self.field_values(name)?.iter().any(|field| fold(field).contains(value)))
    }

    fn body_passes(&mut self, passes: &dyn Fn(&str) -> bool) -> Result<bool, Error> {
        let (texts, chunk) = self.texts()?;
        texts.any_of_body(chunk, passes)
    }

    fn text_passes(&mut self, passes: &dyn Fn(&str) -> bool) -> Result<bool, Error> {
        let (texts, chunk) = self.texts()?;
        Ok(passes(&texts.header(chunk)?)
            || texts.any_of_part_headers(chunk, passes)?
            || texts.any_of_body(chunk, passes)?)
    }

    fn matches(&mut self, place: &Place, pattern: &Pattern) -> Result<bool, Error> {
        match place {
            Place::Field(name) => Ok(self.field_values(name)?.iter().any(|field| pattern.is_in(field))),
            Place::Body => self.body_passes(&|text| pattern.is_in(text)),
            Place::Text => self.text_passes(&|text| pattern.is_in(text)),
        }
    }
}

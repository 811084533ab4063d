//! One message under test: loads what a test asks for when it is asked for, and no earlier.

use super::fold::fold;
use super::program::{Column, Test};
use crate::content::{ChunkCache, Segment, decode_segments};
use crate::error::Error;
use crate::row::{modseq, octets, uid};
use message::{Kind, Part, Structure};
use model::limits::HEADER_BYTES_MAX;
use model::{Flags, ModSeq, Uid};
use rusqlite::{Connection, Row};
use std::ops::Range;

/// Octets of one text part that a search reads: bounds its memory; nobody writes more.
const SEARCHED_PART_BYTES_MAX: u64 = 16 * 1024 * 1024;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What the narrow row says.
pub(crate) struct Narrow {
    pub(crate) uid: Uid,
    pub(crate) modseq: ModSeq,
    flags: Flags,
    keywords: Vec<u8>,
    internal_ms: i64,
    size: u64,
    email: i64,
}

impl Narrow {
    /// The columns that [`Narrow::from_row`] reads.
    pub(crate) const COLUMNS: &str = "uid, modseq, flags, keywords, internal_ms, size, email";

    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            uid: uid(row, 0)?,
            modseq: modseq(row, 1)?,
            flags: Flags::from_bits(row.get(2)?),
            keywords: octets(row, 3)?.to_vec(),
            internal_ms: row.get(4)?,
            size: row.get::<_, i64>(5)? as u64,
            email: row.get(6)?,
        })
    }
}

/// What the email row says that searches ask for.
struct Wide {
    sent_day: Option<i32>,
    columns: [Option<String>; 7],
    segments: Vec<Segment>,
}

/// One message under test.
pub(crate) struct Candidate<'r> {
    connection: &'r Connection,
    chunk: &'r mut ChunkCache,
    narrow: &'r Narrow,
    wide: Option<Wide>,
    structure: Option<Structure>,
}

impl<'r> Candidate<'r> {
    pub(crate) fn new(connection: &'r Connection, chunk: &'r mut ChunkCache, narrow: &'r Narrow) -> Self {
        Self { connection, chunk, narrow, wide: None, structure: None }
    }

    /// Whether the test holds. Recursion is bounded by `SEARCH_DEPTH_MAX`.
    pub(crate) fn passes(&mut self, test: &Test) -> Result<bool, Error> {
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
            Test::SentDate(relation, day) => {
                self.wide()?.sent_day.is_some_and(|sent| relation.holds(i64::from(sent), *day))
            }
            Test::Column(column, text) => {
                self.wide()?.columns[*column as usize].as_ref().is_some_and(|value| value.contains(text))
            }
            Test::Field { name, value } => self.field_contains(name, value)?,
            Test::Body(text) => self.body_contains(text)?,
            Test::Text(text) => self.header_contains(text)? || self.body_contains(text)?,
        })
    }

    fn wide(&mut self) -> Result<&Wide, Error> {
        if self.wide.is_none() {
            // In the order of `Column`.
            let mut statement = self.connection.prepare_cached(
                "SELECT subject, \"from\", \"to\", cc, bcc, message_id, in_reply_to, sent_day, segments FROM email WHERE id = ?1",
            )?;
            let (mut columns, sent_day, segments) = statement.query_row([self.narrow.email], |row| {
                let mut columns: [Option<String>; 7] = Default::default();
                for (at, column) in columns.iter_mut().enumerate() {
                    *column = row.get(at)?;
                }
                Ok((columns, row.get(7)?, row.get::<_, Vec<u8>>(8)?))
            })?;
            // Message ids are kept as they were written.
            for column in [Column::MessageId, Column::InReplyTo] {
                let slot = &mut columns[column as usize];
                *slot = slot.as_deref().map(fold);
            }
            self.wide = Some(Wide { sent_day, columns, segments: decode_segments(&segments)? });
        }
        self.wide.as_ref().ok_or_else(|| Error::damaged("an email row is missing"))
    }

    fn structure(&mut self) -> Result<Structure, Error> {
        if let Some(structure) = &self.structure {
            return Ok(structure.clone());
        }
        let structure = self
            .connection
            .prepare_cached("SELECT structure FROM email WHERE id = ?1")?
            .query_row([self.narrow.email], |row| Ok(Structure::decode(octets(row, 0)?)))?
            .map_err(|error| Error::damaged(error.to_string()))?;
        self.structure = Some(structure.clone());
        Ok(structure)
    }

    fn octets(&mut self, range: Range<u64>) -> Result<Vec<u8>, Error> {
        self.wide()?;
        let Some(wide) = &self.wide else { return Ok(Vec::new()) };
        let mut out = Vec::new();
        self.chunk.read(self.connection, &wide.segments, range, &mut out)?;
        Ok(out)
    }

    fn header(&mut self, header: &Range<u64>) -> Result<Vec<u8>, Error> {
        self.octets(header.start..header.end.min(header.start + HEADER_BYTES_MAX as u64))
    }

    fn top_header(&mut self) -> Result<Vec<u8>, Error> {
        let top = self.structure()?.parts().first().map(|part| part.header.clone());
        top.map_or(Ok(Vec::new()), |range| self.header(&range))
    }

    fn field_contains(&mut self, name: &str, value: &str) -> Result<bool, Error> {
        let header = self.top_header()?;
        Ok(message::text::field_values(&header, name).iter().any(|field| fold(field).contains(value)))
    }

    fn header_contains(&mut self, text: &str) -> Result<bool, Error> {
        let header = self.top_header()?;
        Ok(fold(&message::text::decoded_header(&header)).contains(text))
    }

    fn body_contains(&mut self, text: &str) -> Result<bool, Error> {
        for part in self.structure()?.parts() {
            if self.part_contains(part, text)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Text of a text part; of a message within the message its header too, which is part of the outer body.
    fn part_contains(&mut self, part: &Part, text: &str) -> Result<bool, Error> {
        if let Some(embedded) = &part.embedded {
            let header = self.header(&embedded.header)?;
            return Ok(fold(&message::text::decoded_header(&header)).contains(text));
        }
        let Kind::Leaf(leaf) = &part.kind else { return Ok(false) };
        if leaf.text.is_none() {
            return Ok(false);
        }
        let end = part.body.end.min(part.body.start + SEARCHED_PART_BYTES_MAX);
        let raw = self.octets(part.body.start..end)?;
        Ok(fold(&message::text::body_text(&raw, part)).contains(text))
    }
}

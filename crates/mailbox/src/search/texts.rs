//! The texts of one email, decoded: what a search compares, and what the index is made of. One place for both, so that the
//! index misses nothing that a search would find. Folding is the caller's.

use crate::content::{ChunkCache, Segment, decode_segments};
use crate::error::Error;
use crate::row::octets;
use message::{Kind, Part, Structure};
use model::limits::HEADER_BYTES_MAX;
use rusqlite::Connection;
use std::ops::Range;

/// Octets of one text part that a search reads: bounds its memory; nobody writes more.
const SEARCHED_PART_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// One email's octets and structure.
pub(crate) struct Texts<'r> {
    connection: &'r Connection,
    segments: Vec<Segment>,
    structure: Structure,
}

impl<'r> Texts<'r> {
    pub(crate) fn load(connection: &'r Connection, email: i64) -> Result<Self, Error> {
        let mut statement = connection.prepare_cached("SELECT segments, structure FROM email WHERE id = ?1")?;
        let (segments, structure) = statement
            .query_row([email], |row| Ok((decode_segments(octets(row, 0)?), Structure::decode(octets(row, 1)?))))?;
        let structure = structure.map_err(|error| Error::damaged(error.to_string()))?;
        Ok(Self { connection, segments: segments?, structure })
    }

    fn octets(&self, chunk: &mut ChunkCache, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        chunk.read(self.connection, &self.segments, range, &mut out)?;
        Ok(out)
    }

    fn header_octets(&self, chunk: &mut ChunkCache, header: &Range<u64>) -> Result<Vec<u8>, Error> {
        self.octets(chunk, header.start..header.end.min(header.start + HEADER_BYTES_MAX as u64))
    }

    /// The top header as it stands, as far as headers are looked at.
    pub(crate) fn top_header(&self, chunk: &mut ChunkCache) -> Result<Vec<u8>, Error> {
        let top = self.structure.parts().first();
        top.map_or(Ok(Vec::new()), |part| self.header_octets(chunk, &part.header))
    }

    /// The top header: a line a field.
    pub(crate) fn header(&self, chunk: &mut ChunkCache) -> Result<String, Error> {
        Ok(message::text::decoded_header(&self.top_header(chunk)?))
    }

    /// Goes over the texts of the body until one satisfies; whether one did.
    pub(crate) fn any_of_body(
        &self,
        chunk: &mut ChunkCache,
        mut satisfies: impl FnMut(&str) -> bool,
    ) -> Result<bool, Error> {
        for part in self.structure.parts() {
            if let Some(text) = self.part(chunk, part)?
                && satisfies(&text)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Goes over the headers of parts, and of messages within the message, until one satisfies; whether one did. TEXT looks
    /// at them, BODY does not (RFC 9051 §6.4.4).
    pub(crate) fn any_of_part_headers(
        &self,
        chunk: &mut ChunkCache,
        mut satisfies: impl FnMut(&str) -> bool,
    ) -> Result<bool, Error> {
        let parts = self.structure.parts();
        let own = parts.iter().skip(1).map(|part| &part.header);
        let embedded = parts.iter().filter_map(|part| part.embedded.as_ref()).map(|message| &message.header);
        for header in own.chain(embedded).filter(|header| !header.is_empty()) {
            if satisfies(&message::text::decoded_header(&self.header_octets(chunk, header)?)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Text of a text part.
    fn part(&self, chunk: &mut ChunkCache, part: &Part) -> Result<Option<String>, Error> {
        let Kind::Leaf(leaf) = &part.kind else { return Ok(None) };
        if leaf.text.is_none() {
            return Ok(None);
        }
        let end = part.body.end.min(part.body.start + SEARCHED_PART_BYTES_MAX);
        let raw = self.octets(chunk, part.body.start..end)?;
        Ok(Some(message::text::body_text(&raw, part)))
    }
}

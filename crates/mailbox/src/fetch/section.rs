//! The octets of body sections: found by the stored structure, read chunk by chunk, cut where a step's budget ends.

use super::plan::{Section, SectionData, SectionKind};
use crate::content::{ChunkCache, Segment};
use crate::error::Error;
use message::Structure;
use model::limits::HEADER_BYTES_MAX;
use rusqlite::Connection;
use std::ops::Range;

/// Where a section's octets come from.
#[derive(Debug, Clone)]
enum Source {
    /// There is no such part.
    Missing,
    /// A run of the message; what is left of it.
    Message(Range<u64>),
    /// Chosen header fields; what is left of them.
    Chosen(Vec<u8>, Range<usize>),
}

impl Source {
    fn left(&self) -> u64 {
        match self {
            Self::Missing => 0,
            Self::Message(range) => range.end - range.start,
            Self::Chosen(_, range) => (range.end - range.start) as u64,
        }
    }
}

/// How far the sections of one message have been answered.
#[derive(Debug, Clone)]
pub(super) struct Sections {
    segments: Vec<Segment>,
    size: u64,
    structure: Option<Structure>,
    index: usize,
    source: Option<Source>,
}

/// What reading takes.
pub(super) struct Access<'a> {
    pub(super) connection: &'a Connection,
    pub(super) chunk: &'a mut ChunkCache,
}

impl Sections {
    /// At the first section. `structure` may be left out when [`needs_structure`] says so.
    pub(super) const fn new(segments: Vec<Segment>, size: u64, structure: Option<Structure>) -> Self {
        Self { segments, size, structure, index: 0, source: None }
    }

    /// Answers sections into `out` until the budget is used up; true when all are answered.
    pub(super) fn answer(
        &mut self,
        wanted: &[Section],
        access: &mut Access<'_>,
        budget: &mut usize,
        out: &mut Vec<SectionData>,
    ) -> Result<bool, Error> {
        while let Some(section) = wanted.get(self.index) {
            let index = self.index as u32;
            let (mut source, total) = match self.source.take() {
                Some(source) => (source, None),
                None => {
                    let source = self.resolve(section, access)?;
                    let total = source.left();
                    (source, Some(total))
                }
            };
            let missing = matches!(source, Source::Missing);
            let mut data = Vec::new();
            let now = usize::try_from(source.left()).unwrap_or(usize::MAX).min(*budget);
            self.take(&mut source, now, access, &mut data)?;
            *budget -= now;
            out.push(SectionData { index, total, data, missing });
            if source.left() > 0 {
                self.source = Some(source);
                return Ok(false);
            }
            self.index += 1;
        }
        Ok(true)
    }

    fn take(&self, source: &mut Source, count: usize, access: &mut Access<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        match source {
            Source::Missing => {}
            Source::Message(range) => {
                let end = range.start + count as u64;
                out.reserve_exact(count);
                access.chunk.read(access.connection, &self.segments, range.start..end, out)?;
                range.start = end;
            }
            Source::Chosen(bytes, range) => {
                let end = range.start + count;
                out.extend_from_slice(bytes.get(range.start..end).unwrap_or_default());
                range.start = end;
            }
        }
        Ok(())
    }

    fn resolve(&self, section: &Section, access: &mut Access<'_>) -> Result<Source, Error> {
        let source = match &section.kind {
            SectionKind::All if section.part.is_empty() => Source::Message(0..self.size),
            SectionKind::All => self.range(section, message::Section::All),
            SectionKind::Header => self.range(section, message::Section::Header),
            SectionKind::Text => self.range(section, message::Section::Text),
            SectionKind::Mime => self.range(section, message::Section::Mime),
            SectionKind::Fields(names) => self.chosen(section, names, false, access)?,
            SectionKind::FieldsNot(names) => self.chosen(section, names, true, access)?,
        };
        Ok(match section.partial {
            Some((offset, length)) => partial(source, offset, length),
            None => source,
        })
    }

    fn range(&self, section: &Section, what: message::Section) -> Source {
        let found = self.structure.as_ref().and_then(|structure| structure.range(&section.part, what));
        found
            .filter(|range| range.start <= range.end && range.end <= self.size)
            .map_or(Source::Missing, Source::Message)
    }

    /// HEADER.FIELDS; of an enormous header only the part that is described otherwise too.
    fn chosen(&self, section: &Section, names: &[String], not: bool, access: &mut Access<'_>) -> Result<Source, Error> {
        let Source::Message(header) = self.range(section, message::Section::Header) else { return Ok(Source::Missing) };
        let mut bytes = Vec::new();
        let end = header.end.min(header.start + HEADER_BYTES_MAX as u64);
        access.chunk.read(access.connection, &self.segments, header.start..end, &mut bytes)?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let chosen = message::select_fields(&bytes, &names, not);
        let all = 0..chosen.len();
        Ok(Source::Chosen(chosen, all))
    }
}

/// Whether any section needs more than the message's size.
pub(super) fn needs_structure(sections: &[Section]) -> bool {
    sections.iter().any(|section| !(section.part.is_empty() && section.kind == SectionKind::All))
}

/// `<offset.length>`: what is beyond the end is not there, which is no error (RFC 9051 §6.4.5).
fn partial(source: Source, offset: u64, length: u64) -> Source {
    match source {
        Source::Missing => Source::Missing,
        Source::Message(range) => {
            let start = range.start.saturating_add(offset).min(range.end);
            Source::Message(start..start.saturating_add(length).min(range.end))
        }
        Source::Chosen(bytes, range) => {
            let cut = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(range.end);
            let (start, end) = (cut(offset), cut(offset.saturating_add(length)));
            Source::Chosen(bytes, start..end)
        }
    }
}

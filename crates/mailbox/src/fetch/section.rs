//! The octets of body sections: found by the stored structure, read chunk by chunk, cut where a step's budget ends.

use super::decoded::{Decoded, Sizing};
use super::plan::{Section, SectionData, SectionKind};
use crate::content::{ChunkCache, Segment};
use crate::error::Error;
use message::{Decoder, Structure};
use model::limits::HEADER_BYTES_MAX;
use rusqlite::Connection;
use std::ops::Range;

/// Where a section's octets come from.
#[derive(Debug, Clone)]
enum Source {
    /// There is no such part.
    Missing,
    /// Nobody can decode the part.
    UnknownEncoding,
    /// A run of the message; what is left of it.
    Message(Range<u64>),
    /// Chosen header fields; what is left of them.
    Chosen(Vec<u8>, Range<usize>),
    /// A decoded part of which it is not known yet how long it is.
    Sizing(Sizing),
    /// A decoded part.
    Decoded(Decoded),
    /// A length alone.
    Length(u64),
}

impl Source {
    /// Octets that are still to be answered.
    fn left(&self) -> u64 {
        match self {
            Self::Missing | Self::UnknownEncoding | Self::Sizing(_) | Self::Length(_) => 0,
            Self::Message(range) => range.end - range.start,
            Self::Chosen(_, range) => (range.end - range.start) as u64,
            Self::Decoded(decoded) => decoded.left(),
        }
    }

    /// The section at its beginning.
    fn first(&self, index: u32) -> SectionData {
        let total = if let Self::Length(octets) = self { *octets } else { self.left() };
        SectionData {
            total: Some(total),
            missing: matches!(self, Self::Missing),
            unknown_encoding: matches!(self, Self::UnknownEncoding),
            holds_nul: matches!(self, Self::Decoded(decoded) if decoded.holds_nul()),
            ..SectionData::more(index)
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
    /// Something of the section at hand has been answered.
    begun: bool,
}

/// What reading takes.
pub(super) struct Access<'a> {
    pub(super) connection: &'a Connection,
    pub(super) chunk: &'a mut ChunkCache,
}

impl Access<'_> {
    /// Octets of a message, instead of what is in `out`.
    pub(super) fn read(&mut self, segments: &[Segment], range: Range<u64>, out: &mut Vec<u8>) -> Result<(), Error> {
        out.clear();
        self.chunk.read(self.connection, segments, range, out)
    }
}

impl Sections {
    /// At the first section. `structure` may be left out when [`needs_structure`] says so.
    pub(super) const fn new(segments: Vec<Segment>, size: u64, structure: Option<Structure>) -> Self {
        Self { segments, size, structure, index: 0, source: None, begun: false }
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
            let mut piece = SectionData::more(self.index as u32);
            let mut source = match self.source.take() {
                Some(source) => source,
                None => self.resolve(section, access)?,
            };
            if !self.begun {
                if let Source::Sizing(sizing) = &mut source
                    && !sizing.go_on(&self.segments, access, budget)?
                {
                    self.source = Some(source);
                    return Ok(false);
                }
                source = self.sized(source, section);
                piece = source.first(piece.index);
                self.begun = true;
            }
            let now = usize::try_from(source.left()).unwrap_or(usize::MAX).min(*budget);
            self.take(&mut source, now, access, &mut piece.data)?;
            *budget -= now;
            out.push(piece);
            if source.left() > 0 {
                self.source = Some(source);
                return Ok(false);
            }
            self.index += 1;
            self.begun = false;
        }
        Ok(true)
    }

    /// A part whose length has been found becomes its octets, or the length alone.
    fn sized(&self, source: Source, section: &Section) -> Source {
        let Source::Sizing(sizing) = source else { return source };
        match (&section.kind, self.decoder(section)) {
            (SectionKind::Binary, Some(decoder)) => Source::Decoded(sizing.octets(decoder, section.partial)),
            _ => Source::Length(sizing.length()),
        }
    }

    /// What undoes the part's transfer encoding; `None` when nobody knows it. Only leaves have one (RFC 2045 §6.4).
    fn decoder(&self, section: &Section) -> Option<Decoder> {
        match &self.structure.as_ref()?.section(&section.part)?.kind {
            message::Kind::Leaf(leaf) if !section.part.is_empty() => Decoder::new(leaf.encoding),
            message::Kind::Leaf(_) | message::Kind::Multipart | message::Kind::Message => {
                Decoder::new(message::Encoding::Binary)
            }
        }
    }

    /// BINARY and BINARY.SIZE. The message itself, and parts that hold parts, have nothing to undo.
    fn decoded(&self, section: &Section) -> Source {
        let Source::Message(body) = self.range(section, message::Section::All) else { return Source::Missing };
        match self.decoder(section) {
            None => Source::UnknownEncoding,
            Some(decoder) if !decoder.is_identity() => Source::Sizing(Sizing::new(body, decoder)),
            Some(_) if section.kind == SectionKind::BinarySize => Source::Length(body.end - body.start),
            Some(_) => Source::Message(body),
        }
    }

    fn take(&self, source: &mut Source, count: usize, access: &mut Access<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        match source {
            Source::Missing | Source::UnknownEncoding | Source::Sizing(_) | Source::Length(_) => {}
            Source::Decoded(decoded) => decoded.take(count, &self.segments, access, out)?,
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
            SectionKind::Binary | SectionKind::BinarySize => self.decoded(section),
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
        // The partial of a decoded part counts decoded octets.
        Source::Missing | Source::UnknownEncoding | Source::Sizing(_) | Source::Decoded(_) | Source::Length(_) => {
            source
        }
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

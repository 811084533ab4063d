//! Turns cut bytes into segments of finished pieces: large bodies become segments of their own, all else is joined.

use super::Piece;
use crate::content::{CHUNK_BYTES, compress};
use crate::error::Error;
use std::sync::Arc;
use vault::Digest;

/// Octets from which a body between two cuts is stored as a content of its own: a logo in a signature is shared, a note is
/// not taken apart. Also bounds what is held back while it is not known yet how large a body will be.
pub(crate) const SHARE_BYTES_MIN: usize = 32 * 1024;

/// A run of the message that is stored, and shared, as one content.
#[derive(Debug)]
pub(crate) struct SegmentDraft {
    /// What its staged pieces are known by.
    pub(crate) number: u32,
    pub(crate) sha256: [u8; 32],
    pub(crate) size: u64,
    /// Pieces of it that were handed out to be staged: the first ones.
    pub(crate) staged: u32,
    /// The pieces that were not.
    pub(crate) pieces: Vec<Piece>,
}

/// The number of the segment that holds what was put in front; the others count from the next.
const PREFIX_NUMBER: u32 = 0;

/// Bounded but for the pieces that nobody has taken.
pub(crate) struct Segmenter {
    segments: Vec<SegmentDraft>,
    current: Current,
    /// What came after the last cut, until it is known to be large.
    tail: Vec<u8>,
    /// The current segment is a large body: the next cut ends it.
    large: bool,
}

/// The segment that is being filled.
struct Current {
    digest: Digest,
    size: u64,
    staged: u32,
    pieces: Vec<Piece>,
    chunk: Vec<u8>,
}

impl Current {
    fn new() -> Self {
        Self { digest: Digest::new(), size: 0, staged: 0, pieces: Vec::new(), chunk: Vec::new() }
    }
}

impl Segmenter {
    pub(crate) fn new() -> Self {
        Self { segments: Vec::new(), current: Current::new(), tail: Vec::new(), large: false }
    }

    /// Takes octets between two cuts.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        if !self.large {
            let room = (SHARE_BYTES_MIN - self.tail.len()).min(bytes.len());
            let (held, rest) = bytes.split_at(room);
            self.tail.extend_from_slice(held);
            bytes = rest;
            if self.tail.len() == SHARE_BYTES_MIN {
                self.close()?;
                self.large = true;
                self.join_tail()?;
            }
        }
        self.fill(bytes)
    }

    /// Takes a cut.
    pub(crate) fn cut(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.large) { self.close() } else { self.join_tail() }
    }

    /// Finished pieces, oldest first; they count as staged.
    pub(crate) fn take_pieces(&mut self) -> Vec<Piece> {
        let mut taken = Vec::new();
        for segment in &mut self.segments {
            segment.staged += segment.pieces.len() as u32;
            taken.append(&mut segment.pieces);
        }
        self.current.staged += self.current.pieces.len() as u32;
        taken.append(&mut self.current.pieces);
        taken
    }

    /// The message is whole, and `prefix` is known, which stands in front of all that came.
    pub(crate) fn finish(mut self, prefix: &[u8]) -> Result<Vec<SegmentDraft>, Error> {
        self.join_tail()?;
        if self.takes(prefix) {
            self.current.chunk.splice(0..0, prefix.iter().copied());
            self.current.size += prefix.len() as u64;
            self.close()?;
            return Ok(self.segments);
        }
        self.close()?;
        // The octets that begin the first segment are compressed, and perhaps staged: what is in front is one of its own.
        let pieces = prefix.chunks(CHUNK_BYTES).enumerate().map(|(sequence, chunk)| {
            let bytes = Arc::from(compress(chunk)?);
            Ok(Piece { segment: PREFIX_NUMBER, sequence: sequence as u32, size: chunk.len() as u32, bytes })
        });
        let pieces = pieces.collect::<Result<_, Error>>()?;
        let (sha256, size) = (vault::digest(prefix), prefix.len() as u64);
        self.segments.insert(0, SegmentDraft { number: PREFIX_NUMBER, sha256, size, staged: 0, pieces });
        Ok(self.segments)
    }

    /// Whether all that came is in the chunk that is being filled, and has room there for the prefix: most messages, whose
    /// prefix then costs no content of its own.
    fn takes(&self, prefix: &[u8]) -> bool {
        let current = &self.current;
        let alone = self.segments.is_empty() && current.size == current.chunk.len() as u64;
        prefix.is_empty() || (alone && current.chunk.len() + prefix.len() <= CHUNK_BYTES)
    }

    fn join_tail(&mut self) -> Result<(), Error> {
        let mut tail = std::mem::take(&mut self.tail);
        let joined = self.fill(&tail);
        tail.clear();
        self.tail = tail;
        joined
    }

    fn fill(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.current.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = (CHUNK_BYTES - self.current.chunk.len()).min(bytes.len());
            let (now, rest) = bytes.split_at(room);
            self.current.chunk.extend_from_slice(now);
            bytes = rest;
            if self.current.chunk.len() == CHUNK_BYTES {
                self.end_chunk()?;
            }
        }
        Ok(())
    }

    fn end_chunk(&mut self) -> Result<(), Error> {
        let current = &mut self.current;
        let piece = Piece {
            segment: PREFIX_NUMBER + 1 + self.segments.len() as u32,
            sequence: current.staged + current.pieces.len() as u32,
            size: current.chunk.len() as u32,
            bytes: Arc::from(compress(&current.chunk)?),
        };
        // Here, and not as the octets come, so that something can still be put in front of the first ones.
        current.digest.update(&current.chunk);
        current.chunk.clear();
        current.pieces.push(piece);
        Ok(())
    }

    /// Ends the current segment, unless nothing is in it.
    fn close(&mut self) -> Result<(), Error> {
        if self.current.size == 0 {
            return Ok(());
        }
        if !self.current.chunk.is_empty() {
            self.end_chunk()?;
        }
        let done = std::mem::replace(&mut self.current, Current::new());
        let sha256 = done.digest.finish();
        let number = PREFIX_NUMBER + 1 + self.segments.len() as u32;
        self.segments.push(SegmentDraft { number, sha256, size: done.size, staged: done.staged, pieces: done.pieces });
        Ok(())
    }
}

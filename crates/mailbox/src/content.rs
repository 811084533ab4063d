//! How bytes are stored: a message is a row of segments, a segment is a content, a content is a row of chunks.
//!
//! Every chunk of a content but the last holds [`CHUNK_BYTES`] octets, so that an offset leads straight to its chunk.

use crate::error::Error;
use crate::row::octets;
use rusqlite::{Connection, OptionalExtension};
use std::cell::RefCell;
use std::ops::Range;

/// Octets of a chunk before compression: one read brings enough for a frame, and a small FETCH of a large message little too
/// much.
pub(crate) const CHUNK_BYTES: usize = 128 * 1024;
/// Bits of a chunk's id that number it within its content: 2^20 chunks, 128 GiB.
pub(crate) const SEQUENCE_BITS: u32 = 20;
/// Content ids stay below this, so that chunk ids fit SQLite's 63 bits.
pub(crate) const CONTENT_IDS_MAX: i64 = 1 << (63 - SEQUENCE_BITS);
/// The zstd level: 1 was free on reading and halved the file.
const ZSTD_LEVEL: i32 = 1;

/// A run of a message: a whole content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) content: i64,
    pub(crate) size: u64,
}

/// The id of a content's chunk.
pub(crate) const fn chunk_id(content: i64, sequence: u32) -> i64 {
    content << SEQUENCE_BITS | sequence as i64
}

/// The ids that a content's chunks can have, both ends included.
pub(crate) const fn chunk_ids(content: i64) -> (i64, i64) {
    (content << SEQUENCE_BITS, ((content + 1) << SEQUENCE_BITS) - 1)
}

/// `email.segments`: content id and size of each, as LEB128 numbers.
pub(crate) fn encode_segments(segments: &[Segment]) -> Vec<u8> {
    let mut out = Vec::with_capacity(segments.len() * 8);
    for segment in segments {
        push_number(&mut out, segment.content as u64);
        push_number(&mut out, segment.size);
    }
    out
}

/// The inverse; checks that ids and sizes are possible.
pub(crate) fn decode_segments(mut bytes: &[u8]) -> Result<Vec<Segment>, Error> {
    let mut segments = Vec::new();
    while !bytes.is_empty() {
        let pair = take_number(&mut bytes).zip(take_number(&mut bytes));
        let (content, size) = pair.ok_or_else(|| Error::damaged("a message's segments cannot be read"))?;
        let content = i64::try_from(content).ok().filter(|id| (1..CONTENT_IDS_MAX).contains(id));
        let content = content.ok_or_else(|| Error::damaged("a message names an impossible content"))?;
        segments.push(Segment { content, size });
    }
    Ok(segments)
}

pub(crate) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

thread_local! {
    // A zstd context is some 100 KB and dear to make; blocking threads are few and long-lived.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A chunk as it is stored: compressed when that is smaller.
pub(crate) fn compress(plain: &[u8]) -> Result<Vec<u8>, Error> {
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Some(zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(|error| Error::io("compressing", error))?);
        }
        let Some(compressor) = slot.as_mut() else { return Ok(plain.to_vec()) };
        let small = compressor.compress(plain).map_err(|error| Error::io("compressing", error))?;
        Ok(if small.len() < plain.len() { small } else { plain.to_vec() })
    })
}

/// The octets of a stored chunk, exactly `size` of them.
pub(crate) fn plain_chunk(stored: &[u8], size: usize) -> Result<Vec<u8>, Error> {
    decompress(stored, size)
}

fn decompress(stored: &[u8], size: usize) -> Result<Vec<u8>, Error> {
    if size > CHUNK_BYTES || stored.len() > size {
        return Err(Error::damaged("a chunk's size is impossible"));
    }
    if stored.len() == size {
        return Ok(stored.to_vec());
    }
    let plain = DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Some(zstd::bulk::Decompressor::new()?);
        }
        slot.as_mut().map_or(Ok(Vec::new()), |decompressor| decompressor.decompress(stored, size))
    });
    match plain {
        Ok(plain) if plain.len() == size => Ok(plain),
        Ok(_) | Err(_) => Err(Error::damaged("a chunk does not decompress to its size")),
    }
}

/// The last chunk that was read: a long section and the next of the same message continue in it.
#[derive(Debug, Default)]
pub(crate) struct ChunkCache {
    id: i64,
    plain: Vec<u8>,
}

impl ChunkCache {
    /// Appends octets `range` of the message to `out`.
    ///
    /// # Errors
    /// [`Error::Gone`] when a chunk is not there any more, [`Error::Damaged`] when the range is not within the segments.
    pub(crate) fn read(
        &mut self,
        connection: &Connection,
        segments: &[Segment],
        range: Range<u64>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let (mut start, mut at) = (0u64, range.start);
        for segment in segments {
            let end = start + segment.size;
            while at < range.end && at < end {
                let offset = at - start;
                let sequence = (offset / CHUNK_BYTES as u64) as u32;
                self.load(connection, chunk_id(segment.content, sequence))?;
                let within = (offset % CHUNK_BYTES as u64) as usize;
                let wanted = (range.end.min(end) - at).min(CHUNK_BYTES as u64) as usize;
                let bytes = self.plain.get(within..).unwrap_or_default();
                let bytes = bytes.get(..wanted.min(bytes.len())).unwrap_or_default();
                if bytes.is_empty() {
                    return Err(Error::damaged("a chunk is shorter than its content"));
                }
                out.extend_from_slice(bytes);
                at += bytes.len() as u64;
            }
            start = end;
        }
        if at < range.end { Err(Error::damaged("a message is shorter than its size")) } else { Ok(()) }
    }

    fn load(&mut self, connection: &Connection, id: i64) -> Result<(), Error> {
        if self.id == id {
            return Ok(());
        }
        self.id = 0;
        let plain = connection
            .prepare_cached("SELECT size, bytes FROM chunk WHERE id = ?1")?
            .query_row([id], |row| Ok(decompress(octets(row, 1)?, row.get::<_, u32>(0)? as usize)))
            .optional()?;
        self.plain = plain.ok_or(Error::Gone)??;
        self.id = id;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_come_back() {
        let segments = [
            Segment { content: 1, size: 0 },
            Segment { content: CONTENT_IDS_MAX - 1, size: u64::MAX },
            Segment { content: 300, size: 127 },
        ];
        let bytes = encode_segments(&segments);
        assert_eq!(decode_segments(&bytes).unwrap(), segments);
        assert!(decode_segments(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode_segments(&[0, 5]).is_err());
        assert!(decode_segments(&[0xff; 12]).is_err());
    }

    #[test]
    fn chunks_come_back_and_damage_is_named() {
        let text = b"the same line again\r\n".repeat(1000);
        let stored = compress(&text).unwrap();
        assert!(stored.len() < text.len() / 10);
        assert_eq!(decompress(&stored, text.len()).unwrap(), text);
        assert!(decompress(&stored, text.len() - 1).is_err());
        assert!(decompress(&stored, CHUNK_BYTES + 1).is_err());
        assert!(decompress(&stored[..stored.len() - 1], text.len()).is_err());
        let noise: Vec<u8> = (0..200u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert_eq!(compress(&noise).unwrap(), noise);
    }
}

//! The write-ahead log as it lies on the disk, read beside the engine and without a key: its checksums are over what is
//! encrypted already.
//!
//! The engine takes the first frame whose checksum fails for the end of the log, and says nothing. That is right for a
//! transaction that a power cut tore, of which nobody was told that it is kept. It is wrong for a transaction that was synced
//! and damaged later: that one and all behind it would be gone without a word. What tells them apart is what stands behind:
//! a commit is synced before the next transaction's first frame is written, so a whole transaction with a frame of the next
//! one chained to it was on stable storage once, and a bad frame in it is damage.
//!
//! <https://sqlite.org/fileformat2.html#walformat> has the format.

use crate::create::with_suffix;
use crate::disk::Disk;
use std::io;
use std::path::{Path, PathBuf};

/// Octets of the log's header.
const HEADER_BYTES: usize = 32;
/// Octets of a frame's header; a page follows.
const FRAME_HEADER_BYTES: usize = 24;
/// Octets that are read at once.
const READ_BYTES: usize = 256 * 1024;
/// The magic number, but for its last bit, which says in which order of octets the checksums add up.
const MAGIC: u32 = 0x377f_0682;
/// Bits in which a salt may differ to be taken for a damaged one: that of another log is random.
const SALT_BITS_DAMAGED_MAX: u32 = 2;

/// What keeps a log, or the end of it, from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadFrame {
    /// From 1; 0 is the log's header.
    pub(crate) frame: u64,
    /// Where in the log it begins.
    pub(crate) offset: u64,
}

/// What a log is, as far as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not to the end yet.
    Unfinished,
    /// Whatever is not readable of it, nobody was told that it is kept.
    Sound,
    /// Something that was on stable storage is damaged.
    Damaged(BadFrame),
    /// It was begun anew meanwhile.
    Restarted,
}

/// A checksum as it adds up.
type Sum = [u32; 2];

/// A walk through a log.
pub(crate) struct LogWalk {
    path: PathBuf,
    header: Option<Header>,
    /// Frames that the engine counts as committed; `None` where no connection knows.
    committed: Option<u64>,
    /// The next frame to look at, from 1.
    frame: u64,
    sum: Sum,
    bad: Option<Bad>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    big_endian: bool,
    page_bytes: usize,
    salts: [u8; 8],
    sum: Sum,
    is_valid: bool,
}

/// A frame that fails, and what was seen behind it.
#[derive(Debug, Clone, Copy)]
struct Bad {
    frame: BadFrame,
    /// Its transaction's last frame was seen, with this checksum as it stands and as it adds up.
    ended: Option<[Sum; 2]>,
}

struct Frame<'b> {
    is_commit: bool,
    salts: &'b [u8],
    /// As it stands.
    stored: Sum,
    summed: &'b [u8],
    page: &'b [u8],
}

impl LogWalk {
    /// Begins at the front of the log of a file. `committed` is what a connection says is committed in it.
    pub(crate) fn new(file: &Path, committed: Option<u64>) -> Self {
        let path = with_suffix(file, "-wal");
        Self { path, header: None, committed, frame: 1, sum: [0; 2], bad: None }
    }

    /// Frames that were looked at.
    pub(crate) fn frames(&self) -> u64 {
        self.frame - 1
    }

    /// Frames that the engine counts as committed.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.unwrap_or(0)
    }

    /// Looks at the next octets, some [`READ_BYTES`].
    pub(crate) fn step(&mut self, disk: &dyn Disk) -> io::Result<Verdict> {
        let Some(found) = read_header(disk, &self.path)? else {
            return Ok(if self.committed.unwrap_or(0) > 0 { Verdict::Restarted } else { Verdict::Sound });
        };
        let header = *self.header.get_or_insert(found);
        if header != found {
            return Ok(Verdict::Restarted);
        }
        if self.frame == 1 {
            self.sum = header.sum;
            if !header.is_valid {
                return self.bad_header(disk, &header);
            }
        }
        let frame_bytes = FRAME_HEADER_BYTES + header.page_bytes;
        let mut octets = vec![0; (READ_BYTES / frame_bytes).max(1) * frame_bytes];
        let offset = HEADER_BYTES as u64 + (self.frame - 1) * frame_bytes as u64;
        let count = disk.read_at(&self.path, offset, &mut octets)?;
        let whole = octets.get(..count).unwrap_or_default().chunks_exact(frame_bytes);
        if whole.len() == 0 {
            return Ok(self.at_end());
        }
        for octets in whole {
            if let Some(verdict) = self.look(&header, octets) {
                // Read anew: what was written over while it was read proves nothing.
                let after = read_header(disk, &self.path)?;
                return Ok(if after == Some(header) { verdict } else { Verdict::Restarted });
            }
            self.frame += 1;
        }
        Ok(Verdict::Unfinished)
    }

    /// One frame; a verdict if it ends the walk.
    fn look(&mut self, header: &Header, octets: &[u8]) -> Option<Verdict> {
        let frame = Frame::new(octets)?;
        let sum = frame.sum(header, self.sum);
        let chained = frame.salts == header.salts && frame.stored == sum;
        let at = BadFrame {
            frame: self.frame,
            offset: HEADER_BYTES as u64 + (self.frame - 1) * (FRAME_HEADER_BYTES + header.page_bytes) as u64,
        };
        if self.committed.is_some_and(|committed| self.frame > committed) {
            return Some(Verdict::Sound);
        }
        let Some(bad) = &mut self.bad else {
            if !chained {
                if self.committed.is_some() {
                    return Some(Verdict::Damaged(at));
                }
                return self.begins_bad(header, &frame, at, sum);
            }
            self.sum = sum;
            return None;
        };
        if frame.salts != header.salts {
            // What an earlier log left: the transaction did not get to its end.
            return Some(Verdict::Sound);
        }
        if let Some(ends) = bad.ended {
            let goes_on = ends.iter().any(|end| frame.sum(header, *end) == frame.stored);
            return Some(if goes_on { Verdict::Damaged(bad.frame) } else { Verdict::Sound });
        }
        if frame.is_commit {
            bad.ended = Some([frame.stored, frame.stored]);
        }
        None
    }

    /// The first frame that fails.
    fn begins_bad(&mut self, header: &Header, frame: &Frame<'_>, at: BadFrame, sum: Sum) -> Option<Verdict> {
        let strange = frame.salts != header.salts;
        if strange && bits_apart(frame.salts, &header.salts) > SALT_BITS_DAMAGED_MAX {
            return Some(Verdict::Sound);
        }
        if strange && frame.stored == sum {
            // Everything but the salt is right: no write that was cut short looks like that.
            return Some(Verdict::Damaged(at));
        }
        self.bad = Some(Bad { frame: at, ended: frame.is_commit.then_some([frame.stored, sum]) });
        None
    }

    /// The header fails its own check. After a restart of the log that was cut short the frames are of another log; where
    /// they are of this one, they were written behind a header that was right.
    fn bad_header(&self, disk: &dyn Disk, header: &Header) -> io::Result<Verdict> {
        let mut salts = [0; 8];
        let count = disk.read_at(&self.path, HEADER_BYTES as u64 + 8, &mut salts)?;
        let is_ours = count == salts.len() && bits_apart(&salts, &header.salts) <= SALT_BITS_DAMAGED_MAX;
        Ok(if is_ours { Verdict::Damaged(BadFrame { frame: 0, offset: 0 }) } else { Verdict::Sound })
    }

    fn at_end(&self) -> Verdict {
        match self.committed {
            Some(committed) if self.frame <= committed => Verdict::Restarted,
            Some(_) | None => Verdict::Sound,
        }
    }
}

/// Looks at a log that no connection has open, to its end.
pub(crate) fn damage(disk: &dyn Disk, file: &Path) -> io::Result<Option<BadFrame>> {
    let mut walk = LogWalk::new(file, None);
    loop {
        match walk.step(disk)? {
            Verdict::Unfinished => {}
            Verdict::Sound | Verdict::Restarted => return Ok(None),
            Verdict::Damaged(bad) => return Ok(Some(bad)),
        }
    }
}

fn read_header(disk: &dyn Disk, path: &Path) -> io::Result<Option<Header>> {
    let mut octets = [0; HEADER_BYTES];
    let count = match disk.read_at(path, 0, &mut octets) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        count => count?,
    };
    if count < HEADER_BYTES {
        return Ok(None);
    }
    let magic = big_endian(&octets, 0);
    let big_endian_sums = magic & 1 == 1;
    let sum = add(big_endian_sums, [0; 2], octets.get(..24).unwrap_or_default());
    let stored = [big_endian(&octets, 24), big_endian(&octets, 28)];
    let mut salts = [0; 8];
    salts.copy_from_slice(octets.get(16..24).unwrap_or(&[0; 8]));
    Ok(Some(Header {
        big_endian: big_endian_sums,
        page_bytes: crate::engine::PAGE_BYTES as usize,
        salts,
        sum,
        is_valid: magic & !1 == MAGIC && sum == stored && big_endian(&octets, 8) == crate::engine::PAGE_BYTES,
    }))
}

impl<'b> Frame<'b> {
    fn new(octets: &'b [u8]) -> Option<Self> {
        let (header, page) = octets.split_at_checked(FRAME_HEADER_BYTES)?;
        Some(Self {
            is_commit: big_endian(header, 4) != 0,
            salts: header.get(8..16)?,
            stored: [big_endian(header, 16), big_endian(header, 20)],
            summed: header.get(..8)?,
            page,
        })
    }

    /// What its checksum is to be behind this one.
    fn sum(&self, header: &Header, before: Sum) -> Sum {
        add(header.big_endian, add(header.big_endian, before, self.summed), self.page)
    }
}

/// The format's checksum, two words of 32 bits at a time.
fn add(is_big_endian: bool, sum: Sum, octets: &[u8]) -> Sum {
    let [mut first, mut second] = sum;
    let word = |octets: [u8; 4]| if is_big_endian { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) };
    let (pairs, _) = octets.as_chunks::<8>();
    for &[a, b, c, d, e, f, g, h] in pairs {
        first = first.wrapping_add(word([a, b, c, d])).wrapping_add(second);
        second = second.wrapping_add(word([e, f, g, h])).wrapping_add(first);
    }
    [first, second]
}

fn big_endian(octets: &[u8], at: usize) -> u32 {
    let four = octets.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, u32::from_be_bytes)
}

fn bits_apart(one: &[u8], other: &[u8]) -> u32 {
    one.iter().zip(other).map(|(a, b)| (a ^ b).count_ones()).sum()
}

//! A small file beside another that says how many changes that one has seen: a log whose end was damaged ends sooner, and the
//! engine calls that its end.
//!
//! The mark is written after a commit is on stable storage and before anybody is told of it, and is not synced. After the
//! process was killed it is exact; after a power cut it may be older than the file, and is never ahead of it. It is removed
//! when the file was closed in order, with its log moved into it. One that cannot be read claims nothing.

use crate::create::with_suffix;
use crate::disk::Disk;
use crate::error::Error;
use std::path::{Path, PathBuf};

/// What a mark begins with.
const MAGIC: &[u8; 8] = b"BrvMark1";
/// Octets of the count.
const COUNT_BYTES: usize = 8;
/// Octets of the digest that are kept: a mark that was torn or damaged is not taken for one.
const DIGEST_BYTES: usize = 16;
/// Octets of a mark.
const MARK_BYTES: usize = MAGIC.len() + COUNT_BYTES + DIGEST_BYTES;

/// The mark of an open file.
pub(crate) struct Mark {
    disk: &'static dyn Disk,
    path: PathBuf,
}

impl Mark {
    /// That of the file at this path.
    pub(crate) fn of(disk: &'static dyn Disk, file: &Path) -> Self {
        Self { disk, path: with_suffix(file, "-mark") }
    }

    /// Refuses a file that has seen fewer changes than its mark says.
    pub(crate) fn require(&self, changes: i64) -> Result<(), Error> {
        let mut octets = [0; MARK_BYTES + 1];
        let read = self.disk.read_at(&self.path, 0, &mut octets);
        let marked = read.ok().and_then(|count| decode(octets.get(..count)?));
        match marked {
            Some(marked) if marked > changes => Err(Error::damaged(format!(
                "the file and its log hold {changes} changes, and {marked} were committed: the log is damaged or gone"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// The file has seen so many. One that cannot be written claims less than it could; nothing else depends on it.
    pub(crate) fn put(&self, changes: i64) {
        let _ = self.disk.overwrite(&self.path, &encode(changes));
    }

    /// The file was closed; where its log is in it, nothing of it can be lost with the log any more.
    pub(crate) fn closed(&self, file: &Path) {
        if matches!(self.disk.length(&with_suffix(file, "-wal")), Ok(None | Some(0))) {
            let _ = self.disk.remove(&self.path);
        }
    }
}

fn encode(changes: i64) -> Vec<u8> {
    let mut octets = Vec::with_capacity(MARK_BYTES);
    octets.extend_from_slice(MAGIC);
    octets.extend_from_slice(&changes.to_le_bytes());
    let digest = vault::digest(&octets);
    octets.extend_from_slice(digest.get(..DIGEST_BYTES).unwrap_or_default());
    octets
}

fn decode(octets: &[u8]) -> Option<i64> {
    let count = octets.get(MAGIC.len()..MAGIC.len() + COUNT_BYTES)?;
    let changes = i64::from_le_bytes(count.try_into().ok()?);
    (octets == encode(changes)).then_some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_that_was_touched_claims_nothing() {
        let mark = encode(7);
        assert_eq!(decode(&mark), Some(7));
        for bit in 0..mark.len() * 8 {
            let mut touched = mark.clone();
            touched[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&touched), None, "bit {bit}");
        }
        assert_eq!(decode(&mark[..mark.len() - 1]), None);
        assert_eq!(decode(&[]), None);
    }
}

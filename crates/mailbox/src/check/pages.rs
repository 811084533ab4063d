//! Log and pages: whether every octet is as it was written. The log's frames have checksums, each over all before it; the
//! pages of the file are authenticated one by one as they are decrypted.

use super::At;
use super::finding::{Finding, Findings};
use crate::disk::Disk;
use crate::engine::PAGE_BYTES;
use crate::error::Error;
use crate::log::{BadFrame, LogWalk, Verdict};
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;

/// Pages of one step: 1 MiB.
const PAGES_PER_STEP: u64 = 256;
/// Times that a log may be begun anew under the check; then it is young, and the next check sees it.
const RESTARTS_MAX: u8 = 5;

/// The next frames of what is committed in the log.
pub(super) fn log(
    connection: &Connection,
    disk: &dyn Disk,
    path: &Path,
    walk: &mut LogWalk,
    restarts: &mut u8,
    findings: &mut Findings,
) -> Result<At, Error> {
    if walk.frames() == 0 {
        *walk = LogWalk::new(path, Some(committed_frames(connection)?));
    }
    let verdict = walk.step(disk).map_err(|error| Error::io("reading the log", error))?;
    match verdict {
        Verdict::Unfinished => Ok(At::on_the_way(walk.frames(), walk.committed().max(walk.frames()))),
        Verdict::Sound => Ok(At::end_of(walk.frames())),
        Verdict::Restarted if *restarts < RESTARTS_MAX => {
            *restarts += 1;
            *walk = LogWalk::new(path, None);
            Ok(At::on_the_way(0, 0))
        }
        Verdict::Restarted => Ok(At::END),
        Verdict::Damaged(bad) => {
            findings.add(bad_frame(bad));
            Ok(At::END)
        }
    }
}

pub(super) fn bad_frame(bad: BadFrame) -> Finding {
    Finding {
        in_log: true,
        page: Some(bad.frame),
        offset: Some(bad.offset),
        ..Finding::new("the frame's checksum fails: what was committed from here on cannot be read after a restart")
    }
}

/// Frames of the log that hold commits, as far as this connection sees.
fn committed_frames(connection: &Connection) -> Result<u64, Error> {
    let frames = connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get::<_, i64>(1))?;
    Ok(u64::try_from(frames).unwrap_or(0))
}

/// The next pages, each as the log or the file has it; also those that hold nothing now.
pub(super) fn pages(connection: &Connection, next: &mut u64, findings: &mut Findings) -> Result<At, Error> {
    let count: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    let count = u64::try_from(count).unwrap_or(0);
    let last = count.min(*next + PAGES_PER_STEP - 1);
    if !cfg!(feature = "multiple-ciphers") {
        // The other engine is built without this table; its own check reads every page that holds something.
        return Ok(At::END);
    }
    let mut statement = connection.prepare_cached("SELECT length(data) FROM sqlite_dbpage WHERE pgno = ?1")?;
    while *next <= last {
        let page = *next;
        let read = statement.query_row([page as i64], |row| row.get::<_, i64>(0)).optional();
        match read.map_err(Error::from) {
            // A page that went since the count is none.
            Ok(_) => {}
            Err(error) if error.is_damage() => findings.add(Finding {
                page: Some(page),
                offset: Some((page - 1) * u64::from(PAGE_BYTES)),
                ..Finding::new("the page does not authenticate: its octets are not those that were written")
            }),
            Err(error) => return Err(error),
        }
        *next += 1;
    }
    Ok(if *next > count { At::end_of(count) } else { At::on_the_way(*next - 1, count) })
}

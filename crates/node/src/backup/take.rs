//! Takes a snapshot of one file and stages it. On the pool of copies.

use crate::fault::{Fault, unavailable};
use crate::primary::Primary;
use mailbox::ledger::{Entry, Kind};
use mailbox::snapshot::{self, Subject};
use model::{MailboxId, QueueId, SnapshotId};
use std::path::Path;
use vault::MailboxKey;

/// A snapshot of a mailbox.
///
/// # Errors
/// DISK_FULL without room for a copy, DAMAGED, and what else is wrong with the file.
pub fn mailbox(primary: &Primary, path: &Path, key: &MailboxKey, id: &MailboxId) -> Result<Entry, Fault> {
    copy(primary, path, &Subject::Mailbox(key, id), (Kind::Mailbox, *id.as_bytes()))
}

/// A snapshot of a mailbox's waiting mail.
///
/// # Errors
/// As of [`mailbox`].
pub fn waiting(primary: &Primary, path: &Path, id: &MailboxId) -> Result<Entry, Fault> {
    let key = primary.node_key.file_key(id)?;
    copy(primary, path, &Subject::Waiting(&key, id), (Kind::Waiting, *id.as_bytes()))
}

/// A snapshot of a queue.
///
/// # Errors
/// As of [`mailbox`].
pub fn queue(primary: &Primary, path: &Path, id: &QueueId) -> Result<Entry, Fault> {
    let key = primary.node_key.queue_key(id)?;
    copy(primary, path, &Subject::Queue(&key, id), (Kind::Queue, *id.as_bytes()))
}

fn copy(primary: &Primary, path: &Path, of: &Subject<'_>, subject: mailbox::ledger::Subject) -> Result<Entry, Fault> {
    let staging = &primary.staging;
    let stage = staging.of(path)?;
    let size = std::fs::metadata(path).map_or(0, |meta| meta.len());
    if !primary.volumes.has_room_at(path, size)? {
        return Err(Fault::from(mailbox::Error::DiskFull));
    }
    let id = SnapshotId::from_bytes(vault::random()?);
    let taken_ms = primary.now().as_millisecond();
    let options = &primary.settings.options;
    let snapshot =
        snapshot::take(path, of, options, &stage.path(&id), &staging.pace()).map_err(|error| match error {
            mailbox::Error::GivenUp => unavailable("the node is closing"),
            error => Fault::from(error),
        })?;
    let entry = Entry { id, subject, snapshot, taken_ms, uploaded: false, why: String::new() };
    staging.stage(stage, &entry)?;
    metrics::counter!("brevdue_node_snapshots_total").increment(1);
    tracing::debug!(snapshot = %id, bytes = entry.snapshot.bytes, "snapshot taken");
    Ok(entry)
}

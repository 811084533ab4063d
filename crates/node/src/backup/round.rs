//! Copies what has no owner to wait for, at most once an interval: waiting mail and queues, which are ciphertext under keys of
//! the node. Counts what is late.

use super::limits::ROUND_MS;
use super::schedule::late_before_ms;
use super::take;
use crate::fault::Fault;
use crate::primary::Primary;
use mailbox::ledger::{Entry, Kind, Subject};
use model::QueueId;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use wire::session::FailureCode;

/// Goes round until `stop`.
pub async fn keep_copied(primary: Weak<Primary>, stop: CancellationToken) {
    loop {
        let Some(strong) = primary.upgrade() else { return };
        let round = strong.clone();
        let done = strong.staging.copies.run(move || go_round(&round));
        drop(strong);
        tokio::select! {
            done = done => match done {
                Ok(late) => metrics::gauge!("brevdue_node_backups_late").set(late as f64),
                Err(error) => tracing::warn!("a round of backups did not run: {error}"),
            },
            () = stop.cancelled() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ROUND_MS)) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// How much is late.
fn go_round(primary: &Arc<Primary>) -> u64 {
    if let Err(fault) = copy_due(primary) {
        tracing::error!("waiting mail and queues could not be backed up: {fault}");
    }
    let before = late_before_ms(primary.now().as_millisecond(), primary.staging.interval_ms);
    let late = primary.staging.all().iter().map(|stage| stage.ledger().late(before));
    late.map(|late| late.inspect_err(|error| tracing::error!("ledger: {error}")).unwrap_or_default()).sum()
}

fn copy_due(primary: &Primary) -> Result<(), Fault> {
    for (path, id) in primary.volumes.waiting_files()? {
        if is_due(primary, (Kind::Waiting, *id.as_bytes()), &path)? {
            let taken = take::waiting(primary, &path, &id);
            if taken.as_ref().is_err_and(|fault| fault.code == FailureCode::Missing) {
                // It was drained meanwhile, or erased: there is nothing to lose any more.
                primary.staging.of(&path)?.ledger().not_due((Kind::Waiting, *id.as_bytes()))?;
                continue;
            }
            tell(taken, &id.to_string());
        }
    }
    for folder in primary.volumes.queue_folders()? {
        for (path, id) in queue_files(&folder) {
            if is_due(primary, (Kind::Queue, *id.as_bytes()), &path)? {
                tell(take::queue(primary, &path, &id), &id.to_string());
            }
        }
    }
    Ok(())
}

/// One file that fails keeps no other from being copied.
fn tell(taken: Result<Entry, Fault>, id: &str) {
    if let Err(fault) = taken {
        tracing::error!(file = id, "not backed up: {fault}");
    }
}

fn is_due(primary: &Primary, subject: Subject, path: &Path) -> Result<bool, Fault> {
    let now = primary.now().as_millisecond();
    let stage = primary.staging.of(path)?;
    let mut ledger = stage.ledger();
    let newest = ledger.newest(subject)?;
    let due = newest.is_none_or(|entry| now - entry.taken_ms >= primary.staging.interval_ms)
        || ledger.due_since(subject)?.is_some();
    if due {
        ledger.mark_due(subject, now)?;
    }
    Ok(due)
}

/// The queue files in a folder.
pub fn queue_files(folder: &Path) -> Vec<(PathBuf, QueueId)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), id_of(&entry.path())?))).collect()
}

fn id_of(path: &Path) -> Option<QueueId> {
    path.file_name()?.to_str()?.strip_suffix(".db")?.parse().ok()
}

//! Copies what has no owner to wait for, at most once an interval: waiting mail and queues, which are ciphertext under keys of
//! the node. Counts what is late.

use super::kept::Unkept;
use super::limits::{LATE_LOOKED_AT_MAX, ROUND_MS};
use super::schedule::late_before_ms;
use super::take;
use crate::fault::Fault;
use crate::primary::Primary;
use mailbox::ledger::{Entry, Kind, Subject};
use model::{MailboxId, QueueId};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use wire::session::FailureCode;

/// Goes round until `stop`.
pub async fn keep_copied(primary: Weak<Primary>, stop: CancellationToken) {
    let mut unkept = Unkept::default();
    loop {
        let Some(strong) = primary.upgrade() else { return };
        tokio::select! {
            done = go_round(&strong, &mut unkept) => match done {
                Ok(late) => metrics::gauge!("brevdue_node_backups_late").set(late as f64),
                Err(fault) => tracing::error!("waiting mail and queues could not be backed up: {fault}"),
            },
            () = stop.cancelled() => return,
        }
        drop(strong);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ROUND_MS)) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// A round; how much is late then.
async fn go_round(primary: &Arc<Primary>, unkept: &mut Unkept) -> Result<usize, Fault> {
    let looked = on_pool(primary, |primary| {
        // Waiting mail that cannot be found keeps no queue from being copied.
        let due = waiting_due(primary).inspect_err(|fault| tracing::error!("waiting mail is not backed up: {fault}"));
        Ok((due.unwrap_or_default(), late(primary)?))
    });
    let (due, late) = looked.await?;
    let concerned = due.iter().map(|(_, id)| *id).chain(late.iter().filter_map(owner)).collect();
    let nobodys = unkept.among(primary, &concerned).await;
    on_pool(primary, move |primary| {
        let kept = due.iter().filter(|(_, id)| !nobodys.contains(id));
        let copied = kept.into_iter().try_for_each(|(path, id)| copy_waiting(primary, path, id));
        if let Err(fault) = copied.and_then(|()| copy_queues(primary)) {
            tracing::error!("not everything could be backed up: {fault}");
        }
        let is_kept = |subject: &Subject| owner(subject).is_none_or(|id| !nobodys.contains(&id));
        Ok(self::late(primary)?.iter().filter(|subject| is_kept(subject)).count())
    })
    .await
}

async fn on_pool<T: Send + 'static>(
    primary: &Arc<Primary>,
    run: impl FnOnce(&Primary) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let shared = primary.clone();
    primary.staging.copies.run(move || run(&shared)).await?
}

/// What is in no store though it changed two intervals ago.
fn late(primary: &Primary) -> Result<Vec<Subject>, Fault> {
    let before = late_before_ms(primary.now().as_millisecond(), primary.staging.interval_ms);
    let mut all = Vec::new();
    for stage in primary.staging.all() {
        all.extend(stage.ledger().late(before, LATE_LOOKED_AT_MAX)?);
    }
    Ok(all)
}

/// Whose backups those are, if they are somebody's.
fn owner((kind, id): &Subject) -> Option<MailboxId> {
    match kind {
        Kind::Mailbox | Kind::Waiting => Some(MailboxId::from_bytes(*id)),
        Kind::Queue => None,
    }
}

/// Waiting mail of which a copy is due.
fn waiting_due(primary: &Primary) -> Result<Vec<(PathBuf, MailboxId)>, Fault> {
    let mut due = Vec::new();
    for (path, id) in primary.volumes.waiting_files()? {
        if is_due(primary, (Kind::Waiting, *id.as_bytes()), &path)? {
            due.push((path, id));
        }
    }
    Ok(due)
}

fn copy_waiting(primary: &Primary, path: &Path, id: &MailboxId) -> Result<(), Fault> {
    let taken = take::waiting(primary, path, id);
    if taken.as_ref().is_err_and(|fault| fault.code == FailureCode::Missing) {
        // It was drained meanwhile, or erased: there is nothing to lose any more.
        primary.staging.of(path)?.ledger().not_due((Kind::Waiting, *id.as_bytes()))?;
        return Ok(());
    }
    tell(taken, &id.to_string());
    Ok(())
}

fn copy_queues(primary: &Primary) -> Result<(), Fault> {
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

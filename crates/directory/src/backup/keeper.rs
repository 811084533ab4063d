//! Takes snapshots and keeps the newest until it is in a store.
//!
//! Invariants: one is taken at a time. Its file is in place, whole and on stable storage, before its row is committed, and the row
//! says that it is in a store before the file goes. So what a crash leaves is a file without a row that waits, which the next
//! start removes, or nothing.

use super::limits::{FIRST_AGE_MS_MAX, LATE_INTERVALS, LOOK_MS, RETRY_MS};
use crate::catalogue::{
    Catalogue, Changed, CopyError, Error, NoteSnapshot, SettleSnapshot, SnapshotRow, beside, blocking, digest_of,
};
use model::SnapshotId;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

/// What is added to the catalogue's name for the folder of its snapshots.
const FOLDER: &str = "-snapshots";
/// What ends the name of a snapshot.
const SUFFIX: &str = ".sqlite";
/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// Why a snapshot could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The copy failed.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] Error),
}

/// The keeper of one catalogue's snapshots.
pub(crate) struct Keeper {
    catalogue: Arc<Catalogue>,
    folder: PathBuf,
    interval_ms: i64,
    /// Held while a snapshot is taken.
    turn: Mutex<()>,
    changed: watch::Sender<()>,
}

impl Keeper {
    /// Opens the folder beside the catalogue, and removes what a crash left.
    pub(crate) async fn open(catalogue: Arc<Catalogue>, interval_minutes: u32) -> Result<Self, KeepError> {
        let folder = beside(catalogue.path(), FOLDER);
        let newest = catalogue.changed().await?.newest;
        let waits = newest.filter(|row| !row.uploaded).map(|row| row.id);
        let (in_it, known) = (folder.clone(), waits);
        let there = blocking(move || recover(&in_it, known.as_ref())).await?;
        // Somebody removed it, or brought the catalogue from elsewhere.
        if let Some(lost) = waits.filter(|_| !there) {
            catalogue.write(SettleSnapshot::Lost(lost)).await?;
        }
        let interval_ms = i64::from(interval_minutes) * MINUTE_MS;
        Ok(Self { catalogue, folder, interval_ms, turn: Mutex::new(()), changed: watch::Sender::new(()) })
    }

    /// Takes snapshots as they are due, until `stop`.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause_ms = match self.look().await {
                Ok(()) => LOOK_MS,
                Err(error) => {
                    metrics::counter!("brevdue_directory_snapshots_total", "result" => "failed").increment(1);
                    tracing::error!(%error, "the catalogue could not be copied for its backup; it is tried again");
                    RETRY_MS
                }
            };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn look(&self) -> Result<(), KeepError> {
        let known = self.catalogue.changed().await?;
        let now = now_ms();
        metrics::gauge!("brevdue_directory_catalogue_late").set(f64::from(u8::from(self.is_late(&known, now))));
        if is_due(&known, self.interval_ms, now) {
            self.take().await?;
        }
        Ok(())
    }

    /// The newest snapshot, which has everything that there is; and whether it was there before.
    pub(crate) async fn take(&self) -> Result<(SnapshotRow, bool), KeepError> {
        let _turn = self.turn.lock().await;
        let known = self.catalogue.changed().await?;
        if let Some(newest) = known.newest.filter(|newest| newest.changes == known.changes) {
            return Ok((newest, true));
        }
        let id = SnapshotId::from_bytes(vault::random().map_err(CopyError::from)?);
        // Before the copy: what it has is as old as this at least.
        let taken_ms = now_ms();
        let path = self.path(&id);
        let copied = self.catalogue.copy_to(&path).await?;
        let row = SnapshotRow {
            id,
            taken_ms,
            bytes: copied.bytes,
            sha256: copied.sha256,
            changes: copied.inside.changes,
            schema: copied.inside.schema,
            uploaded: false,
            why: String::new(),
        };
        match self.catalogue.write(NoteSnapshot(row.clone())).await {
            Ok(None) => {}
            Ok(Some(older)) => self.remove(&older).await,
            Err(error) => {
                self.remove(&id).await;
                return Err(error.into());
            }
        }
        metrics::counter!("brevdue_directory_snapshots_total", "result" => "taken").increment(1);
        tracing::info!(snapshot = %id, bytes = row.bytes, "snapshot of the catalogue taken");
        self.changed.send_replace(());
        Ok((row, false))
    }

    /// What is known: changes, and the newest snapshot.
    pub(crate) async fn known(&self) -> Result<Changed, Error> {
        self.catalogue.changed().await
    }

    /// Whether something that changed long ago is in no store.
    pub(crate) fn is_late(&self, known: &Changed, now_ms: i64) -> bool {
        is_late(known, self.interval_ms, now_ms)
    }

    /// The snapshot that waits for a worker.
    pub(crate) async fn waiting(&self) -> Result<Option<SnapshotRow>, Error> {
        Ok(self.catalogue.changed().await?.newest.filter(|newest| !newest.uploaded))
    }

    /// Tells when one was taken.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// A snapshot is in a store; harmless to say again, and of one that is none any more.
    pub(crate) async fn uploaded(&self, id: SnapshotId) -> Result<(), Error> {
        self.catalogue.write(SettleSnapshot::Uploaded(id)).await?;
        self.remove(&id).await;
        Ok(())
    }

    /// A try to put it there failed. Where what was read differs from its digest, the file is looked at: one that is damaged is given
    /// up, and another is due.
    pub(crate) async fn failed(&self, id: SnapshotId, why: String, differs: bool) -> Result<(), Error> {
        if !(differs && self.is_damaged(&id).await?) {
            return self.catalogue.write(SettleSnapshot::Failed(id, why)).await;
        }
        let file = self.path(&id);
        tracing::error!(snapshot = %id, file = %file.display(), "the snapshot was damaged while it waited; another is taken");
        self.catalogue.write(SettleSnapshot::Lost(id)).await?;
        self.remove(&id).await;
        Ok(())
    }

    /// Whether the file that waits is not what is known of it. One that cannot be read now is not called so.
    async fn is_damaged(&self, id: &SnapshotId) -> Result<bool, Error> {
        let Some(row) = self.waiting().await?.filter(|row| row.id == *id) else { return Ok(false) };
        let path = self.path(id);
        let read = blocking(move || digest_of(&path)).await;
        Ok(read.is_ok_and(|(bytes, sha256)| bytes != row.bytes || sha256 != row.sha256))
    }

    /// Where a snapshot's file is.
    pub(crate) fn path(&self, id: &SnapshotId) -> PathBuf {
        self.folder.join(format!("{id}{SUFFIX}"))
    }

    /// One that stays after all is removed at the next start.
    async fn remove(&self, id: &SnapshotId) {
        let path = self.path(id);
        let failed = |source| CopyError::Io { path: self.path(id), what: "removing it", source };
        let removed = blocking(move || Ok(fs::remove_file(&path))).await;
        match removed.and_then(|done| done.map_err(failed)) {
            Err(CopyError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(snapshot = %id, %error, "a snapshot of the catalogue could not be removed"),
            Ok(()) => {}
        }
    }
}

/// Whether to take one: something has changed, and an interval has passed; a little time, where there never was one.
fn is_due(known: &Changed, interval_ms: i64, now_ms: i64) -> bool {
    let (last, wait) = match &known.newest {
        Some(newest) => (newest.taken_ms, interval_ms),
        None => (known.since_ms, interval_ms.min(FIRST_AGE_MS_MAX)),
    };
    let changed = known.newest.as_ref().map_or(known.since_ms > 0, |newest| newest.changes != known.changes);
    // A clock that was set back keeps nobody waiting for longer than an interval.
    changed && !(0..wait).contains(&now_ms.saturating_sub(last))
}

/// Whether what changed two intervals ago, or a snapshot of then, is in no store yet.
fn is_late(known: &Changed, interval_ms: i64, now_ms: i64) -> bool {
    let before = now_ms.saturating_sub(interval_ms.saturating_mul(LATE_INTERVALS));
    let waits = known.newest.as_ref().is_some_and(|newest| !newest.uploaded && newest.taken_ms < before);
    waits || (known.since_ms > 0 && known.since_ms < before)
}

/// Makes the folder, and removes every file but the one that waits; whether that is there.
fn recover(folder: &Path, waits: Option<&SnapshotId>) -> Result<bool, CopyError> {
    let failed = |source| CopyError::Io { path: folder.to_owned(), what: "looking through it", source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let keep = waits.map(|id| format!("{id}{SUFFIX}"));
    let mut there = false;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if keep.as_deref().is_some_and(|keep| entry.file_name() == keep) {
            there = true;
            continue;
        }
        fs::remove_file(entry.path()).map_err(failed)?;
        tracing::info!(file = %entry.file_name().display(), "a snapshot of the catalogue that does not count was removed");
    }
    Ok(there)
}

/// Milliseconds since 1970-01-01 UTC.
pub(super) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn known(changes: u64, since_ms: i64, newest: Option<(i64, u64)>) -> Changed {
        let newest = newest.map(|(taken_ms, changes)| SnapshotRow {
            id: SnapshotId::from_bytes([1; 12]),
            taken_ms,
            bytes: 1,
            sha256: [0; 32],
            changes,
            schema: 5,
            uploaded: true,
            why: String::new(),
        });
        Changed { changes, since_ms, newest }
    }

    #[test]
    fn a_snapshot_is_due_when_something_changed_and_an_interval_passed() {
        let now = 1_000 * HOUR;
        for (state, due) in [
            (known(0, 0, None), false),
            (known(1, now - FIRST_AGE_MS_MAX + 1, None), false),
            (known(1, now - FIRST_AGE_MS_MAX, None), true),
            (known(5, 0, Some((now - 9 * HOUR, 5))), false),
            (known(6, now - 1, Some((now - HOUR + 1, 5))), false),
            (known(6, now - 1, Some((now - HOUR, 5))), true),
            // A catalogue that was brought from elsewhere.
            (known(4, 0, Some((now - HOUR, 5))), true),
            // The clock was set back.
            (known(6, now - 1, Some((now + HOUR, 5))), true),
        ] {
            assert_eq!(is_due(&state, HOUR, now), due, "{state:?}");
        }
    }
    #[test]
    fn what_is_in_no_store_after_two_intervals_is_late() {
        let now = 1_000 * HOUR;
        let waits = |taken_ms| {
            let mut state = known(5, 0, Some((taken_ms, 5)));
            state.newest.iter_mut().for_each(|newest| newest.uploaded = false);
            state
        };
        for (state, late) in [
            (known(0, 0, None), false),
            (known(5, 0, Some((now - 99 * HOUR, 5))), false),
            (known(6, now - 2 * HOUR, Some((now - 99 * HOUR, 5))), false),
            (known(6, now - 2 * HOUR - 1, Some((now - 99 * HOUR, 5))), true),
            (known(1, now - 3 * HOUR, None), true),
            (waits(now - 2 * HOUR), false),
            (waits(now - 2 * HOUR - 1), true),
        ] {
            assert_eq!(is_late(&state, HOUR, now), late, "{state:?}");
        }
    }
}

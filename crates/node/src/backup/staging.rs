//! Where snapshots wait on each volume: a folder of files, and the ledger that says what they are.
//!
//! Invariants: a file is in place, whole and on stable storage, before its row is committed; a row goes before its file. So what
//! a crash leaves is a file without a row, which the next start removes, or nothing. A row without a file is what is left of a commit
//! that the disk refused, and is given up. Whatever asks the ledger runs on a pool.

use crate::pool::Pool;
use crate::primary::StartError;
use crate::volume::{VolumeError, Volumes};
use mailbox::Disk;
use mailbox::ledger::{Entry, Ledger, Subject};
use mailbox::snapshot::Pace;
use model::{MailboxId, SnapshotId};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use vault::NodeKey;

use super::limits::COPIES_AT_ONCE_MAX;

/// Folder of snapshots that wait, and of their ledger.
const STAGING_FOLDER: &str = "staging";
/// The ledger's file in it.
const LEDGER_NAME: &str = "ledger.db";
/// What is said of a snapshot that has no file.
const LOST: &str = "the disk lost the snapshot before a store had it, and it is given up: another is taken";
/// What ends the name of a snapshot.
const SNAPSHOT_SUFFIX: &str = ".sqlite";

/// Every volume's.
pub struct Staging {
    stages: Vec<Stage>,
    changed: watch::Sender<()>,
    /// Makes copies: threads of their own, because one copy takes minutes.
    pub copies: Pool,
    stop: Arc<AtomicBool>,
    /// Milliseconds between two snapshots of what changes.
    pub interval_ms: i64,
}

/// One volume's.
pub struct Stage {
    root: PathBuf,
    folder: PathBuf,
    ledger: Mutex<Ledger>,
    disk: &'static dyn Disk,
}

impl Staging {
    /// Opens the ledgers, and removes what a crash left.
    ///
    /// # Errors
    /// A volume or a ledger cannot be used.
    pub fn open(
        volumes: &Volumes,
        key: &NodeKey,
        interval_ms: i64,
        disk: &'static dyn Disk,
    ) -> Result<Self, StartError> {
        let failed = |error: mailbox::Error| StartError::System(std::io::Error::other(format!("ledger: {error}")));
        let mut stages = Vec::new();
        for folder in volumes.folders(STAGING_FOLDER)? {
            let key = key.ledger_key().map_err(StartError::NodeKey)?;
            let mut ledger = Ledger::open_or_create(&folder.join(LEDGER_NAME), &key, disk).map_err(failed)?;
            let root = folder.parent().unwrap_or(&folder).to_owned();
            recover(&folder, &mut ledger, disk).map_err(failed)?;
            stages.push(Stage { root, folder, ledger: Mutex::new(ledger), disk });
        }
        Ok(Self {
            copies: Pool::new("copy", stages.len().clamp(1, COPIES_AT_ONCE_MAX))?,
            stages,
            changed: watch::Sender::new(()),
            stop: Arc::default(),
            interval_ms,
        })
    }

    /// The stage of the volume that a file is on.
    ///
    /// # Errors
    /// [`VolumeError::None`], which does not happen for a file of this node.
    pub fn of(&self, path: &Path) -> Result<&Stage, VolumeError> {
        self.stages.iter().find(|stage| path.starts_with(&stage.root)).ok_or(VolumeError::None)
    }

    /// All of them.
    pub fn all(&self) -> &[Stage] {
        &self.stages
    }

    /// How a copy makes way for others, until the node ends.
    pub fn pace(&self) -> Pace {
        Pace::gentle(self.stop.clone())
    }

    /// Copies under way are given up.
    pub fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tell();
    }

    /// Tells when something was staged.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Notes a snapshot whose file is in place.
    ///
    /// # Errors
    /// Of the ledger; then the file is removed.
    pub fn stage(&self, stage: &Stage, entry: &Entry) -> Result<(), mailbox::Error> {
        let noted = stage.ledger().stage(entry);
        match noted {
            Ok(older) => older.iter().for_each(|id| stage.remove(id)),
            Err(error) => {
                stage.remove(&entry.id);
                return Err(error);
            }
        }
        self.tell();
        Ok(())
    }

    /// There is something for the worker to do.
    pub fn tell(&self) {
        self.changed.send_replace(());
    }

    /// Every mailbox that was erased here, as far as is remembered.
    ///
    /// # Errors
    /// Of a ledger.
    pub fn erased(&self) -> Result<HashSet<MailboxId>, mailbox::Error> {
        let mut erased = HashSet::new();
        for stage in &self.stages {
            erased.extend(stage.ledger().erased()?.into_iter().map(MailboxId::from_bytes));
        }
        Ok(erased)
    }

    /// Finds a snapshot by its id.
    ///
    /// # Errors
    /// Of the ledger.
    pub fn find(&self, id: &SnapshotId) -> Result<Option<(&Stage, Entry)>, mailbox::Error> {
        for stage in &self.stages {
            if let Some(entry) = stage.ledger().entry(id)? {
                return Ok(Some((stage, entry)));
            }
        }
        Ok(None)
    }

    /// The newest snapshot of a subject, on whichever volume.
    ///
    /// # Errors
    /// Of the ledger.
    pub fn newest(&self, subject: Subject) -> Result<(Option<Entry>, Option<i64>), mailbox::Error> {
        let (mut newest, mut since): (Option<Entry>, Option<i64>) = (None, None);
        for stage in &self.stages {
            let ledger = stage.ledger();
            let found = ledger.newest(subject)?;
            if found.as_ref().map(|entry| entry.taken_ms) > newest.as_ref().map(|entry| entry.taken_ms) {
                newest = found;
            }
            since = [since, ledger.due_since(subject)?].into_iter().flatten().min();
        }
        Ok((newest, since))
    }
}

impl Stage {
    /// The ledger; not on an async worker.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A ledger is a file: nothing of it is half-changed in memory.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a snapshot's file is.
    pub fn path(&self, id: &SnapshotId) -> PathBuf {
        self.folder.join(format!("{id}{SNAPSHOT_SUFFIX}"))
    }

    /// Removes a snapshot's file. One that stays after all is removed at the next start.
    pub fn remove(&self, id: &SnapshotId) {
        if let Err(error) = self.disk.remove(&self.path(id)) {
            tracing::warn!(snapshot = %id, %error, "a staged snapshot could not be removed");
        }
    }
}

/// Removes files without a row, among them copies that were not finished; and gives up rows without a file.
fn recover(folder: &Path, ledger: &mut Ledger, disk: &dyn Disk) -> Result<(), mailbox::Error> {
    let io = |source| mailbox::Error::Io { doing: "looking through the staging folder", source };
    let mut known = HashSet::new();
    for entry in ledger.staged(u32::MAX)? {
        let name = format!("{}{SNAPSHOT_SUFFIX}", entry.id);
        if disk.length(&folder.join(&name)).map_err(io)?.is_some() {
            known.insert(name);
            continue;
        }
        // A disk that refused the row's commit may have it all the same: who asked was told that there is no snapshot.
        tracing::warn!(snapshot = %entry.id, "{LOST}");
        ledger.mark_due(entry.subject, entry.taken_ms)?;
        ledger.settled(&entry.id, LOST)?;
    }
    for path in disk.list(folder).map_err(io)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with(LEDGER_NAME) && !known.contains(&name) {
            disk.remove(&path).map_err(io)?;
            tracing::info!(file = name, "a snapshot that was not finished was removed");
        }
    }
    Ok(())
}

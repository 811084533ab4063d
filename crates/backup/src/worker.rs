//! The worker: asks every node for snapshots that wait, puts each into its store with its manifest, and tells the node.
//!
//! Invariants: the manifest is put when the data is there whole, and the node is told when the manifest is. Killed anywhere, the
//! worker that comes next finds the snapshot still waiting and goes on. A snapshot that fails keeps no other from its store.

use crate::limits::{
    LEFT_OVER_HOURS, NODES_POLL_MS, REMEMBERED_FAILURES_MAX, RETRY_MS, SNAPSHOTS_PER_PAGE, STAGED_WAIT_MS,
};
use crate::manifest::{MANIFEST, Manifest, folder};
use crate::metrics::{FAILING, OCTETS, REMOVED, SNAPSHOTS, UNDER_WAY};
use crate::node::{Node, Nodes, Waiting};
use crate::retention::{Keep, to_remove};
use crate::store::{Store, StoreError};
use crate::throttle::Throttle;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wire::backup::Snapshot;

/// Everything that an upload needs.
pub(crate) struct Worker {
    /// Where snapshots wait.
    pub(crate) nodes: Nodes,
    /// What the configuration names, by name.
    pub(crate) stores: BTreeMap<String, Arc<Store>>,
    /// The name of the one that new backups go to.
    pub(crate) default: String,
    /// How many are kept.
    pub(crate) keep: Keep,
    /// The rate.
    pub(crate) throttle: Throttle,
    /// A place for each upload.
    pub(crate) places: Semaphore,
    /// Snapshots that failed: how often, and when to try again.
    pub(crate) failures: Mutex<HashMap<String, Failure>>,
}

/// What is remembered of a snapshot that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    tries: u32,
    again: Instant,
}

impl Worker {
    /// Works until it is told to stop; uploads under way are cut off then, and go on at the next start.
    pub(crate) async fn run(self: &Arc<Self>, stop: &CancellationToken) {
        let mut loops: JoinSet<String> = JoinSet::new();
        let mut known: HashSet<String> = HashSet::new();
        loop {
            match self.nodes.sources().await {
                Ok(nodes) => {
                    for node in nodes.into_iter().filter(|node| known.insert(node.id().to_owned())) {
                        let (worker, stop) = (Arc::clone(self), stop.clone());
                        loops.spawn(async move {
                            let id = node.id().to_owned();
                            tokio::select! {
                                () = worker.serve(node) => {}
                                () = stop.cancelled() => {}
                            }
                            id
                        });
                    }
                }
                Err(error) => tracing::warn!("{error}"),
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(Duration::from_millis(NODES_POLL_MS)) => {}
                // It moved to another address, or has gone: looked for again.
                Some(Ok(id)) = loops.join_next() => { known.remove(&id); }
            }
        }
        loops.shutdown().await;
    }

    /// One node's snapshots, until it cannot be reached.
    async fn serve(self: &Arc<Self>, node: Node) {
        loop {
            // With something that failed in its list the node answers at once: then the wait is here.
            let waiting = match node.staged(STAGED_WAIT_MS, SNAPSHOTS_PER_PAGE).await {
                Ok(waiting) => waiting,
                Err(error) => {
                    tracing::warn!("{error}");
                    return;
                }
            };
            let mut uploads = JoinSet::new();
            for snapshot in waiting.into_iter().filter(|snapshot| self.is_due(&snapshot.id)) {
                let (worker, node) = (Arc::clone(self), node.clone());
                uploads.spawn(async move { worker.carry(&node, snapshot).await });
            }
            if uploads.is_empty() {
                tokio::time::sleep(Duration::from_millis(RETRY_MS.0)).await;
            }
            while uploads.join_next().await.is_some() {}
        }
    }

    fn is_due(&self, id: &str) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(id).is_none_or(|failure| failure.again <= Instant::now())
    }

    /// One snapshot into its store.
    async fn carry(&self, node: &Node, snapshot: Snapshot) {
        let Ok(_place) = self.places.acquire().await else { return };
        metrics::gauge!(UNDER_WAY).increment(1);
        let id = snapshot.id.clone();
        let result = self.upload(node, &snapshot).await;
        metrics::gauge!(UNDER_WAY).decrement(1);
        let name = match &result {
            Ok(()) => "uploaded",
            Err(StoreError::Superseded) => "superseded",
            Err(_) => "failed",
        };
        metrics::counter!(SNAPSHOTS, "store" => self.default.clone(), "result" => name).increment(1);
        match result {
            Ok(()) => {
                tracing::info!(snapshot = id, bytes = snapshot.bytes, "backed up");
                metrics::counter!(OCTETS).increment(snapshot.bytes);
                self.forget(&id);
            }
            Err(StoreError::Superseded) => self.forget(&id),
            Err(error) => {
                tracing::error!(snapshot = id, store = self.default, "{error}");
                self.remember(&id);
                if let Err(error) = node.failed(&id, error.to_string()).await {
                    tracing::warn!(snapshot = id, "{error}");
                }
            }
        }
    }

    async fn upload(&self, node: &Node, snapshot: &Snapshot) -> Result<(), StoreError> {
        let manifest = Manifest::of(snapshot).map_err(|error| StoreError::Source(error.to_string()))?;
        let sha256 = <[u8; 32]>::try_from(&snapshot.sha256[..]).map_err(|_| StoreError::Differs)?;
        let missing = || StoreError::Configuration(format!("there is no store `{}`", self.default));
        let store = self.stores.get(&self.default).cloned().ok_or_else(missing)?;
        // First without a body: a store that refuses may break off an upload before it has said why, and one that is gone may be
        // made anew by the first object, on a disk that is not mounted or in a bucket that is nobody's.
        store.check().await?;
        let source = Waiting { node: node.clone(), id: snapshot.id.clone(), bytes: snapshot.bytes, sha256 };
        store.put(&manifest.data_name(), &source, &self.throttle).await?;
        let octets = manifest.to_octets().map_err(|error| StoreError::Source(error.to_string()))?;
        // Only now it is a backup: the data is whole and has its name.
        store.put_small(&manifest.name(), octets).await?;
        node.uploaded(&snapshot.id).await.map_err(|error| StoreError::Source(error.to_string()))?;
        // What is kept too long does no harm: a failure here is told, and tried again behind the next backup.
        if let Err(error) = self.tidy(&store, &manifest).await {
            tracing::warn!(snapshot = snapshot.id, "what is kept too long could not be removed: {error}");
        }
        Ok(())
    }

    /// Removes what is kept no longer, and what uploads that nobody goes on with have left.
    async fn tidy(&self, store: &Store, newest: &Manifest) -> Result<(), StoreError> {
        let all = store.backups(&newest.kind, &newest.subject).await?;
        for manifest in to_remove(all, self.keep) {
            store.remove_backup(&manifest).await?;
            metrics::counter!(REMOVED).increment(1);
        }
        let listed = store.list(&folder(&newest.kind, &newest.subject)).await?;
        let before = Timestamp::now().as_millisecond() - LEFT_OVER_HOURS * 3_600_000;
        let whole: HashSet<&str> = listed.iter().filter_map(|each| each.name.strip_suffix(MANIFEST)).collect();
        for each in listed.iter().filter(|each| each.modified_ms < before && !whole.contains(stem(&each.name))) {
            store.remove(&each.name).await?;
        }
        Ok(())
    }

    fn remember(&self, id: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= REMEMBERED_FAILURES_MAX
            && let Some(oldest) = failures.iter().min_by_key(|(_, failure)| failure.again).map(|(id, _)| id.clone())
        {
            failures.remove(&oldest);
        }
        let tries = failures.get(id).map_or(0, |failure| failure.tries);
        let pause = RETRY_MS.0.saturating_mul(1 << tries.min(16)).min(RETRY_MS.1);
        failures
            .insert(id.to_owned(), Failure { tries: tries + 1, again: Instant::now() + Duration::from_millis(pause) });
        metrics::gauge!(FAILING).set(failures.len() as f64);
    }

    fn forget(&self, id: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(id);
        metrics::gauge!(FAILING).set(failures.len() as f64);
    }
}

/// A name without what follows the snapshot's id in it.
fn stem(name: &str) -> &str {
    let folder = name.rfind('/').map_or(0, |at| at + 1);
    let end = name.get(folder..).and_then(|file| file.find('.')).map_or(name.len(), |at| folder + at);
    name.get(..end).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn a_stem_is_what_data_manifest_and_notes_share() {
        for name in ["m/x/20200101T000000Z-ab.sqlite", "m/x/20200101T000000Z-ab.sqlite.upload"] {
            assert_eq!(stem(name), "m/x/20200101T000000Z-ab");
        }
        assert_eq!(stem("catalogue/plain"), "catalogue/plain");
    }
}

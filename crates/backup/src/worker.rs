//! The worker: asks every node for snapshots that wait, puts each into its store with its manifest, and tells the node.
//!
//! Invariants: the manifest is put when the data is there whole, and the node is told when the manifest is. Killed anywhere, the
//! worker that comes next finds the snapshot still waiting and goes on. A snapshot that fails keeps no other from its store.

use crate::destination::{Destination, Destinations, Place};
use crate::limits::{NODES_POLL_MS, REMEMBERED_FAILURES_MAX, RETRY_MS, SNAPSHOTS_PER_PAGE, STAGED_WAIT_MS};
use crate::manifest::Manifest;
use crate::metrics::{FAILING, OCTETS, SNAPSHOTS, UNDER_WAY};
use crate::node::{Node, Nodes, Waiting, source};
use crate::store::StoreError;
use crate::throttle::Throttle;
use crate::tidy::Tidy;
use model::MailboxId;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wire::backup::Snapshot;

/// What a node is told of a snapshot that no store is to have.
const UNWANTED: &str =
    "it is not backed up: its backup store is none (`brevdue alias backup`, `brevdue domain set … backup_store`)";

/// Everything that an upload needs.
pub(crate) struct Worker {
    /// Where snapshots wait.
    pub(crate) nodes: Nodes,
    /// Where they go.
    pub(crate) destinations: Destinations,
    /// What goes from stores.
    pub(crate) tidy: Tidy,
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
        let (sweeper, stop_sweeping) = (Arc::clone(self), stop.clone());
        let mut sweeping = JoinSet::new();
        sweeping.spawn(async move {
            tokio::select! {
                () = sweeper.tidy.keep_swept(&sweeper.destinations.stores) => {}
                () = stop_sweeping.cancelled() => {}
            }
        });
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
        sweeping.shutdown().await;
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
        let (store, result) = self.deliver(node, &snapshot).await;
        metrics::gauge!(UNDER_WAY).decrement(1);
        let name = match &result {
            Ok(name) => name,
            Err(StoreError::Superseded) => "superseded",
            Err(_) => "failed",
        };
        metrics::counter!(SNAPSHOTS, "store" => store.clone(), "result" => name).increment(1);
        match result {
            Ok(_) | Err(StoreError::Superseded) => self.forget(&id),
            Err(error) => {
                tracing::error!(snapshot = id, store, "{error}");
                self.remember(&id);
                if let Err(error) = node.failed(&id, &error).await {
                    tracing::warn!(snapshot = id, "{error}");
                }
            }
        }
    }

    /// The store's name, `none` without one, and what became of the snapshot.
    async fn deliver(&self, node: &Node, snapshot: &Snapshot) -> (String, Result<&'static str, StoreError>) {
        let nowhere = || "none".to_owned();
        if snapshot.erased {
            return ("all".to_owned(), self.erase(node, snapshot).await.map(|()| "erased"));
        }
        match self.destinations.of(snapshot).await {
            Ok(Destination::Store(place)) => {
                let result = self.upload(node, snapshot, &place).await;
                (place.name, result.map(|()| "uploaded"))
            }
            Ok(Destination::Nowhere) => {
                let told = node.unwanted(&snapshot.id, UNWANTED).await;
                (nowhere(), told.map(|()| "unwanted").map_err(source))
            }
            Err(error) => (nowhere(), Err(error)),
        }
    }

    /// The mailbox was erased: whatever an upload put into a store behind the erasure goes again.
    async fn erase(&self, node: &Node, snapshot: &Snapshot) -> Result<(), StoreError> {
        let malformed = || StoreError::Source("what was erased has no id".to_owned());
        let mailbox: MailboxId = snapshot.subject.parse().map_err(|_| malformed())?;
        for store in self.destinations.stores.values() {
            store.erase(&mailbox).await?;
        }
        node.uploaded(&snapshot.id).await.map_err(source)
    }

    async fn upload(&self, node: &Node, snapshot: &Snapshot, place: &Place) -> Result<(), StoreError> {
        let mut manifest = Manifest::of(snapshot).map_err(|error| StoreError::Source(error.to_string()))?;
        manifest.keep(&place.kept);
        self.tidy.under_way().insert(manifest.stem());
        let put = self.put(node, snapshot, place, &manifest).await;
        self.tidy.under_way().remove(&manifest.stem());
        put?;
        tracing::info!(snapshot = snapshot.id, store = place.name, bytes = snapshot.bytes, "backed up");
        metrics::counter!(OCTETS).increment(snapshot.bytes);
        // What is kept too long does no harm: a failure here is told, and tried again behind the next backup.
        if let Err(error) = self.tidy.behind(&place.store, &manifest).await {
            tracing::warn!(snapshot = snapshot.id, "what is kept too long could not be removed: {error}");
        }
        Ok(())
    }

    async fn put(
        &self,
        node: &Node,
        snapshot: &Snapshot,
        place: &Place,
        manifest: &Manifest,
    ) -> Result<(), StoreError> {
        let sha256 = <[u8; 32]>::try_from(&snapshot.sha256[..]).map_err(|_| StoreError::Differs)?;
        let octets = manifest.to_octets().map_err(|error| StoreError::Source(error.to_string()))?;
        // First without a body: a store that refuses may break off an upload before it has said why, and one that is gone may be
        // made anew by the first object, on a disk that is not mounted or in a bucket that is nobody's.
        place.store.check().await?;
        let waiting = Waiting { node: node.clone(), id: snapshot.id.clone(), bytes: snapshot.bytes, sha256 };
        place.store.put(&manifest.data_name(), &waiting, &self.throttle).await?;
        // Only now it is a backup: the data is whole and has its name.
        place.store.put_small(&manifest.name(), octets).await?;
        node.uploaded(&snapshot.id).await.map_err(source)
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

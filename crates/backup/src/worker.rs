//! The worker: asks every node for snapshots that wait, puts each into its store with its manifest, and tells the node.
//!
//! Invariants: the manifest is put when the data is there whole, and the node is told when the manifest is. Killed anywhere, the
//! worker that comes next finds the snapshot still waiting and goes on. A snapshot that fails keeps no other from its store, and
//! a store that fails or hangs keeps nothing from another: nothing here waits for one snapshot before it looks at the next.

use crate::backlog::{Backlog, Turn};
use crate::destination::{Destination, Destinations, Goes};
use crate::lane::Lane;
use crate::limits::{
    FIRST_NODES_POLL_MS, NODES_POLL_MS, PAUSE_MS_PER_PAGE, REMEMBERED_MAX, RETRY_MS, SNAPSHOTS_PER_PAGE, STAGED_WAIT_MS,
};
use crate::manifest::Manifest;
use crate::metrics::{FAILING, LATE, OCTETS, SNAPSHOTS, WAITING};
use crate::node::{Node, NodeError, Nodes, Waiting, source};
use crate::store::StoreError;
use crate::throttle::Throttle;
use crate::tidy::Tidy;
use futures_util::future::join_all;
use jiff::Timestamp;
use model::{MailboxId, SnapshotId};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;
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
    /// A place for each question to the directory where a snapshot goes, and for each erasure.
    pub(crate) asks: Arc<Semaphore>,
    /// What waits.
    pub(crate) backlog: Mutex<Backlog>,
    /// Milliseconds after which what waits is late.
    pub(crate) late_ms: i64,
}

/// A snapshot that is dealt with. Dropped, it waits again: also where the work on it was cut off.
struct Dealing<'w>(&'w Worker, SnapshotId);

impl Drop for Dealing<'_> {
    fn drop(&mut self) {
        self.0.backlog().put_back(&self.1);
    }
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
                () = sweeper.tidy.keep_swept(&sweeper.destinations.lanes) => {}
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
            // The directory is known before any node is.
            let pause_ms = if known.len() > 1 { NODES_POLL_MS } else { FIRST_NODES_POLL_MS };
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(Duration::from_millis(pause_ms)) => {}
                // It moved to another address, or has gone: looked for again.
                Some(Ok(id)) = loops.join_next() => { known.remove(&id); }
            }
        }
        loops.shutdown().await;
        sweeping.shutdown().await;
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        // No invariant of it spans a panic.
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One node's snapshots, until it cannot be reached.
    async fn serve(self: &Arc<Self>, node: Node) {
        let mut tasks = JoinSet::new();
        for round in 1.. {
            let pages = match self.round(&node, round, &mut tasks).await {
                Ok(pages) => pages,
                Err(error) => {
                    tracing::warn!("{error}");
                    return;
                }
            };
            while tasks.try_join_next().is_some() {}
            if pages != 1 {
                // Behind a long list it rests; one that was empty was waited for, but by a node that ends.
                sleep(Duration::from_millis(PAUSE_MS_PER_PAGE * pages.max(1))).await;
            }
            if pages == 0 {
                continue;
            }
            // With something in its list the node answers at once: the wait is here, for a while or until what was begun is done.
            let is_idle = tasks.is_empty();
            tokio::select! {
                () = sleep(Duration::from_millis(RETRY_MS.0)) => {}
                () = async { while tasks.join_next().await.is_some() {} }, if !is_idle => {}
            }
        }
    }

    /// Looks at everything that a node has, and begins what can be begun; how many pages of its list there were.
    async fn round(self: &Arc<Self>, node: &Node, round: u64, tasks: &mut JoinSet<()>) -> Result<u64, NodeError> {
        let (id, mut after, mut pages): (Arc<str>, _, _) = (node.id().into(), None, 0);
        loop {
            let wait_ms = if pages == 0 { STAGED_WAIT_MS } else { 0 };
            let page = node.staged(wait_ms, SNAPSHOTS_PER_PAGE, after.take()).await?;
            let more = page.len() as u64 >= u64::from(SNAPSHOTS_PER_PAGE);
            pages += u64::from(!page.is_empty());
            after = page.last().cloned();
            for snapshot in page {
                self.look_at(node, (&id, round), snapshot, tasks);
            }
            if !more || pages * u64::from(SNAPSHOTS_PER_PAGE) >= REMEMBERED_MAX as u64 {
                break;
            }
        }
        self.backlog().seen_all(&id, round);
        self.tell_piles();
        Ok(pages)
    }

    /// Begins with one snapshot, if it is its turn and its store may be had.
    fn look_at(
        self: &Arc<Self>,
        node: &Node,
        (id, round): (&Arc<str>, u64),
        snapshot: Snapshot,
        tasks: &mut JoinSet<()>,
    ) {
        let Ok(key) = snapshot.id.parse::<SnapshotId>() else {
            tracing::error!(node = node.id(), "a snapshot without an id is left where it is");
            return;
        };
        let mut backlog = self.backlog();
        let may_begin = match backlog.turn(key, id, round, snapshot.taken_ms, Instant::now()) {
            Turn::Later => false,
            Turn::Ask => true,
            Turn::To(store) => self.destinations.lanes.get(&*store).is_none_or(|lane| lane.is_open()),
        };
        if may_begin && let Ok(asks) = self.asks.clone().try_acquire_owned() {
            backlog.begin(&key);
            let (worker, node) = (Arc::clone(self), node.clone());
            tasks.spawn(async move {
                let _dealing = Dealing(&worker, key);
                worker.carry(&node, &snapshot, key, asks).await;
            });
        }
    }

    /// What waits for each store.
    fn tell_piles(&self) {
        let backlog = self.backlog();
        let piles = backlog.piles(Timestamp::now().as_millisecond().saturating_sub(self.late_ms));
        for name in self.destinations.lanes.keys().map(String::as_str).chain(["none"]) {
            // Without a name: erasures, and what nobody has said of where it goes.
            let pile = piles.get(if name == "none" { "" } else { name }).copied().unwrap_or_default();
            metrics::gauge!(WAITING, "store" => name.to_owned()).set(pile.waiting as f64);
            metrics::gauge!(LATE, "store" => name.to_owned()).set(pile.late as f64);
            metrics::gauge!(FAILING, "store" => name.to_owned()).set(pile.failing as f64);
        }
    }

    /// One snapshot to where it goes.
    async fn carry(&self, node: &Node, snapshot: &Snapshot, key: SnapshotId, asks: OwnedSemaphorePermit) {
        if snapshot.erased {
            let done = self.erase(node, snapshot).await.map(|()| "erased");
            return self.ended(node, key, "all", done).await;
        }
        match self.destinations.of(snapshot).await {
            Ok(Destination::Store(goes)) => {
                drop(asks);
                self.to_store(node, snapshot, key, &goes).await;
            }
            Ok(Destination::Nowhere) => {
                let told = node.unwanted(&snapshot.id, UNWANTED).await;
                self.ended(node, key, "none", told.map(|()| "unwanted").map_err(source)).await;
            }
            Err(error) => self.ended(node, key, "none", Err(error)).await,
        }
    }

    /// One snapshot into its store, if that may be had now; else it waits, and its node is told why.
    async fn to_store(&self, node: &Node, snapshot: &Snapshot, key: SnapshotId, goes: &Goes) {
        let lane = &goes.lane;
        self.backlog().goes_to(&key, &lane.name, Instant::now());
        let queued = lane.queue().filter(|_| lane.rests().is_none());
        let place = if queued.is_some() { lane.begin().await } else { None };
        if place.is_none() {
            return self.tell_why(node, &key, lane).await;
        }
        let done = self.upload(node, snapshot, goes).await;
        match &done {
            Ok(()) => lane.succeeded(),
            Err(error) if error.is_of_store() => lane.failed(error),
            Err(_) => {}
        }
        drop(place);
        self.ended(node, key, &lane.name, done.map(|()| "uploaded")).await;
    }

    /// What rests because of others is not tried; who asks what became of it is to hear that.
    async fn tell_why(&self, node: &Node, key: &SnapshotId, lane: &Lane) {
        let Some(why) = lane.fails() else { return };
        if self.backlog().tell(key)
            && let Err(error) = node.failed(&key.to_string(), format!("store {}: {why}", lane.name), false).await
        {
            tracing::warn!(snapshot = %key, "{error}");
        }
    }

    /// Counts it, and tells the node of a failure.
    async fn ended(&self, node: &Node, key: SnapshotId, store: &str, done: Result<&'static str, StoreError>) {
        let name = match &done {
            Ok(name) => name,
            Err(StoreError::Superseded) => "superseded",
            Err(_) => "failed",
        };
        metrics::counter!(SNAPSHOTS, "store" => store.to_owned(), "result" => name).increment(1);
        match done {
            Ok(_) | Err(StoreError::Superseded) => self.backlog().forget(&key),
            Err(error) => {
                tracing::error!(snapshot = %key, store, "{error}");
                self.backlog().failed(&key, Instant::now());
                let why = if error.is_of_store() { format!("store {store}: {error}") } else { error.to_string() };
                let differs = matches!(error, StoreError::Differs);
                if let Err(error) = node.failed(&key.to_string(), why, differs).await {
                    tracing::warn!(snapshot = %key, "{error}");
                }
            }
        }
    }

    /// The mailbox was erased: whatever an upload put into a store behind the erasure goes again. Each store for itself, so that one
    /// that fails leaves nothing in another.
    async fn erase(&self, node: &Node, snapshot: &Snapshot) -> Result<(), StoreError> {
        let malformed = || StoreError::Source("what was erased has no id".to_owned());
        let mailbox: MailboxId = snapshot.subject.parse().map_err(|_| malformed())?;
        let each = self.destinations.lanes.values().map(|lane| async {
            let erased = match lane.check_first().await {
                Ok(()) => lane.store.erase(&mailbox).await.map(drop),
                Err(error) => Err(error),
            };
            erased.map_err(|error| StoreError::Failed(format!("store {}: {error}", lane.name)))
        });
        join_all(each).await.into_iter().collect::<Result<(), _>>()?;
        node.uploaded(&snapshot.id).await.map_err(source)
    }

    async fn upload(&self, node: &Node, snapshot: &Snapshot, goes: &Goes) -> Result<(), StoreError> {
        let lane = &goes.lane;
        let mut manifest = Manifest::of(snapshot).map_err(|error| StoreError::Source(error.to_string()))?;
        manifest.keep(&goes.kept);
        self.tidy.under_way().insert(manifest.stem());
        let put = self.put(node, snapshot, lane, &manifest).await;
        self.tidy.under_way().remove(&manifest.stem());
        put?;
        tracing::info!(snapshot = snapshot.id, store = lane.name, bytes = snapshot.bytes, "backed up");
        metrics::counter!(OCTETS, "store" => lane.name.clone()).increment(snapshot.bytes);
        // What is kept too long does no harm: a failure here is told, and tried again behind the next backup.
        if let Err(error) = self.tidy.behind(&lane.store, &manifest).await {
            tracing::warn!(snapshot = snapshot.id, "what is kept too long could not be removed: {error}");
        }
        Ok(())
    }

    async fn put(&self, node: &Node, snapshot: &Snapshot, lane: &Lane, manifest: &Manifest) -> Result<(), StoreError> {
        let sha256 = <[u8; 32]>::try_from(&snapshot.sha256[..]).map_err(|_| StoreError::Differs)?;
        let octets = manifest.to_octets().map_err(|error| StoreError::Source(error.to_string()))?;
        // First without a body: a store that refuses may break off an upload before it has said why, and one that is gone may be
        // made anew by the first object, on a disk that is not mounted or in a bucket that is nobody's. One that hangs has then
        // taken no place at the node.
        lane.check_first().await?;
        let waiting = Waiting { node: node.clone(), id: snapshot.id.clone(), bytes: snapshot.bytes, sha256 };
        lane.store.put(&manifest.data_name(), &waiting, &self.throttle).await?;
        // Only now it is a backup: the data is whole and has its name.
        lane.store.put_small(&manifest.name(), octets).await?;
        node.uploaded(&snapshot.id).await.map_err(source)
    }
}

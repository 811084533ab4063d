//! The leases that this worker holds: they are renewed while their entries are under way, and what is lost is let go.
//!
//! Invariant: past the end of a lease that could not be renewed, its entry is let go; somebody else may have it.

use crate::metrics::LOST;
use node_client::queue::Queue;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::queue::{LeasedEntry, ReadRequest};

/// Renewals in the time of a lease: several may fail.
const RENEWALS_PER_LEASE: u32 = 5;
/// Leases renewed in one question.
const RENEWALS_MAX: usize = 1_000;

/// Node and lease.
type Key = (String, u64);

/// All leases.
pub struct Leases {
    /// Of each lease: what a worker that died delays a message.
    seconds: u32,
    states: Mutex<HashMap<Key, State>>,
}

struct State {
    queue: Queue,
    entry: u64,
    until: Instant,
    lost: CancellationToken,
}

/// One lease; it is no longer renewed when this is dropped.
pub struct Held {
    key: Key,
    lost: CancellationToken,
    leases: Arc<Leases>,
}

impl Held {
    /// Resolves when somebody else may have the entry.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.leases.states().remove(&self.key);
    }
}

impl Leases {
    /// None yet; each will be for so many seconds.
    pub fn of_seconds(seconds: u32) -> Self {
        Self { seconds, states: Mutex::default() }
    }

    /// Of each lease.
    pub fn seconds(&self) -> u32 {
        self.seconds
    }

    fn lifetime(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// Takes care of one, which was given out at `since` at the earliest.
    pub fn hold(self: &Arc<Self>, queue: &Queue, leased: &LeasedEntry, since: Instant) -> Held {
        let (key, lost) = ((queue.node().to_owned(), leased.lease), CancellationToken::new());
        let until = since + self.lifetime();
        let state = State { queue: queue.clone(), entry: leased.entry, until, lost: lost.clone() };
        self.states().insert(key.clone(), state);
        Held { key, lost, leases: Arc::clone(self) }
    }

    /// Renews for ever.
    pub async fn renew(&self) {
        loop {
            tokio::time::sleep(self.lifetime() / RENEWALS_PER_LEASE).await;
            for (queue, requests) in self.by_node() {
                for requests in requests.chunks(RENEWALS_MAX) {
                    self.renew_some(&queue, requests).await;
                }
            }
            self.let_go(|_, state| state.until <= Instant::now());
        }
    }

    fn by_node(&self) -> Vec<(Queue, Vec<ReadRequest>)> {
        let mut nodes: HashMap<String, (Queue, Vec<ReadRequest>)> = HashMap::new();
        for ((node, lease), state) in self.states().iter() {
            let of_node = nodes.entry(node.clone()).or_insert_with(|| (state.queue.clone(), Vec::new()));
            of_node.1.push(ReadRequest { entry: state.entry, lease: *lease });
        }
        nodes.into_values().collect()
    }

    async fn renew_some(&self, queue: &Queue, requests: &[ReadRequest]) {
        let since = Instant::now();
        match queue.renew(requests.to_vec(), self.seconds).await {
            Ok(lost) => {
                let mut states = self.states();
                for request in requests {
                    if let Some(state) = states.get_mut(&(queue.node().to_owned(), request.lease)) {
                        state.until = since + self.lifetime();
                    }
                }
                drop(states);
                self.let_go(|(node, lease), _| node == queue.node() && lost.contains(lease));
            }
            Err(error) => tracing::warn!(node = queue.node(), %error, "leases could not be renewed"),
        }
    }

    fn let_go(&self, whom: impl Fn(&Key, &State) -> bool) {
        for (_, state) in self.states().iter().filter(|(key, state)| whom(key, state)) {
            if !state.lost.is_cancelled() {
                metrics::counter!(LOST).increment(1);
                state.lost.cancel();
            }
        }
    }

    fn states(&self) -> MutexGuard<'_, HashMap<Key, State>> {
        // No invariant of the map spans a panic.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

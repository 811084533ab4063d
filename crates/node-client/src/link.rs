//! The link to one shard of one node: connects while somebody waits for it, and again after a break, for ever, with backoff.

use crate::backoff::Backoff;
use crate::client::Shared;
use crate::connection::{Connection, Driver, LinkError, establish};
use crate::limits::DIAL_MS_MAX;
use model::NodeId;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;

/// A link; its connection comes and goes.
pub(crate) struct Link {
    up: watch::Receiver<Option<Arc<Connection>>>,
    demand: Arc<Demand>,
    _task: AbortOnDropHandle<()>,
}

impl Link {
    pub(crate) fn new(shared: Arc<Shared>, node: NodeId, shard: usize) -> Self {
        let (sender, up) = watch::channel(None);
        let demand = Arc::new(Demand::default());
        let keeper = Keeper { shared, node, shard, up: sender, demand: Arc::clone(&demand) };
        Self { up, demand, _task: AbortOnDropHandle::new(tokio::spawn(keeper.run())) }
    }

    /// The connection, as soon as there is one. Cancel-safe; waits for ever while the node is away.
    pub(crate) async fn connection(&self) -> Arc<Connection> {
        let _waiting = self.demand.enter();
        let mut up = self.up.clone();
        loop {
            let there = up.borrow_and_update().clone().filter(|connection| !connection.broken().is_cancelled());
            if let Some(connection) = there {
                return connection;
            }
            if up.changed().await.is_err() {
                // The keeper ends only with the runtime.
                return std::future::pending().await;
            }
        }
    }
}

/// How many wait for the link.
#[derive(Default)]
struct Demand {
    waiting: AtomicUsize,
    came: Notify,
}

impl Demand {
    fn enter(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.came.notify_one();
        Waiting(self)
    }

    async fn wanted(&self) {
        while self.waiting.load(Ordering::SeqCst) == 0 {
            self.came.notified().await;
        }
    }
}

struct Waiting<'a>(&'a Demand);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Keeper {
    shared: Arc<Shared>,
    node: NodeId,
    shard: usize,
    up: watch::Sender<Option<Arc<Connection>>>,
    demand: Arc<Demand>,
}

impl Keeper {
    async fn run(self) {
        let mut backoff = Backoff::new();
        let mut told = false;
        loop {
            self.demand.wanted().await;
            match self.dial().await {
                Ok((connection, driver)) => {
                    tracing::info!(node = %self.node, shard = self.shard, "link to the node is up");
                    metrics::gauge!("brevdue_node_client_links").increment(1.0);
                    (told, backoff) = (false, Backoff::new());
                    self.up.send_replace(Some(connection));
                    let why = driver.run(&*self.shared).await;
                    self.up.send_replace(None);
                    metrics::gauge!("brevdue_node_client_links").decrement(1.0);
                    metrics::counter!("brevdue_node_client_breaks_total").increment(1);
                    tracing::warn!(node = %self.node, shard = self.shard, "link to the node broke: {why}; connecting again");
                }
                // Said once: what follows would only repeat it.
                Err(error) if !told => {
                    tracing::warn!(node = %self.node, shard = self.shard, "no link to the node: {error}; trying on");
                    told = true;
                }
                Err(error) => {
                    tracing::debug!(node = %self.node, shard = self.shard, "still no link to the node: {error}")
                }
            }
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    async fn dial(&self) -> Result<(Arc<Connection>, Driver), LinkError> {
        let dialing = async {
            let record = self.shared.locate.locate(&self.node).await.map_err(|error| LinkError::Lost(error.0))?;
            let record = record.ok_or_else(|| LinkError::Lost("it has not registered".to_owned()))?;
            let endpoint = record.session_endpoints.get(self.shard).ok_or(LinkError::Protocol("the shard is gone"))?;
            let io = self.shared.dial.dial(endpoint).await?;
            establish(io, &self.shared.front_end, &self.node, self.shard).await
        };
        tokio::time::timeout(Duration::from_millis(DIAL_MS_MAX), dialing).await.map_err(|_| LinkError::Slow)?
    }
}

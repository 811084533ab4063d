//! The queues on the nodes, for those who put messages in ([`Enqueuer`]) and for those who take them out ([`Queues`]).
//! What an envelope means and when a recipient is tried again is the callers' matter.

mod enqueue;
mod failure;
mod limits;
mod stream;
mod work;

pub use enqueue::{Enqueue, Enqueuer};
pub use failure::{EnqueueError, QueueError};
pub use limits::REPLAY_BYTES_MAX;
pub use work::{Body, Queue};

use directory::client::DirectoryClient;
use limits::ENDPOINTS_MAX;
use model::Role;
use rustls::ClientConfig;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tonic::transport::Channel;
use wire::queue::queue_client::QueueClient;
use wire::queue::{Envelope, Origin, QueueRecipient};

/// NOTIFY=NEVER, as the queue has it (RFC 3461 §4.1).
const NOTIFY_NEVER: u32 = 1;

/// The envelope of what the system itself has to say to one address: from the null reverse-path, so that nothing is ever said of
/// it (RFC 3461 §6.1, RFC 8460 §5.3).
pub fn notice_envelope(to: &str, utf8: bool, eight_bit: bool) -> Envelope {
    let recipient = QueueRecipient { address: to.to_owned(), notify: NOTIFY_NEVER, original: String::new() };
    Envelope {
        recipients: vec![recipient],
        smtputf8: utf8,
        eight_bit,
        origin: Origin::System.into(),
        ..Envelope::default()
    }
}

/// A gRPC client of one node's queue.
type Rpc = QueueClient<Channel>;

/// The queues of every node that the directory names: one connection each, made on demand, healing itself. Cheap to clone.
#[derive(Clone)]
pub struct Queues(Arc<Inner>);

struct Inner {
    directory: DirectoryClient,
    tls: Arc<ClientConfig>,
    channels: Mutex<HashMap<String, Rpc>>,
}

impl Queues {
    /// None connected yet. Needs a tokio runtime around it.
    pub fn new(directory: DirectoryClient, tls: Arc<ClientConfig>) -> Self {
        Self(Arc::new(Inner { directory, tls, channels: Mutex::default() }))
    }

    /// The queue of every node that registered, in the directory's order.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] when the directory does not answer.
    pub async fn all(&self) -> Result<Vec<Queue>, QueueError> {
        let nodes = self.0.directory.nodes().await.map_err(QueueError::unavailable)?;
        nodes.into_iter().map(|node| Ok(Queue::new(self.channel(&node.grpc_endpoint)?, node.id))).collect()
    }

    /// The queue of one node, by its label.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] when the directory does not answer or knows no such node.
    pub async fn of_node(&self, node: &str) -> Result<Queue, QueueError> {
        Ok(Queue::new(self.rpc(node).await?, node.to_owned()))
    }

    async fn rpc(&self, node: &str) -> Result<Rpc, QueueError> {
        let found = self.0.directory.node(node).await.map_err(QueueError::unavailable)?;
        let found = found.ok_or_else(|| QueueError::unavailable(format!("node {node} has not registered")))?;
        self.channel(&found.grpc_endpoint)
    }

    fn channel(&self, endpoint: &str) -> Result<Rpc, QueueError> {
        // No invariant of the map spans a panic.
        let mut channels = self.0.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rpc) = channels.get(endpoint) {
            return Ok(rpc.clone());
        }
        // Nodes move seldom: when the map is full of places where they once were, it starts over.
        if channels.len() >= ENDPOINTS_MAX {
            channels.clear();
        }
        let channel = wire::grpc::connect(endpoint, Role::Node, Arc::clone(&self.0.tls));
        let rpc = wire::grpc::queue_client(channel.map_err(QueueError::unavailable)?);
        channels.insert(endpoint.to_owned(), rpc.clone());
        Ok(rpc)
    }
}

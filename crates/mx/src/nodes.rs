//! The storage nodes as the directory names them: one channel per endpoint, made on demand, healing itself.

use crate::limits::NODE_ENDPOINTS_MAX;
use directory::client::DirectoryClient;
use model::Role;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::rustls::ClientConfig;
use tonic::transport::Channel;
use wire::node::node_client::NodeClient;

/// A node's gRPC client.
pub type NodeRpc = NodeClient<Channel>;

/// Why there is no way to a node.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The directory did not answer.
    #[error(transparent)]
    Directory(#[from] directory::client::Error),
    /// The directory knows no node of this name.
    #[error("the directory knows no node {0}; it registers when it starts")]
    Unknown(String),
    /// The node registered with something that is no endpoint.
    #[error(transparent)]
    Endpoint(#[from] wire::grpc::EndpointError),
}

/// Channels to nodes.
pub struct Nodes {
    directory: DirectoryClient,
    tls: Arc<ClientConfig>,
    channels: Mutex<HashMap<String, NodeRpc>>,
}

impl Nodes {
    /// None yet.
    pub fn new(directory: DirectoryClient, tls: Arc<ClientConfig>) -> Self {
        Self { directory, tls, channels: Mutex::default() }
    }

    /// A client of the node of this name. Connects on first use.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub async fn node(&self, id: &str) -> Result<NodeRpc, NodeError> {
        let node = self.directory.node(id).await?.ok_or_else(|| NodeError::Unknown(id.to_owned()))?;
        self.channel(&node.grpc_endpoint)
    }

    /// Every node that registered, by name.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub async fn all(&self) -> Result<Vec<(String, NodeRpc)>, NodeError> {
        let nodes = self.directory.nodes().await?;
        nodes.into_iter().map(|node| Ok((node.id, self.channel(&node.grpc_endpoint)?))).collect()
    }

    /// The label of a node that registered, whichever.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub async fn any(&self) -> Result<String, NodeError> {
        let nodes = self.directory.nodes().await?;
        nodes.into_iter().next().map(|node| node.id).ok_or_else(|| NodeError::Unknown("of any name".to_owned()))
    }

    fn channel(&self, endpoint: &str) -> Result<NodeRpc, NodeError> {
        // No invariant of the map spans a panic.
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rpc) = channels.get(endpoint) {
            return Ok(rpc.clone());
        }
        // Nodes move seldom: when the map is full of places where they once were, it starts over.
        if channels.len() >= NODE_ENDPOINTS_MAX {
            channels.clear();
        }
        let channel = wire::grpc::connect(endpoint, Role::Node, Arc::clone(&self.tls))?;
        let rpc = wire::grpc::node_client(channel);
        channels.insert(endpoint.to_owned(), rpc.clone());
        Ok(rpc)
    }
}

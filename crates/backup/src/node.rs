//! Who has snapshots, for a worker: every node that the directory names, one connection each.

use crate::catalogue::DIRECTORY;
use crate::limits::{ANSWER_SECONDS_MAX, LOOK_SECONDS_MAX, PIECE_SECONDS_MAX};
use crate::store::{Octets, Source, StoreError};
use directory::client::DirectoryClient;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use rustls::ClientConfig;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use wire::backup::backup_client::BackupClient;
use wire::backup::{
    FailedRequest, ReadRequest, RestoreReply, RestoreRequest, Snapshot, StagedRequest, StateReply, StateRequest,
    UploadedRequest,
};

/// Why a node did not answer.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The directory or the node cannot be reached.
    #[error("{0} cannot be reached: {1}")]
    Unavailable(String, String),
    /// It has no such thing.
    #[error("{0}: {1}")]
    Missing(String, String),
    /// It says no.
    #[error("{0} refuses: {1}")]
    Refused(String, String),
}

/// Every node.
#[derive(Clone)]
pub struct Nodes(Arc<Inner>);

struct Inner {
    directory: DirectoryClient,
    tls: Arc<ClientConfig>,
    channels: Mutex<HashMap<String, Channel>>,
}

/// One node. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    rpc: BackupClient<Channel>,
    id: String,
}

impl Nodes {
    /// None connected yet. Needs a tokio runtime around it.
    pub fn new(directory: DirectoryClient, tls: Arc<ClientConfig>) -> Self {
        Self(Arc::new(Inner { directory, tls, channels: Mutex::default() }))
    }

    /// Every node that registered.
    ///
    /// # Errors
    /// [`NodeError::Unavailable`] when the directory does not answer.
    pub async fn all(&self) -> Result<Vec<Node>, NodeError> {
        let unavailable =
            |error: &dyn std::fmt::Display| NodeError::Unavailable("the directory".into(), error.to_string());
        let nodes = self.0.directory.nodes().await.map_err(|error| unavailable(&error))?;
        nodes
            .into_iter()
            .map(|node| {
                let channel = self.channel(&node.grpc_endpoint).map_err(|error| unavailable(&error))?;
                Ok(Node::new(node.id, wire::grpc::backup_client(channel)))
            })
            .collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`NodeError::Unavailable`] when it has not registered.
    pub async fn of(&self, id: &str) -> Result<Node, NodeError> {
        let found = self.all().await?.into_iter().find(|node| node.id == id);
        found.ok_or_else(|| NodeError::Unavailable(format!("node {id}"), "it has not registered".to_owned()))
    }

    pub(crate) fn directory_client(&self) -> &DirectoryClient {
        &self.0.directory
    }

    fn channel(&self, endpoint: &str) -> Result<Channel, wire::grpc::EndpointError> {
        let mut channels = self.0.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(endpoint) {
            return Ok(channel.clone());
        }
        let channel = wire::grpc::connect(endpoint, model::Role::Node, Arc::clone(&self.0.tls))?;
        channels.insert(endpoint.to_owned(), channel.clone());
        Ok(channel)
    }
}

impl Node {
    pub(crate) fn new(id: String, rpc: BackupClient<Channel>) -> Self {
        Self { rpc, id }
    }

    pub(crate) fn rpc(&self) -> BackupClient<Channel> {
        self.rpc.clone()
    }

    /// Its label.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Snapshots that wait, erasures first and then the oldest; all of them, or those behind the last of an earlier page.
    ///
    /// # Errors
    /// [`NodeError`]
    pub async fn staged(
        &self,
        wait_ms: u32,
        at_most: u32,
        after: Option<Snapshot>,
    ) -> Result<Vec<Snapshot>, NodeError> {
        let mut rpc = self.rpc.clone();
        let wait = Duration::from_millis(wait_ms.into()) + Duration::from_secs(ANSWER_SECONDS_MAX);
        Ok(self.within(wait, rpc.staged(StagedRequest { wait_ms, at_most, after })).await?.snapshots)
    }

    /// A snapshot is in a store.
    ///
    /// # Errors
    /// [`NodeError`]
    pub async fn uploaded(&self, id: &str) -> Result<(), NodeError> {
        let mut rpc = self.rpc.clone();
        self.soon(rpc.uploaded(UploadedRequest { id: id.to_owned(), unwanted: String::new() })).await.map(drop)
    }

    /// A snapshot is to be in no store, and why.
    ///
    /// # Errors
    /// [`NodeError`]
    pub async fn unwanted(&self, id: &str, why: &str) -> Result<(), NodeError> {
        let mut rpc = self.rpc.clone();
        self.soon(rpc.uploaded(UploadedRequest { id: id.to_owned(), unwanted: why.to_owned() })).await.map(drop)
    }

    /// A try failed, or was not made, and why; whether because the octets are not what the node said of them.
    ///
    /// # Errors
    /// [`NodeError`]
    pub async fn failed(&self, id: &str, why: String, differs: bool) -> Result<(), NodeError> {
        let mut rpc = self.rpc.clone();
        let request = FailedRequest { id: id.to_owned(), why, differs };
        self.within(Duration::from_secs(LOOK_SECONDS_MAX), rpc.failed(request)).await.map(drop)
    }

    /// What became of a mailbox's newest snapshot.
    ///
    /// # Errors
    /// [`NodeError`]
    pub async fn state(&self, mailbox: &model::MailboxId) -> Result<StateReply, NodeError> {
        let mut rpc = self.rpc.clone();
        self.soon(rpc.state(StateRequest { mailbox_id: mailbox.to_string() })).await
    }

    /// Puts a snapshot in the place of a mailbox.
    ///
    /// # Errors
    /// [`NodeError`]; the mailbox is as it was.
    pub async fn restore<S>(&self, steps: S) -> Result<RestoreReply, NodeError>
    where
        S: futures_util::Stream<Item = RestoreRequest> + Send + 'static,
    {
        let mut rpc = self.rpc.clone();
        rpc.restore(steps).await.map(Response::into_inner).map_err(|status| self.error(&status))
    }

    pub(crate) async fn soon<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, NodeError> {
        self.within(Duration::from_secs(ANSWER_SECONDS_MAX), call).await
    }

    pub(crate) async fn within<T>(
        &self,
        time: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, NodeError> {
        let answer = timeout(time, call).await;
        let answer = answer.unwrap_or_else(|_| Err(Status::unavailable("it does not answer in time")));
        answer.map(Response::into_inner).map_err(|status| self.error(&status))
    }

    fn error(&self, status: &Status) -> NodeError {
        let node = if self.id == DIRECTORY { self.id.clone() } else { format!("node {}", self.id) };
        let why = status.message().to_owned();
        match status.code() {
            Code::NotFound => NodeError::Missing(node, why),
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => {
                NodeError::Unavailable(node, why)
            }
            _ => NodeError::Refused(node, why),
        }
    }
}

/// A snapshot that waits at its node.
pub(crate) struct Waiting {
    /// Where.
    pub(crate) node: Node,
    /// Its id.
    pub(crate) id: String,
    /// Its octets.
    pub(crate) bytes: u64,
    /// Its digest.
    pub(crate) sha256: [u8; 32],
}

impl Source for Waiting {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    fn read(&self, offset: u64) -> BoxFuture<'_, Result<Octets, StoreError>> {
        async move {
            let mut rpc = self.node.rpc.clone();
            let stream = self.node.soon(rpc.read(ReadRequest { id: self.id.clone(), offset })).await.map_err(source)?;
            let node = self.node.clone();
            let pieces = futures_util::stream::unfold(Some(stream), move |stream| {
                let node = node.clone();
                async move {
                    let mut stream = stream?;
                    let next = timeout(Duration::from_secs(PIECE_SECONDS_MAX), stream.message()).await;
                    match next.unwrap_or_else(|_| Err(Status::unavailable("it does not go on in time"))) {
                        Ok(None) => None,
                        Ok(Some(piece)) => Some((Ok(piece.data), Some(stream))),
                        Err(status) => Some((Err(source(node.error(&status))), None)),
                    }
                }
            });
            Ok(pieces.fuse().boxed())
        }
        .boxed()
    }
}

/// What an error of a node is to a store.
pub(crate) fn source(error: NodeError) -> StoreError {
    match error {
        NodeError::Missing(..) => StoreError::Superseded,
        error @ (NodeError::Unavailable(..) | NodeError::Refused(..)) => StoreError::Source(error.to_string()),
    }
}

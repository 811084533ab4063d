//! The directory as one more source of snapshots: those of its catalogue.

use crate::limits::TAKE_SECONDS_MAX;
use crate::node::{Node, NodeError, Nodes};
use std::time::Duration;
use wire::backup::{StateReply, StateRequest, TakeReply, TakeRequest};

/// What stands for the directory where a node's label would: no label has a blank.
pub(crate) const DIRECTORY: &str = "the directory";

impl Nodes {
    /// Every node that registered, and the directory.
    ///
    /// # Errors
    /// [`NodeError::Unavailable`] when the directory does not answer.
    pub async fn sources(&self) -> Result<Vec<Node>, NodeError> {
        let mut all = self.all().await?;
        all.push(self.directory());
        Ok(all)
    }

    /// The directory.
    pub fn directory(&self) -> Node {
        Node::new(DIRECTORY.to_owned(), self.directory_client().backup_service())
    }
}

impl Node {
    /// A snapshot of the catalogue is taken, if there is something that none has; of the directory only.
    ///
    /// # Errors
    /// [`NodeError`]
    pub async fn take(&self) -> Result<TakeReply, NodeError> {
        let mut rpc = self.rpc();
        self.within(Duration::from_secs(TAKE_SECONDS_MAX), rpc.take(TakeRequest {})).await
    }

    /// What became of the catalogue's newest snapshot; of the directory only.
    ///
    /// # Errors
    /// [`NodeError`]
    pub async fn state_of_catalogue(&self) -> Result<StateReply, NodeError> {
        let mut rpc = self.rpc();
        self.soon(rpc.state(StateRequest { mailbox_id: String::new() })).await
    }
}

//! The directory as the other roles see it: cached look-ups that hear of changes within a second, and the verbs of
//! administration. Leaves opening what it brings to the caller.
//!
//! Invariants: a cached answer is used only while the change feed was heard of within [`FEED_TRUST_MS_MAX`]; an answer is
//! cached only when no change came in while it was under way; reads are tried again, writes only when they are harmless
//! to repeat.

mod admin;
mod cache;
mod error;
mod feed;
mod keeping;
mod mail;
mod retry;
mod rules;
mod storage;

pub use error::Error;
pub use feed::FEED_TRUST_MS_MAX;
pub use mail::{MaySend, Routed, SigningKey, Webhook};
pub use retry::READ_WAIT_MS_MAX;
pub use wire::directory::{
    Alias, AllowanceReply as Allowance, Credential, CredentialKind, CredentialsReply, Disposition, Enforcement,
    GrantReply, GrantRequest, KeepingReply, Kept, NodeInfo, Placement, Policy, Space,
};

use cache::Cache;
use model::{Address, MailboxId, Role};
use retry::retried;
use rustls::ClientConfig;
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Channel;
use wire::directory as proto;

type Rpc = proto::directory_client::DirectoryClient<Channel>;

/// What the directory says of an address.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup<T> {
    /// It is there.
    Found(T),
    /// Mail is not taken for the domain.
    UnknownDomain,
    /// The domain is there, the alias is not.
    UnknownAlias,
}

impl<T> Lookup<T> {
    /// What was found, if anything.
    pub fn found(self) -> Option<T> {
        match self {
            Self::Found(found) => Some(found),
            Self::UnknownDomain | Self::UnknownAlias => None,
        }
    }

    /// Whether nothing was found.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::UnknownDomain | Self::UnknownAlias)
    }

    fn map<U>(self, change: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Self::Found(found) => Lookup::Found(change(found)),
            Self::UnknownDomain => Lookup::UnknownDomain,
            Self::UnknownAlias => Lookup::UnknownAlias,
        }
    }
}

/// A client with its cache. Cheap to clone; the change feed is watched until the last clone is gone.
#[derive(Clone)]
pub struct DirectoryClient(Arc<Inner>);

struct Inner {
    channel: Channel,
    rpc: Rpc,
    cache: Arc<Cache>,
    _feed: AbortOnDropHandle<()>,
}

impl DirectoryClient {
    /// A client of the directory at `endpoint` (`host:port`). Connects on first use; needs a tokio runtime around it.
    ///
    /// # Errors
    /// The endpoint is not of that form.
    pub fn connect(endpoint: &str, tls: Arc<ClientConfig>) -> Result<Self, wire::grpc::EndpointError> {
        Ok(Self::over(wire::grpc::connect(endpoint, Role::Directory, tls)?))
    }

    /// A client over a channel that is there already.
    pub fn over(channel: Channel) -> Self {
        let rpc = wire::grpc::directory_client(channel.clone());
        let cache = Arc::new(Cache::default());
        let feed = AbortOnDropHandle::new(tokio::spawn(feed::follow(rpc.clone(), Arc::clone(&cache))));
        Self(Arc::new(Inner { channel, rpc, cache, _feed: feed }))
    }

    /// The service of the catalogue's snapshots, over the same connection.
    pub fn backup_service(&self) -> wire::backup::backup_client::BackupClient<Channel> {
        wire::grpc::backup_client(self.0.channel.clone())
    }

    /// The alias of an address, `None` when there is none; `subaddress` is that of the address asked for.
    ///
    /// # Errors
    /// The directory could not be reached within [`READ_WAIT_MS_MAX`], or failed.
    pub async fn resolve(&self, address: &Address) -> Result<Option<Alias>, Error> {
        Ok(self.lookup(address).await?.found())
    }

    /// As [`Self::resolve`], and says whether the domain or only the alias is unknown.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub async fn lookup(&self, address: &Address) -> Result<Lookup<Alias>, Error> {
        let subaddress = address.subaddress().unwrap_or_default();
        let with_subaddress = |alias: Arc<Alias>| Alias { subaddress: subaddress.to_owned(), ..Alias::clone(&alias) };
        let key = address.alias();
        if let Some(known) = self.0.cache.alias(&key) {
            return Ok(known.map(with_subaddress));
        }
        let ticket = self.0.cache.ticket();
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), proto::ResolveRequest { address: key.clone() });
            async move { rpc.resolve(request).await }
        });
        let found = lookup_of(answer.await)?.map(Arc::new);
        self.0.cache.put_alias(ticket, key, found.clone());
        Ok(found.map(with_subaddress))
    }

    /// The alias of an address with its credentials, `None` when there is none.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub async fn credentials(&self, address: &Address) -> Result<Option<CredentialsReply>, Error> {
        let key = address.alias();
        if let Some(known) = self.0.cache.credentials(&key) {
            return Ok(known.found().map(|reply| CredentialsReply::clone(&reply)));
        }
        let ticket = self.0.cache.ticket();
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), proto::CredentialsRequest { address: key.clone() });
            async move { rpc.credentials(request).await }
        });
        let found = lookup_of(answer.await)?.map(Arc::new);
        self.0.cache.put_credentials(ticket, key, found.clone());
        Ok(found.found().map(|reply| CredentialsReply::clone(&reply)))
    }

    /// Every storage node that registered.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub async fn nodes(&self) -> Result<Vec<NodeInfo>, Error> {
        if let Some(known) = self.0.cache.nodes() {
            return Ok(known);
        }
        let ticket = self.0.cache.ticket();
        let answer = retried(|| {
            let mut rpc = self.0.rpc.clone();
            async move { rpc.list_nodes(proto::ListNodesRequest {}).await }
        });
        let nodes = answer.await?.nodes;
        self.0.cache.put_nodes(ticket, nodes.clone());
        Ok(nodes)
    }

    /// One storage node, `None` when none of this id registered.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub async fn node(&self, id: &str) -> Result<Option<NodeInfo>, Error> {
        Ok(self.nodes().await?.into_iter().find(|node| node.id == id))
    }

    /// The mailbox's file was made. Harmless to say again.
    ///
    /// # Errors
    /// No alias has the mailbox, or as [`Self::resolve`].
    pub async fn mark_born(&self, mailbox: &MailboxId) -> Result<(), Error> {
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), proto::MarkBornRequest { mailbox_id: mailbox.to_string() });
            async move { rpc.mark_born(request).await }
        });
        answer.await.map(|_| ())
    }

    /// A node says where it is reached. Harmless to say again.
    ///
    /// # Errors
    /// The directory refused it, or as [`Self::resolve`].
    pub async fn register_node(&self, node: NodeInfo) -> Result<(), Error> {
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), node.clone());
            async move { rpc.register_node(request).await }
        });
        answer.await.map(|_| ())
    }
}

/// Tells the two kinds of NOT_FOUND apart by the detail that `proto/directory.proto` promises.
fn lookup_of<T>(answer: Result<T, Error>) -> Result<Lookup<T>, Error> {
    match answer {
        Ok(found) => Ok(Lookup::Found(found)),
        Err(Error::NotFound(detail)) if detail == "unknown domain" => Ok(Lookup::UnknownDomain),
        Err(Error::NotFound(_)) => Ok(Lookup::UnknownAlias),
        Err(error) => Err(error),
    }
}

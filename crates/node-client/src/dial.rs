//! Where a node is and how it is connected to: the directory and mutual TLS, behind traits that a test can fill.

use directory::client::{DirectoryClient, NodeInfo};
use futures_util::future::BoxFuture;
use model::{NodeId, Role};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A byte stream to a node's shard.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Connects to an endpoint.
pub trait Dial: Send + Sync + 'static {
    /// A stream to `endpoint` (`host:port`), authenticated if that is what it is for.
    fn dial<'a>(&'a self, endpoint: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Io>>>;
}

/// TCP and mutual TLS, to a peer whose certificate says that it is a node.
pub struct TlsDial(TlsConnector);

impl TlsDial {
    /// With this process's certificate and the internal CA.
    pub fn new(tls: Arc<rustls::ClientConfig>) -> Self {
        Self(tls.into())
    }
}

impl Dial for TlsDial {
    fn dial<'a>(&'a self, endpoint: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Io>>> {
        Box::pin(async move {
            let name = wire::peer::server_name(Role::Node).ok_or(io::ErrorKind::InvalidInput)?;
            let tcp = TcpStream::connect(endpoint).await?;
            // Frames are small and are put together before they are written: waiting for more only delays them.
            tcp.set_nodelay(true)?;
            Ok(Box::new(self.0.connect(name, tcp).await?) as Box<dyn Io>)
        })
    }
}

/// The directory gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LocateError(pub String);

/// Knows where nodes are.
pub trait Locate: Send + Sync + 'static {
    /// The node's record, `None` when it has not registered.
    fn locate<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, Result<Option<NodeInfo>, LocateError>>;
}

impl Locate for DirectoryClient {
    fn locate<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, Result<Option<NodeInfo>, LocateError>> {
        Box::pin(async move { self.node(node.as_str()).await.map_err(|error| LocateError(error.to_string())) })
    }
}

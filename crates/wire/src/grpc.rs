//! gRPC over mutual TLS: a server that enforces the table of roles and verbs, and a client channel that heals itself.

mod client;
mod guard;
mod incoming;

pub use client::{EndpointError, backup_client, connect, directory_client, node_client, queue_client};
pub use tonic::service::Routes;

use crate::{backup, directory, node, queue};
use guard::AuthorityLayer;
use incoming::Incoming;
use rustls::ServerConfig;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tonic::transport::Server;

/// Bytes of one message: a listing of the catalogue, or a chunk of a body with room to spare.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Calls at once on one connection: an MX holds one for each SMTP transaction.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 4096;
/// Bytes that one call may have under way unread: as much as its credit.
pub const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// Bytes that one connection may have under way unread, all calls together.
pub const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// Bytes of the headers of one call.
pub const HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;
/// Seconds of silence before a ping finds out whether the peer still lives.
pub const KEEPALIVE_SECONDS: u64 = 20;
/// Seconds within which that ping must be answered.
pub const KEEPALIVE_ANSWER_SECONDS_MAX: u64 = 10;
/// Seconds that calls may take to end after the shutdown began.
pub const DRAIN_SECONDS_MAX: u64 = 30;

/// The transport failed; says nothing about a single call.
#[derive(Debug, thiserror::Error)]
#[error("the gRPC server failed: {0}")]
pub struct ServeError(#[from] tonic::transport::Error);

/// Serves `routes` until `shutdown` resolves, then takes no new calls and waits for those under way, at most
/// [`DRAIN_SECONDS_MAX`]. Streams that never end by themselves (Watch) should be ended by their owner at shutdown.
///
/// `tls` must demand a client certificate. Every request that reaches `routes` is allowed by [`crate::authority`] and has a
/// [`crate::peer::Peer`] in its extensions. What the role may not ask is answered with PERMISSION_DENIED, what nobody
/// offers with UNIMPLEMENTED.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    routes: Routes,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let (drain, mut draining) = tokio::sync::watch::channel(false);
    let shutdown = async move {
        shutdown.await;
        drain.send_replace(true);
    };
    let server = Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
        .http2_keepalive_interval(Some(Duration::from_secs(KEEPALIVE_SECONDS)))
        .http2_keepalive_timeout(Some(Duration::from_secs(KEEPALIVE_ANSWER_SECONDS_MAX)))
        .layer(AuthorityLayer)
        .add_routes(routes)
        .serve_with_incoming_shutdown(Incoming::spawn(listener, tls), shutdown);
    let too_long = async move {
        if draining.wait_for(|draining| *draining).await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_secs(DRAIN_SECONDS_MAX)).await;
    };
    tokio::select! {
        served = server => Ok(served?),
        () = too_long => {
            tracing::warn!(seconds = DRAIN_SECONDS_MAX, "gRPC calls did not end in time; nobody waits for them any longer");
            Ok(())
        }
    }
}

/// The directory's service as routes, with the message limits.
pub fn directory_routes<T: directory::directory_server::Directory>(service: T) -> Routes {
    let service = directory::directory_server::DirectoryServer::new(service)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    Routes::new(service)
}

/// The node's service as routes, with the message limits.
pub fn node_routes<T: node::node_server::Node>(service: T) -> Routes {
    let service = node::node_server::NodeServer::new(service)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    Routes::new(service)
}

/// The routes and those of the queue, with the message limits.
pub fn with_queue<T: queue::queue_server::Queue>(routes: Routes, service: T) -> Routes {
    let service = queue::queue_server::QueueServer::new(service)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    routes.add_service(service)
}

/// The routes and those of backups, with the message limits.
pub fn with_backup<T: backup::backup_server::Backup>(routes: Routes, service: T) -> Routes {
    let service = backup::backup_server::BackupServer::new(service)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    routes.add_service(service)
}

#[cfg(test)]
mod tests;

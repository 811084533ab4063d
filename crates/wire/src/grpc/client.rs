//! The client's end: a channel that connects when it is first used and again whenever the connection broke.

use super::{
    CONNECTION_WINDOW_BYTES, KEEPALIVE_ANSWER_SECONDS_MAX, KEEPALIVE_SECONDS, MESSAGE_BYTES_MAX, STREAM_WINDOW_BYTES,
};
use crate::{backup, directory, node, peer, queue};
use hyper_util::rt::TokioIo;
use model::Role;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{io, sync::Arc, time::Duration};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Uri};

/// Seconds to reach a server, TCP and TLS together.
pub const CONNECT_SECONDS_MAX: u64 = 10;

/// The text is not where a server can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an endpoint: give host:port")]
pub struct EndpointError(String);

/// A channel to the server of this role at `endpoint` (`host:port`). Connects on first use and re-connects when broken;
/// while the server cannot be reached, calls fail with UNAVAILABLE. Cheap to clone. Needs a tokio runtime around it.
///
/// The server must show a certificate of the internal CA for `<role>.brevdue.internal`, wherever it is reached.
pub fn connect(endpoint: &str, role: Role, tls: Arc<ClientConfig>) -> Result<Channel, EndpointError> {
    let bad = || EndpointError(endpoint.to_owned());
    let uri: Uri = format!("http://{endpoint}").parse().map_err(|_| bad())?;
    let (Some(host), Some(port)) = (uri.host(), uri.port()) else { return Err(bad()) };
    // Nothing but the two: no user, path or query.
    if format!("{host}:{port}") != endpoint {
        return Err(bad());
    }
    let name = peer::server_name(role).ok_or_else(bad)?;
    let (target, tls): (Arc<str>, _) = (endpoint.into(), TlsConnector::from(tls));
    let connector = tower::service_fn(move |_: Uri| {
        let (target, name, tls) = (Arc::clone(&target), name.clone(), tls.clone());
        async move { Ok::<_, io::Error>(TokioIo::new(dial(&target, name, &tls).await?)) }
    });
    Ok(Endpoint::from(uri)
        .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(Duration::from_secs(KEEPALIVE_SECONDS))
        .keep_alive_timeout(Duration::from_secs(KEEPALIVE_ANSWER_SECONDS_MAX))
        .keep_alive_while_idle(true)
        .connect_with_connector_lazy(connector))
}

async fn dial(target: &str, name: ServerName<'static>, tls: &TlsConnector) -> io::Result<Box<TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(Box::new(tls.connect(name, stream).await?))
}

/// The directory's client on a channel, with the message limits.
pub fn directory_client(channel: Channel) -> directory::directory_client::DirectoryClient<Channel> {
    directory::directory_client::DirectoryClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// The node's client on a channel, with the message limits.
pub fn node_client(channel: Channel) -> node::node_client::NodeClient<Channel> {
    node::node_client::NodeClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// The client of the queue on a node, on a channel, with the message limits.
pub fn queue_client(channel: Channel) -> queue::queue_client::QueueClient<Channel> {
    queue::queue_client::QueueClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// The client of the snapshots on a node, on a channel, with the message limits.
pub fn backup_client(channel: Channel) -> backup::backup_client::BackupClient<Channel> {
    backup::backup_client::BackupClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

//! The directory role: the gRPC service over the catalogue, and its health.

mod answer;
mod input;
mod service;
mod watch;

use crate::catalogue::Catalogue;
use rustls::ServerConfig;
use service::Service;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves the catalogue until `stop` is cancelled, then lets calls under way end.
///
/// # Errors
/// The transport failed.
pub async fn serve(
    catalogue: Arc<Catalogue>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    stop: CancellationToken,
) -> Result<(), wire::grpc::ServeError> {
    let service = Service { catalogue, stop: stop.clone() };
    wire::grpc::serve(listener, tls, wire::grpc::directory_routes(service), stop.cancelled_owned()).await
}

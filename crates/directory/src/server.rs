//! The directory role: the gRPC service over the catalogue, and its health.

mod answer;
mod domains;
mod input;
mod service;
mod watch;

use crate::backup::{self, KeepError, Keeper};
use crate::catalogue::{self, Catalogue};
use daemon::config::Config;
use daemon::listen::{ListenError, Listeners};
use daemon::shutdown::{DrainTimeout, Shutdown};
use daemon::telemetry::{self, Health, Recorder, TelemetryError};
use daemon::tls::{Internal, TlsError};
use model::Role;
use rustls::ServerConfig;
use service::Service;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The name of the gRPC socket, when it is inherited.
pub const LISTENER: &str = "directory";
/// The name of the socket for metrics and health, when it is inherited.
pub const METRICS_LISTENER: &str = "metrics";

/// Why the role ended.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum RunError {
    /// The catalogue cannot be opened.
    Catalogue(#[from] catalogue::Error),
    /// The place of its snapshots cannot be used.
    Snapshots(#[from] KeepError),
    /// A socket cannot be had.
    Listen(#[from] ListenError),
    /// The internal certificate cannot be used.
    Tls(#[from] TlsError),
    /// Metrics cannot be set up.
    Telemetry(#[from] TelemetryError),
    /// A socket failed.
    Io(#[from] std::io::Error),
    /// The transport failed.
    Serve(#[from] wire::grpc::ServeError),
    /// Calls did not end in time.
    Drain(#[from] DrainTimeout),
}

/// The role as a process: from its configuration until the shutdown has drained it.
///
/// # Errors
/// What keeps it from starting, or ended it.
pub async fn run(config: Config, mut listeners: Listeners, shutdown: Shutdown) -> Result<(), RunError> {
    let recorder = Recorder::install(Role::Directory)?;
    let tls = Internal::load(&config.internal, Role::Directory)?;
    let catalogue = Arc::new(Catalogue::open(&config.directory.database, &config.directory.key).await?);
    domains::complete(&catalogue).await?;
    let listener = listeners.take(LISTENER, config.directory.listen)?;
    if let Some(address) = config.metrics.listen {
        let metrics = listeners.take(METRICS_LISTENER, address)?;
        tokio::spawn(telemetry::serve(metrics, recorder, health(&catalogue), shutdown.clone()));
    }
    tracing::info!(address = %listener.local_addr()?, "the directory is ready");
    let keeper = Arc::new(Keeper::open(Arc::clone(&catalogue), config.backup.catalogue_minutes).await?);
    let (stop, tls) = (shutdown.token(), tls.server);
    tokio::spawn(Arc::clone(&keeper).keep(stop.clone()));
    let snapshots = backup::Service::new(keeper, stop.clone());
    let serving = async move {
        let routes = wire::grpc::with_backup(routes(catalogue, &stop), snapshots);
        wire::grpc::serve(listener, tls, routes, stop.cancelled_owned()).await
    };
    shutdown.drain(config.limits.drain(), serving).await??;
    Ok(())
}

/// Does what every caller needs: a durable write, and a read.
fn health(catalogue: &Arc<Catalogue>) -> Health {
    let catalogue = Arc::clone(catalogue);
    Health::new(move || {
        let catalogue = Arc::clone(&catalogue);
        async move { catalogue.check().await.map_err(|error| error.to_string()) }
    })
}

/// Serves the catalogue, without its snapshots, until `stop` is cancelled, then lets calls under way end.
///
/// # Errors
/// The transport failed.
pub async fn serve(
    catalogue: Arc<Catalogue>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    stop: CancellationToken,
) -> Result<(), wire::grpc::ServeError> {
    wire::grpc::serve(listener, tls, routes(catalogue, &stop), stop.cancelled_owned()).await
}

fn routes(catalogue: Arc<Catalogue>, stop: &CancellationToken) -> wire::grpc::Routes {
    wire::grpc::directory_routes(Service { catalogue, stop: stop.clone() })
}

/// What a start does for domains without keys.
#[cfg(test)]
pub(crate) use domains::complete as complete_for_tests;

/// The bare service, for tests that bring their own transport.
#[cfg(test)]
pub(crate) fn service_for_tests(catalogue: Arc<Catalogue>, stop: CancellationToken) -> Service {
    Service { catalogue, stop }
}

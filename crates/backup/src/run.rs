//! The role as a process: from its configuration to a worker, until the shutdown has drained it.

use crate::destination::{Destinations, Lanes};
use crate::health;
use crate::lane::Lane;
use crate::limits::{ASKED_AT_ONCE_MAX, HOUR_MS, LATE_INTERVALS};
use crate::node::Nodes;
use crate::retention::Keep;
use crate::store::{Store, StoreError};
use crate::throttle::Throttle;
use crate::tidy::Tidy;
use crate::worker::Worker;
use daemon::config::{Backup, Config};
use daemon::listen::{ListenError, Listeners};
use daemon::shutdown::{DrainTimeout, Shutdown};
use daemon::telemetry::{self, Health, Recorder, TelemetryError};
use daemon::tls::{Internal, TlsError};
use directory::client::DirectoryClient;
use model::Role;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;
use wire::grpc::EndpointError;

/// The name of the socket for metrics and health, when it is inherited.
pub const METRICS_LISTENER: &str = "metrics";

/// Why the role ended.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum RunError {
    /// A socket cannot be had.
    Listen(#[from] ListenError),
    /// A certificate cannot be used.
    Tls(#[from] TlsError),
    /// Metrics cannot be set up.
    Telemetry(#[from] TelemetryError),
    /// The directory's address is none.
    Directory(#[from] EndpointError),
    /// A store cannot be used.
    Store(#[from] StoreError),
    /// Work did not end in time.
    Drain(#[from] DrainTimeout),
}

/// Runs it to its end.
///
/// # Errors
/// What keeps it from starting, or that work was cut off at its end.
pub async fn run(config: Config, mut listeners: Listeners, shutdown: Shutdown) -> Result<(), RunError> {
    let recorder = Recorder::install(Role::Backup)?;
    let internal = Internal::load(&config.internal, Role::Backup)?.client;
    let directory = DirectoryClient::connect(&config.directory.address, Arc::clone(&internal))?;
    let worker = Arc::new(Worker {
        nodes: Nodes::new(directory.clone(), internal),
        destinations: Destinations {
            directory,
            lanes: lanes(&config.backup)?,
            default: config.backup.stores.first().map(|store| store.name.clone()).unwrap_or_default(),
        },
        tidy: Tidy {
            keep: Keep { daily: config.backup.keep_daily, weekly: config.backup.keep_weekly },
            under_way: std::sync::Mutex::default(),
        },
        throttle: Throttle::new(config.backup.bytes_per_second_max),
        asks: Arc::new(Semaphore::new(ASKED_AT_ONCE_MAX)),
        backlog: std::sync::Mutex::default(),
        late_ms: i64::from(config.backup.interval_hours) * HOUR_MS * LATE_INTERVALS,
    });
    if let Some(address) = config.metrics.listen {
        let metrics = listeners.take(METRICS_LISTENER, address)?;
        tokio::spawn(telemetry::serve(metrics, recorder, healthy(&worker), shutdown.clone()));
    }
    tracing::info!(stores = worker.destinations.lanes.len(), "backup is ready");
    let token = shutdown.token();
    shutdown.drain(config.limits.drain(), Box::pin(worker.run(&token))).await?;
    Ok(())
}

/// Every store of the configuration, by name.
///
/// # Errors
/// [`StoreError::Configuration`]
pub fn stores(config: &Backup) -> Result<BTreeMap<String, Arc<Store>>, StoreError> {
    config.stores.iter().map(|store| Ok((store.name.clone(), Arc::new(Store::open(store)?)))).collect()
}

fn lanes(config: &Backup) -> Result<Lanes, StoreError> {
    let lane = |(name, store): (String, _)| (name.clone(), Arc::new(Lane::new(name, store, config.uploads_max)));
    Ok(stores(config)?.into_iter().map(lane).collect())
}

fn healthy(worker: &Arc<Worker>) -> Health {
    let worker = Arc::clone(worker);
    Health::reporting(move || {
        let worker = Arc::clone(&worker);
        async move { health::check(&worker.nodes, &worker.destinations).await }
    })
}

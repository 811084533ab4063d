//! The role as a process: from its configuration until the shutdown has drained it.

use crate::backup;
use crate::check;
use crate::primary::{Primary, ReportBirth, Settings, StartError};
use crate::queue::{self, Queues};
use crate::register;
use crate::scrub;
use crate::service::{Service, Shards};
use crate::shard::Handle;
use daemon::config::{Cipher, Config};
use daemon::listen::{ListenError, Listeners};
use daemon::shutdown::{DrainTimeout, Shutdown};
use daemon::telemetry::{self, Health, Recorder, TelemetryError};
use daemon::tls::{Internal, TlsError};
use directory::client::{DirectoryClient, NodeInfo};
use model::Role;
use rustls::ServerConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The name of the gRPC socket, when it is inherited.
pub const GRPC_LISTENER: &str = "node-grpc";
/// The name of the socket for metrics and health, when it is inherited.
pub const METRICS_LISTENER: &str = "metrics";

/// How long the end waits for the volumes to be let go; a process that ends lets go of them in any case.
const RELEASE_WAIT: Duration = Duration::from_secs(2);
/// How often it looks.
const RELEASE_LOOK: Duration = Duration::from_millis(1);

/// Why the role ended.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum RunError {
    /// The node cannot start.
    Start(#[from] StartError),
    /// A socket cannot be had.
    Listen(#[from] ListenError),
    /// The internal certificate cannot be used.
    Tls(#[from] TlsError),
    /// Metrics cannot be set up.
    Telemetry(#[from] TelemetryError),
    /// The directory's address is none.
    Directory(#[from] wire::grpc::EndpointError),
    /// A socket failed.
    Io(#[from] std::io::Error),
    /// The transport failed.
    Serve(#[from] wire::grpc::ServeError),
    /// Not everything ended in time.
    Drain(#[from] DrainTimeout),
}

/// The role as a process.
///
/// # Errors
/// What keeps it from starting, or ended it.
pub async fn run(config: Config, mut listeners: Listeners, shutdown: Shutdown) -> Result<(), RunError> {
    let recorder = Recorder::install(Role::Node)?;
    let tls = Internal::load(&config.internal, Role::Node)?;
    let directory = DirectoryClient::connect(&config.directory.address, tls.client)?;
    let mut sessions = Vec::with_capacity(config.node.listen_sessions.len());
    for (at, address) in config.node.listen_sessions.iter().enumerate() {
        sessions.push(listeners.take(&format!("node-session-{at}"), *address)?);
    }
    let grpc = listeners.take(GRPC_LISTENER, config.node.listen_grpc)?;
    let births = register::births(directory.clone(), tokio::runtime::Handle::current());
    let settings = Settings { pools: Some(directory.clone()), ..settings(&config) };
    let node = Node::start(settings, sessions, &tls.server, births)?;
    if let Some(address) = config.metrics.listen {
        let metrics = listeners.take(METRICS_LISTENER, address)?;
        tokio::spawn(telemetry::serve(metrics, recorder, node.health(), shutdown.clone()));
    }
    let info = NodeInfo {
        id: config.node.id.to_string(),
        session_endpoints: config.node.session_endpoints(),
        grpc_endpoint: config.node.grpc_endpoint(),
    };
    tokio::spawn(register::register(directory, info, shutdown.token()));
    tracing::info!(node = %config.node.id, shards = config.node.listen_sessions.len(), "the node is ready");
    let serving = node.serve(grpc, tls.server, shutdown.token());
    shutdown.drain(config.limits.drain(), serving).await??;
    Ok(())
}

fn settings(config: &Config) -> Settings {
    let node = &config.node;
    let mut settings = Settings::new(node.id.clone(), node.volumes.clone(), node.node_key.clone());
    settings.open_mailboxes_max = node.open_mailboxes_max;
    settings.sessions_max = node.sessions_max;
    settings.waiting_bytes_max = node.waiting_bytes_max;
    settings.free_bytes_min = node.disk_free_bytes_min;
    settings.queue_messages_max = node.queue_messages_max;
    settings.queue_bytes_max = node.queue_bytes_max;
    settings.snapshot_interval = Duration::from_secs(u64::from(config.backup.interval_hours) * 3600);
    settings.scrub_interval = Duration::from_secs(u64::from(node.scrub_interval_hours) * 3600);
    settings.scrub_bytes_per_second = node.scrub_bytes_per_second;
    settings.options.quota = mailbox::Quota { bytes_max: node.quota_bytes_max, messages_max: node.quota_messages_max };
    settings.options.cipher = match node.cipher {
        Cipher::ChaCha20 => mailbox::Cipher::ChaCha20,
        Cipher::SqlCipher4 => mailbox::Cipher::SqlCipher4,
    };
    settings
}

/// A node whose shards are running.
pub struct Node {
    primary: Arc<Primary>,
    queues: Arc<Queues>,
    shards: Vec<Handle>,
    stop: CancellationToken,
}

impl Node {
    /// Locks the volumes and starts a shard for each listener.
    ///
    /// # Errors
    /// [`StartError`], whose text says what to do.
    pub fn start(
        settings: Settings,
        listeners: Vec<TcpListener>,
        tls: &Arc<ServerConfig>,
        report_birth: ReportBirth,
    ) -> Result<Self, StartError> {
        let primary = Primary::start(settings, listeners.len(), report_birth)?;
        let queues = Queues::start(&primary)?;
        let stop = CancellationToken::new();
        let mut shards = Vec::with_capacity(listeners.len());
        for (at, listener) in listeners.into_iter().enumerate() {
            shards.push(Handle::start(primary.clone(), at, listener.into_std()?, tls.clone(), stop.clone())?);
        }
        Ok(Self { primary, queues, shards, stop })
    }

    fn senders(&self, stop: &CancellationToken) -> Shards {
        Shards::new(self.shards.iter().map(|shard| shard.requests.clone()).collect(), stop.clone())
    }

    /// Does what every owner needs: writes an encrypted file on every volume and reads it back, and asks every queue.
    pub fn health(&self) -> Health {
        let (primary, queues) = (self.primary.clone(), self.queues.clone());
        Health::new(move || {
            let (primary, queues) = (primary.clone(), queues.clone());
            async move {
                check::check(&primary).await?;
                queues.check().await
            }
        })
    }

    /// Serves deliveries and administration until `stop` is cancelled, then lets what is under way end: first deliveries,
    /// then sessions, whose queued writes are committed; then every mailbox is checkpointed and closed.
    ///
    /// # Errors
    /// The transport failed.
    pub async fn serve(
        self,
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        stop: CancellationToken,
    ) -> Result<(), wire::grpc::ServeError> {
        let routes = wire::grpc::node_routes(Service::new(self.primary.clone(), self.senders(&stop)));
        let snapshots =
            backup::Service::new(self.primary.clone(), self.senders(&stop), self.queues.clone(), stop.clone());
        let routes = wire::grpc::with_backup(routes, snapshots);
        let round = tokio::spawn(backup::keep_copied(Arc::downgrade(&self.primary), stop.clone()));
        let users = scrub::Users { shards: self.senders(&stop), queues: Arc::downgrade(&self.queues) };
        let scrub = scrub::keep_scrubbed(Arc::downgrade(&self.primary), users, stop.clone());
        let scrubbing = tokio::spawn(scrub);
        let routes = wire::grpc::with_queue(routes, queue::Service::new(self.queues.clone(), stop.clone()));
        let served = wire::grpc::serve(listener, tls, routes, stop.cancelled_owned()).await;
        // A copy under way is given up: it would keep its mailbox open for as long as it takes.
        self.primary.staging.end();
        let _ = round.await;
        let _ = scrubbing.await;
        self.stop.cancel();
        let (shards, queues, primary) = (self.shards, self.queues, self.primary);
        let joined = tokio::task::spawn_blocking(move || {
            queues.close();
            shards.into_iter().for_each(Handle::join);
        });
        let joined = joined.await;
        if joined.is_err() {
            tracing::error!("a shard could not be joined");
        }
        // The transport's own tasks let go of the volumes a moment after it has ended; who starts the next node wants them free.
        let deadline = Instant::now() + RELEASE_WAIT;
        while Arc::strong_count(&primary) > 1 && Instant::now() < deadline {
            tokio::time::sleep(RELEASE_LOOK).await;
        }
        served
    }
}

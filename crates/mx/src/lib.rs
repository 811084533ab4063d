//! The MX front-end: SMTP from the internet, sealing and delivery. Holds nothing: what it has acknowledged is on a node.

mod answers;
#[doc(hidden)]
pub mod content;
mod conversation;
pub mod deliver;
#[doc(hidden)]
pub mod engines;
mod filter;
mod health;
mod inspection;
pub mod limits;
pub mod metrics;
mod nodes;
#[doc(hidden)]
pub mod onward;
mod patience;
mod policy;
mod recipient;
mod success;
mod trace;
mod transaction;
mod verdict;

pub use engines::Engines;
pub use patience::Patience;

use ::directory::client::DirectoryClient;
use daemon::accept::{Acceptor, Connection};
use daemon::clock::{Clock, SystemClock};
use daemon::config::Config;
use daemon::limits::{Limit, SourceLimit};
use daemon::listen::{ListenError, Listeners};
use daemon::shared::{Shared, SharedError};
use daemon::shutdown::{DrainTimeout, Shutdown};
use daemon::telemetry::{self, Health, Recorder, TelemetryError};
use daemon::tls::{self, Internal, TlsError};
use dns::{Resolver, ResolverError};
use model::Role;
use model::limits::{MESSAGE_BYTES_MAX, RECIPIENTS_MAX};
use node_client::queue::Enqueuer;
use nodes::Nodes;
use std::sync::Arc;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::grpc::EndpointError;

/// What every conversation shares.
pub struct Mx {
    session: smtp::Config,
    directory: DirectoryClient,
    nodes: Nodes,
    tls: Arc<ServerConfig>,
    patience: Patience,
    trusts_loopback: bool,
    policy_on_loopback: bool,
    resolver: Resolver,
    shared: Shared,
    enqueuer: Enqueuer,
    engines: Engines,
    clock: Arc<dyn Clock>,
}

/// What an [`Mx`] is made of; tests hand in other clocks and less patience.
pub struct Parts {
    /// Our name, sizes and offers.
    pub session: smtp::Config,
    /// The catalogue.
    pub directory: DirectoryClient,
    /// How this process shows itself to nodes.
    pub internal: Arc<ClientConfig>,
    /// What STARTTLS begins.
    pub public: Arc<ServerConfig>,
    /// How long to wait.
    pub patience: Patience,
    /// Whether clients on this machine may speak before the greeting: scripts do, and are no spam.
    pub trusts_loopback: bool,
    /// Whether policy is asked for clients on this machine too.
    pub policy_on_loopback: bool,
    /// Where names are looked up.
    pub resolver: Resolver,
    /// Counters and marks that front-ends share.
    pub shared: Shared,
    /// What else looks at content.
    pub engines: Engines,
    /// The time of day in Received.
    pub clock: Arc<dyn Clock>,
}

impl Mx {
    /// From its parts.
    pub fn new(parts: Parts) -> Self {
        let nodes = Nodes::new(parts.directory.clone(), Arc::clone(&parts.internal));
        let enqueuer = Enqueuer::new(parts.directory.clone(), parts.internal);
        Self {
            session: parts.session,
            directory: parts.directory,
            nodes,
            tls: parts.public,
            patience: parts.patience,
            trusts_loopback: parts.trusts_loopback,
            policy_on_loopback: parts.policy_on_loopback,
            resolver: parts.resolver,
            shared: parts.shared,
            enqueuer,
            engines: parts.engines,
            clock: parts.clock,
        }
    }

    /// Does what every message needs: a look-up in the directory, and a word with every node.
    ///
    /// # Errors
    /// What is wrong, in one line.
    pub async fn check(&self) -> Result<(), String> {
        health::check(self).await
    }

    /// Serves SMTP on a listener until `shutdown`, then until the conversations have ended: messages that are coming in
    /// are finished, the others are sent away.
    pub async fn serve(self: Arc<Self>, acceptor: Acceptor, shutdown: &CancellationToken) {
        let tasks = TaskTracker::new();
        acceptor
            .refuse_with(TOO_MANY_CONNECTIONS)
            .run(shutdown, &tasks, |connection| {
                let (mx, shutdown) = (Arc::clone(&self), shutdown.clone());
                async move {
                    let Connection { stream, address, permits } = connection;
                    Box::pin(conversation::serve(mx, stream, address.ip(), shutdown)).await;
                    drop(permits);
                }
            })
            .await;
        tasks.close();
        tasks.wait().await;
    }
}

/// What a connection over the limits is told.
const TOO_MANY_CONNECTIONS: &[u8] = b"421 4.7.0 Too many connections, try again later\r\n";

/// The name of the SMTP socket, when it is inherited.
pub const LISTENER: &str = "mx";
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
    /// Redis cannot be used as it is configured.
    Shared(#[from] SharedError),
    /// DNS cannot be asked as it is configured.
    Dns(#[from] ResolverError),
    /// A socket failed.
    Io(#[from] std::io::Error),
    /// Conversations did not end in time.
    Drain(#[from] DrainTimeout),
}

/// The role as a process: from its configuration until the shutdown has drained it.
///
/// # Errors
/// What keeps it from starting, or that conversations were cut off at its end.
pub async fn run(config: Config, mut listeners: Listeners, shutdown: Shutdown) -> Result<(), RunError> {
    let recorder = Recorder::install(Role::Mx)?;
    let internal = Internal::load(&config.internal, Role::Mx)?.client;
    let shared = Shared::connect(&config.redis)?;
    let parts = Parts {
        session: session_config(&config),
        directory: DirectoryClient::connect(&config.directory.address, Arc::clone(&internal))?,
        internal,
        public: tls::public_server(&config.mx.cert, &config.mx.key)?,
        patience: Patience::default(),
        trusts_loopback: true,
        policy_on_loopback: config.mx.policy_on_loopback,
        resolver: Resolver::new(&config.dns, shared.clone())?,
        shared,
        engines: Engines::new(&config.mx),
        clock: Arc::new(SystemClock),
    };
    let mx = Arc::new(Mx::new(parts));
    let listener = listeners.take(LISTENER, config.mx.listen)?;
    if let Some(address) = config.metrics.listen {
        let metrics = listeners.take(METRICS_LISTENER, address)?;
        tokio::spawn(telemetry::serve(metrics, recorder, health(&mx), shutdown.clone()));
    }
    tracing::info!(address = %listener.local_addr()?, "the MX is ready");
    let connections = Limit::new("mx", config.mx.connections_max);
    let per_source = SourceLimit::new("mx-source", config.mx.connections_per_source_max);
    let token = shutdown.token();
    let serving = mx.serve(Acceptor::new(listener, connections, per_source), &token);
    shutdown.drain(config.limits.drain(), serving).await?;
    Ok(())
}

fn session_config(config: &Config) -> smtp::Config {
    smtp::Config {
        hostname: config.mx.hostname.clone(),
        size_max: config.mx.message_bytes_max.min(MESSAGE_BYTES_MAX - limits::TRACE_BYTES_MAX),
        recipients_max: RECIPIENTS_MAX as u32,
        starttls: true,
        dsn: true,
        sign_in: smtp::SignInOffer::No,
    }
}

fn health(mx: &Arc<Mx>) -> Health {
    let mx = Arc::clone(mx);
    Health::new(move || {
        let mx = Arc::clone(&mx);
        async move { mx.check().await }
    })
}

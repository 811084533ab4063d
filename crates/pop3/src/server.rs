//! The role as a process: listeners, TLS, limits, one task for each connection, and the drain at the end.

use crate::connection::Connection;
use crate::health;
use crate::limits::HANDSHAKE;
use crate::session::Session;
use daemon::accept::{self, Acceptor};
use daemon::config::{Config, PlaintextSignIn};
use daemon::limits::{Limit, SourceLimit};
use daemon::listen::{ListenError, Listeners};
use daemon::shutdown::{DrainTimeout, Shutdown};
use daemon::stream::Stream;
use daemon::telemetry::{self, Recorder, TelemetryError};
use daemon::tls::{self, Internal, TlsError};
use directory::DirectoryClient;
use model::Role;
use node_client::NodeClient;
use sign_in::SignIn;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The name of the socket that begins in the clear, when it is inherited.
pub const LISTENER: &str = "pop3";
/// The name of the socket that begins with TLS, when it is inherited.
pub const TLS_LISTENER: &str = "pop3s";
/// The name of the socket for metrics and health, when it is inherited.
pub const METRICS_LISTENER: &str = "metrics";
/// What a connection that is too many hears.
const FULL: &[u8] = b"-ERR [SYS/TEMP] Too many connections, try again later\r\n";

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
    /// The directory's address is malformed.
    Directory(#[from] wire::grpc::EndpointError),
    /// A socket failed.
    Io(#[from] std::io::Error),
    /// Sessions did not end in time.
    Drain(#[from] DrainTimeout),
}

/// What the configuration says about sessions.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether passwords are taken in the clear.
    pub plaintext_sign_in: PlaintextSignIn,
    /// The autologout time.
    pub idle: Duration,
}

/// What all sessions share.
pub struct Shared {
    /// What the configuration says.
    pub settings: Settings,
    /// The way in.
    pub sign_in: SignIn,
    /// The public certificate.
    pub tls: Arc<ServerConfig>,
    /// Cancelled when the process is to end.
    pub shutdown: CancellationToken,
}

/// The role as a process: from its configuration until the shutdown has drained it.
///
/// # Errors
/// What keeps it from starting, or ended it.
pub async fn run(config: Config, mut listeners: Listeners, shutdown: Shutdown) -> Result<(), RunError> {
    let recorder = Recorder::install(Role::Pop3)?;
    let internal = Internal::load(&config.internal, Role::Pop3)?;
    let directory = DirectoryClient::connect(&config.directory.address, Arc::clone(&internal.client))?;
    let nodes = NodeClient::new(directory.clone(), internal.client, format!("pop3-{}", std::process::id()));
    let pop3 = &config.pop3;
    let shared = Arc::new(Shared {
        settings: Settings {
            plaintext_sign_in: pop3.plaintext_sign_in,
            idle: Duration::from_secs(u64::from(pop3.idle_minutes) * 60),
        },
        sign_in: SignIn::new(directory, nodes, pop3.sign_ins_max),
        tls: tls::public_server(&pop3.cert, &pop3.key)?,
        shutdown: shutdown.token(),
    });
    let connections = Limit::new("pop3", pop3.connections_max);
    let per_source = SourceLimit::new("pop3-source", pop3.connections_per_source_max);
    let tasks = TaskTracker::new();
    let (mut doors, mut ways) = (Vec::new(), Vec::new());
    for (name, address, through_tls) in [(LISTENER, pop3.listen, false), (TLS_LISTENER, pop3.listen_tls, true)] {
        let Some(address) = address else { continue };
        let listener = listeners.take(name, address)?;
        let bound = listener.local_addr()?;
        tracing::info!(address = %bound, name, "the POP3 front-end is ready");
        ways.push((bound, through_tls));
        let acceptor = Acceptor::new(listener, connections.clone(), per_source.clone());
        doors.push((if through_tls { acceptor } else { acceptor.refuse_with(FULL) }, through_tls));
    }
    if let Some(address) = config.metrics.listen {
        let metrics = listeners.take(METRICS_LISTENER, address)?;
        let health = health::check(&ways, pop3);
        tokio::spawn(telemetry::serve(metrics, recorder, health, shutdown.clone()));
    }
    let serving = async {
        let (shared, tasks) = (&shared, &tasks);
        let open = doors.into_iter().map(|(acceptor, through_tls)| async move {
            let serve = |connection| serve(Arc::clone(shared), connection, through_tls);
            acceptor.run(&shared.shutdown, tasks, serve).await;
        });
        futures_util::future::join_all(open).await;
        tasks.close();
        tasks.wait().await;
    };
    shutdown.drain(config.limits.drain(), serving).await?;
    Ok(())
}

async fn serve(shared: Arc<Shared>, connection: accept::Connection, through_tls: bool) {
    let accept::Connection { stream, address, permits } = connection;
    let mut stream = Stream::Plain(stream);
    if through_tls {
        stream = match stream.start_tls(&shared.tls, HANDSHAKE).await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "no TLS came about");
                return;
            }
        };
    }
    Session::new(shared, Connection::new(stream), address).run().await;
    drop(permits);
}

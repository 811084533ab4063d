//! The role as a process: listeners, TLS, limits, one task for each connection, and the drain at the end.

use crate::connection::Connection;
use crate::health;
use crate::session::Session;
use daemon::config::{Config, PlaintextSignIn};
use daemon::doors::{Crowd, Doors, Listen};
use daemon::limits::{Limit, SourceLimit};
use daemon::listen::{ListenError, Listeners};
use daemon::shutdown::{DrainTimeout, Shutdown};
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
    let crowd = Crowd {
        connections: Limit::new("pop3", pop3.connections_max),
        per_source: SourceLimit::new("pop3-source", pop3.connections_per_source_max),
        full: FULL,
    };
    let wanted = [
        Listen { name: LISTENER, address: pop3.listen, through_tls: false },
        Listen { name: TLS_LISTENER, address: pop3.listen_tls, through_tls: true },
    ];
    let doors = Doors::open(&mut listeners, &wanted, &crowd, Arc::clone(&shared.tls))?;
    if let Some(address) = config.metrics.listen {
        let metrics = listeners.take(METRICS_LISTENER, address)?;
        let health = health::check(&doors.ways(), pop3);
        tokio::spawn(telemetry::serve(metrics, recorder, health, shutdown.clone()));
    }
    let serving = doors.serve(&shared.shutdown, {
        let shared = Arc::clone(&shared);
        move |stream, address| Session::new(Arc::clone(&shared), Connection::new(stream), address).run()
    });
    shutdown.drain(config.limits.drain(), serving).await?;
    Ok(())
}

//! The role as a process: listeners, TLS, limits, one task for each connection, and the drain at the end.

use crate::health;
use crate::session::Session;
use crate::session::connection::Connection;
use crate::session::transport::Transport;
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
pub const LISTENER: &str = "imap";
/// The name of the socket that begins with TLS, when it is inherited.
pub const TLS_LISTENER: &str = "imaps";
/// The name of the socket for metrics and health, when it is inherited.
pub const METRICS_LISTENER: &str = "metrics";
/// What a connection that is too many hears.
const FULL: &[u8] = b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n";

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
    /// Octets of one message.
    pub message_bytes_max: u64,
    /// Messages that one command is done with (RFC 9738): what is held of a COPY's answer is 8 octets for each.
    pub messages_per_command_max: usize,
}

/// What all sessions share.
pub struct Shared {
    /// What the configuration says.
    pub settings: Settings,
    /// The way in.
    pub sign_in: SignIn,
    /// The public certificate, for STARTTLS and the TLS listener.
    pub tls: Arc<ServerConfig>,
    /// Cancelled when the process is to end.
    pub shutdown: CancellationToken,
}

/// The role as a process: from its configuration until the shutdown has drained it.
///
/// # Errors
/// What keeps it from starting, or ended it.
pub async fn run(config: Config, mut listeners: Listeners, shutdown: Shutdown) -> Result<(), RunError> {
    let recorder = Recorder::install(Role::Imap)?;
    let internal = Internal::load(&config.internal, Role::Imap)?;
    let directory = DirectoryClient::connect(&config.directory.address, Arc::clone(&internal.client))?;
    let nodes = NodeClient::new(directory.clone(), internal.client, front_end_name());
    let imap = &config.imap;
    let shared = Arc::new(Shared {
        settings: Settings {
            plaintext_sign_in: imap.plaintext_sign_in,
            idle: Duration::from_secs(u64::from(imap.idle_minutes) * 60),
            message_bytes_max: imap.message_bytes_max.min(model::limits::MESSAGE_BYTES_MAX),
            messages_per_command_max: imap.messages_per_command_max,
        },
        sign_in: SignIn::new(directory, nodes, imap.sign_ins_max),
        tls: tls::public_server(&imap.cert, &imap.key)?,
        shutdown: shutdown.token(),
    });
    let crowd = Crowd {
        connections: Limit::new("imap", imap.connections_max),
        per_source: SourceLimit::new("imap-source", imap.connections_per_source_max),
        full: FULL,
    };
    let wanted = [
        Listen { name: LISTENER, address: imap.listen, through_tls: false },
        Listen { name: TLS_LISTENER, address: imap.listen_tls, through_tls: true },
    ];
    let doors = Doors::open(&mut listeners, &wanted, &crowd, Arc::clone(&shared.tls))?;
    if let Some(address) = config.metrics.listen {
        let metrics = listeners.take(METRICS_LISTENER, address)?;
        let health = health::check(&doors.ways(), imap);
        tokio::spawn(telemetry::serve(metrics, recorder, health, shutdown.clone()));
    }
    let serving = doors.serve(&shared.shutdown, {
        let shared = Arc::clone(&shared);
        move |stream, address| {
            Session::new(Connection::new(Transport::Open(stream)), Arc::clone(&shared), address).run()
        }
    });
    shutdown.drain(config.limits.drain(), serving).await?;
    Ok(())
}

/// Tells this process apart in a node's log.
fn front_end_name() -> String {
    format!("imap-{}", std::process::id())
}

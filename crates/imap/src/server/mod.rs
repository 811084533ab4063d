//! The role as a process: listeners, TLS, limits, one task for each connection, and the drain at the end.

use crate::health;
use crate::limits::HANDSHAKE;
use crate::session::Session;
use crate::session::connection::Connection;
use crate::session::transport::Transport;
use daemon::accept::{self, Acceptor};
use daemon::config::{Config, PlaintextSignIn};
use daemon::limits::{Limit, SourceLimit};
use daemon::listen::{ListenError, Listeners};
use daemon::shutdown::{DrainTimeout, Shutdown};
use daemon::telemetry::{self, Recorder, TelemetryError};
use daemon::tls::{self, Internal, TlsError};
use directory::DirectoryClient;
use model::Role;
use node_client::NodeClient;
use sign_in::SignIn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
    pub tls: Option<Arc<ServerConfig>>,
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
        tls: Some(tls::public_server(&imap.cert, &imap.key)?),
        shutdown: shutdown.token(),
    });
    let limits =
        (Limit::new("imap", imap.connections_max), SourceLimit::new("imap-source", imap.connections_per_source_max));
    let tasks = TaskTracker::new();
    let mut doors = Vec::new();
    for (name, address, through_tls) in [(LISTENER, imap.listen, false), (TLS_LISTENER, imap.listen_tls, true)] {
        let Some(address) = address else { continue };
        let listener = listeners.take(name, address)?;
        let bound = listener.local_addr()?;
        tracing::info!(address = %bound, name, "the IMAP front-end is ready");
        let acceptor = Acceptor::new(listener, limits.0.clone(), limits.1.clone());
        let acceptor = if through_tls { acceptor } else { acceptor.refuse_with(FULL) };
        doors.push(Door { acceptor, bound, through_tls });
    }
    if let Some(address) = config.metrics.listen {
        let metrics = listeners.take(METRICS_LISTENER, address)?;
        let ways: Vec<_> = doors.iter().map(|door| (door.bound, door.through_tls)).collect();
        let health = health::check(&ways, &config.imap);
        tokio::spawn(telemetry::serve(metrics, recorder, health, shutdown.clone()));
    }
    let serving = async {
        let open = doors.into_iter().map(|door| door.serve(&shared, &tasks));
        futures_util::future::join_all(open).await;
        tasks.close();
        tasks.wait().await;
    };
    shutdown.drain(config.limits.drain(), serving).await?;
    Ok(())
}

/// One listener.
struct Door {
    acceptor: Acceptor,
    bound: SocketAddr,
    through_tls: bool,
}

impl Door {
    async fn serve(self, shared: &Arc<Shared>, tasks: &TaskTracker) {
        let through_tls = self.through_tls;
        let serve = |connection| serve(Arc::clone(shared), connection, through_tls);
        self.acceptor.run(&shared.shutdown, tasks, serve).await;
    }
}

async fn serve(shared: Arc<Shared>, connection: accept::Connection, through_tls: bool) {
    let accept::Connection { stream, address, permits } = connection;
    let transport = match (&shared.tls, through_tls) {
        (Some(tls), true) => {
            // Boxed: a handshake is short, and its room is not to be carried by the session that follows.
            let accepted = Box::pin(timeout(HANDSHAKE, TlsAcceptor::from(Arc::clone(tls)).accept(stream))).await;
            let Ok(Ok(stream)) = accepted else {
                tracing::debug!("no TLS came about");
                return;
            };
            Transport::Tls(Box::new(stream))
        }
        (None, true) => return,
        (_, false) => Transport::Plain(stream),
    };
    Session::new(Connection::new(transport), shared, address).run().await;
    drop(permits);
}

/// Tells this process apart in a node's log.
fn front_end_name() -> String {
    format!("imap-{}", std::process::id())
}

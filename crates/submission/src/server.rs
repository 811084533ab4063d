//! The role as a process: listeners, TLS, limits, one task for each connection, and the drain at the end.

use crate::conversation;
use crate::health;
use daemon::config::{Config, PlaintextSignIn};
use daemon::doors::{Crowd, Doors, Listen};
use daemon::limits::{Limit, SourceLimit};
use daemon::listen::{ListenError, Listeners};
use daemon::shared::{Shared as Counters, SharedError};
use daemon::shutdown::{DrainTimeout, Shutdown};
use daemon::telemetry::{self, Recorder, TelemetryError};
use daemon::tls::{self, Internal, TlsError};
use directory::DirectoryClient;
use model::Role;
use model::limits::{MESSAGE_BYTES_MAX, RECIPIENTS_MAX};
use node_client::NodeClient;
use node_client::queue::Enqueuer;
use sign_in::SignIn;
use smtp::SignInOffer;
use std::net::IpAddr;
use std::sync::Arc;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

/// The name of the socket that begins in the clear, when it is inherited.
pub const LISTENER: &str = "submission";
/// The name of the socket that begins with TLS, when it is inherited.
pub const TLS_LISTENER: &str = "submissions";
/// The name of the socket for metrics and health, when it is inherited.
pub const METRICS_LISTENER: &str = "metrics";
/// What a connection that is too many hears.
const FULL: &[u8] = b"421 4.7.0 Too many connections, try again later\r\n";
/// Octets that a message may grow by on its way: fields that are put in, the trace and the signatures.
const ADDED_BYTES_MAX: u64 = 64 * 1024;

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
    /// Redis is configured wrongly.
    Shared(#[from] SharedError),
    /// A socket failed.
    Io(#[from] std::io::Error),
    /// Conversations did not end in time.
    Drain(#[from] DrainTimeout),
}

/// What the configuration says about conversations.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our name.
    pub hostname: String,
    /// Octets of one message.
    pub message_bytes_max: u64,
    /// Whether passwords are taken in the clear.
    pub plaintext_sign_in: PlaintextSignIn,
}

impl Settings {
    /// What is offered to a client at this address.
    pub fn session(&self, client: IpAddr) -> smtp::Config {
        let sign_in = if self.plaintext_sign_in.allows(client) { SignInOffer::Anywhere } else { SignInOffer::InTls };
        smtp::Config {
            hostname: self.hostname.clone(),
            size_max: self.message_bytes_max.min(MESSAGE_BYTES_MAX - ADDED_BYTES_MAX),
            recipients_max: RECIPIENTS_MAX as u32,
            starttls: true,
            dsn: true,
            sign_in,
        }
    }
}

/// What all conversations share.
pub struct Shared {
    /// What the configuration says.
    pub settings: Settings,
    /// The way in.
    pub sign_in: SignIn,
    /// Who may send as whom, and with which keys.
    pub directory: DirectoryClient,
    /// The way on.
    pub queues: Enqueuer,
    /// What was sent of late.
    pub counters: Counters,
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
    let recorder = Recorder::install(Role::Submission)?;
    let internal = Internal::load(&config.internal, Role::Submission)?.client;
    let directory = DirectoryClient::connect(&config.directory.address, Arc::clone(&internal))?;
    let name = format!("submission-{}", std::process::id());
    let nodes = NodeClient::new(directory.clone(), Arc::clone(&internal), name);
    let submission = &config.submission;
    let shared = Arc::new(Shared {
        settings: Settings {
            hostname: submission.hostname.clone(),
            message_bytes_max: submission.message_bytes_max,
            plaintext_sign_in: submission.plaintext_sign_in,
        },
        sign_in: SignIn::new(directory.clone(), nodes, submission.sign_ins_max),
        queues: Enqueuer::new(directory.clone(), internal),
        directory,
        counters: Counters::connect(&config.redis)?,
        tls: tls::public_server(&submission.cert, &submission.key)?,
        shutdown: shutdown.token(),
    });
    let crowd = Crowd {
        connections: Limit::new("submission", submission.connections_max),
        per_source: SourceLimit::new("submission-source", submission.connections_per_source_max),
        full: FULL,
    };
    let wanted = [
        Listen { name: LISTENER, address: submission.listen, through_tls: false },
        Listen { name: TLS_LISTENER, address: submission.listen_tls, through_tls: true },
    ];
    let doors = Doors::open(&mut listeners, &wanted, &crowd, Arc::clone(&shared.tls))?;
    if let Some(address) = config.metrics.listen {
        let metrics = listeners.take(METRICS_LISTENER, address)?;
        let health = health::check(&shared, submission);
        tokio::spawn(telemetry::serve(metrics, recorder, health, shutdown.clone()));
    }
    let serving = doors.serve(&shared.shutdown, {
        let shared = Arc::clone(&shared);
        move |stream, address| Box::pin(conversation::serve(Arc::clone(&shared), stream, address))
    });
    shutdown.drain(config.limits.drain(), serving).await?;
    Ok(())
}

//! The role as a process: from its configuration to a worker, until the shutdown has drained it.

use crate::attempt::Sender;
use crate::connection::Login;
use crate::destinations::Destinations;
use crate::guard::Guard;
use crate::health;
use crate::http::Https;
use crate::leases::Leases;
use crate::mta_sts::Policies;
use crate::patience::Patience;
use crate::pool::Pool;
use crate::route::Routes;
use crate::schedule::Schedule;
use crate::sign::Signers;
use crate::tls::{Tls, TrustError};
use crate::tls_policy::TlsPolicies;
use crate::tls_report::{Reporter, Reports};
use crate::webhook::Caller;
use crate::worker::{End, Us, Worker};
use daemon::clock::{Clock, SystemClock};
use daemon::config::{self, Config};
use daemon::limits::Limit;
use daemon::listen::{ListenError, Listeners};
use daemon::shared::{Shared, SharedError};
use daemon::shutdown::{DrainTimeout, Shutdown};
use daemon::telemetry::{self, Health, Recorder, TelemetryError};
use daemon::tls::{Internal, TlsError};
use directory::client::DirectoryClient;
use dns::{Resolver, ResolverError};
use model::Role;
use node_client::queue::{Enqueuer, Queues};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use wire::grpc::EndpointError;

/// The name of the socket for metrics and health, when it is inherited.
pub const METRICS_LISTENER: &str = "metrics";
/// Seconds of the drain that are kept for giving back what could not be sent to its end.
const GIVE_BACK_SECONDS: u64 = 5;
/// Octets of a password file that are read.
const PASSWORD_FILE_BYTES_MAX: usize = 4 * 1024;

/// Why the role ended.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum RunError {
    /// A socket cannot be had.
    Listen(#[from] ListenError),
    /// A certificate cannot be used.
    Tls(#[from] TlsError),
    /// Nobody is trusted.
    Trust(#[from] TrustError),
    /// Metrics cannot be set up.
    Telemetry(#[from] TelemetryError),
    /// The directory's address is none.
    Directory(#[from] EndpointError),
    /// Names cannot be looked up.
    Resolver(#[from] ResolverError),
    /// What workers share cannot be set up.
    Shared(#[from] SharedError),
    /// The smart host's password cannot be had.
    #[error("{}: no password can be read from it ({problem}); give a file with the password in its first line", file.display())]
    Password {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A socket failed, or TLS cannot be set up.
    Io(#[from] io::Error),
    /// Work did not end in time.
    Drain(#[from] DrainTimeout),
}

/// What the parts have in common.
struct Base {
    directory: DirectoryClient,
    queues: Queues,
    enqueuer: Enqueuer,
    resolver: Resolver,
    shared: Shared,
    tls: Tls,
    clock: Arc<dyn Clock>,
}

/// Runs it to its end.
///
/// # Errors
/// What keeps it from starting, or that work was cut off at its end.
pub async fn run(config: Config, mut listeners: Listeners, shutdown: Shutdown) -> Result<(), RunError> {
    let recorder = Recorder::install(Role::Outbound)?;
    let base = Base::new(&config)?;
    let reports = config.outbound.tls_reports.then(Arc::<Reports>::default);
    let drain = config.limits.drain();
    let patience = drain.saturating_sub(Duration::from_secs(GIVE_BACK_SECONDS)).max(drain / 2);
    let end = End::at(shutdown.token(), patience);
    let worker = Arc::new(worker(&config.outbound, &base, reports.clone(), end)?);
    let reporter = match reports {
        Some(reports) => Some(reporter(&config.outbound, &base, reports)?),
        None => None,
    };
    if let Some(address) = config.metrics.listen {
        let metrics = listeners.take(METRICS_LISTENER, address)?;
        tokio::spawn(telemetry::serve(metrics, recorder, healthy(&base.queues), shutdown.clone()));
    }
    tracing::info!(worker = worker.name, "outbound is ready");
    let token = shutdown.token();
    let work = async {
        let report = async {
            if let Some(reporter) = reporter {
                reporter.run(&token).await;
            }
        };
        tokio::join!(worker.run(), report);
    };
    shutdown.drain(drain, Box::pin(work)).await?;
    Ok(())
}

impl Base {
    fn new(config: &Config) -> Result<Self, RunError> {
        let internal = Internal::load(&config.internal, Role::Outbound)?.client;
        let directory = DirectoryClient::connect(&config.directory.address, Arc::clone(&internal))?;
        let shared = Shared::connect(&config.redis)?;
        let ca = Some(config.outbound.ca.as_path()).filter(|file| !file.as_os_str().is_empty());
        Ok(Self {
            queues: Queues::new(directory.clone(), Arc::clone(&internal)),
            enqueuer: Enqueuer::new(directory.clone(), internal),
            resolver: Resolver::new(&config.dns, shared.clone())?,
            directory,
            shared,
            tls: Tls::load(ca)?,
            clock: Arc::new(SystemClock),
        })
    }

    /// A way to HTTPS servers that are strangers' names.
    fn https(&self, guard: Guard) -> io::Result<Https> {
        Https::new(self.resolver.clone(), &self.tls, guard)
    }
}

/// For mail, policies and reports.
fn guard(config: &config::Outbound) -> Guard {
    Guard { allow_private: config.allow_private, ..Guard::default() }
}

fn worker(config: &config::Outbound, base: &Base, reports: Option<Arc<Reports>>, end: End) -> Result<Worker, RunError> {
    let webhooks = base.https(Guard { networks: config.webhook_networks.clone(), ..Guard::default() })?;
    Ok(Worker {
        name: format!("{}:{}", config.hostname, std::process::id()),
        us: Us { host: config.hostname.clone(), from: config.sender(), clock: Arc::clone(&base.clock) },
        queues: base.queues.clone(),
        sender: sender(config, base, reports)?,
        caller: Caller::new(base.directory.clone(), webhooks, Arc::clone(&base.clock)),
        signers: Signers::new(base.directory.clone()),
        schedule: Schedule::of_hours(config.give_up_hours, config.delay_notice_hours),
        places: Limit::new("outbound", config.connections_max),
        destinations: Destinations::new(config.connections_per_destination_max),
        leases: Arc::new(Leases::of_seconds(config.lease_seconds)),
        end,
    })
}

fn sender(config: &config::Outbound, base: &Base, reports: Option<Arc<Reports>>) -> Result<Sender, RunError> {
    let sts = if config.mta_sts {
        let https = base.https(guard(config))?;
        let (resolver, shared, clock) = (base.resolver.clone(), base.shared.clone(), Arc::clone(&base.clock));
        Some(Policies::new(resolver, https, shared, config.https_port, clock))
    } else {
        None
    };
    let login = if config.smart_host_user.is_empty() {
        None
    } else {
        let password = read_password(&config.smart_host_password_file)?;
        Some(Login { user: config.smart_host_user.clone(), password })
    };
    let ca = Some(config.ca.as_path()).filter(|file| !file.as_os_str().is_empty());
    Ok(Sender {
        hello: config.hostname.clone(),
        resolver: base.resolver.clone(),
        routes: Routes::new(config, base.resolver.clone(), base.directory.clone()),
        policies: TlsPolicies::new(base.resolver.clone(), sts, config.dane, config.port, reports),
        tls: Tls::load(ca)?,
        guard: guard(config),
        port: config.port,
        smart_tls: config.smart_host_tls,
        login,
        patience: Patience::default(),
        pool: Pool::default(),
    })
}

fn reporter(config: &config::Outbound, base: &Base, reports: Arc<Reports>) -> io::Result<Reporter> {
    Ok(Reporter {
        reports,
        resolver: base.resolver.clone(),
        https: base.https(guard(config))?,
        queues: base.queues.clone(),
        enqueuer: base.enqueuer.clone(),
        contact: config.sender(),
        signers: Signers::new(base.directory.clone()),
        clock: Arc::clone(&base.clock),
    })
}

fn read_password(file: &Path) -> Result<vault::Password, RunError> {
    let problem = |problem: String| RunError::Password { file: file.into(), problem };
    let text = std::fs::read(file).map_err(|error| problem(error.to_string()))?;
    let line =
        text.get(..text.len().min(PASSWORD_FILE_BYTES_MAX)).unwrap_or_default().split(|byte| *byte == b'\n').next();
    let line = String::from_utf8(line.unwrap_or_default().trim_ascii_end().to_vec())
        .map_err(|_| problem("not text".into()))?;
    if line.is_empty() { Err(problem("it is empty".to_owned())) } else { Ok(line.into()) }
}

fn healthy(queues: &Queues) -> Health {
    let queues = queues.clone();
    Health::new(move || {
        let queues = queues.clone();
        async move { health::check(&queues).await }
    })
}

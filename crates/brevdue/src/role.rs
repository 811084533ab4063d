//! `brevdue ROLE --config FILE`: one role as a process, until SIGTERM.

use crate::cli::RoleArgs;
use crate::failure::Failure;
use daemon::config::Config;
use daemon::listen::Listeners;
use daemon::shutdown::Shutdown;
use model::Role;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, Read};
use std::path::Path;
use std::thread;

/// Runs it to its end.
pub fn run(role: Role, args: &RoleArgs, config: Option<&Path>) -> Result<(), Failure> {
    let file = config.ok_or_else(|| Failure::Usage(format!("`brevdue {role}` needs --config FILE")))?;
    let config = Config::load_for(file, role)?;
    daemon::telemetry::init(&config.log)?;
    raise_open_files();
    // Before any thread or child exists that could take the descriptors for its own.
    let listeners = Listeners::from_environment()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let shutdown = Shutdown::on_signals()?;
        if args.end_with_stdin {
            end_with_stdin(shutdown.clone())?;
        }
        start(role, config, listeners, shutdown).await
    })
}

async fn start(role: Role, config: Config, listeners: Listeners, shutdown: Shutdown) -> Result<(), Failure> {
    match role {
        Role::Directory => directory::run(config, listeners, shutdown).await.map_err(Failure::refused),
        Role::Node => node::run(config, listeners, shutdown).await.map_err(Failure::refused),
        Role::Imap => imap::run(config, listeners, shutdown).await.map_err(Failure::refused),
        Role::Mx => mx::run(config, listeners, shutdown).await.map_err(Failure::refused),
        Role::Outbound => outbound::run(config, listeners, shutdown).await.map_err(Failure::refused),
        Role::Backup => backup::run(config, listeners, shutdown).await.map_err(Failure::refused),
        Role::Pop3 => pop3::run(config, listeners, shutdown).await.map_err(Failure::refused),
        Role::Submission => submission::run(config, listeners, shutdown).await.map_err(Failure::refused),
        Role::Admin => Err(Failure::Usage("admin is not a process".to_owned())),
    }
}

/// The other end of standard input is held by `dev`: when that dies, however it dies, this process drains and ends.
///
/// A thread of its own, because a read of standard input cannot be called off, and this one must not hold up the end.
fn end_with_stdin(shutdown: Shutdown) -> io::Result<()> {
    let watch = move || {
        let mut ignored = [0; 64];
        while matches!(io::stdin().read(&mut ignored), Ok(1..)) {}
        if !shutdown.has_begun() {
            tracing::info!("the process that started this one is gone; shutting down");
            shutdown.begin();
        }
    };
    thread::Builder::new().name("lifeline".to_owned()).spawn(watch).map(|_| ())
}

/// As many open files as the system lets this process have: each connection is one, and the usual soft limit is 1,024.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

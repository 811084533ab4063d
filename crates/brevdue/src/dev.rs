//! `brevdue dev`: every role as a process of its own on loopback, over the real wire, in one folder.

mod child;
mod files;
pub mod folder;
mod http;
mod people;
mod plan;
mod ready;
mod supervise;
mod telling;
mod users;

use crate::cli::DevArgs;
use crate::failure::Failure;
use crate::output::Output;
use daemon::config::{Config, Log};
use daemon::shutdown::Shutdown;
use daemon::tls::Internal;
use directory::DirectoryClient;
use folder::{Folder, Lock};
use model::Role;
use plan::Plan;
use ready::{Places, Ready};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use supervise::Supervised;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use users::User;

/// Seconds until everything must be up: a slow disk and a debug build take a few.
const START_SECONDS_MAX: u64 = 60;
/// Milliseconds between two looks at a process that starts.
const START_POLL_MS: u64 = 20;
/// How often a process may end during the start before the start counts as failed.
const START_ENDS_MAX: u32 = 3;
/// The order in which the roles end: who asks before who answers.
const END_ORDER: [&[Role]; 3] = [
    &[Role::Imap, Role::Pop3, Role::Mx, Role::Submission, Role::Outbound, Role::Backup],
    &[Role::Node],
    &[Role::Directory],
];

/// Runs until SIGTERM or Ctrl-C, then drains.
pub fn run(args: &DevArgs, data: Option<&Path>, output: Output) -> Result<(), Failure> {
    daemon::telemetry::init(&Log { level: "warn".to_owned(), ..Log::default() })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // First, so that a signal during the start also ends what was started.
        let shutdown = Shutdown::on_signals()?;
        let folder = Folder::make(data.unwrap_or(&Folder::default_path()))?;
        let lock = folder.lock_for_dev().await?;
        forget_last_run(args, &folder)?;
        let users = users::gather(args, &folder)?;
        let probe = users::probe(&folder)?;
        let plan = prepare(args, &folder)?;
        let (places, running) = (Places::of(&plan), Running::start(&folder, &lock, plan)?);
        let up = tokio::select! {
            up = bring_up(&folder, &users, probe, &running.processes) => up.and_then(|()| {
                let ready = Ready::new(&folder, places, &users, &running.processes);
                announce(args.ready.as_deref(), &ready, output)
            }),
            () = shutdown.begun() => Ok(()),
        };
        if up.is_ok() {
            shutdown.begun().await;
        }
        running.stop().await?;
        up
    })
}

/// What an earlier run wrote of itself, and could not remove if it was killed.
fn forget_last_run(args: &DevArgs, folder: &Folder) -> Result<(), Failure> {
    if let Some(ready) = &args.ready {
        // It need not be there.
        let _ = fs::remove_file(ready);
    }
    for entry in fs::read_dir(folder.run())? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}

/// Certificates, sockets and configuration files.
fn prepare(args: &DevArgs, folder: &Folder) -> Result<Plan, Failure> {
    files::certificates(folder)?;
    let plan = Plan::bind(args)?;
    files::configuration(folder, &plan, &files::settings(args.settings.as_deref())?)?;
    Ok(plan)
}

/// The processes, and the server that tells about them.
struct Running {
    processes: Arc<Vec<Supervised>>,
    telling: JoinHandle<io::Result<()>>,
    stop: CancellationToken,
}

impl Running {
    fn start(folder: &Folder, lock: &Lock, plan: Plan) -> Result<Self, Failure> {
        let metrics = TcpListener::from_std(plan.metrics.listener)?;
        let start = |process| Supervised::start(folder, lock, process);
        let processes = Arc::new(plan.processes.into_iter().map(start).collect::<Vec<_>>());
        let stop = CancellationToken::new();
        let telling = tokio::spawn(telling::serve(metrics, Arc::clone(&processes), stop.clone()));
        Ok(Self { processes, telling, stop })
    }

    /// Drains everything, front-ends first.
    async fn stop(self) -> Result<(), Failure> {
        for roles in END_ORDER {
            let mut ending = JoinSet::new();
            for at in (0..self.processes.len())
                .filter(|&at| self.processes.get(at).is_some_and(|process| roles.contains(&process.role)))
            {
                let processes = Arc::clone(&self.processes);
                ending.spawn(async move {
                    if let Some(process) = processes.get(at) {
                        process.stop().await;
                    }
                });
            }
            ending.join_all().await;
        }
        self.stop.cancel();
        self.telling.await??;
        Ok(())
    }
}

/// Makes the users as soon as there is somewhere to make them, then waits until every process answers its health check:
/// those of the IMAP front-ends sign in as the probe.
async fn bring_up(folder: &Folder, users: &[User], probe: User, processes: &[Supervised]) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    let (behind, front): (Vec<_>, Vec<_>) =
        processes.iter().partition(|process| matches!(process.role, Role::Directory | Role::Node));
    for process in behind {
        wait_for(folder, process, deadline).await?;
    }
    let config = Config::load_for(&folder.config("admin"), Role::Admin)?;
    let tls = Internal::load(&config.internal, Role::Admin)?;
    let directory = DirectoryClient::connect(&config.directory.address, tls.client)?;
    let nodes = processes.iter().filter(|process| process.role == Role::Node).map(|process| process.name.as_str());
    registered(&directory, nodes, deadline).await?;
    // Before they are made, so that no password that was generated is lost when this is cut short.
    users::remember(folder, users, |user| user.former.as_ref().unwrap_or(&user.password))?;
    people::make(&directory, users).await?;
    people::make(&directory, &[probe]).await?;
    users::remember(folder, users, |user| &user.password)?;
    for process in front {
        wait_for(folder, process, deadline).await?;
    }
    Ok(())
}

async fn wait_for(folder: &Folder, process: &Supervised, deadline: Instant) -> Result<(), Failure> {
    // A socket is bound before its process is there: a request may hang while the process dies again and again.
    let why = tokio::select! {
        () = healthy(process) => return Ok(()),
        () = failing(process) => "it ended several times",
        () = tokio::time::sleep_until(deadline) => "it did not answer its health check in time",
    };
    let log = folder.log(&process.name);
    let text = fs::read_to_string(&log).unwrap_or_default();
    let last = text.lines().last().unwrap_or("it logged nothing");
    Err(Failure::refused(format!("{} does not start: {why}; its log {} ends: {last}", process.name, log.display())))
}

async fn healthy(process: &Supervised) {
    while !http::get(process.metrics, "/health").await.is_ok_and(|answer| answer.status == 200) {
        tokio::time::sleep(Duration::from_millis(START_POLL_MS)).await;
    }
}

async fn failing(process: &Supervised) {
    while process.ends() < START_ENDS_MAX {
        tokio::time::sleep(Duration::from_millis(START_POLL_MS)).await;
    }
}

/// Waits until these nodes have told the directory where they are, so that the users are spread over all of them.
async fn registered(
    directory: &DirectoryClient,
    nodes: impl Iterator<Item = &str>,
    deadline: Instant,
) -> Result<(), Failure> {
    for node in nodes {
        while directory.node(node).await?.is_none() {
            if Instant::now() >= deadline {
                return Err(Failure::refused(format!("{node} did not register with the directory in time")));
            }
            tokio::time::sleep(Duration::from_millis(START_POLL_MS)).await;
        }
    }
    Ok(())
}

/// Tells people, and programs through the ready file.
fn announce(file: Option<&Path>, ready: &Ready, output: Output) -> Result<(), Failure> {
    if let Some(file) = file {
        folder::write_whole(file, &(serde_json::to_string(ready)? + "\n"))?;
    }
    output.answer(ready, || ready.lines())
}

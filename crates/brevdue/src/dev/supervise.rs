//! Keeps the processes running: one that ends is started again, with backoff, until it is told to stop.

use super::child::{self, Started};
use super::folder::{Folder, Lock};
use super::plan::Process;
use crate::failure::Failure;
use model::Role;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::process::Child;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Milliseconds before a process that ended is started again; doubled each time up to [`PAUSE_MS_MAX`].
const PAUSE_MS_MIN: u64 = 50;
/// Milliseconds between two starts at most.
const PAUSE_MS_MAX: u64 = 5_000;
/// Seconds after which a process counts as healthy, and its next end as the first.
const STEADY_SECONDS: u64 = 10;
/// Seconds that a process may take to drain before it is killed: its own limit and a little.
const DRAIN_SECONDS_MAX: u64 = 30;

/// A process that is kept running.
pub struct Supervised {
    /// `imap-1`
    pub name: String,
    /// What it is.
    pub role: Role,
    /// From 1, within its role.
    pub index: u16,
    /// Where its metrics and health are.
    pub metrics: SocketAddr,
    state: Arc<State>,
    stop: CancellationToken,
    task: TaskTracker,
}

#[derive(Default)]
struct State {
    /// 0 while there is none.
    pid: AtomicU32,
    /// How often it ended by itself.
    ends: AtomicU32,
}

impl Supervised {
    /// Starts it and keeps it running.
    pub fn start(folder: &Folder, lock: &Lock, process: Process) -> Self {
        let (state, stop) = (Arc::new(State::default()), CancellationToken::new());
        let (name, role, index, metrics) = (process.name(), process.role, process.index, process.address("metrics"));
        let task = TaskTracker::new();
        task.spawn(keep(folder.clone(), lock.clone(), process, Arc::clone(&state), stop.clone()));
        task.close();
        Self { name, role, index, metrics, state, stop, task }
    }

    /// Its process id, 0 while it is between two starts.
    pub fn pid(&self) -> u32 {
        self.state.pid.load(Ordering::Relaxed)
    }

    /// How often it ended by itself.
    pub fn ends(&self) -> u32 {
        self.state.ends.load(Ordering::Relaxed)
    }

    /// Has it drain and waits for its end.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.task.wait().await;
    }
}

async fn keep(folder: Folder, lock: Lock, process: Process, state: Arc<State>, stop: CancellationToken) {
    let name = process.name();
    let mut pause = Duration::from_millis(PAUSE_MS_MIN);
    while !stop.is_cancelled() {
        let began = Instant::now();
        match child::start(&folder, &lock, &process) {
            Ok(started) => attend(&name, started, &state, &stop).await,
            Err(Failure::Usage(why) | Failure::Refused(why)) => {
                tracing::error!(process = name, why, "a process cannot be started");
            }
        }
        state.pid.store(0, Ordering::Relaxed);
        let _ = fs::remove_file(folder.pid(&name));
        if stop.is_cancelled() {
            break;
        }
        state.ends.fetch_add(1, Ordering::Relaxed);
        if began.elapsed() >= Duration::from_secs(STEADY_SECONDS) {
            pause = Duration::from_millis(PAUSE_MS_MIN);
        }
        let _ = tokio::time::timeout(pause, stop.cancelled()).await;
        pause = (pause * 2).min(Duration::from_millis(PAUSE_MS_MAX));
    }
}

/// Waits for the child's end, and brings it about when it is told to.
async fn attend(name: &str, started: Started, state: &State, stop: &CancellationToken) {
    let Started { mut child, lifeline: _lifeline } = started;
    state.pid.store(child.id().unwrap_or(0), Ordering::Relaxed);
    tokio::select! {
        ended = child.wait() => {
            let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::warn!(process = name, how, "a process ended and is started again");
        }
        () = stop.cancelled() => drain(name, child).await,
    }
}

async fn drain(name: &str, mut child: Child) {
    // Its id is its own until it is waited for.
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    if let Some(pid) = pid
        && let Err(error) = kill_process(pid, Signal::TERM)
    {
        tracing::warn!(process = name, %error, "a process cannot be told to end");
    }
    let limit = Duration::from_secs(DRAIN_SECONDS_MAX);
    if tokio::time::timeout(limit, child.wait()).await.is_err() {
        tracing::error!(process = name, seconds = DRAIN_SECONDS_MAX, "a process did not end in time and is killed");
        let _ = child.kill().await;
    }
}

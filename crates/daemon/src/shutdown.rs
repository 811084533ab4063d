//! The end of a process: SIGTERM or SIGINT begin it, work under way may finish, a limit ends the wait.

use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Work did not end within the drain limit and was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("work under way did not end within {} s and was cut off", .0.as_secs())]
pub struct DrainTimeout(pub Duration);

/// Whether the process is ending. Clones are the same shutdown.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    /// Begins at the first SIGTERM or SIGINT. Needs a tokio runtime; errors when the handlers cannot be installed.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::manual();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let token = shutdown.token.clone();
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                () = token.cancelled() => return,
            };
            tracing::info!(signal = name, "shutting down");
            token.cancel();
        });
        Ok(shutdown)
    }

    /// Begins only when [`begin`](Self::begin) is called.
    pub fn manual() -> Self {
        Self::default()
    }

    /// Begins it, if it has not begun.
    pub fn begin(&self) {
        self.token.cancel();
    }

    /// Cancelled when it begins.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Resolves when it begins.
    pub async fn begun(&self) {
        self.token.cancelled().await;
    }

    /// Runs `work` to its end, which may come at any time; once the shutdown has begun, at most `limit` longer.
    pub async fn drain<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Result<T, DrainTimeout> {
        let too_long = async {
            self.begun().await;
            tokio::time::sleep(limit).await;
        };
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = too_long => Err(DrainTimeout(limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    /// What the configuration has by default.
    const LIMIT: Duration = Duration::from_secs(25);

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_is_not_cut_off() {
        let shutdown = Shutdown::manual();
        assert_eq!(shutdown.drain(LIMIT, async { 7 }).await, Ok(7));
        shutdown.begin();
        let last_moment = tokio::time::sleep(LIMIT - Duration::from_millis(1));
        assert_eq!(shutdown.drain(LIMIT, last_moment).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_counts_from_the_beginning_of_the_shutdown() {
        let shutdown = Shutdown::manual();
        let begin = {
            let shutdown = shutdown.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(1000)).await;
                shutdown.begin();
            }
        };
        let before = tokio::time::Instant::now();
        let (drained, ()) = tokio::join!(shutdown.drain(LIMIT, pending::<()>()), begin);
        assert_eq!(drained, Err(DrainTimeout(LIMIT)));
        assert_eq!(before.elapsed().as_secs(), 1025);
        assert_eq!(drained.unwrap_err().to_string(), "work under way did not end within 25 s and was cut off");
    }

    #[tokio::test]
    async fn a_signal_begins_it() {
        let shutdown = Shutdown::on_signals().unwrap();
        assert!(!shutdown.has_begun());
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
        shutdown.begun().await;
        assert!(shutdown.token().is_cancelled());
    }
}

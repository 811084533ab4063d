//! The one writing connection: what has queued up is committed together, and each write stands or falls alone.
//!
//! Invariants: one task owns the connection; a write is answered after the commit that holds it; a write that fails is
//! undone by its savepoint and takes no other with it; after a commit that failed, the log is made durable as it reads before
//! there is another, so that none stands upon what a failed sync has dropped.

use super::disk::Place;
use super::feed::{self, Feed, Subject};
use super::{Error, on_disk, snapshot};
use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnection;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Writes that may wait; the next caller waits for room.
const WRITES_WAITING_MAX: usize = 256;
/// Writes in one commit: bounds how long the first of them waits for its answer.
const WRITES_PER_COMMIT_MAX: usize = 64;

/// One change to the catalogue.
pub(crate) trait Write: Send + 'static {
    /// What the caller learns.
    type Answer: Send + 'static;

    /// Whether a backup without it would miss something.
    const COUNTS: bool = true;

    /// Makes the change and names what it touched. An error undoes it.
    fn apply(
        self,
        connection: &mut SqliteConnection,
        subjects: &mut Vec<Subject>,
    ) -> impl Future<Output = Result<Self::Answer, Error>> + Send;
}

/// The way to the writing task; the task ends when the last of these is gone.
#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Box<dyn Job>>);

impl Writer {
    pub(super) fn start(connection: SqliteConnection, place: Place, feed: Arc<Feed>) -> Self {
        let (queue, waiting) = mpsc::channel(WRITES_WAITING_MAX);
        tokio::spawn(work(connection, place, feed, waiting));
        Self(queue)
    }

    /// Queues the write and waits until it is on stable storage. A caller that gives up leaves the write to happen.
    pub(super) async fn run<W: Write>(&self, write: W) -> Result<W::Answer, Error> {
        let (reply, answer) = oneshot::channel();
        let job = Pending { write: Some(write), outcome: None, reply };
        self.0.send(Box::new(job)).await.map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)?
    }
}

/// A [`Write`] of any kind with the caller that waits for it.
trait Job: Send {
    /// [`Write::COUNTS`].
    fn counts(&self) -> bool;
    /// Whether the write succeeded.
    fn apply<'a>(
        &'a mut self,
        connection: &'a mut SqliteConnection,
        subjects: &'a mut Vec<Subject>,
    ) -> BoxFuture<'a, bool>;
    fn answer(self: Box<Self>, commit: Result<(), Error>);
}

struct Pending<W: Write> {
    write: Option<W>,
    outcome: Option<Result<W::Answer, Error>>,
    reply: oneshot::Sender<Result<W::Answer, Error>>,
}

impl<W: Write> Job for Pending<W> {
    fn counts(&self) -> bool {
        W::COUNTS
    }

    fn apply<'a>(
        &'a mut self,
        connection: &'a mut SqliteConnection,
        subjects: &'a mut Vec<Subject>,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Some(write) = self.write.take() else { return false };
            let outcome = write.apply(connection, subjects).await;
            self.outcome.insert(outcome).is_ok()
        })
    }

    fn answer(self: Box<Self>, commit: Result<(), Error>) {
        let outcome = match (self.outcome, commit) {
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(answer)), Ok(())) => Ok(answer),
            (None, Ok(())) => Err(Error::Stopped),
        };
        // The caller may have given up.
        let _ = self.reply.send(outcome);
    }
}

async fn work(
    mut connection: SqliteConnection,
    place: Place,
    feed: Arc<Feed>,
    mut waiting: mpsc::Receiver<Box<dyn Job>>,
) {
    let mut jobs = Vec::with_capacity(WRITES_PER_COMMIT_MAX);
    let mut in_doubt = false;
    while waiting.recv_many(&mut jobs, WRITES_PER_COMMIT_MAX).await > 0 {
        let mended = if in_doubt { on_disk(&place, Place::settle).await } else { Ok(()) };
        let commit = match mended {
            Ok(()) => commit(&mut connection, &mut jobs).await.map(|changes| feed.publish(changes)),
            Err(error) => Err(sqlx::Error::Io(error).into()),
        };
        in_doubt = commit.is_err();
        if let Err(error) = &commit {
            tracing::error!(%error, writes = jobs.len(), "a commit of the catalogue failed; its writes were refused");
            // Whatever state the transaction is in, the next one starts from nothing.
            let _ = sqlx::query("ROLLBACK").execute(&mut connection).await;
        }
        for job in jobs.drain(..) {
            job.answer(commit.clone());
        }
    }
}

/// Durable when it returns: COMMIT with `synchronous=FULL` syncs the WAL before it answers, and nothing was answered or
/// broadcast before.
async fn commit(connection: &mut SqliteConnection, jobs: &mut [Box<dyn Job>]) -> Result<Vec<feed::Change>, Error> {
    let (mut subjects, mut counted) = (Vec::new(), false);
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let rows_before = if jobs.iter().any(|job| job.counts()) { rows_changed(connection).await? } else { 0 };
    for job in jobs {
        let before = subjects.len();
        sqlx::query("SAVEPOINT one_write").execute(&mut *connection).await?;
        if job.apply(&mut *connection, &mut subjects).await {
            counted |= job.counts();
        } else {
            subjects.truncate(before);
            sqlx::query("ROLLBACK TO one_write").execute(&mut *connection).await?;
        }
        sqlx::query("RELEASE one_write").execute(&mut *connection).await?;
    }
    // What is said again, such as where a node listens, changes no row.
    if counted && rows_changed(connection).await? > rows_before {
        snapshot::count(connection).await?;
    }
    let changes = feed::record(&mut *connection, subjects).await?;
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(changes)
}

/// Rows that the connection has changed in its life.
async fn rows_changed(connection: &mut SqliteConnection) -> Result<i64, Error> {
    Ok(sqlx::query_scalar("SELECT total_changes()").fetch_one(connection).await?)
}

//! One writer per mailbox: what waits to be written is committed together, durably, and answered in that order.
//! What the operations are is their callers'; who hears of the changes is `push`.
//!
//! Invariants: the writing connection is here or with exactly one job of the writer pool. Operations run in the order in
//! which they were queued, each in a savepoint of its own. Nobody is answered before the commit is on stable storage:
//! `Batch::commit` returns after the fsync (synchronous=FULL), and only then are changes told and answers given, in commit
//! order. An operation that changes nothing is answered no earlier than what was queued before it. After a commit that
//! failed for any reason but a full disk the connection is given up: what the file holds is learned by opening it anew.

use crate::fault::{Fault, unavailable};
use crate::quota::Amount;
use mailbox::{Batch, Change, FolderId, Tx, Writer};
use model::UidSet;
use tokio::sync::oneshot;

/// Who asked for a write, so that pushes can say so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin {
    /// The session's key on its shard; 0 for deliveries and the node itself.
    pub session: u64,
    /// The request of that session.
    pub request: u64,
    /// The session does not want to hear of its own flag changes.
    pub silent: bool,
}

/// An operation that is queued: it runs in a batch, and is answered after the commit.
pub trait Work: Send {
    /// Runs in its savepoint; called once, on a writer thread.
    fn run(&mut self, batch: &mut Batch<'_>);
    /// Answers with what `run` gave, or with the fault of the whole commit; called once, after it.
    fn answer(self: Box<Self>, committed: Result<(), Fault>);
}

struct Operation<T, F> {
    op: Option<F>,
    result: Option<Result<T, mailbox::Error>>,
    answer: oneshot::Sender<Result<T, Fault>>,
}

impl<T, F> Work for Operation<T, F>
where
    T: Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T, mailbox::Error> + Send,
{
    fn run(&mut self, batch: &mut Batch<'_>) {
        self.result = self.op.take().map(|op| batch.run(op));
    }

    fn answer(self: Box<Self>, committed: Result<(), Fault>) {
        let result = self.result.unwrap_or_else(|| Err(mailbox::Error::Busy));
        // Who asked may be gone by now; the change stands all the same.
        let _ = self.answer.send(committed.and_then(|()| result.map_err(Fault::from)));
    }
}

/// The operation as work, and where its answer will be.
pub fn work<T, F>(op: F) -> (Box<dyn Work>, oneshot::Receiver<Result<T, Fault>>)
where
    T: Send + 'static,
    F: FnOnce(&mut Tx<'_>) -> Result<T, mailbox::Error> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    (Box::new(Operation { op: Some(op), result: None, answer }), answered)
}

/// One operation in the queue.
pub struct Queued {
    /// Who asked.
    pub origin: Origin,
    /// Whether it may bring new messages: those are claimed as recent for a session that looks on.
    pub brings: bool,
    /// Room that was promised to it.
    pub promised: Amount,
    /// What to do.
    pub work: Box<dyn Work>,
}

/// What is committed together.
pub struct Group {
    /// The operations, in order.
    pub queued: Vec<Queued>,
    /// What the mailbox may hold.
    pub quota: mailbox::Quota,
    /// Folders that a session has selected for writing: what arrives there is recent to it (RFC 3501 §2.3.2).
    pub watched: Vec<FolderId>,
}

/// One operation of a group, committed or not.
pub struct Part {
    /// Who asked.
    pub origin: Origin,
    /// What it changed.
    pub changes: Vec<Change>,
    /// To be answered.
    pub work: Box<dyn Work>,
}

/// A group after its commit.
pub struct Committed {
    /// The connection, unless it must be opened anew.
    pub writer: Option<Writer>,
    /// In commit order.
    pub parts: Vec<Part>,
    /// Messages that are recent to the first session that hears of them, by folder.
    pub recent: Vec<(FolderId, UidSet)>,
    /// Whether the commit is durable.
    pub outcome: Result<(), Fault>,
    /// What the mailbox holds, when that has changed.
    pub usage: Option<Amount>,
    /// Octets of the write-ahead log now.
    pub log_bytes: u64,
}

/// Runs and commits a group. On a writer thread.
pub fn commit(mut writer: Writer, group: Group) -> Committed {
    let Group { mut queued, quota, watched } = group;
    writer.set_quota(quota);
    let mut marks = Vec::with_capacity(queued.len());
    let result = run_and_commit(&mut writer, &mut queued, &watched, &mut marks);
    let (mut changes, recent, usage, outcome, writer) = match result {
        // What is committed stands; after an operation that the disk failed, the connection is given up all the same.
        Ok((changes, recent, usage)) => {
            let kept = (!writer.has_failed()).then_some(writer);
            (changes.into_iter(), recent, usage, Ok(()), kept)
        }
        Err(error) => {
            // The transaction was rolled back and the file is as it was, or nobody knows: never is a sync that failed tried
            // again on this connection, because the system reports it once and forgets what it could not write.
            let kept = error.is_harmless().then_some(writer);
            (Vec::new().into_iter(), Vec::new(), None, Err(error.into()), kept)
        }
    };
    let mut told = 0;
    let parts = queued.into_iter().enumerate().map(|(at, Queued { origin, work, .. })| {
        let upto = marks.get(at).copied().unwrap_or(told);
        let changes = changes.by_ref().take(upto.saturating_sub(told)).collect();
        told = upto;
        Part { origin, changes, work }
    });
    let parts = parts.collect();
    let log_bytes = writer.as_ref().map_or(0, Writer::log_bytes);
    Committed { writer, parts, recent, outcome, usage, log_bytes }
}

type Changed = (Vec<Change>, Vec<(FolderId, UidSet)>, Option<Amount>);

/// Leaves in `marks` how many changes there were after each operation.
fn run_and_commit(
    writer: &mut Writer,
    queued: &mut [Queued],
    watched: &[FolderId],
    marks: &mut Vec<usize>,
) -> Result<Changed, mailbox::Error> {
    let mut batch = writer.batch()?;
    let mut brings = false;
    for each in queued {
        each.work.run(&mut batch);
        brings |= each.brings;
        marks.push(batch.changes());
    }
    let mut recent = Vec::new();
    if brings {
        for folder in watched {
            // A folder that is gone by now has nothing to claim.
            if let Ok(claimed) = batch.run(|tx| tx.claim_recent(*folder)) {
                recent.push((*folder, claimed));
            }
        }
    }
    let usage = batch.usage()?.map(Amount::from);
    // Durable on return: synchronous=FULL syncs the write-ahead log before the commit returns.
    Ok((batch.commit()?, recent, usage))
}

/// The answer of queued work.
///
/// # Errors
/// What the work failed with; UNAVAILABLE when nobody knows whether it was committed.
pub async fn answer<T>(answered: oneshot::Receiver<Result<T, Fault>>) -> Result<T, Fault> {
    answered.await.unwrap_or_else(|_| Err(unavailable("the mailbox's writer failed")))
}

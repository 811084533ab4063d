//! The worker: takes what is due from every node, has it delivered, and says what became of it. Everything that must outlive
//! it is on the nodes: what it has not settled is due again when its lease ends.

use crate::attempt::{self, Attempted, Sender};
use crate::destinations::{Destinations, Place};
use crate::entry::{Entry, Told};
use crate::leases::{Held, Leases};
use crate::metrics;
use crate::outcome::Verdict;
use crate::schedule::Schedule;
use crate::sign::Signers;
use crate::text::{self, Pieces, Source};
use crate::webhook::{self, Caller, DESTINATION_PREFIX};
use bytes::Bytes;
use daemon::clock::Clock;
use daemon::limits::{Limit, Permit};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use node_client::queue::{Body, Queue, QueueError, Queues};
use smtp::notice::Original;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::queue::{LeaseReply, LeaseRequest, LeasedEntry, Notice, SettleRequest};

/// Entries that a node hands out at once.
pub const LEASED_AT_ONCE_MAX: usize = 32;
/// Of these, for one destination.
pub const LEASED_PER_DESTINATION_MAX: u32 = 10;
/// Milliseconds that a node waits for something to be due before it says that nothing is.
pub const LEASE_WAIT_MS: u32 = 20_000;
/// Milliseconds until a node is asked again while destinations are full, unless a place is free before.
pub const FULL_PAUSE_MS: u64 = 250;
/// Milliseconds until a node that did not answer is asked again.
pub const NODE_PAUSE_MS: u64 = 1_000;
/// Seconds for which a message is tried to be read for its notice: a node's restart takes less.
pub const ORIGINAL_SECONDS_MAX: u64 = 60;
/// What an operator is told of a worker that was too slow, or had no node to tell.
const ENDED: &str = "a lease ended before its entry was settled";
/// Seconds between two looks at which nodes there are.
pub const NODES_SECONDS: u64 = 10;
/// Milliseconds that are waited, when the process is to end, for entries that a node may have handed out already.
pub const LAST_ANSWER_MS: u64 = 250;
/// Seconds between two looks at connections that nobody uses.
pub const IDLE_LOOK_SECONDS: u64 = 1;

/// Who we are in notices, and what time it is.
pub struct Us {
    /// Our name.
    pub host: String,
    /// Our address.
    pub from: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What a worker is made of.
pub struct Worker {
    /// Its name in the operator's list.
    pub name: String,
    /// Who we are.
    pub us: Us,
    /// The queues.
    pub queues: Queues,
    /// Delivery by SMTP.
    pub sender: Sender,
    /// Delivery to programs.
    pub caller: Caller,
    /// What signs notices.
    pub signers: Signers,
    /// How long messages are tried.
    pub schedule: Schedule,
    /// Entries under way.
    pub places: Limit,
    /// What goes where.
    pub destinations: Arc<Destinations>,
    /// What is leased.
    pub leases: Arc<Leases>,
    /// When this worker is to end, and how.
    pub end: End,
}

/// The end of a worker: what nothing was sent of is given back at once, and what is being sent has a while.
pub struct End {
    /// It is to end.
    pub stop: CancellationToken,
    /// For how long what is being sent goes on then.
    pub patience: Duration,
    /// The while is over.
    cut: CancellationToken,
}

impl End {
    /// At `stop`, within this time.
    pub fn at(stop: CancellationToken, patience: Duration) -> Self {
        Self { stop, patience, cut: CancellationToken::new() }
    }

    /// Resolves when a message is to be left, of which something may have been sent already.
    async fn of(&self, sending: &AtomicBool) {
        self.stop.cancelled().await;
        if sending.load(Ordering::Relaxed) {
            self.cut.cancelled().await;
        }
    }
}

impl Worker {
    /// Works to its end; then no entry is leased any more.
    pub async fn run(self: Arc<Self>) {
        let (tasks, stop) = (TaskTracker::new(), self.end.stop.clone());
        let aside = async {
            tokio::join!(self.leases.renew(), self.close_idle());
        };
        let work = async {
            let mut nodes: HashMap<String, ()> = HashMap::new();
            while !stop.is_cancelled() {
                match self.queues.all().await {
                    Ok(queues) => {
                        for queue in
                            queues.into_iter().filter(|queue| nodes.insert(queue.node().to_owned(), ()).is_none())
                        {
                            tasks.spawn(Arc::clone(&self).empty(queue, tasks.clone()));
                        }
                    }
                    Err(error) => tracing::warn!(%error, "the nodes are not known"),
                }
                // At the start of everything the nodes may come a moment later.
                let pause = if nodes.is_empty() { NODE_PAUSE_MS } else { NODES_SECONDS * 1_000 };
                let _ = tokio::time::timeout(Duration::from_millis(pause), stop.cancelled()).await;
            }
            tasks.close();
            if tokio::time::timeout(self.end.patience, tasks.wait()).await.is_err() {
                self.end.cut.cancel();
                tasks.wait().await;
            }
        };
        tokio::select! {
            () = work => {}
            () = aside => {}
        }
        for connection in self.sender.pool.take_all() {
            connection.quit().await;
        }
    }

    async fn close_idle(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(IDLE_LOOK_SECONDS)).await;
            for connection in self.sender.pool.take_idle() {
                tokio::spawn(connection.quit());
            }
        }
    }

    /// Takes what is due from one node, for as long as there is room for it.
    async fn empty(self: Arc<Self>, mut queue: Queue, tasks: TaskTracker) {
        let stop = &self.end.stop;
        while !stop.is_cancelled() {
            // Waits until there is room, and leaves it for what the node hands out.
            drop(self.places.take().await);
            let since = Instant::now();
            let full = self.destinations.saturated();
            let Some(asked) = self.lease(&queue, full.clone()).await else { return };
            match asked {
                Ok(reply) if reply.entries.is_empty() && !full.is_empty() => {
                    let _ = tokio::time::timeout(Duration::from_millis(FULL_PAUSE_MS), self.destinations.freed()).await;
                }
                Ok(reply) => {
                    for leased in reply.entries {
                        self.begin(&queue, leased, since, &tasks).await;
                    }
                }
                Err(error) => {
                    tracing::debug!(node = queue.node(), %error, "a node hands out nothing");
                    let _ = tokio::time::timeout(Duration::from_millis(NODE_PAUSE_MS), stop.cancelled()).await;
                    // It may be elsewhere by now.
                    if let Ok(found) = self.queues.of_node(queue.node()).await {
                        queue = found;
                    }
                }
            }
        }
    }

    /// Asks for what is due; `None` at the end. What was handed out just then is taken all the same, to be given back.
    async fn lease(&self, queue: &Queue, full: Vec<String>) -> Option<Result<LeaseReply, QueueError>> {
        let asking = queue.lease(self.question(full));
        tokio::pin!(asking);
        tokio::select! {
            biased;
            asked = &mut asking => Some(asked),
            () = self.end.stop.cancelled() => {
                tokio::time::timeout(Duration::from_millis(LAST_ANSWER_MS), asking).await.ok()
            }
        }
    }

    fn question(&self, not_destinations: Vec<String>) -> LeaseRequest {
        LeaseRequest {
            worker: self.name.clone(),
            entries_max: self.places.left().clamp(1, LEASED_AT_ONCE_MAX) as u32,
            seconds: self.leases.seconds(),
            wait_ms: if not_destinations.is_empty() { LEASE_WAIT_MS } else { 0 },
            not_destinations,
            per_destination_max: LEASED_PER_DESTINATION_MAX,
        }
    }

    async fn begin(self: &Arc<Self>, queue: &Queue, leased: LeasedEntry, since: Instant, tasks: &TaskTracker) {
        let place = self.destinations.begin(&leased.destination);
        let held = self.leases.hold(queue, &leased, since);
        let permit = self.places.take().await;
        let (worker, queue) = (Arc::clone(self), queue.clone());
        tasks.spawn(async move { Box::pin(worker.work(&queue, &leased, (held, place, permit))).await });
    }

    async fn work(&self, queue: &Queue, leased: &LeasedEntry, holds: (Held, Place, Permit)) {
        let (held, place, _permit) = holds;
        let Some(entry) = Entry::of(leased) else {
            tracing::error!(node = queue.node(), entry = leased.entry, "a queue handed out what makes no sense");
            // Its lease would be renewed for nothing; it comes again when it ends.
            return;
        };
        let text = NodeText { queue: queue.clone(), leased: leased.clone(), sending: Arc::default() };
        let gauge = metrics::under_way();
        let attempted = tokio::select! {
            biased;
            () = held.lost() => None,
            attempted = self.deliver(queue, leased, &entry, &text) => Some(attempted),
            () = self.end.of(&text.sending) => {
                // Nothing is said of any recipient: all are due again at once.
                let nothing = SettleRequest { entry: leased.entry, lease: leased.lease, ..SettleRequest::default() };
                return settle(queue, nothing, &held).await;
            }
        };
        drop(gauge);
        let Some(attempted) = attempted else {
            tracing::warn!(node = queue.node(), entry = leased.entry, "a lease was lost in mid-delivery");
            return;
        };
        self.judge(queue, leased, &place, &attempted).await;
        let request = tokio::select! {
            () = held.lost() => return tracing::warn!(node = queue.node(), entry = leased.entry, "{ENDED}"),
            request = self.settlement(leased, &entry, attempted, &text) => request,
        };
        settle(queue, request, &held).await;
    }

    async fn deliver(&self, queue: &Queue, leased: &LeasedEntry, entry: &Entry, text: &NodeText) -> Attempted {
        let (destination, letter, recipients) = (leased.destination.as_str(), &entry.letter, &entry.recipients);
        if !destination.starts_with(DESTINATION_PREFIX) {
            let errand = attempt::Errand { destination, letter, recipients, text };
            return Box::pin(self.sender.attempt(&errand)).await;
        }
        let mut outcomes = Vec::with_capacity(recipients.len());
        for recipient in recipients {
            let delivery = format!("{}-{}-{}", queue.node(), leased.entry, recipient.address);
            let errand = webhook::Errand { letter, recipient, text, delivery: &delivery };
            outcomes.push(Box::pin(self.caller.call(&errand)).await);
        }
        Attempted { outcomes, unreachable: false }
    }

    /// What an attempt says of its destination.
    async fn judge(&self, queue: &Queue, leased: &LeasedEntry, place: &Place, attempted: &Attempted) {
        for outcome in &attempted.outcomes {
            metrics::decided(&leased.destination, outcome.verdict);
        }
        if attempted.outcomes.iter().any(|outcome| matches!(outcome.verdict, Verdict::Delivered { .. })) {
            metrics::delay(self.us.clock.now().as_millisecond() - leased.arrived_ms);
        }
        if !attempted.unreachable {
            place.answered();
            return;
        }
        let until = place.silent(self.us.clock.now()).as_millisecond();
        let status = attempted.outcomes.first().map(|outcome| format!("{} {}", outcome.status, outcome.text));
        if let Err(error) = queue.pause(&leased.destination, until, &status.unwrap_or_default()).await {
            tracing::warn!(node = queue.node(), %error, "a destination could not be paused");
        }
    }

    async fn settlement(
        &self,
        leased: &LeasedEntry,
        entry: &Entry,
        attempted: Attempted,
        text: &NodeText,
    ) -> SettleRequest {
        let settled = entry.settle(attempted.outcomes, self.schedule, self.us.clock.now());
        let mut notices = Vec::with_capacity(settled.notices.len());
        for told in &settled.notices {
            notices.extend(self.notice(entry, told, text).await);
            metrics::told(told.action);
        }
        SettleRequest { entry: leased.entry, lease: leased.lease, settlements: settled.settlements, notices }
    }

    async fn notice(&self, entry: &Entry, told: &Told, text: &NodeText) -> Option<Notice> {
        let original = text.original(entry.returns_whole(told.action)).await;
        let (from, at) = (self.us.from.clone(), self.us.clock.now());
        let sign = |message: Vec<u8>| async move { self.signers.sign(&from, &message, at).await };
        told.write(&entry.letter, &original, &self.us, sign).await
    }
}

/// Says what became of an entry until the node has heard it, or the entry may be somebody else's.
async fn settle(queue: &Queue, request: SettleRequest, held: &Held) {
    let entry = request.entry;
    let trying = async {
        loop {
            match queue.settle(request.clone()).await {
                Ok(()) => return,
                Err(error @ (QueueError::Lost(_) | QueueError::Refused(_))) => {
                    tracing::warn!(node = queue.node(), entry, %error, "what became of an entry was not taken");
                    return;
                }
                Err(QueueError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(NODE_PAUSE_MS)).await,
            }
        }
    };
    tokio::select! {
        () = trying => {}
        () = held.lost() => tracing::warn!(node = queue.node(), entry, "{ENDED}"),
    }
}

/// A leased entry's text, from its node.
struct NodeText {
    queue: Queue,
    leased: LeasedEntry,
    /// Whether somebody has begun to read: the text may be on its way to its destination.
    sending: Arc<AtomicBool>,
}

impl Source for NodeText {
    fn open(&self) -> BoxFuture<'static, Result<Pieces, String>> {
        let (queue, leased, sending) = (self.queue.clone(), self.leased.clone(), Arc::clone(&self.sending));
        async move {
            let body = queue.read(&leased).await.map_err(|error| error.to_string())?;
            let pieces = stream::unfold(Some(body), move |body| {
                // First asked for when the server has said that it takes it.
                sending.store(true, Ordering::Relaxed);
                next(body)
            });
            Ok(pieces.boxed())
        }
        .boxed()
    }
}

async fn next(body: Option<Body>) -> Option<(Result<Bytes, String>, Option<Body>)> {
    let mut body = body?;
    match body.next().await {
        Ok(Some(piece)) => Some((Ok(piece), Some(body))),
        Ok(None) => None,
        Err(error) => Some((Err(error.to_string()), None)),
    }
}
impl NodeText {
    /// What comes back with a notice: the whole message or its header. A node that is away for a moment is waited for: without
    /// it there is no settlement either.
    async fn original(&self, whole: bool) -> Original {
        let reading = async {
            loop {
                match text::original(self, whole).await {
                    Ok(original) => return original,
                    Err(error) => {
                        tracing::debug!(node = self.queue.node(), error, "a message cannot be read for its notice")
                    }
                }
                tokio::time::sleep(Duration::from_millis(NODE_PAUSE_MS)).await;
            }
        };
        let limit = Duration::from_secs(ORIGINAL_SECONDS_MAX);
        tokio::time::timeout(limit, reading).await.unwrap_or_else(|_| text::nothing())
    }
}

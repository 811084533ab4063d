//! The change feed as a stream: what was missed, then a heartbeat that says "caught up", then changes as they are
//! committed. A heartbeat is a `Change` without a subject; it comes every [`HEARTBEAT_MS`], so that a watcher knows within
//! a second that its link is dead.

use crate::catalogue::{Catalogue, Change, Error, Missed, Subject};
use futures_util::stream::{self, Stream};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use wire::directory as proto;

/// Milliseconds between heartbeats: a third of [`crate::client::FEED_TRUST_MS_MAX`].
pub(crate) const HEARTBEAT_MS: u64 = 333;

struct Watcher {
    catalogue: Arc<Catalogue>,
    live: broadcast::Receiver<Change>,
    history: VecDeque<proto::Change>,
    /// The highest sequence that was sent or is in `history`.
    last: u64,
    heartbeat: Interval,
    stop: CancellationToken,
}

/// The stream of one watcher. It is subscribed when this returns: what is committed afterwards comes.
pub(super) async fn watch(
    catalogue: Arc<Catalogue>,
    since: u64,
    stop: CancellationToken,
) -> Result<impl Stream<Item = Result<proto::Change, Status>> + Send + 'static, Error> {
    // Subscribed before the history is read, so that nothing falls between; what comes twice is skipped by its number.
    let live = catalogue.feed().subscribe();
    let latest = catalogue.feed().latest();
    let (history, last) = match since {
        0 => (VecDeque::new(), latest),
        since => match catalogue.missed(since).await? {
            Missed::Changes(changes) => {
                let last = changes.last().map_or(since, |change| change.sequence);
                (changes.into_iter().map(told).collect(), last)
            }
            Missed::TooMuch => (VecDeque::from([everything(latest)]), latest),
        },
    };
    let mut heartbeat = tokio::time::interval(Duration::from_millis(HEARTBEAT_MS));
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watcher = Watcher { catalogue, live, history, last, heartbeat, stop };
    Ok(stream::unfold(watcher, |mut watcher| async move { watcher.next().await.map(|change| (Ok(change), watcher)) }))
}

impl Watcher {
    /// `None` when the server drains.
    async fn next(&mut self) -> Option<proto::Change> {
        if let Some(missed) = self.history.pop_front() {
            return Some(missed);
        }
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                change = self.live.recv() => match change {
                    Ok(change) if change.sequence <= self.last => {}
                    Ok(change) => {
                        self.last = change.sequence;
                        return Some(told(change));
                    }
                    Err(RecvError::Lagged(_)) => return Some(self.start_over()),
                    Err(RecvError::Closed) => return None,
                },
                _ = self.heartbeat.tick() => return Some(proto::Change { sequence: self.last, subject: None }),
            }
        }
    }

    /// The watcher did not keep up: it goes on from now.
    fn start_over(&mut self) -> proto::Change {
        self.live = self.live.resubscribe();
        self.last = self.catalogue.feed().latest();
        everything(self.last)
    }
}

fn everything(sequence: u64) -> proto::Change {
    proto::Change { sequence, subject: Some(proto::change::Subject::Everything(true)) }
}

fn told(change: Change) -> proto::Change {
    let subject = match change.subject {
        Subject::Alias(address) => proto::change::Subject::Alias(address),
        Subject::Domain(name) => proto::change::Subject::Domain(name),
        Subject::Node(id) => proto::change::Subject::Node(id),
        Subject::Webhook(id) => proto::change::Subject::Webhook(id),
        Subject::SrsSecrets => proto::change::Subject::SrsSecrets(true),
        Subject::Account(id) => proto::change::Subject::Account(id),
    };
    proto::Change { sequence: change.sequence, subject: Some(subject) }
}

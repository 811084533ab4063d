//! What waits to be written to one link, in the order in which it was put in. Callers with data wait for room; control
//! frames (credit, cancel, close) are always taken, since the requests and sessions under way bound them.

use crate::limits::{OUTBOX_BYTES_MAX, WRITE_BYTES};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// One thing to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// A frame's bytes.
    Frame(Bytes),
    /// A WebSocket ping.
    Ping,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Outgoing>,
    octets: usize,
    closed: bool,
}

/// The queue of one link.
#[derive(Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
    drained: Notify,
}

impl Outbox {
    /// Puts a frame at the end.
    pub(crate) fn put(&self, frame: Bytes) {
        self.push(frame.len(), Outgoing::Frame(frame));
    }

    pub(crate) fn ping(&self) {
        self.push(0, Outgoing::Ping);
    }

    fn push(&self, octets: usize, outgoing: Outgoing) {
        let mut queue = self.queue();
        if queue.closed {
            return;
        }
        queue.octets += octets;
        queue.waiting.push_back(outgoing);
        drop(queue);
        self.filled.notify_one();
    }

    /// Waits until there is room for data. At once when the link is closed: then nothing is kept.
    pub(crate) async fn room(&self) {
        while !self.has_room() {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            // Enabled before the second test, so that no wake-up falls between.
            drained.as_mut().enable();
            if !self.has_room() {
                drained.await;
            }
        }
    }

    fn has_room(&self) -> bool {
        let queue = self.queue();
        queue.closed || queue.octets < OUTBOX_BYTES_MAX
    }

    /// The next frames, at least one and together about [`WRITE_BYTES`]; waits for the first. One caller at a time.
    pub(crate) async fn take(&self) -> Vec<Outgoing> {
        loop {
            let taken = self.take_now();
            if !taken.is_empty() {
                return taken;
            }
            self.filled.notified().await;
        }
    }

    fn take_now(&self) -> Vec<Outgoing> {
        let mut queue = self.queue();
        let (mut taken, mut octets) = (Vec::new(), 0);
        while octets < WRITE_BYTES {
            let Some(outgoing) = queue.waiting.pop_front() else { break };
            if let Outgoing::Frame(frame) = &outgoing {
                octets += frame.len();
            }
            taken.push(outgoing);
        }
        let was_full = queue.octets >= OUTBOX_BYTES_MAX;
        queue.octets -= octets;
        let has_room = queue.octets < OUTBOX_BYTES_MAX;
        drop(queue);
        if was_full && has_room {
            self.drained.notify_waiters();
        }
        taken
    }

    /// Forgets what waits and takes no more.
    pub(crate) fn close(&self) {
        *self.queue() = Queue { closed: true, ..Queue::default() };
        self.drained.notify_waiters();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No invariant of the queue spans a panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(octets: usize) -> Bytes {
        Bytes::from(vec![0; octets])
    }

    #[tokio::test]
    async fn takes_in_order_and_in_bounded_batches() {
        let outbox = Outbox::default();
        outbox.put(frame(1));
        outbox.ping();
        outbox.put(frame(WRITE_BYTES));
        outbox.put(frame(2));
        let first = outbox.take().await;
        assert_eq!(first, [Outgoing::Frame(frame(1)), Outgoing::Ping, Outgoing::Frame(frame(WRITE_BYTES))]);
        assert_eq!(outbox.take().await, [Outgoing::Frame(frame(2))]);
    }

    #[tokio::test]
    async fn data_waits_for_room_and_a_closed_box_keeps_nothing() {
        let outbox = Outbox::default();
        outbox.put(frame(OUTBOX_BYTES_MAX));
        assert!(!outbox.has_room());
        let ((), taken) = tokio::join!(outbox.room(), outbox.take());
        assert_eq!(taken.len(), 1);
        outbox.put(frame(OUTBOX_BYTES_MAX));
        let ((), ()) = tokio::join!(outbox.room(), async { outbox.close() });
        outbox.put(frame(5));
        assert!(outbox.take_now().is_empty());
    }
}

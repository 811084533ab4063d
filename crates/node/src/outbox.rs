//! What waits to be written to one link: answers, data and pushes, in the order in which they were put in.
//! Knows nothing of sessions but a meter for each one's pushes.
//!
//! Invariants: frames leave in the order of the calls. Answers are always taken (a link that is overrun by them ends), data
//! waits for `ready`, and a push that finds no room is refused, so that the caller drops what it was about and says so
//! (resync). Whatever the front-end does, what waits here has a bound.

use crate::limits::{
    LINK_ANSWER_BYTES_MAX, LINK_ANSWERS_MAX, LINK_DATA_BYTES_MAX, LINK_PUSH_BYTES_MAX, LINK_WRITE_BYTES,
    SESSION_PUSH_BYTES_MAX,
};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use tokio::sync::Notify;

/// Octets of pushes that wait for one session.
#[derive(Default)]
pub struct PushMeter(Cell<usize>);

struct Waiting {
    frame: Bytes,
    push: Option<Rc<PushMeter>>,
}

/// What is to be written next.
#[derive(Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Frames, one WebSocket message each.
    Frames(Vec<Bytes>),
    /// A ping: nothing has been heard for a while.
    Ping,
}

/// The queue of one link.
#[derive(Default)]
pub struct Outbox {
    queue: RefCell<VecDeque<Waiting>>,
    data_bytes: Cell<usize>,
    answers: Cell<usize>,
    push_bytes: Cell<usize>,
    closed: Cell<bool>,
    ping: Cell<bool>,
    filled: Notify,
    drained: Notify,
}

impl Outbox {
    /// Puts in an answer or a chunk of data.
    pub fn put(&self, frame: Bytes) {
        self.data_bytes.set(self.data_bytes.get() + frame.len());
        self.answers.set(self.answers.get() + 1);
        self.push_back(Waiting { frame, push: None });
    }

    /// Whether more answers wait than for anybody who listens: the link is to end.
    pub fn is_overrun(&self) -> bool {
        self.answers.get() > LINK_ANSWERS_MAX || self.data_bytes.get() > LINK_ANSWER_BYTES_MAX
    }

    /// Puts in a push for the session with this meter; `false`, and nothing done, when it has fallen behind.
    pub fn push(&self, frame: Bytes, meter: &Rc<PushMeter>) -> bool {
        let (link, session) = (self.push_bytes.get() + frame.len(), meter.0.get() + frame.len());
        if link > LINK_PUSH_BYTES_MAX || session > SESSION_PUSH_BYTES_MAX {
            return false;
        }
        self.push_bytes.set(link);
        meter.0.set(session);
        self.push_back(Waiting { frame, push: Some(meter.clone()) });
        true
    }

    fn push_back(&self, waiting: Waiting) {
        if self.closed.get() {
            return;
        }
        self.queue.borrow_mut().push_back(waiting);
        self.filled.notify_one();
    }

    /// Waits until there is room for data.
    pub async fn ready(&self) {
        while self.data_bytes.get() >= LINK_DATA_BYTES_MAX && !self.closed.get() {
            // One thread: nothing comes between the test and the wait.
            self.drained.notified().await;
        }
    }

    /// Asks the other side for a sign of life.
    pub fn ping(&self) {
        self.ping.set(true);
        self.filled.notify_one();
    }

    /// Takes what is to be written next, frames up to about `LINK_WRITE_BYTES` at once; waits for it. `None` once closed.
    pub async fn take(&self) -> Option<Outgoing> {
        loop {
            let frames = self.take_now();
            if !frames.is_empty() {
                return Some(Outgoing::Frames(frames));
            }
            if self.closed.get() {
                return None;
            }
            if self.ping.replace(false) {
                return Some(Outgoing::Ping);
            }
            self.filled.notified().await;
        }
    }

    fn take_now(&self) -> Vec<Bytes> {
        let mut queue = self.queue.borrow_mut();
        let (mut frames, mut taken) = (Vec::new(), 0);
        while taken < LINK_WRITE_BYTES {
            let Some(Waiting { frame, push }) = queue.pop_front() else { break };
            taken += frame.len();
            if let Some(meter) = push {
                meter.0.set(meter.0.get().saturating_sub(frame.len()));
                self.push_bytes.set(self.push_bytes.get().saturating_sub(frame.len()));
            } else {
                self.data_bytes.set(self.data_bytes.get().saturating_sub(frame.len()));
                self.answers.set(self.answers.get().saturating_sub(1));
            }
            frames.push(frame);
        }
        if self.data_bytes.get() < LINK_DATA_BYTES_MAX {
            self.drained.notify_waiters();
        }
        frames
    }

    /// Takes no more; what waits is still given out, and then `take` ends.
    pub fn close(&self) {
        self.closed.set(true);
        self.filled.notify_one();
        self.drained.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_order_over_answers_and_pushes() {
        let (outbox, meter) = (Outbox::default(), Rc::new(PushMeter::default()));
        outbox.put(Bytes::from_static(b"a"));
        assert!(outbox.push(Bytes::from_static(b"b"), &meter));
        outbox.put(Bytes::from_static(b"c"));
        let frames = ["a", "b", "c"].map(Bytes::from).to_vec();
        assert_eq!(outbox.take().await, Some(Outgoing::Frames(frames)));
        outbox.close();
        assert_eq!(outbox.take().await, None);
    }

    #[tokio::test]
    async fn a_session_that_falls_behind_is_told_alone() {
        let outbox = Outbox::default();
        let (slow, other) = (Rc::new(PushMeter::default()), Rc::new(PushMeter::default()));
        let frame = Bytes::from(vec![0; SESSION_PUSH_BYTES_MAX / 2]);
        assert!(outbox.push(frame.clone(), &slow) && outbox.push(frame.clone(), &slow));
        assert!(!outbox.push(Bytes::from_static(b"x"), &slow));
        assert!(outbox.push(frame, &other));
        while slow.0.get() > 0 {
            outbox.take().await.unwrap();
        }
        assert!(outbox.push(Bytes::from_static(b"x"), &slow));
    }

    #[tokio::test]
    async fn too_many_answers_overrun_it() {
        let (few, large) = (Outbox::default(), Outbox::default());
        for _ in 0..LINK_ANSWERS_MAX {
            few.put(Bytes::from_static(b"no"));
        }
        assert!(!few.is_overrun());
        few.put(Bytes::from_static(b"no"));
        assert!(few.is_overrun());
        few.take().await.unwrap();
        assert!(!few.is_overrun());
        let frame = Bytes::from(vec![0; LINK_ANSWER_BYTES_MAX / 64]);
        (0..64).for_each(|_| large.put(frame.clone()));
        assert!(!large.is_overrun());
        large.put(Bytes::from_static(b"x"));
        assert!(large.is_overrun());
    }

    #[tokio::test]
    async fn data_waits_for_room() {
        let outbox = Outbox::default();
        outbox.ready().await;
        outbox.put(Bytes::from(vec![0; LINK_DATA_BYTES_MAX]));
        let (order, first) = (RefCell::new(Vec::new()), RefCell::new(0));
        tokio::join!(
            async {
                outbox.ready().await;
                order.borrow_mut().push("ready");
            },
            async {
                order.borrow_mut().push("taken");
                outbox.take().await.unwrap();
                *first.borrow_mut() += 1;
            }
        );
        assert_eq!((order.into_inner(), first.into_inner()), (vec!["taken", "ready"], 1));
    }
}

//! One request under way, between the link's reader and whoever asked: frames that came and were not taken yet, how it ended,
//! and the credit for what it uploads. The reader never waits here.

use crate::limits::ANSWER_BYTES_MAX;
use crate::merge;
use crate::track::{SelectFor, Tracker};
use model::limits::{CREDIT_BYTES, FRAME_BYTES_MAX};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use wire::session::server_frame::Body;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Its last frame came.
    Last,
    /// The link broke.
    Lost,
    /// The node broke the protocol, or the answer is over a limit.
    Bad(&'static str),
}

/// What comes next of a request.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// A frame's body, and the octets of the whole frame.
    Frame(Body, usize),
    /// Nothing more.
    End(End),
}

#[derive(Default)]
struct State {
    frames: VecDeque<(Body, usize)>,
    /// Octets of all frames that came.
    answered: usize,
    /// Octets of `Fetched` frames that were not given credit for yet.
    uncredited: usize,
    end: Option<End>,
    /// Octets that may still be uploaded.
    credit: i64,
}

/// A request under way.
pub(crate) struct Pending {
    state: Mutex<State>,
    wake: Notify,
    /// A SELECT: what it selects is tracked as its last frame comes, before the pushes that follow it.
    select: Option<(Arc<Tracker>, SelectFor)>,
}

impl Pending {
    pub(crate) fn new(select: Option<(Arc<Tracker>, SelectFor)>) -> Self {
        let state = State { credit: CREDIT_BYTES as i64, ..State::default() };
        Self { state: Mutex::new(state), wake: Notify::new(), select }
    }

    /// A frame came. `false` when the node sends more than it has credit for.
    pub(crate) fn deliver(&self, body: Body, octets: usize, last: bool) -> bool {
        let mut state = self.state();
        if state.end.is_some() {
            return true;
        }
        if matches!(body, Body::Fetched(_)) {
            state.uncredited += octets;
            if state.uncredited > CREDIT_BYTES as usize + FRAME_BYTES_MAX {
                return false;
            }
        } else {
            state.answered += octets;
            if state.answered > ANSWER_BYTES_MAX {
                state.frames.clear();
                return self.finish(state, End::Bad("the answer is over the limit"));
            }
        }
        state.frames.push_back((body, octets));
        match (last, &self.select) {
            (true, Some((tracker, select))) => match track(&mut state.frames, tracker, select) {
                Ok(()) => self.finish(state, End::Last),
                Err(why) => self.finish(state, End::Bad(why)),
            },
            (true, None) => self.finish(state, End::Last),
            (false, _) => {
                drop(state);
                self.wake.notify_one();
                true
            }
        }
    }

    /// The node gives credit for the upload. `false` when it is more than was taken.
    pub(crate) fn credit(&self, octets: u64) -> bool {
        let mut state = self.state();
        let balance = i64::try_from(octets).ok().and_then(|octets| state.credit.checked_add(octets));
        let Some(balance) = balance.filter(|balance| *balance <= CREDIT_BYTES as i64) else { return false };
        state.credit = balance;
        drop(state);
        self.wake.notify_one();
        true
    }

    /// Ends it, unless it has ended.
    pub(crate) fn end(&self, end: End) {
        let state = self.state();
        if state.end.is_none() {
            self.finish(state, end);
        }
    }

    fn finish(&self, mut state: MutexGuard<'_, State>, end: End) -> bool {
        state.end = Some(end);
        drop(state);
        self.wake.notify_one();
        true
    }

    /// Takes the next frame, or says how the request ended. One caller at a time; cancel-safe.
    pub(crate) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.next_now() {
                return next;
            }
            self.wake.notified().await;
        }
    }

    fn next_now(&self) -> Option<Next> {
        let mut state = self.state();
        if self.select.is_some() && state.end.is_none() {
            // A SELECT is put together first.
            return None;
        }
        match state.frames.pop_front() {
            Some((body, octets)) => Some(Next::Frame(body, octets)),
            None => state.end.map(Next::End),
        }
    }

    /// Waits until something may be uploaded. `false` when the request has ended, whatever is left to take.
    pub(crate) async fn may_upload(&self) -> bool {
        loop {
            match self.may_upload_now() {
                Some(may) => return may,
                None => self.wake.notified().await,
            }
        }
    }

    fn may_upload_now(&self) -> Option<bool> {
        let state = self.state();
        match state.end {
            Some(_) => Some(false),
            None => (state.credit > 0).then_some(true),
        }
    }

    /// Takes credit for a frame that is uploaded.
    pub(crate) fn uploaded(&self, octets: usize) {
        let mut state = self.state();
        state.credit = state.credit.saturating_sub(octets as i64);
    }

    /// Credit was given for that many octets of what was fetched.
    pub(crate) fn returned(&self, octets: u64) {
        let mut state = self.state();
        state.uncredited = state.uncredited.saturating_sub(octets as usize);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state().end.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant of the state spans a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the frames of a SELECT together and has the tracker take them in.
fn track(frames: &mut VecDeque<(Body, usize)>, tracker: &Tracker, select: &SelectFor) -> Result<(), &'static str> {
    if frames.iter().any(|(body, _)| matches!(body, Body::Failure(_))) {
        return Ok(());
    }
    let octets = frames.iter().map(|(_, octets)| octets).sum();
    let selected =
        merge::selected(frames.drain(..).map(|(body, _)| body)).map_err(|_| "a SELECT that makes no sense")?;
    tracker.selected(&selected, select).map_err(|_| "a SELECT that makes no sense")?;
    frames.push_back((Body::Selected(selected), octets));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::session::{Done, Fetched};

    #[tokio::test]
    async fn frames_come_in_order_and_then_the_end() {
        let pending = Pending::new(None);
        assert!(pending.deliver(Body::Fetched(Fetched::default()), 7, false));
        assert!(pending.deliver(Body::Done(Done {}), 2, true));
        assert!(pending.deliver(Body::Done(Done {}), 2, true));
        pending.end(End::Lost);
        assert_eq!(pending.next().await, Next::Frame(Body::Fetched(Fetched::default()), 7));
        assert_eq!(pending.next().await, Next::Frame(Body::Done(Done {}), 2));
        assert_eq!(pending.next().await, Next::End(End::Last));
        assert_eq!(pending.next().await, Next::End(End::Last));
    }

    #[test]
    fn a_node_that_sends_without_credit_is_noticed() {
        let pending = Pending::new(None);
        let mut sent = 0;
        while sent + FRAME_BYTES_MAX <= CREDIT_BYTES as usize + FRAME_BYTES_MAX {
            assert!(pending.deliver(Body::Fetched(Fetched::default()), FRAME_BYTES_MAX, false));
            sent += FRAME_BYTES_MAX;
        }
        assert!(!pending.deliver(Body::Fetched(Fetched::default()), 1, false));
        pending.returned(sent as u64 + 1);
        assert!(pending.deliver(Body::Fetched(Fetched::default()), 1, false));
    }

    #[test]
    fn answers_have_a_limit() {
        let pending = Pending::new(None);
        for _ in 0..ANSWER_BYTES_MAX / FRAME_BYTES_MAX {
            assert!(pending.deliver(Body::Done(Done {}), FRAME_BYTES_MAX, false));
        }
        assert!(!pending.has_ended());
        assert!(pending.deliver(Body::Done(Done {}), 1, false));
        assert_eq!(pending.next_now(), Some(Next::End(End::Bad("the answer is over the limit"))));
    }

    #[tokio::test]
    async fn uploads_wait_for_credit() {
        let pending = Pending::new(None);
        assert!(pending.may_upload().await);
        assert!(!pending.credit(1));
        pending.uploaded(CREDIT_BYTES as usize + 10);
        assert_eq!(pending.may_upload_now(), None);
        assert!(pending.credit(10));
        assert_eq!(pending.may_upload_now(), None);
        let (may, given) = tokio::join!(pending.may_upload(), async { pending.credit(1) });
        assert!(may && given);
        assert!(!pending.credit(u64::MAX));
        pending.end(End::Lost);
        assert!(!pending.may_upload().await);
    }
}

//! A store as uploads meet it: with places of its own, and after a failure a rest of its own. What one store does, or does not
//! answer, keeps no snapshot from another.
//!
//! Invariants: a store that failed is asked by nobody until its rest is over, and then by one upload alone until one has succeeded.
//! A store that hangs holds its own places and nothing else.

use crate::limits::{QUEUED_PER_STORE_MAX, RETRY_MS, STORE_CHECK_SECONDS_MAX};
use crate::metrics::{FAILED_LAST, LAST_SUCCESS, UNDER_WAY};
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// The store with what is under way to it.
pub(crate) struct Lane {
    /// Its name.
    pub(crate) name: String,
    /// The store.
    pub(crate) store: Arc<Store>,
    /// Uploads that are under way, or wait for a place.
    queue: Arc<Semaphore>,
    /// Uploads that are under way.
    places: Semaphore,
    /// Checks: one that hangs is not joined by ever more of them.
    checks: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In a row.
    failures: u32,
    rests_until: Option<Instant>,
    /// One upload finds out whether it works again.
    probed: bool,
    /// Why the last try failed; empty when it did not.
    why: String,
    succeeded: Option<Timestamp>,
}

/// What is known of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Why the last upload failed; empty when it did not.
    pub(crate) why: String,
    /// When something was last put into it, since this process began.
    pub(crate) succeeded: Option<Timestamp>,
}

/// An upload that is under way. Dropped, it has ended without a word on the store.
pub(crate) struct Place<'l> {
    lane: &'l Lane,
    probes: bool,
    _place: SemaphorePermit<'l>,
}

impl Lane {
    /// Nothing under way, and so many uploads at once.
    pub(crate) fn new(name: String, store: Arc<Store>, uploads_max: usize) -> Self {
        metrics::gauge!(FAILED_LAST, "store" => name.clone()).set(0.0);
        Self {
            name,
            store,
            queue: Arc::new(Semaphore::new(QUEUED_PER_STORE_MAX.max(uploads_max))),
            places: Semaphore::new(uploads_max),
            checks: Arc::new(Semaphore::new(uploads_max + 1)),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant of the state spans a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of it.
    pub(crate) fn known(&self) -> Known {
        let state = self.state();
        Known { why: state.why.clone(), succeeded: state.succeeded }
    }

    /// Why nothing is put into it at this moment, if it rests.
    pub(crate) fn rests(&self) -> Option<String> {
        let state = self.state();
        state.rests(Instant::now()).then(|| state.why.clone())
    }

    /// Why it rests, when more than one upload has found it failing: a single one may have ended for reasons of its own.
    pub(crate) fn fails(&self) -> Option<String> {
        let state = self.state();
        (state.failures > 1 && state.rests(Instant::now())).then(|| state.why.clone())
    }

    /// Whether one more upload may come.
    pub(crate) fn is_open(&self) -> bool {
        let state = self.state();
        state.admits(Instant::now()) && self.queue.available_permits() > 0
    }

    /// Queues an upload, if there is room.
    pub(crate) fn queue(&self) -> Option<OwnedSemaphorePermit> {
        self.queue.clone().try_acquire_owned().ok()
    }

    /// Waits for a place among the uploads to this store; none when the store is to be left alone by then.
    pub(crate) async fn begin(&self) -> Option<Place<'_>> {
        let place = self.places.acquire().await.ok()?;
        let mut state = self.state();
        if !state.admits(Instant::now()) {
            return None;
        }
        let probes = state.failures > 0;
        state.probed |= probes;
        drop(state);
        metrics::gauge!(UNDER_WAY, "store" => self.name.clone()).increment(1);
        Some(Place { lane: self, probes, _place: place })
    }

    /// Whether the store answers; in time, for one that takes a connection and says nothing is no store.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) async fn check(&self, within: Duration) -> Result<(), StoreError> {
        let checking = async {
            let Ok(place) = self.checks.clone().acquire_owned().await else { return Ok(()) };
            let store = Arc::clone(&self.store);
            // To its own end, also where nobody waits for it any more: a folder's disk that hangs holds a thread for each.
            let check = tokio::spawn(async move {
                let _place = place;
                store.check().await
            });
            check.await.unwrap_or_else(|error| Err(StoreError::Failed(error.to_string())))
        };
        let silent = || StoreError::Failed("it does not answer in time".to_owned());
        timeout(within, checking).await.unwrap_or_else(|_| Err(silent()))
    }

    /// The check before an upload.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) async fn check_first(&self) -> Result<(), StoreError> {
        self.check(Duration::from_secs(STORE_CHECK_SECONDS_MAX)).await
    }

    /// It works.
    pub(crate) fn succeeded(&self) {
        let now = Timestamp::now();
        let before = std::mem::replace(&mut *self.state(), State { succeeded: Some(now), ..State::default() });
        if !before.why.is_empty() {
            tracing::info!(store = self.name, "the store works again");
        }
        metrics::gauge!(FAILED_LAST, "store" => self.name.clone()).set(0.0);
        metrics::gauge!(LAST_SUCCESS, "store" => self.name.clone()).set(now.as_second() as f64);
    }

    /// It does not.
    pub(crate) fn failed(&self, error: &StoreError) {
        let mut state = self.state();
        state.why = error.to_string();
        let now = Instant::now();
        // Several were under way when it began: that is one failure.
        if !state.rests(now) {
            let pause = RETRY_MS.0.saturating_mul(1 << state.failures.min(16)).min(RETRY_MS.1);
            state.failures = state.failures.saturating_add(1);
            state.rests_until = Some(now + Duration::from_millis(pause));
        }
        metrics::gauge!(FAILED_LAST, "store" => self.name.clone()).set(1.0);
    }
}

impl State {
    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// Whether one more upload may begin.
    fn admits(&self, now: Instant) -> bool {
        let is_probed = self.failures > 0 && self.probed;
        !self.rests(now) && !is_probed
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.probes {
            self.lane.state().probed = false;
        }
        metrics::gauge!(UNDER_WAY, "store" => self.lane.name.clone()).decrement(1);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::store::Folder;
    use std::path::Path;

    fn lane() -> Lane {
        Lane::new("own".to_owned(), Arc::new(Store::Folder(Folder::new(Path::new("/nowhere")))), 2)
    }

    /// The rest that has begun lasts for longer than this test can.
    fn rest_on(lane: &Lane) {
        lane.state().rests_until = Some(Instant::now() + Duration::from_secs(3600));
    }

    #[tokio::test]
    async fn a_store_that_failed_rests_and_is_then_tried_by_one() {
        let lane = lane();
        let (first, second) = (lane.begin().await.unwrap(), lane.begin().await.unwrap());
        lane.failed(&StoreError::Full);
        rest_on(&lane);
        lane.failed(&StoreError::Full);
        drop((first, second));
        assert_eq!(lane.state().failures, 1, "two that were under way are one failure");
        assert_eq!(lane.fails(), None);
        assert!(!lane.is_open() && lane.begin().await.is_none() && lane.rests().unwrap().contains("full"));

        lane.state().rests_until = None;
        let probe = lane.begin().await.unwrap();
        assert!(!lane.is_open() && lane.begin().await.is_none());
        lane.failed(&StoreError::Full);
        rest_on(&lane);
        assert!(lane.fails().unwrap().contains("full"));
        lane.state().rests_until = None;
        drop(probe);
        assert!(lane.is_open(), "one that ended without a word is followed by another");
        lane.succeeded();
        let (first, second) = (lane.begin().await, lane.begin().await);
        assert!(first.is_some() && second.is_some() && lane.known().why.is_empty());
    }

    #[tokio::test]
    async fn rests_become_longer_and_a_check_says_what_is_wrong() {
        let lane = lane();
        for failures in 1..40 {
            lane.state().rests_until = None;
            lane.failed(&StoreError::Full);
            let rest = lane.state().rests_until.unwrap() - Instant::now();
            assert!(rest <= Duration::from_millis((1 << failures.min(16)) * RETRY_MS.0 / 2));
            assert!(rest <= Duration::from_millis(RETRY_MS.1));
        }
        let error = lane.check_first().await.unwrap_err();
        assert_eq!(error.to_string(), StoreError::NoStore("/nowhere".to_owned()).to_string());
    }
}

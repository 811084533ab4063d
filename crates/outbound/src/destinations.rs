//! How many messages go to a destination at once: few at first, more while it keeps up, one when it does not; and how long one
//! that does not answer is left alone.

use crate::schedule;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Messages at once to a destination that nothing is known of.
pub const AT_ONCE_FIRST: usize = 5;
/// Destinations that something is remembered of while nothing goes there.
pub const REMEMBERED_MAX: usize = 10_000;
/// Destinations that a node is told not to hand out: more would be a long list in every question.
pub const SATURATED_MAX: usize = 1_000;

/// Every destination under way.
pub struct Destinations {
    most: usize,
    states: Mutex<HashMap<String, State>>,
    freed: Notify,
}

#[derive(Debug, Clone, Copy)]
struct State {
    running: usize,
    limit: usize,
    /// Since the limit last grew.
    good: usize,
    /// Attempts in a row that nobody answered.
    failures: u32,
}

/// One message under way; its place is free again when this is dropped.
pub struct Place {
    destination: String,
    destinations: Arc<Destinations>,
}

impl Destinations {
    /// With at most so many at once to each.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, states: Mutex::default(), freed: Notify::new() })
    }

    /// One more goes there, whether there is room or not: a node hands out a few at a time.
    pub fn begin(self: &Arc<Self>, destination: &str) -> Place {
        let first = State { running: 0, limit: AT_ONCE_FIRST.min(self.most), good: 0, failures: 0 };
        self.states().entry(destination.to_owned()).or_insert(first).running += 1;
        Place { destination: destination.to_owned(), destinations: Arc::clone(self) }
    }

    /// Those that have as many as they may.
    pub fn saturated(&self) -> Vec<String> {
        let states = self.states();
        let full = states.iter().filter(|(_, state)| state.running >= state.limit);
        full.map(|(destination, _)| destination.clone()).take(SATURATED_MAX).collect()
    }

    /// Until a place is free again.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    fn states(&self) -> MutexGuard<'_, HashMap<String, State>> {
        // No invariant of the map spans a panic.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The destination answered.
    pub fn answered(&self) {
        if let Some(state) = self.destinations.states().get_mut(&self.destination) {
            state.failures = 0;
            state.good += 1;
            if state.good >= state.limit && state.limit < self.destinations.most {
                (state.limit, state.good) = (state.limit + 1, 0);
            }
        }
    }

    /// It did not: until when it is left alone.
    pub fn silent(&self, now: Timestamp) -> Timestamp {
        let mut states = self.destinations.states();
        let failures = states.get_mut(&self.destination).map_or(1, |state| {
            // Those that were under way together count as one.
            if state.running <= 1 || state.limit > 1 {
                state.failures = state.failures.saturating_add(1);
            }
            (state.limit, state.good) = (1, 0);
            state.failures
        });
        schedule::pause(failures, now)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut states = self.destinations.states();
        let crowded = states.len() > REMEMBERED_MAX;
        if let Some(state) = states.get_mut(&self.destination) {
            state.running -= 1;
            let unremarkable = state.failures == 0 && state.limit >= AT_ONCE_FIRST.min(self.destinations.most);
            if state.running == 0 && (unremarkable || crowded) {
                states.remove(&self.destination);
            }
        }
        drop(states);
        self.destinations.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_grows_and_shrinks() {
        let all = Destinations::new(7);
        let mut places: Vec<_> = (0..4).map(|_| all.begin("a.test")).collect();
        assert!(all.saturated().is_empty());
        places.push(all.begin("a.test"));
        assert_eq!(all.saturated(), ["a.test"]);
        (0..5).for_each(|_| places[0].answered());
        assert!(all.saturated().is_empty());
        (0..100).for_each(|_| places[0].answered());
        places.extend([all.begin("a.test"), all.begin("a.test")]);
        assert_eq!(all.saturated(), ["a.test"]);
        // Silence leaves one at a time, until there is an answer.
        let now = Timestamp::UNIX_EPOCH;
        let first = places[0].silent(now);
        let same = places[1].silent(now);
        assert!(first.as_second() <= 72 && same.as_second() <= 72, "what was under way together counts once");
        places.clear();
        let one = all.begin("a.test");
        assert_eq!(all.saturated(), ["a.test"]);
        assert!(one.silent(now).as_second() >= 96);
        one.answered();
        assert!(all.saturated().is_empty());
        drop(one);
        assert_eq!(all.states().len(), 1);
    }

    #[test]
    fn nothing_is_kept_of_what_went_well() {
        let all = Destinations::new(20);
        for n in 0..100 {
            all.begin(&format!("{n}.test")).answered();
        }
        assert!(all.states().is_empty());
    }
}

//! Waiting on a condition with a deadline: the only sleep of the tests.

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up: generous, because the machine may be busy; never a measurement.
pub const DEADLINE: Duration = Duration::from_secs(90);
/// Between two questions: short against the deadline, long against the work of asking.
const PAUSE: Duration = Duration::from_millis(20);

/// Seconds before midnight in which no test begins that would find another date at its end.
const LATE_SECONDS: i64 = 75;
/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// Waits for the next day, in UTC, where this one is nearly over.
pub fn within_a_day() {
    let left = || DAY_SECONDS - jiff::Timestamp::now().as_second().rem_euclid(DAY_SECONDS);
    until("another day", || (left() > LATE_SECONDS).then_some(()));
}

/// Asks again and again until there is an answer; panics with `what` at the deadline.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "gave up waiting: {what}");
        #[allow(clippy::disallowed_methods, reason = "a test's thread may block; the bound is the deadline above")]
        std::thread::sleep(PAUSE);
    }
}

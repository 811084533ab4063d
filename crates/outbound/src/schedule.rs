//! When a recipient is tried again, when its sender is told, and when it is given up (RFC 5321 §4.5.4.1).

use crate::random;
use jiff::{SignedDuration, Timestamp};

/// Minutes after the first attempt, the second and so on: soon while greylisting and restarts are likely, then seldom.
pub const STEP_MINUTES: [u64; 7] = [2, 5, 15, 30, 60, 120, 240];
/// Percent by which a step is varied at most, so that what failed together does not come back together.
pub const JITTER_PERCENT_MAX: u64 = 20;
/// Seconds for which a destination that did not answer is left alone; doubled each time up to [`PAUSE_SECONDS_MAX`].
pub const PAUSE_SECONDS_MIN: u64 = 60;
/// Seconds for which a destination is left alone at most.
pub const PAUSE_SECONDS_MAX: u64 = 1_800;

/// How long messages are tried.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Until a message is given up.
    pub give_up: SignedDuration,
    /// Until its sender is told of the delay.
    pub delay_notice: SignedDuration,
}

impl Schedule {
    /// As configured.
    pub fn of_hours(give_up: u32, delay_notice: u32) -> Self {
        let hours = |hours: u32| SignedDuration::from_hours(hours.into());
        Self { give_up: hours(give_up), delay_notice: hours(delay_notice) }
    }

    /// The end of a message that came then: as configured, or what its envelope says (`None`: nothing).
    pub fn end(self, arrived: Timestamp, expires: Option<Timestamp>) -> Timestamp {
        expires.unwrap_or_else(|| later(arrived, self.give_up))
    }

    /// Whether its sender is to be told that it is late.
    pub fn is_late(self, arrived: Timestamp, now: Timestamp) -> bool {
        now >= later(arrived, self.delay_notice)
    }
}

/// The next attempt after so many before this one; the last one is at the end itself.
pub fn next_attempt(attempts_before: u32, now: Timestamp, end: Timestamp) -> Timestamp {
    let last = STEP_MINUTES.len() - 1;
    let minutes = STEP_MINUTES.get(attempts_before as usize).or(STEP_MINUTES.get(last)).copied().unwrap_or(0);
    let next = later(now, SignedDuration::from_millis(jittered(minutes * 60_000).cast_signed()));
    if now < end { next.min(end) } else { next }
}

/// Until when a destination that did not answer so many times in a row is left alone.
pub fn pause(failures: u32, now: Timestamp) -> Timestamp {
    let seconds = PAUSE_SECONDS_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(PAUSE_SECONDS_MAX);
    later(now, SignedDuration::from_millis(jittered(seconds * 1_000).cast_signed()))
}

fn jittered(ms: u64) -> u64 {
    let spread = ms * JITTER_PERCENT_MAX / 100;
    ms - spread + random::below(2 * spread + 1)
}

/// Later by so much, or the end of time.
fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn seconds(count: u64) -> Timestamp {
        later(NOW, SignedDuration::from_secs(count.cast_signed()))
    }

    #[test]
    fn steps_grow_to_the_last_one_with_jitter() {
        let far = seconds(1_000_000);
        for attempts in 0..20 {
            let step = STEP_MINUTES[attempts.min(6)] * 60;
            for _ in 0..50 {
                let next = next_attempt(attempts as u32, NOW, far);
                assert!(seconds(step * 8 / 10) <= next && next <= seconds(step * 12 / 10), "{attempts}: {next}");
            }
        }
        // The last attempt is at the end, not behind it.
        assert_eq!(next_attempt(9, NOW, seconds(600)), seconds(600));
    }

    #[test]
    fn pauses_double() {
        for (failures, step) in [(1, 60), (2, 120), (5, 960), (6, 1_800), (u32::MAX, 1_800)] {
            let until = pause(failures, NOW);
            assert!(seconds(step * 8 / 10) <= until && until <= seconds(step * 12 / 10), "{failures}: {until}");
        }
    }

    #[test]
    fn lateness_and_the_end() {
        let schedule = Schedule::of_hours(120, 4);
        assert!(!schedule.is_late(NOW, seconds(4 * 3600 - 1)) && schedule.is_late(NOW, seconds(4 * 3600)));
        assert_eq!(schedule.end(NOW, None), seconds(120 * 3600));
        assert_eq!(schedule.end(NOW, Some(seconds(5))), seconds(5));
    }
}

//! Failed sign-ins by source: answers come later the more there are, and at some point passwords are not tried at all. In
//! this process only; what several front-ends share comes with Redis.

use crate::limits::{FAILURE_DELAY_MAX, FAILURES_COUNT_FOR, FAILURES_FREE, FAILURES_MAX, SOURCES_REMEMBERED_MAX};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Whether a source may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may.
    Allowed,
    /// Not for now.
    Blocked,
}

/// Sources and their failures.
#[derive(Default)]
pub(super) struct Throttle(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Throttle {
    pub(super) fn verdict(&self, source: IpAddr, now: Instant) -> Verdict {
        let sources = self.sources();
        let failures = sources.get(&network(source)).filter(|failures| failures.counts(now));
        if failures.is_some_and(|failures| failures.count >= FAILURES_MAX) {
            Verdict::Blocked
        } else {
            Verdict::Allowed
        }
    }

    /// Remembers a failure. Returns how long its answer is to wait: one second after the free ones, doubling.
    pub(super) fn failed(&self, source: IpAddr, now: Instant) -> Duration {
        let source = network(source);
        let mut sources = self.sources();
        make_room(&mut sources, source, now);
        let failures = sources.entry(source).or_insert(Failures { count: 0, last: now });
        failures.count = if failures.counts(now) { failures.count.saturating_add(1) } else { 1 };
        failures.last = now;
        match failures.count.checked_sub(FAILURES_FREE + 1) {
            None => Duration::ZERO,
            Some(doublings) => Duration::from_secs(1 << doublings.min(10)).min(FAILURE_DELAY_MAX),
        }
    }

    /// A success takes away what makes answers late, but not what blocks: a guesser may have one account of their own.
    pub(super) fn succeeded(&self, source: IpAddr) {
        if let Some(failures) = self.sources().get_mut(&network(source)) {
            failures.count = failures.count.saturating_sub(1);
        }
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<IpAddr, Failures>> {
        // A panic elsewhere cannot leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failures {
    fn counts(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < FAILURES_COUNT_FOR
    }
}

/// When the map is full, what no longer counts goes; if all of it counts, the source with the fewest failures goes.
fn make_room(sources: &mut HashMap<IpAddr, Failures>, source: IpAddr, now: Instant) {
    if sources.len() < SOURCES_REMEMBERED_MAX || sources.contains_key(&source) {
        return;
    }
    sources.retain(|_, failures| failures.counts(now));
    if sources.len() >= SOURCES_REMEMBERED_MAX {
        let least = sources.iter().min_by_key(|(_, failures)| failures.count).map(|(source, _)| *source);
        least.and_then(|least| sources.remove(&least));
    }
}

/// What counts as one source: an IPv4 address, an IPv6 /64, which is what one customer has.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn failures_delay_and_then_block_and_are_forgotten() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        let delays: Vec<_> = (0..9).map(|_| throttle.failed(source(1), start).as_secs()).collect();
        assert_eq!(delays, [0, 0, 0, 1, 2, 4, 8, 15, 15]);
        assert_eq!(throttle.verdict(source(1), start), Verdict::Allowed);
        for _ in 9..FAILURES_MAX {
            throttle.failed(source(1), start);
        }
        assert_eq!(throttle.verdict(source(1), start), Verdict::Blocked);
        assert_eq!(throttle.verdict(source(2), start), Verdict::Allowed);
        let later = start + FAILURES_COUNT_FOR;
        assert_eq!(throttle.verdict(source(1), later), Verdict::Allowed);
        assert_eq!(throttle.failed(source(1), later), Duration::ZERO);
    }

    #[test]
    fn a_network_is_one_source() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..FAILURES_MAX {
            throttle.failed(format!("2001:db8::{n:x}").parse().unwrap(), now);
        }
        assert_eq!(throttle.verdict("2001:db8::ffff:1".parse().unwrap(), now), Verdict::Blocked);
        assert_eq!(throttle.verdict("2001:db8:0:1::1".parse().unwrap(), now), Verdict::Allowed);
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_kept() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        throttle.failed(source(0), now);
        throttle.failed(source(0), now);
        for n in 1..=(SOURCES_REMEMBERED_MAX as u32 + 10) {
            throttle.failed(source(n), now);
        }
        assert_eq!(throttle.sources().len(), SOURCES_REMEMBERED_MAX);
        assert!(throttle.sources().contains_key(&source(0)));
    }
}

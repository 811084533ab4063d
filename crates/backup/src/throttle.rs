//! Octets a second, over all uploads: who is over the rate waits.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The rate.
#[derive(Debug)]
pub struct Throttle {
    /// 0: none.
    bytes_per_second: u64,
    /// Until when what was sent so far takes at the rate.
    free_at: Mutex<Option<Instant>>,
}

impl Throttle {
    /// So many octets a second; 0 is no limit.
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, free_at: Mutex::new(None) }
    }

    /// Waits until so many octets may be sent. They count whether or not they are.
    pub async fn pass(&self, bytes: u64) {
        if let Some(wait) = self.wait(bytes, Instant::now()) {
            tokio::time::sleep(wait).await;
        }
    }

    fn wait(&self, bytes: u64, now: Instant) -> Option<Duration> {
        if self.bytes_per_second == 0 {
            return None;
        }
        let takes = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = free_at.filter(|at| *at > now).unwrap_or(now);
        *free_at = begins.checked_add(takes);
        Some(begins - now).filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_rate_waits_its_turn() {
        let (throttle, now) = (Throttle::new(1000), Instant::now());
        assert_eq!(throttle.wait(500, now), None);
        assert_eq!(throttle.wait(2000, now), Some(Duration::from_millis(500)));
        assert_eq!(throttle.wait(1, now), Some(Duration::from_millis(2500)));
        assert_eq!(throttle.wait(1, now + Duration::from_secs(10)), None);
        assert_eq!(Throttle::new(0).wait(u64::MAX, now), None);
    }
}

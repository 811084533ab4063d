//! Pauses between tries: doubled each time, with jitter, so that a fleet does not come back in step.

use crate::limits::{RETRY_MS_MAX, RETRY_MS_MIN};
use std::time::Duration;

/// Pauses that grow.
pub(crate) struct Backoff {
    next_ms: u64,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next_ms: RETRY_MS_MIN }
    }

    /// The next pause: between half and the whole of the current step.
    pub(crate) fn pause(&mut self) -> Duration {
        let step = self.next_ms;
        self.next_ms = (step * 2).min(RETRY_MS_MAX);
        // Without randomness the pause is still a pause.
        let random = vault::random::<2>().map_or(u64::from(u16::MAX), |bytes| u64::from(u16::from_be_bytes(bytes)));
        Duration::from_micros(step * 500 + step * 500 * random / u64::from(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit() {
        let mut backoff = Backoff::new();
        let mut step = RETRY_MS_MIN;
        for _ in 0..20 {
            let pause = backoff.pause();
            assert!(pause >= Duration::from_micros(step * 500) && pause <= Duration::from_millis(step), "{pause:?}");
            step = (step * 2).min(RETRY_MS_MAX);
        }
    }
}

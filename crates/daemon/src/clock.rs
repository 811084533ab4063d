//! The time of day, handed in so that tests can turn it.

use jiff::Timestamp;

/// Something that knows the time of day.
pub trait Clock: Send + Sync + 'static {
    /// The time now, UTC.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that always shows the same time.
impl Clock for Timestamp {
    fn now(&self) -> Timestamp {
        *self
    }
}

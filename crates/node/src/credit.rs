//! Credit of one request: how many octets may still be sent before the other side gives more.

use model::limits::CREDIT_BYTES;
use std::cell::Cell;
use tokio::sync::Notify;

/// The other side gave more than it had taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overdrawn;

/// A balance that starts at `CREDIT_BYTES`. One frame may take it below zero; the next waits until it is above.
pub struct Credit {
    balance: Cell<i64>,
    given: Notify,
}

impl Credit {
    /// A full window.
    pub fn new() -> Self {
        Self { balance: Cell::new(CREDIT_BYTES as i64), given: Notify::new() }
    }

    /// Waits until something may be sent.
    pub async fn ready(&self) {
        while self.is_spent() {
            self.given.notified().await;
        }
    }

    /// Whether nothing may be sent before more is given.
    pub fn is_spent(&self) -> bool {
        self.balance.get() <= 0
    }

    /// Takes what was sent.
    pub fn take(&self, octets: usize) {
        self.balance.set(self.balance.get().saturating_sub(octets as i64));
    }

    /// Adds what the other side gives back.
    ///
    /// # Errors
    /// [`Overdrawn`] when that is more than was ever taken.
    pub fn give(&self, octets: u64) -> Result<(), Overdrawn> {
        let balance = i64::try_from(octets).ok().and_then(|octets| self.balance.get().checked_add(octets));
        match balance.filter(|balance| *balance <= CREDIT_BYTES as i64) {
            Some(balance) => {
                self.balance.set(balance);
                self.given.notify_one();
                Ok(())
            }
            None => Err(Overdrawn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gives_back_more_than_was_taken() {
        let credit = Credit::new();
        assert_eq!(credit.give(1), Err(Overdrawn));
        credit.take(10);
        assert_eq!(credit.give(11), Err(Overdrawn));
        assert_eq!(credit.give(10), Ok(()));
        assert_eq!(credit.give(u64::MAX), Err(Overdrawn));
    }

    #[tokio::test]
    async fn waits_below_zero_and_wakes() {
        let credit = Credit::new();
        credit.ready().await;
        credit.take(CREDIT_BYTES as usize + 5);
        let mut ready = tokio_test_poll(credit.ready());
        assert!(!ready.poll_once());
        credit.give(5).unwrap();
        assert!(!ready.poll_once());
        credit.give(1).unwrap();
        assert!(ready.poll_once());
    }

    /// Polls a future by hand.
    struct ByHand<'a>(std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>);
    fn tokio_test_poll<'a>(future: impl Future<Output = ()> + 'a) -> ByHand<'a> {
        ByHand(Box::pin(future))
    }
    impl ByHand<'_> {
        fn poll_once(&mut self) -> bool {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            self.0.as_mut().poll(&mut context).is_ready()
        }
    }
}

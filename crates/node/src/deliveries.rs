//! Deliveries to this shard's mailboxes: one try of each at a time, and a short memory of what was committed.

use crate::leg::TURN_WAIT;
use crate::limits::REMEMBERED_DELIVERIES_MAX;
use model::{DeliveryId, MailboxId};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use tokio::sync::Notify;
use wire::node::Outcome;

type Leg = (DeliveryId, MailboxId);

/// The table.
#[derive(Default)]
pub struct Deliveries {
    under_way: RefCell<HashSet<Leg>>,
    ended: Notify,
    committed: RefCell<HashMap<Leg, Outcome>>,
    order: RefCell<VecDeque<Leg>>,
}

/// The right to run the leg; gives it back when dropped.
pub struct Turn {
    deliveries: Rc<Deliveries>,
    leg: Leg,
}

impl Deliveries {
    /// Waits until no other try is under way; `None` when that takes too long.
    pub async fn turn(self: &Rc<Self>, delivery: DeliveryId, mailbox: MailboxId) -> Option<Turn> {
        let leg = (delivery, mailbox);
        let free = async {
            // One thread: nothing comes between the test and the wait.
            while !self.under_way.borrow_mut().insert(leg) {
                self.ended.notified().await;
            }
        };
        tokio::time::timeout(TURN_WAIT, free).await.ok()?;
        Some(Turn { deliveries: self.clone(), leg })
    }

    /// Notes a commit; the oldest note goes when there are too many.
    pub fn remember(&self, delivery: DeliveryId, mailbox: MailboxId, outcome: Outcome) {
        let leg = (delivery, mailbox);
        let mut order = self.order.borrow_mut();
        if self.committed.borrow_mut().insert(leg, outcome).is_none() {
            order.push_back(leg);
        }
        if order.len() > REMEMBERED_DELIVERIES_MAX
            && let Some(oldest) = order.pop_front()
        {
            self.committed.borrow_mut().remove(&oldest);
        }
    }

    /// What was committed, if that is still remembered.
    pub fn outcome(&self, delivery: DeliveryId, mailbox: MailboxId) -> Option<Outcome> {
        self.committed.borrow().get(&(delivery, mailbox)).copied()
    }

    /// Whether it was committed, as far as that is still remembered.
    pub fn remembers(&self, delivery: DeliveryId, mailbox: MailboxId) -> bool {
        self.outcome(delivery, mailbox).is_some()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.deliveries.under_way.borrow_mut().remove(&self.leg);
        self.deliveries.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(n: u32) -> Leg {
        let [a, b, c, d] = n.to_be_bytes();
        let mut id = [0; 16];
        id[..4].copy_from_slice(&[a, b, c, d]);
        (DeliveryId::from_bytes(id), MailboxId::from_bytes([1; 12]))
    }

    #[tokio::test]
    async fn a_retry_waits_for_the_first_try() {
        let deliveries = Rc::new(Deliveries::default());
        let first = deliveries.turn(leg(1).0, leg(1).1).await.unwrap();
        let order = RefCell::new(Vec::new());
        tokio::join!(
            async {
                deliveries.turn(leg(1).0, leg(1).1).await.unwrap();
                order.borrow_mut().push("second");
            },
            async {
                deliveries.turn(leg(2).0, leg(2).1).await.unwrap();
                order.borrow_mut().push("other");
                drop(first);
            }
        );
        assert_eq!(order.into_inner(), ["other", "second"]);
    }

    #[test]
    fn the_memory_has_a_bound() {
        let deliveries = Deliveries::default();
        for n in 0..=REMEMBERED_DELIVERIES_MAX as u32 {
            deliveries.remember(leg(n).0, leg(n).1, Outcome::Stored);
        }
        assert_eq!(deliveries.outcome(leg(0).0, leg(0).1), None);
        assert_eq!(deliveries.outcome(leg(1).0, leg(1).1), Some(Outcome::Stored));
    }
}

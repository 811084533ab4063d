//! What is known of the snapshots that wait at the nodes: where each goes, whether it is under way, and when a failed one is tried
//! again. Nothing of it outlives the process: the nodes have it all.

use crate::limits::{REMEMBERED_MAX, RETRY_MS};
use model::SnapshotId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A snapshot that waits.
#[derive(Debug, Clone)]
struct Waits {
    /// The node that has it.
    node: Arc<str>,
    /// The round in which it was last seen there.
    seen: u64,
    taken_ms: i64,
    /// Where it goes, as was last asked, and when that was.
    goes: Option<(Arc<str>, Instant)>,
    under_way: bool,
    /// Failed so often.
    tries: u32,
    again: Instant,
    /// Its node has been told why it waits.
    told: bool,
}

/// What to do with a snapshot now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing.
    Later,
    /// It goes to this store, as was last asked.
    To(Arc<str>),
    /// Nobody has asked yet, or not for long.
    Ask,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Backlog(HashMap<SnapshotId, Waits>);

/// What waits for a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pile {
    pub(crate) waiting: u64,
    pub(crate) late: u64,
    pub(crate) failing: u64,
}

impl Backlog {
    /// A node has it in its list: what to do with it.
    pub(crate) fn turn(&mut self, id: SnapshotId, node: &Arc<str>, seen: u64, taken_ms: i64, now: Instant) -> Turn {
        if self.0.len() >= REMEMBERED_MAX && !self.0.contains_key(&id) {
            // So much waits that this one can wait to be known.
            return Turn::Later;
        }
        let waits = self.0.entry(id).or_insert_with(|| Waits {
            node: Arc::clone(node),
            seen,
            taken_ms,
            goes: None,
            under_way: false,
            tries: 0,
            again: now,
            told: false,
        });
        waits.seen = seen;
        if waits.under_way || waits.again > now {
            return Turn::Later;
        }
        // Its owner may have chosen another store since, because this one fails.
        match &waits.goes {
            Some((store, asked)) if now.duration_since(*asked) < Duration::from_millis(RETRY_MS.1) => {
                Turn::To(Arc::clone(store))
            }
            Some(_) | None => Turn::Ask,
        }
    }

    /// It is being dealt with.
    pub(crate) fn begin(&mut self, id: &SnapshotId) {
        self.change(id, |waits| waits.under_way = true);
    }

    /// It waits again, with nothing said against it.
    pub(crate) fn put_back(&mut self, id: &SnapshotId) {
        self.change(id, |waits| waits.under_way = false);
    }

    /// It goes to this store.
    pub(crate) fn goes_to(&mut self, id: &SnapshotId, store: &str, now: Instant) {
        self.change(id, |waits| waits.goes = Some((store.into(), now)));
    }

    /// Its node is told why it waits: whether it was not before.
    pub(crate) fn tell(&mut self, id: &SnapshotId) -> bool {
        self.0.get_mut(id).is_some_and(|waits| !std::mem::replace(&mut waits.told, true))
    }

    /// A try failed: the next is some time off.
    pub(crate) fn failed(&mut self, id: &SnapshotId, now: Instant) {
        self.change(id, |waits| {
            let pause = RETRY_MS.0.saturating_mul(1 << waits.tries.min(16)).min(RETRY_MS.1);
            waits.tries = waits.tries.saturating_add(1);
            waits.again = now + Duration::from_millis(pause);
            waits.under_way = false;
            waits.told = true;
        });
    }

    /// It waits no more.
    pub(crate) fn forget(&mut self, id: &SnapshotId) {
        self.0.remove(id);
    }

    /// A round through the node's list has ended: what was not seen in it waits there no more.
    pub(crate) fn seen_all(&mut self, node: &str, seen: u64) {
        self.0.retain(|_, waits| waits.under_way || *waits.node != *node || waits.seen == seen);
    }

    /// What waits for each store; late is what was taken before that moment. Without a name: nobody knows for which.
    pub(crate) fn piles(&self, late_before_ms: i64) -> HashMap<&str, Pile> {
        let mut piles: HashMap<&str, Pile> = HashMap::new();
        for waits in self.0.values() {
            let pile = piles.entry(waits.goes.as_ref().map_or("", |(store, _)| store)).or_default();
            pile.waiting += 1;
            pile.late += u64::from(waits.taken_ms < late_before_ms);
            pile.failing += u64::from(waits.tries > 0);
        }
        piles
    }

    fn change(&mut self, id: &SnapshotId, change: impl FnOnce(&mut Waits)) {
        if let Some(waits) = self.0.get_mut(id) {
            change(waits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> SnapshotId {
        SnapshotId::from_bytes([number; 12])
    }

    #[test]
    fn one_at_a_time_and_a_failed_one_later() {
        let (mut backlog, node, now) = (Backlog::default(), Arc::from("node-1"), Instant::now());
        assert_eq!(backlog.turn(id(1), &node, 1, 5, now), Turn::Ask);
        backlog.begin(&id(1));
        assert_eq!(backlog.turn(id(1), &node, 1, 5, now), Turn::Later);
        backlog.goes_to(&id(1), "own", now);
        backlog.put_back(&id(1));
        assert_eq!(backlog.turn(id(1), &node, 1, 5, now), Turn::To("own".into()));
        backlog.failed(&id(1), now);
        assert_eq!(backlog.turn(id(1), &node, 1, 5, now), Turn::Later);
        assert!(!backlog.tell(&id(1)), "a failure is told");
        let later = now + Duration::from_millis(RETRY_MS.0);
        assert_eq!(backlog.turn(id(1), &node, 1, 5, later), Turn::To("own".into()));
        // Long after it was asked, it is asked again.
        assert_eq!(backlog.turn(id(1), &node, 1, 5, now + Duration::from_millis(RETRY_MS.1)), Turn::Ask);
    }

    #[test]
    fn piles_are_by_store_and_what_is_gone_counts_no_more() {
        let (mut backlog, node, now) = (Backlog::default(), Arc::from("node-1"), Instant::now());
        for (number, store) in [(1, "a"), (2, "b"), (3, "b")] {
            backlog.turn(id(number), &node, 1, i64::from(number), now);
            backlog.goes_to(&id(number), store, now);
        }
        backlog.failed(&id(3), now);
        backlog.turn(id(4), &Arc::from("node-2"), 1, 9, now);
        let pile = |waiting, late, failing| Pile { waiting, late, failing };
        let expected = [("", pile(1, 0, 0)), ("a", pile(1, 1, 0)), ("b", pile(2, 1, 1))];
        assert_eq!(backlog.piles(3), HashMap::from(expected));
        backlog.turn(id(2), &node, 2, 2, now);
        backlog.begin(&id(1));
        backlog.seen_all("node-1", 2);
        let expected = [("", pile(1, 0, 0)), ("a", pile(1, 1, 0)), ("b", pile(1, 1, 0))];
        assert_eq!(backlog.piles(3), HashMap::from(expected));
    }
}

//! How much of its pools a mailbox gets: arithmetic alone, the same for octets and for messages.

use super::Space;
use std::ops::RangeInclusive;

/// The part of a pool that is handed out at once, so that a node need not ask for each message.
const SLABS_PER_POOL: u64 = 64;
/// Octets of such a part: room for some messages, and little beside a large disk.
const SLAB_BYTES: RangeInclusive<u64> = 256 * 1024..=16 * 1024 * 1024;
/// Messages of such a part.
const SLAB_MESSAGES: RangeInclusive<u64> = 1..=1024;
/// Parts that are left when a pool becomes short: from then on everybody gets exactly what they need, so that no room lies
/// idle with one while another is refused.
const SLABS_LEFT_MIN: u64 = 16;

/// What a mailbox asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    /// What it has already.
    pub(super) kept: u64,
    /// More, at least.
    pub(super) least: u64,
    /// More, at best.
    pub(super) wish: u64,
}

/// A pool: its limit, 0 for none, and what others have of it.
pub(super) struct Pool {
    limit: u64,
    others: u64,
    slab: RangeInclusive<u64>,
}

impl Pool {
    pub(super) fn of_bytes(limit: Space, others: Space) -> Self {
        Self { limit: limit.bytes, others: others.bytes, slab: SLAB_BYTES }
    }

    pub(super) fn of_messages(limit: Space, others: Space) -> Self {
        Self { limit: limit.messages, others: others.messages, slab: SLAB_MESSAGES }
    }

    /// What a mailbox may have of it.
    fn most(&self) -> u64 {
        self.limit.saturating_sub(self.others)
    }

    fn slab(&self) -> u64 {
        (self.limit / SLABS_PER_POOL).clamp(*self.slab.start(), *self.slab.end())
    }
}

/// What it has then, all in all; `None` when a pool has not even the least of it.
pub(super) fn share(need: Need, pools: impl Iterator<Item = Pool>) -> Option<u64> {
    let wish = need.kept.saturating_add(need.wish.max(need.least));
    let tightest = pools.filter(|pool| pool.limit > 0).min_by_key(Pool::most);
    let Some(pool) = tightest else { return Some(wish) };
    let most = pool.most();
    if wish <= most {
        let idle = pool.slab();
        let is_short = (most - wish) / SLABS_LEFT_MIN < idle;
        return Some(if is_short { wish } else { wish + idle });
    }
    // What needs nothing is refused nothing, however full the pool is.
    if need.least == 0 {
        return Some(need.kept);
    }
    let least = need.kept.saturating_add(need.least);
    (least <= most).then_some(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn bytes(need: (u64, u64, u64), pools: &[(u64, u64)]) -> Option<u64> {
        let (kept, least, wish) = need;
        let space = |bytes| Space { bytes, messages: 0 };
        let pools = pools.iter().map(|(limit, others)| Pool::of_bytes(space(*limit), space(*others)));
        share(Need { kept, least, wish }, pools)
    }

    #[test]
    fn a_slab_while_there_is_plenty() {
        // 64 MiB of a pool come to slabs of 1 MiB.
        assert_eq!(bytes((100, 10, 20), &[(64 * MIB, 0)]), Some(120 + MIB));
        assert_eq!(bytes((100, 10, 20), &[(64 * MIB, 48 * MIB - 120)]), Some(120 + MIB));
        assert_eq!(bytes((100, 10, 20), &[(64 * MIB, 48 * MIB - 119)]), Some(120));
        // Large pools do not hand out more than 16 MiB at once, small ones nothing but what is needed.
        assert_eq!(bytes((0, 1, 1), &[(1 << 40, 0)]), Some(1 + 16 * MIB));
        assert_eq!(bytes((0, 1, 1), &[(4 * MIB - 1, 0)]), Some(1));
    }

    #[test]
    fn the_tightest_pool_counts_and_is_never_overdrawn() {
        assert_eq!(bytes((0, 10, 10), &[(0, 99), (0, 99)]), Some(10));
        assert_eq!(bytes((50, 10, 20), &[(1000, 930), (100, 30)]), Some(70));
        assert_eq!(bytes((50, 10, 20), &[(1000, 930), (100, 31)]), Some(60));
        assert_eq!(bytes((50, 10, 20), &[(1000, 930), (100, 40)]), Some(60));
        assert_eq!(bytes((50, 10, 20), &[(1000, 930), (100, 41)]), None);
        assert_eq!(bytes((50, 10, 20), &[(1000, 930), (100, 200)]), None);
        // Over the limit already: nothing more, but nothing is nothing.
        assert_eq!(bytes((50, 0, 0), &[(10, 0)]), Some(50));
        assert_eq!(bytes((u64::MAX, 1, 1), &[(10, 0)]), None);
    }
}

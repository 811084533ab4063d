//! The store of one process: bounded, the longest unused goes first.

use moka::Expiry;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Octets of all entries with their keys: hundreds of thousands of counters.
const STORE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What an entry costs beside its value.
const ENTRY_BYTES: u32 = 160;

/// What is told apart: the kind and the digest of the key.
type Key = (&'static str, [u8; 32]);

#[derive(Clone)]
struct Entry {
    holds: Holds,
    ttl: Duration,
}

#[derive(Clone)]
enum Holds {
    Count(Arc<AtomicU64>),
    Value(Arc<[u8]>),
}

pub(super) struct Local(Cache<Key, Entry>);

/// Each entry lives as long as it says.
struct OwnTime;

impl Expiry<Key, Entry> for OwnTime {
    fn expire_after_create(&self, _: &Key, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    fn expire_after_update(&self, _: &Key, entry: &Entry, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(entry.ttl)
    }
}

impl Local {
    pub(super) fn new() -> Self {
        let weigh = |_: &Key, entry: &Entry| match &entry.holds {
            Holds::Count(_) => ENTRY_BYTES,
            Holds::Value(value) => u32::try_from(value.len()).unwrap_or(u32::MAX).saturating_add(ENTRY_BYTES),
        };
        let store = Cache::builder()
            .max_capacity(STORE_BYTES_MAX)
            .weigher(weigh)
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(OwnTime)
            .build();
        Self(store)
    }

    pub(super) fn count(&self, kind: &'static str, key: &[u8], window: Duration) -> u64 {
        let begin = || Entry { holds: Holds::Count(Arc::new(AtomicU64::new(0))), ttl: window };
        let entry = self.0.entry(name(kind, key)).or_insert_with(begin);
        match &entry.value().holds {
            Holds::Count(count) => count.fetch_add(1, Ordering::Relaxed).saturating_add(1),
            Holds::Value(_) => 1,
        }
    }

    pub(super) fn first(&self, kind: &'static str, key: &[u8], ttl: Duration) -> bool {
        self.0.entry(name(kind, key)).or_insert_with(|| Entry { holds: Holds::Value(Arc::default()), ttl }).is_fresh()
    }

    pub(super) fn get(&self, kind: &'static str, key: &[u8]) -> Option<Vec<u8>> {
        match self.0.get(&name(kind, key))?.holds {
            Holds::Value(value) => Some(value.to_vec()),
            Holds::Count(_) => None,
        }
    }

    pub(super) fn set(&self, kind: &'static str, key: &[u8], value: &[u8], ttl: Duration) {
        self.0.insert(name(kind, key), Entry { holds: Holds::Value(value.into()), ttl });
    }

    pub(super) fn remove(&self, kind: &'static str, key: &[u8]) {
        self.0.invalidate(&name(kind, key));
    }
}

fn name(kind: &'static str, key: &[u8]) -> Key {
    (kind, vault::digest(key))
}

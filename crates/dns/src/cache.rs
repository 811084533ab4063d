//! What was found, kept in the process, and its form among front-ends.

use crate::Name;
use crate::limits::CACHE_BYTES_MAX;
use crate::records::{Data, Kind, LookupError};
use moka::Expiry;
use moka::sync::Cache as Store;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The end of a look-up, good or bad, until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) result: Result<Vec<Data>, LookupError>,
    pub(crate) secure: bool,
    pub(crate) canonical: Name,
    /// Seconds since 1970.
    expires: u64,
}

impl Found {
    pub(crate) fn new(result: Result<Vec<Data>, LookupError>, secure: bool, canonical: Name, ttl: Duration) -> Self {
        Self { result, secure, canonical, expires: now_seconds().saturating_add(ttl.as_secs()) }
    }

    /// How long it may still be kept.
    pub(crate) fn ttl(&self) -> Duration {
        Duration::from_secs(self.expires.saturating_sub(now_seconds()))
    }

    /// Whether others may take it over. Not what DNSSEC vouches for, since what is shared is not validated again; not
    /// failures, which are of this process and its servers.
    pub(crate) fn is_to_share(&self) -> bool {
        !self.secure && !matches!(self.result, Err(LookupError::Bogus | LookupError::Failed | LookupError::Off))
    }

    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }

    /// What another process shared; never secure, whatever it says.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let found: Self = serde_json::from_slice(bytes).ok()?;
        let found = Self { secure: false, ..found };
        (found.is_to_share() && !found.ttl().is_zero()).then_some(found)
    }

    fn bytes(&self) -> u32 {
        let records = self.result.iter().flatten().map(Data::bytes).sum::<usize>();
        u32::try_from(records + self.canonical.as_str().len() + 2 * size_of::<Self>()).unwrap_or(u32::MAX)
    }
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

type Key = (Name, Kind);

/// Bounded by octets; each entry lives as long as it says.
pub(crate) struct Cache(Store<Key, Arc<Found>>);

struct OwnTime;

impl Expiry<Key, Arc<Found>> for OwnTime {
    fn expire_after_create(&self, _: &Key, found: &Arc<Found>, _: Instant) -> Option<Duration> {
        Some(found.ttl())
    }

    fn expire_after_update(&self, _: &Key, found: &Arc<Found>, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(found.ttl())
    }
}

impl Cache {
    pub(crate) fn new() -> Self {
        let weigh = |(name, _): &Key, found: &Arc<Found>| {
            found.bytes().saturating_add(u32::try_from(name.as_str().len()).unwrap_or(u32::MAX))
        };
        Self(Store::builder().max_capacity(CACHE_BYTES_MAX).weigher(weigh).expire_after(OwnTime).build())
    }

    pub(crate) fn get(&self, name: &Name, kind: Kind) -> Option<Arc<Found>> {
        self.0.get(&(name.clone(), kind))
    }

    pub(crate) fn put(&self, name: &Name, kind: Kind, found: &Arc<Found>) {
        if !found.ttl().is_zero() {
            self.0.insert((name.clone(), kind), Arc::clone(found));
        }
    }
}

//! Named limits on how many of a thing exist at once, each with metrics: how many there are, may be, and were refused.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Gauge: how many permits are out.
pub const IN_USE: &str = "brevdue_limit_in_use";
/// Gauge: how many permits there are.
pub const MAX: &str = "brevdue_limit_max";
/// Counter: how often there was none.
pub const REACHED: &str = "brevdue_limit_reached_total";

/// At most so many at once. Clones share the count.
#[derive(Debug, Clone)]
pub struct Limit {
    name: &'static str,
    semaphore: Arc<Semaphore>,
}

impl Limit {
    /// A limit of `max`, under this name in the metrics.
    pub fn new(name: &'static str, max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        metrics::gauge!(MAX, "limit" => name).set(max as f64);
        Self { name, semaphore: Arc::new(Semaphore::new(max)) }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A permit if there is one now; a refusal is counted.
    pub fn try_take(&self) -> Option<Permit> {
        match Arc::clone(&self.semaphore).try_acquire_owned() {
            Ok(permit) => Some(Permit::new(self.name, permit)),
            Err(_) => {
                metrics::counter!(REACHED, "limit" => self.name).increment(1);
                None
            }
        }
    }

    /// A permit, waiting in line for it. Cancel-safe. Having to wait is counted once.
    pub async fn take(&self) -> Permit {
        if let Some(permit) = self.try_take() {
            return permit;
        }
        match Arc::clone(&self.semaphore).acquire_owned().await {
            Ok(permit) => Permit::new(self.name, permit),
            // The semaphore is private and never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// How many permits are left.
    pub fn left(&self) -> usize {
        self.semaphore.available_permits()
    }
}

/// One place under a [`Limit`]; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    name: &'static str,
    _permit: OwnedSemaphorePermit,
}

impl Permit {
    fn new(name: &'static str, permit: OwnedSemaphorePermit) -> Self {
        metrics::gauge!(IN_USE, "limit" => name).increment(1.0);
        Self { name, _permit: permit }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        metrics::gauge!(IN_USE, "limit" => self.name).decrement(1.0);
    }
}

/// At most so many at once for each source: an IPv4 address, or an IPv6 /64, which is what one customer has.
///
/// Memory is bounded by the permits that are out, and so by the [`Limit`] that is taken with it.
#[derive(Debug, Clone)]
pub struct SourceLimit {
    name: &'static str,
    max: usize,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl SourceLimit {
    /// A limit of `max` for each source, under this name in the metrics; `None` for 0, which is no limit.
    pub fn new(name: &'static str, max: usize) -> Option<Self> {
        (max > 0).then(|| Self { name, max, counts: Arc::default() })
    }

    /// A permit for this source if it has one left; a refusal is counted.
    pub fn try_take(&self, source: IpAddr) -> Option<SourcePermit> {
        let source = network(source);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(source).or_insert(0);
        if *count >= self.max {
            metrics::counter!(REACHED, "limit" => self.name).increment(1);
            return None;
        }
        *count += 1;
        Some(SourcePermit { source, counts: Arc::clone(&self.counts) })
    }
}

/// One place of a source under a [`SourceLimit`]; given back when dropped.
#[derive(Debug)]
pub struct SourcePermit {
    source: IpAddr,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for SourcePermit {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
            }
        }
    }
}

/// The network that counts as one source.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::*;

    /// Polls once, without a waker that does anything.
    mod futures {
        use std::future::Future;
        use std::pin::pin;
        use std::task::{Context, Poll, Waker};
        pub(super) fn ready_now<T>(future: impl Future<Output = T>) -> Option<T> {
            match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            }
        }
    }

    #[test]
    fn a_permit_comes_back_when_dropped() {
        let limit = Limit::new("test", 2);
        let (one, two) = (limit.try_take(), limit.clone().try_take());
        assert!(one.is_some() && two.is_some());
        assert!(limit.try_take().is_none());
        assert!(ready_now(limit.take()).is_none());
        drop(one);
        assert!(ready_now(limit.take()).is_some());
        assert_eq!(limit.left(), 1);
    }

    #[test]
    fn each_source_has_its_own_count() {
        let limit = SourceLimit::new("test", 1).unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = limit.try_take(address("192.0.2.1"));
        assert!(first.is_some());
        assert!(limit.try_take(address("::ffff:192.0.2.1")).is_none());
        assert!(limit.try_take(address("192.0.2.2")).is_some());
        let _six = limit.try_take(address("2001:db8:0:1::1")).unwrap();
        assert!(limit.try_take(address("2001:db8:0:1:ffff::9")).is_none());
        assert!(limit.try_take(address("2001:db8:0:2::1")).is_some());
        drop(first);
        assert!(limit.try_take(address("192.0.2.1")).is_some());
        assert_eq!(limit.counts.lock().unwrap().len(), 1);
        assert!(SourceLimit::new("test", 0).is_none());
    }
}

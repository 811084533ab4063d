//! What front-ends share and may lose: counters, marks and small values, in Redis when it is configured and reachable.
//!
//! Every question has an answer at once: Redis has a short time to give it, and after a failure the process's own store
//! serves alone for a while. So an outage makes limits per process instead of per fleet, and nothing else. Names are kept as
//! tags under a key of their own: neither Redis nor its dumps hold an address. What comes from Redis is trusted as far as
//! what a DNS server says is.

mod local;
mod remote;

use crate::config;
use local::Local;
use remote::Remote;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Octets of a value: a DNS answer with every record that is kept fits.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Why the configured Redis cannot be used. That it is down is no error.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// A file that is named does not open.
    #[error("{}: cannot be read ({problem}); check [redis] and that this user may read it", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        problem: String,
    },
    /// The URL or the CA is none.
    #[error("redis.url: {0}; write it as redis://host:6379/0 or rediss://host:6379/0")]
    Url(String),
}

/// The store. Clones are the same store.
#[derive(Clone)]
pub struct Shared(Arc<Stores>);

struct Stores {
    local: Local,
    remote: Option<Remote>,
}

impl Shared {
    /// Of this process alone.
    pub fn in_process() -> Self {
        Self(Arc::new(Stores { local: Local::new(), remote: None }))
    }

    /// As the section says. Does not wait for Redis: it is connected when something is asked.
    pub fn connect(redis: &config::Redis) -> Result<Self, SharedError> {
        let remote = if redis.url.is_empty() { None } else { Some(Remote::new(redis)?) };
        Ok(Self(Arc::new(Stores { local: Local::new(), remote })))
    }

    /// How often this was asked since the window began, this time included. A window begins with the first time.
    pub async fn count(&self, kind: &'static str, key: &[u8], window: Duration) -> u64 {
        if let Some(remote) = &self.0.remote
            && let Some(count) = remote.count(kind, key, window).await
        {
            return count;
        }
        self.0.local.count(kind, key, window)
    }

    /// Whether this was not marked yet; it is now, for as long as `ttl` says.
    pub async fn first(&self, kind: &'static str, key: &[u8], ttl: Duration) -> bool {
        if let Some(remote) = &self.0.remote
            && let Some(first) = remote.first(kind, key, ttl).await
        {
            return first;
        }
        self.0.local.first(kind, key, ttl)
    }

    /// The value that was set and has not expired.
    pub async fn get(&self, kind: &'static str, key: &[u8]) -> Option<Vec<u8>> {
        match &self.0.remote {
            Some(remote) => match remote.get(kind, key).await {
                Some(value) => value,
                None => self.0.local.get(kind, key),
            },
            None => self.0.local.get(kind, key),
        }
    }

    /// Keeps a value for as long as `ttl` says; one over [`VALUE_BYTES_MAX`] is not kept.
    pub async fn set(&self, kind: &'static str, key: &[u8], value: &[u8], ttl: Duration) {
        if value.len() > VALUE_BYTES_MAX || ttl.is_zero() {
            return;
        }
        if let Some(remote) = &self.0.remote
            && remote.set(kind, key, value, ttl).await.is_some()
        {
            return;
        }
        self.0.local.set(kind, key, value, ttl);
    }

    /// Forgets a value, a mark or a count.
    pub async fn remove(&self, kind: &'static str, key: &[u8]) {
        if let Some(remote) = &self.0.remote {
            remote.remove(kind, key).await;
        }
        self.0.local.remove(kind, key);
    }

    /// Whether a Redis is configured: what is only worth sharing is not kept without.
    pub fn is_shared(&self) -> bool {
        self.0.remote.is_some()
    }
}

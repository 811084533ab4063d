//! The health check: a closure of the role that does what its users need of it, with a time limit around it.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Seconds for one check, waiting for the one before it included: a load balancer's patience.
pub const HEALTH_SECONDS_MAX: u64 = 5;

/// Where a check of one's own door connects to: a wildcard address is reached by loopback.
pub(crate) fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

type Check = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A check that does real work. Clones are the same; checks run one at a time, so that asking often costs little.
#[derive(Clone)]
pub struct Health {
    check: Arc<Mutex<Check>>,
}

impl Health {
    /// `check` does the work and answers why it failed in one line without addresses or content.
    pub fn new<F>(check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { check: Arc::new(Mutex::new(Box::new(move || check().boxed()))) }
    }

    /// Runs it: what is wrong, if anything, within [`HEALTH_SECONDS_MAX`].
    pub async fn run(&self) -> Result<(), String> {
        let work = async {
            let check = self.check.lock().await;
            // A check that panics is a check that failed; the server that asks must live to say so.
            let work = AssertUnwindSafe(async { check().await }).catch_unwind();
            work.await.unwrap_or_else(|_| Err("the check panicked".to_owned()))
        };
        let done = tokio::time::timeout(Duration::from_secs(HEALTH_SECONDS_MAX), work).await;
        done.unwrap_or_else(|_| Err(format!("the check took over {HEALTH_SECONDS_MAX} s")))
    }
}

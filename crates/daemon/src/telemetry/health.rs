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

/// How a role stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It does all that its users need.
    Well,
    /// It does, but for some of them, and why; another process of the role would do no better.
    Degraded(String),
    /// It does not, and why.
    Failing(String),
}

/// What a check found. Reasons are one line without addresses of mail or content.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// On the whole.
    pub standing: Standing,
    /// What is told of its parts, beside that.
    pub detail: serde_json::Map<String, serde_json::Value>,
}

impl From<Standing> for Report {
    fn from(standing: Standing) -> Self {
        Self { standing, detail: serde_json::Map::new() }
    }
}

impl From<Result<(), String>> for Report {
    fn from(done: Result<(), String>) -> Self {
        done.map_or_else(Standing::Failing, |()| Standing::Well).into()
    }
}

type Check = Box<dyn Fn() -> BoxFuture<'static, Report> + Send + Sync>;

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
        Self::reporting(move || check().map(Report::from))
    }

    /// Of a role whose parts fail by themselves: `check` says how it stands, and tells of the parts.
    pub fn reporting<F>(check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Report> + Send + 'static,
    {
        Self { check: Arc::new(Mutex::new(Box::new(move || check().boxed()))) }
    }

    /// Runs it: how the role stands, within [`HEALTH_SECONDS_MAX`].
    pub async fn run(&self) -> Report {
        let failing = |why: String| Report::from(Standing::Failing(why));
        let work = async {
            let check = self.check.lock().await;
            // A check that panics is a check that failed; the server that asks must live to say so.
            let work = AssertUnwindSafe(async { check().await }).catch_unwind();
            work.await.unwrap_or_else(|_| failing("the check panicked".to_owned()))
        };
        let done = tokio::time::timeout(Duration::from_secs(HEALTH_SECONDS_MAX), work).await;
        done.unwrap_or_else(|_| failing(format!("the check took over {HEALTH_SECONDS_MAX} s")))
    }
}

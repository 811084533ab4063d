//! The store in Redis. `None` is its answer when Redis has none: the caller goes on with the process's own store.

use super::SharedError;
use crate::config;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{
    AsyncCommands, Client, FromRedisValue, IntoConnectionInfo, RedisFuture, RedisResult, Script, SetOptions,
    TlsCertificates,
};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Milliseconds after a failure in which it is not asked: a conversation with many questions pays for an outage once.
const PAUSE_MILLIS: u64 = 3000;
/// Octets of a password file: hundreds of times what a password has.
const PASSWORD_FILE_BYTES_MAX: u64 = 4096;
/// Commands on their way at once; the next one waits its turn in the time that it has.
const COMMANDS_MAX: usize = 4096;

/// Gauge: 1 while Redis answers.
const UP: &str = "brevdue_redis_up";

/// Both steps at once, so that no counter is left without an end.
const COUNT: &str = "local n = redis.call('INCR', KEYS[1]) \
                     if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end return n";

pub(super) struct Remote {
    manager: ConnectionManager,
    count: Script,
    /// Names are tags under this: the password, which the servers share and a dump of Redis does not hold.
    naming_key: Zeroizing<Vec<u8>>,
    began: Instant,
    /// What Redis has for an answer.
    wait: Duration,
    /// Milliseconds after `began` at which it may be asked again.
    paused_until: AtomicU64,
    up: AtomicBool,
}

impl Remote {
    pub(super) fn new(redis: &config::Redis) -> Result<Self, SharedError> {
        let unusable = |error: redis::RedisError| SharedError::Url(error.to_string());
        let password = password(&redis.password_file)?;
        let mut info = redis.url.as_str().into_connection_info().map_err(unusable)?;
        if !password.is_empty() {
            let settings = info.redis_settings().clone().set_password(password.as_str());
            info = info.set_redis_settings(settings);
        }
        let client = if redis.ca.as_os_str().is_empty() {
            Client::open(info)
        } else {
            let ca = std::fs::read(&redis.ca)
                .map_err(|error| SharedError::File { file: redis.ca.clone(), problem: error.to_string() })?;
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(ca) })
        }
        .map_err(unusable)?;
        let wait = Duration::from_millis(redis.wait_ms);
        let settings = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_response_timeout(Some(wait))
            .set_connection_timeout(Some(wait))
            .set_concurrency_limit(COMMANDS_MAX);
        metrics::gauge!(UP).set(1.0);
        Ok(Self {
            manager: client.get_connection_manager_lazy(settings).map_err(unusable)?,
            count: Script::new(COUNT),
            naming_key: Zeroizing::new(password.as_bytes().to_vec()),
            began: Instant::now(),
            wait,
            paused_until: AtomicU64::new(0),
            up: AtomicBool::new(true),
        })
    }

    pub(super) async fn count(&self, kind: &str, key: &[u8], window: Duration) -> Option<u64> {
        let mut manager = self.manager.clone();
        let name = self.name(kind, key);
        let mut call = self.count.prepare_invoke();
        call.key(name).arg(millis(window));
        self.answer(call.invoke_async(&mut manager)).await
    }

    pub(super) async fn first(&self, kind: &str, key: &[u8], ttl: Duration) -> Option<bool> {
        let options = SetOptions::default()
            .conditional_set(redis::ExistenceCheck::NX)
            .with_expiration(redis::SetExpiry::PX(millis(ttl)));
        let mut manager = self.manager.clone();
        let set: RedisFuture<'_, Option<String>> = manager.set_options(self.name(kind, key), "", options);
        self.answer(set).await.map(|set| set.is_some())
    }

    /// The outer `None`: no answer. The inner one: no such value.
    pub(super) async fn get(&self, kind: &str, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let mut manager = self.manager.clone();
        let get: RedisFuture<'_, Option<Vec<u8>>> = manager.get(self.name(kind, key));
        self.answer(get).await
    }

    pub(super) async fn set(&self, kind: &str, key: &[u8], value: &[u8], ttl: Duration) -> Option<()> {
        let mut manager = self.manager.clone();
        self.answer(manager.pset_ex(self.name(kind, key), value, millis(ttl))).await
    }

    pub(super) async fn remove(&self, kind: &str, key: &[u8]) -> Option<()> {
        let mut manager = self.manager.clone();
        self.answer(manager.del(self.name(kind, key))).await
    }

    /// Asks within the time there is, unless it has just failed.
    async fn answer<T: FromRedisValue>(&self, asked: impl Future<Output = RedisResult<T>>) -> Option<T> {
        let now = || u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now() < self.paused_until.load(Ordering::Relaxed) {
            return None;
        }
        let problem = match tokio::time::timeout(self.wait, asked).await {
            Ok(Ok(answer)) => {
                if !self.up.swap(true, Ordering::Relaxed) {
                    metrics::gauge!(UP).set(1.0);
                    tracing::info!("Redis answers again");
                }
                return Some(answer);
            }
            Ok(Err(error)) => error.category().to_owned(),
            Err(_) => "no answer in time".to_owned(),
        };
        self.paused_until.store(now().saturating_add(PAUSE_MILLIS), Ordering::Relaxed);
        if self.up.swap(false, Ordering::Relaxed) {
            metrics::gauge!(UP).set(0.0);
            tracing::warn!(problem, "Redis does not answer: limits and caches are this process's own until it does");
        }
        None
    }

    fn name(&self, kind: &str, key: &[u8]) -> String {
        let mut name = format!("brevdue:{kind}:");
        for byte in vault::mac(&self.naming_key, &[kind.as_bytes(), b":", key]) {
            _ = write!(name, "{byte:02x}");
        }
        name
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn password(file: &Path) -> Result<Zeroizing<String>, SharedError> {
    use std::io::Read;
    let unreadable = |problem: String| SharedError::File { file: file.into(), problem };
    let mut text = Zeroizing::new(String::with_capacity(PASSWORD_FILE_BYTES_MAX as usize));
    if file.as_os_str().is_empty() {
        return Ok(text);
    }
    let file = std::fs::File::open(file).map_err(|error| unreadable(error.to_string()))?;
    file.take(PASSWORD_FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

//! What front-ends share, with a real Redis that goes away and comes back, and without one.

use crate::support::block_on;
use daemon::config;
use daemon::shared::Shared;
use harness::redis::Redis;
use std::time::Duration;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);
/// A Redis that runs has all the time it needs.
const PATIENCE_MS: u64 = 60_000;
/// Over while the test waits for it.
const SHORT: Duration = Duration::from_millis(40);

fn section(redis: &Redis) -> config::Redis {
    config::Redis { url: redis.url(), wait_ms: PATIENCE_MS, ..config::Redis::default() }
}

async fn behaves(one: &Shared, other: &Shared) {
    assert_eq!(one.count("rate", b"a", LONG).await, 1);
    assert_eq!(other.count("rate", b"a", LONG).await, 2);
    assert_eq!(one.count("rate", b"b", LONG).await, 1);
    assert_eq!(one.count("other", b"a", LONG).await, 1);
    assert!(one.first("seen", b"a", LONG).await);
    assert!(!other.first("seen", b"a", LONG).await);
    assert_eq!(one.get("value", b"a").await, None);
    one.set("value", b"a", b"\0\xff1", LONG).await;
    assert_eq!(other.get("value", b"a").await.as_deref(), Some(&b"\0\xff1"[..]));
    other.set("value", b"a", b"2", LONG).await;
    assert_eq!(one.get("value", b"a").await.as_deref(), Some(&b"2"[..]));
    one.remove("value", b"a").await;
    assert_eq!(other.get("value", b"a").await, None);
    one.set("value", b"a", &vec![0; daemon::shared::VALUE_BYTES_MAX + 1], LONG).await;
    assert_eq!(one.get("value", b"a").await, None);
    ends(one).await;
}

/// A window, a mark and a value each have an end.
async fn ends(shared: &Shared) {
    shared.set("value", b"short", b"1", SHORT).await;
    shared.first("seen", b"short", SHORT).await;
    shared.count("rate", b"short", SHORT).await;
    eventually(async || shared.get("value", b"short").await.is_none()).await;
    eventually(async || shared.first("seen", b"short", SHORT).await).await;
    // A window is not made longer by what is counted in it.
    eventually(async || shared.count("rate", b"short", SHORT).await == 1).await;
}

async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let all = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(harness::wait::DEADLINE, all).await.expect("it holds before the deadline");
}

#[test]
fn in_one_process() {
    let shared = Shared::in_process();
    assert!(!shared.is_shared());
    block_on(behaves(&shared, &shared.clone()));
}

#[test]
fn among_processes() {
    let redis = Redis::start(None);
    block_on(async {
        let connect = || Shared::connect(&section(&redis)).unwrap();
        behaves(&connect(), &connect()).await;
    });
}

#[test]
fn a_password_from_a_file() {
    let redis = Redis::start(Some("a long password"));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, b"a long password\nnot this\n").unwrap();
    block_on(async {
        let with = config::Redis { password_file: file.path().into(), ..section(&redis) };
        let one = Shared::connect(&with).unwrap();
        let other = Shared::connect(&with).unwrap();
        assert_eq!(
            (one.count("rate", b"ann@example.com", LONG).await, other.count("rate", b"ann@example.com", LONG).await),
            (1, 2)
        );
        let keys = redis.ask(&["keys", "*"]);
        assert!(keys.starts_with("brevdue:rate:") && !keys.contains("ann"), "{keys}");
        // Without it there is no Redis, and each counts for itself.
        let without = Shared::connect(&section(&redis)).unwrap();
        assert_eq!(without.count("rate", b"ann@example.com", LONG).await, 1);
    });
}

/// No peer sees an outage: counts go on in the process, and in Redis again when it is back.
#[test]
fn an_outage() {
    let mut redis = Redis::start(None);
    block_on(async {
        let one = Shared::connect(&section(&redis)).unwrap();
        let other = Shared::connect(&section(&redis)).unwrap();
        assert_eq!((one.count("rate", b"a", LONG).await, other.count("rate", b"a", LONG).await), (1, 2));
        redis.stop();
        assert_eq!((one.count("rate", b"a", LONG).await, one.count("rate", b"a", LONG).await), (1, 2));
        assert_eq!(other.count("rate", b"a", LONG).await, 1);
        one.set("value", b"a", b"1", LONG).await;
        assert_eq!(one.get("value", b"a").await.as_deref(), Some(&b"1"[..]));
        assert_eq!(other.get("value", b"a").await, None);
        redis.resume();
        eventually(async || {
            one.set("back", b"a", b"1", LONG).await;
            other.get("back", b"a").await.is_some()
        })
        .await;
        // One that never saw it up is no worse.
        redis.stop();
        let late = Shared::connect(&section(&redis)).unwrap();
        assert_eq!(late.count("rate", b"a", LONG).await, 1);
    });
}

#[test]
fn a_section_that_cannot_be_used() {
    let told = |redis: config::Redis| Shared::connect(&redis).err().unwrap().to_string();
    let missing = config::Redis {
        url: "redis://127.0.0.1/0".into(),
        password_file: "/nonexistent/password".into(),
        ..config::Redis::default()
    };
    assert!(told(missing).starts_with("/nonexistent/password: cannot be read (No such file"), "the file is named");
    let wrong = config::Redis { url: "redis://".into(), ..config::Redis::default() };
    assert!(told(wrong).starts_with("redis.url: "));
}

//! The log's level, the metrics' label, and what `/health` says when all is well, when not, and when nothing comes.

use super::*;
use crate::limits::Limit;
use crate::shutdown::Shutdown;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One recorder for the test process, as in a real one.
static RECORDER: LazyLock<Recorder> = LazyLock::new(|| Recorder::install(Role::Mx).unwrap());

async fn start(health: Health) -> (SocketAddr, Shutdown, tokio::task::JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), Shutdown::manual());
    let served = tokio::spawn(serve(listener, RECORDER.clone(), health, shutdown.clone()));
    (address, shutdown, served)
}

/// The status line, and what follows the header.
async fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn health_is_the_work_done() {
    let times = Arc::new(AtomicUsize::new(0));
    let health = {
        let times = Arc::clone(&times);
        Health::new(move || {
            let time = times.fetch_add(1, Ordering::SeqCst);
            async move {
                match time {
                    0 => Ok(()),
                    1 => Err("the probe file cannot be written".to_owned()),
                    _ => panic!("a check that panics"),
                }
            }
        })
    };
    let (address, shutdown, served) = start(health).await;
    assert_eq!(get(address, "/health").await, ("HTTP/1.1 200 OK".into(), r#"{"status":"ok"}"#.into()));
    let failing = "HTTP/1.1 503 Service Unavailable";
    let expected = r#"{"reason":"the probe file cannot be written","status":"failing"}"#;
    assert_eq!(get(address, "/health").await, (failing.into(), expected.into()));
    let expected = r#"{"reason":"the check panicked","status":"failing"}"#;
    assert_eq!(get(address, "/health").await, (failing.into(), expected.into()));
    assert_eq!(times.load(Ordering::SeqCst), 3);
    assert_eq!(get(address, "/").await.0, "HTTP/1.1 404 Not Found");
    shutdown.begin();
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_fails_in_part_is_told_and_is_not_down() {
    let health = Health::reporting(|| async {
        let detail = serde_json::Map::from_iter([("stores".to_owned(), serde_json::json!({"own": "full"}))]);
        Report { standing: Standing::Degraded("store own: full".to_owned()), detail }
    });
    let (address, shutdown, served) = start(health).await;
    let expected = r#"{"reason":"store own: full","status":"degraded","stores":{"own":"full"}}"#;
    assert_eq!(get(address, "/health").await, ("HTTP/1.1 200 OK".into(), expected.into()));
    shutdown.begin();
    served.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_fails_in_time() {
    let health = Health::new(std::future::pending);
    let (first, second) = tokio::join!(health.run(), health.run());
    assert_eq!(first, Standing::Failing("the check took over 5 s".to_owned()).into());
    assert_eq!(second, first);
}

#[tokio::test]
async fn metrics_carry_the_role() {
    let recorder = RECORDER.clone();
    let limit = Limit::new("telemetry-test", 3);
    let _permits = (limit.try_take().unwrap(), limit.try_take().unwrap());
    metrics::histogram!("brevdue_test_seconds").record(0.003);
    metrics::histogram!("brevdue_test_bytes").record(300.0);
    metrics::histogram!("brevdue_test_operations").record(3.0);
    let (address, shutdown, served) = start(Health::new(|| async { Ok(()) })).await;
    let (status, text) = get(address, "/metrics").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    for line in [
        "brevdue_limit_max{role=\"mx\",limit=\"telemetry-test\"} 3",
        "brevdue_limit_in_use{role=\"mx\",limit=\"telemetry-test\"} 2",
        "brevdue_test_seconds_bucket{role=\"mx\",le=\"0.0025\"} 0",
        "brevdue_test_seconds_bucket{role=\"mx\",le=\"0.005\"} 1",
        "brevdue_test_bytes_bucket{role=\"mx\",le=\"1024\"} 1",
        "brevdue_test_operations_bucket{role=\"mx\",le=\"2\"} 0",
        "brevdue_test_operations_bucket{role=\"mx\",le=\"4\"} 1",
    ] {
        assert!(text.lines().any(|each| each == line), "no line {line} in:\n{text}");
    }
    recorder.upkeep();
    shutdown.begin();
    served.await.unwrap().unwrap();
}

#[test]
fn levels_and_directives() {
    for good in ["info", "WARN", "info,imap=debug", "off"] {
        assert!(filter(good).is_ok(), "{good}");
    }
    let error = filter("info,imap=loud").unwrap_err().to_string();
    assert!(error.starts_with("`info,imap=loud` is not a log level ("), "{error}");
}

#[test]
fn wildcards_are_reached_by_loopback() {
    for (bound, expected) in
        [("0.0.0.0:143", "127.0.0.1:143"), ("[::]:143", "[::1]:143"), ("192.0.2.1:9", "192.0.2.1:9")]
    {
        assert_eq!(reachable(bound.parse().unwrap()), expected.parse().unwrap());
    }
}

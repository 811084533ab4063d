//! HTTPS to whoever a URL names: who is not asked, and what is not read.

use bytes::Bytes;
use dns::Resolver;
use harness::https::Https as Server;
use http::{HeaderMap, Method, StatusCode};
use outbound::guard::Guard;
use outbound::http::{Ask, HttpError, Https};
use outbound::tls::Tls;
use std::fs;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A certificate for an address, which vouches for itself.
fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let (cert, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert, key)
}

fn client(ca: &Path, allow_private: bool) -> Https {
    Https::new(Resolver::disabled(), &Tls::load(Some(ca)).unwrap(), Guard { allow_private, ..Guard::default() })
        .unwrap()
}

fn post(uri: &str, answer_bytes_max: usize) -> Ask {
    let (headers, body) = (HeaderMap::new(), Bytes::from_static(b"{}"));
    Ask { method: Method::POST, uri: uri.parse().unwrap(), headers, body, answer_bytes_max }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_and_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let right = certificate(folder.path(), "127.0.0.1");
    let other = certificate(folder.path(), "127.0.0.2");
    let server = Server::start(&right, "text", "text/plain");
    let url = format!("https://127.0.0.1:{}", server.port);

    let answer = client(&right.0, true).ask(&post(&format!("{url}/hook?a=b"), 100)).await.unwrap();
    assert_eq!((answer.status, answer.body), (StatusCode::OK, Bytes::new()));
    let asked = server.asked();
    assert_eq!((asked.len(), &asked[0]["path"], &asked[0]["body"]), (1, &"/hook?a=b".into(), &"{}".into()));
    assert_eq!(asked[0]["headers"]["host"], format!("127.0.0.1:{}", server.port));

    // A redirect is an answer; whoever follows it asks anew, and is checked anew.
    let answer = client(&right.0, true).ask(&post(&format!("{url}/to/https://10.0.0.1/"), 100)).await.unwrap();
    assert_eq!(
        (answer.status, &answer.headers["location"]),
        (StatusCode::TEMPORARY_REDIRECT, &"https://10.0.0.1/".parse().unwrap())
    );

    let refused = client(&right.0, false).ask(&post(&url, 100)).await;
    assert!(matches!(refused, Err(HttpError::Forbidden)), "{refused:?}");
    for inward in ["https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://169.254.169.254/latest", "https://0.0.0.0/"]
    {
        let refused = client(&right.0, false).ask(&post(inward, 100)).await;
        assert!(matches!(refused, Err(HttpError::Forbidden)), "{inward}: {refused:?}");
    }
    let clear = client(&right.0, true).ask(&post(&format!("http://127.0.0.1:{}/", server.port), 100)).await;
    assert!(matches!(clear, Err(HttpError::Url)), "{clear:?}");
    let named = client(&right.0, true).ask(&post("https://a.test/", 100)).await;
    assert!(matches!(named, Err(HttpError::Name(_))), "{named:?}");
    let stranger = client(&other.0, true).ask(&post(&url, 100)).await;
    assert!(matches!(stranger, Err(HttpError::Io(_))), "{stranger:?}");
    let get = Ask { method: Method::GET, ..post(&url, 3) };
    let long = client(&right.0, true).ask(&get).await;
    assert!(matches!(long, Err(HttpError::TooLong)), "{long:?}");
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_only_named_networks_are_asked() {
    let folder = tempfile::tempdir().unwrap();
    let ca = certificate(folder.path(), "127.0.0.1").0;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}/hook", listener.local_addr().unwrap().port());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"{}") {
            assert_ne!(stream.read_buf(&mut asked).await.unwrap(), 0, "{}", asked.escape_ascii());
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        String::from_utf8(asked).unwrap()
    });
    let of = |guard: Guard| Https::new(Resolver::disabled(), &Tls::load(Some(&ca)).unwrap(), guard).unwrap();
    let refused = of(Guard { allow_private: true, ..Guard::default() }).ask(&post(&url, 100)).await;
    assert!(matches!(refused, Err(HttpError::Url)), "{refused:?}");
    let other = of(Guard { networks: vec!["127.0.0.2".parse().unwrap()], ..Guard::default() });
    let refused = other.ask(&post(&url, 100)).await;
    assert!(matches!(refused, Err(HttpError::Forbidden)), "{refused:?}");
    let named = of(Guard { networks: vec!["127.0.0.0/31".parse().unwrap()], ..Guard::default() });
    assert_eq!(named.ask(&post(&url, 100)).await.unwrap().status, StatusCode::NO_CONTENT);
    assert!(server.await.unwrap().starts_with("POST /hook HTTP/1.1\r\n"));
}

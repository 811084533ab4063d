//! One GET over HTTP/1.0 from loopback: what `dev` asks its processes' metrics servers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Octets of an answer: a process's metrics take some 20 KB.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Milliseconds for the whole exchange: a health check may take 5 s.
const EXCHANGE_MS_MAX: u64 = 6_000;

/// An answer.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Asks for a path.
pub async fn get(at: SocketAddr, path: &str) -> io::Result<Answer> {
    tokio::time::timeout(Duration::from_millis(EXCHANGE_MS_MAX), exchange(at, path)).await?
}

async fn exchange(at: SocketAddr, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(at).await?;
    // RFC 9112 §2.3: to a request of 1.0 the answer has no chunks, and ends with the connection.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {at}\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text).await?;
    parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    let version = words.next()?;
    let status = words.next()?.parse().ok()?;
    version.starts_with("HTTP/1.").then(|| Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn answers_are_taken_apart() {
        let answer = parse("HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\nbody\r\n\r\nmore").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (503, "body\r\n\r\nmore"));
        for bad in ["", "HTTP/1.0 200 OK", "220 mx ESMTP\r\n\r\n", "HTTP/1.0 x\r\n\r\n"] {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
    }
}

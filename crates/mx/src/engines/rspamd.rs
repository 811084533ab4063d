//! rspamd's `/checkv2` (HTTP/1.1): the text in chunks, the envelope in header fields, a score in JSON back.

use super::{Answer, Asked, malformed};
use crate::limits::ENGINE_ANSWER_BYTES_MAX;
use bytes::Bytes;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Streams a text and reads the answer.
///
/// # Errors
/// It cannot be reached, or what it says is no answer.
pub async fn check(host: String, asked: Asked, mut frames: mpsc::Receiver<Bytes>) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(&host).await?;
    stream.write_all(head(&host, &asked).as_bytes()).await?;
    while let Some(frame) = frames.recv().await {
        stream.write_all(format!("{:x}\r\n", frame.len()).as_bytes()).await?;
        stream.write_all(&frame).await?;
        stream.write_all(b"\r\n").await?;
    }
    stream.write_all(b"0\r\n\r\n").await?;
    let mut answer = Vec::new();
    // Asked to close, it ends the answer with the connection.
    stream.take(ENGINE_ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    read(&answer)
}

fn head(host: &str, asked: &Asked) -> String {
    let clean = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
    let mut head = format!(
        "POST /checkv2 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nIP: {}\r\n\
         Helo: {}\r\nFrom: {}\r\n",
        asked.address.to_canonical(),
        clean(&asked.hello),
        clean(&asked.sender)
    );
    for recipient in &asked.recipients {
        head.push_str(&format!("Rcpt: {}\r\n", clean(recipient)));
    }
    head + "\r\n"
}

/// The score, whatever is made of it.
///
/// # Errors
/// It is no answer.
pub fn read(answer: &[u8]) -> io::Result<Answer> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n").ok_or_else(|| malformed("rspamd's answer is cut short"))?;
    let (head, body) = answer.split_at(end + 4);
    if !head.starts_with(b"HTTP/1.1 200") && !head.starts_with(b"HTTP/1.0 200") {
        return Err(malformed("rspamd did not scan the message"));
    }
    let said: serde_json::Value = serde_json::from_slice(body).map_err(|_| malformed("rspamd's answer is no JSON"))?;
    let score = said.get("score").and_then(serde_json::Value::as_f64).filter(|score| score.is_finite());
    let score = score.ok_or_else(|| malformed("rspamd's answer has no score"))?;
    Ok(Answer::Score(("rspamd".into(), score)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let answer =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"score\":7.5,\"action\":\"add header\"}";
        assert_eq!(read(answer).unwrap(), Answer::Score(("rspamd".into(), 7.5)));
        for wrong in
            [b"HTTP/1.1 500 No\r\n\r\n".as_slice(), b"", b"HTTP/1.1 200 OK\r\n\r\n{}", b"HTTP/1.1 200 OK\r\n\r\nx"]
        {
            assert!(read(wrong).is_err());
        }
    }

    #[test]
    fn nothing_of_the_envelope_ends_a_line() {
        let asked = Asked {
            address: "::ffff:192.0.2.7".parse().unwrap(),
            hello: "x\r\nEvil: y".to_owned(),
            sender: "a@b".to_owned(),
            recipients: vec!["c@d".to_owned()],
        };
        assert_eq!(
            head("h:1", &asked),
            "POST /checkv2 HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nIP: 192.0.2.7\r\n\
             Helo: xEvil: y\r\nFrom: a@b\r\nRcpt: c@d\r\n\r\n"
        );
    }
}

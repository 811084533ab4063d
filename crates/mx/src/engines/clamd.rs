//! clamd's INSTREAM: chunks with their length in front, an empty one at the end, one line back.

use super::{Answer, malformed};
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
pub async fn check(host: String, mut frames: mpsc::Receiver<Bytes>) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(b"zINSTREAM\0").await?;
    while let Some(frame) = frames.recv().await {
        let length = u32::try_from(frame.len()).map_err(|_| malformed("a frame is too large"))?;
        let sent = async {
            stream.write_all(&length.to_be_bytes()).await?;
            stream.write_all(&frame).await
        };
        // Over its own limit of size it answers at once and hangs up.
        if sent.await.is_err() {
            break;
        }
    }
    // If it has hung up, its answer is there to be read all the same.
    let _ = stream.write_all(&[0; 4]).await;
    let mut answer = Vec::new();
    stream.take(ENGINE_ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    read(&answer)
}

/// `stream: OK`, `stream: NAME FOUND`, or an error in words.
///
/// # Errors
/// It is no answer, or an error.
pub fn read(answer: &[u8]) -> io::Result<Answer> {
    let text = String::from_utf8_lossy(answer);
    let text = text.trim_end_matches(['\0', '\n']);
    let said = text.strip_prefix("stream: ").ok_or_else(|| malformed("clamd did not scan the stream"))?;
    match said.strip_suffix(" FOUND") {
        Some(name) => Ok(Answer::Virus(Some(name.to_owned()))),
        None if said == "OK" => Ok(Answer::Virus(None)),
        None => Err(malformed("clamd did not scan the stream")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        assert_eq!(read(b"stream: OK\0").unwrap(), Answer::Virus(None));
        assert_eq!(read(b"stream: Test.UNOFFICIAL FOUND\0").unwrap(), Answer::Virus(Some("Test.UNOFFICIAL".into())));
        for wrong in [b"INSTREAM size limit exceeded. ERROR\0".as_slice(), b"", b"stream: what\0"] {
            assert!(read(wrong).is_err());
        }
    }
}

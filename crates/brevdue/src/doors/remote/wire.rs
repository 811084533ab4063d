//! Lines and literals of the other server, and commands to it. Knows no command.
//!
//! Invariant: what is kept of a response is bounded; a literal that is larger than a name is for its caller to stream.

use crate::doors::limits::{READ_BYTES, REMOTE_LINE_BYTES_MAX, REMOTE_LITERAL_BYTES_MAX, REMOTE_SILENCE_MS_MAX};
use crate::failure::Failure;
use bytes::{Bytes, BytesMut};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use zeroize::Zeroizing;

/// A connection, with or without TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The connection.
pub struct Wire {
    stream: BufReader<Box<dyn Stream>>,
    tags: u64,
}

/// How a response went on.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The line has ended; there is no more of the response.
    Whole,
    /// A literal of so many octets follows, and then more of the response.
    Literal(u64),
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// OK.
    Ok,
    /// NO or BAD, with the server's words.
    Refused(String),
}

impl Wire {
    /// On this connection.
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream: BufReader::with_capacity(READ_BYTES, stream), tags: 0 }
    }

    /// The connection itself; nothing when octets have come that nobody has read.
    pub fn into_stream(self) -> Option<Box<dyn Stream>> {
        self.stream.buffer().is_empty().then(|| self.stream.into_inner())
    }

    /// Sends a command; its tag.
    pub async fn send(&mut self, command: &str) -> Result<String, Failure> {
        self.tags += 1;
        let tag = format!("b{}", self.tags);
        self.send_raw(Zeroizing::new(format!("{tag} {command}\r\n")).as_bytes()).await?;
        Ok(tag)
    }

    /// Sends octets as they are.
    pub async fn send_raw(&mut self, octets: &[u8]) -> Result<(), Failure> {
        let sending = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        Ok(patient(sending).await??)
    }

    /// Reads on to the end of a line, or a literal: what was read is behind `response`.
    pub async fn step(&mut self, response: &mut Vec<u8>) -> Result<Step, Failure> {
        let from = response.len();
        let room = REMOTE_LINE_BYTES_MAX.saturating_sub(from) as u64;
        patient((&mut self.stream).take(room).read_until(b'\n', response)).await??;
        let line = response.get(from..).unwrap_or_default();
        if !line.ends_with(b"\r\n") {
            let why = if line.len() as u64 == room { "it sends a line without end" } else { "it broke the connection" };
            return Err(Failure::refused(why));
        }
        Ok(literal(line).map_or(Step::Whole, Step::Literal))
    }

    /// Reads a whole response; no literal in it is larger than a name may be.
    pub async fn response(&mut self) -> Result<Vec<u8>, Failure> {
        let mut response = Vec::new();
        while let Step::Literal(size) = self.step(&mut response).await? {
            self.inline(size, &mut response).await?;
        }
        Ok(response)
    }

    /// Takes a literal into the response.
    pub async fn inline(&mut self, size: u64, response: &mut Vec<u8>) -> Result<(), Failure> {
        if size > REMOTE_LITERAL_BYTES_MAX {
            return Err(Failure::refused(format!("it sends {size} octets where a name belongs")));
        }
        let mut left = size;
        while left > 0 {
            let data = self.data(&mut left).await?;
            response.extend_from_slice(&data);
        }
        Ok(())
    }

    /// The next octets of a literal of which so many are left.
    pub async fn data(&mut self, left: &mut u64) -> Result<Bytes, Failure> {
        let mut data = BytesMut::with_capacity(READ_BYTES.min(usize::try_from(*left).unwrap_or(READ_BYTES)));
        let reading = (&mut self.stream).take((*left).min(READ_BYTES as u64));
        let read = patient(async {
            let mut reading = reading;
            reading.read_buf(&mut data).await
        });
        match read.await?? {
            0 => Err(Failure::refused("it broke the connection")),
            n => {
                *left -= n as u64;
                Ok(data.freeze())
            }
        }
    }

    /// Sends a command, hands every untagged response to `each`, and says how it ended.
    pub async fn command(
        &mut self,
        command: &str,
        mut each: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<End, Failure> {
        let tag = self.send(command).await?;
        loop {
            let response = self.response().await?;
            if let Some(end) = end_of(&tag, &response)? {
                return Ok(end);
            }
            each(response.strip_prefix(b"* ").unwrap_or_default())?;
        }
    }

    /// The same for a command that must be answered OK.
    pub async fn done(&mut self, command: &str, each: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        match self.command(command, each).await? {
            End::Ok => Ok(()),
            End::Refused(why) => Err(Failure::refused(why)),
        }
    }
}

/// How the command of this tag ended, if the response says so.
pub fn end_of(tag: &str, response: &[u8]) -> Result<Option<End>, Failure> {
    if response.starts_with(b"* ") || response.starts_with(b"+") {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(response);
    match text.trim_end().split_once(' ') {
        Some((its, rest)) if its == tag => {
            let ok = rest.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case("OK"));
            Ok(Some(if ok { End::Ok } else { End::Refused(rest.to_owned()) }))
        }
        Some(_) | None => Err(Failure::refused("it answers what it was not asked")),
    }
}

/// Whether an untagged response says that the server ends the connection.
pub fn is_bye(response: &[u8]) -> bool {
    response.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"* BYE "))
}

/// The octets that a line announces at its end.
fn literal(line: &[u8]) -> Option<u64> {
    let digits = line.strip_suffix(b"}\r\n")?;
    let open = memchr::memrchr(b'{', digits)?;
    let digits = digits.get(open + 1..)?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Waits for the server, but not for ever.
async fn patient<T>(waiting: impl Future<Output = T>) -> Result<T, Failure> {
    let limit = Duration::from_millis(REMOTE_SILENCE_MS_MAX);
    tokio::time::timeout(limit, waiting).await.map_err(|_| Failure::refused("it is silent for too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_announced_at_the_end_of_a_line() {
        assert_eq!(literal(b"* 1 FETCH (BODY[] {12}\r\n"), Some(12));
        for none in
            [&b"a {12}"[..], b"a {}\r\n", b"a {x}\r\n", b"a 12}\r\n", b"{99999999999999999999}\r\n", b"\r\n", b""]
        {
            assert_eq!(literal(none), None);
        }
    }

    #[test]
    fn answers_have_the_tag_of_their_command() {
        assert_eq!(end_of("b1", b"b1 OK done\r\n").ok(), Some(Some(End::Ok)));
        assert_eq!(end_of("b1", b"b1 NO [X] no\r\n").ok(), Some(Some(End::Refused("NO [X] no".to_owned()))));
        assert_eq!(end_of("b1", b"* OK\r\n").ok(), Some(None));
        assert!(end_of("b1", b"b2 OK\r\n").is_err());
        assert!(end_of("b1", b"\r\n").is_err());
    }

    #[tokio::test]
    async fn responses_come_in_any_pieces() {
        let (ours, mut theirs) = tokio::io::duplex(7);
        let mut wire = Wire::new(Box::new(ours));
        let said = b"* LIST () \"/\" {3}\r\na\r\n b\r\n* 2 FETCH (BODY[] {5}\r\nhello)\r\nb1 OK\r\n";
        let writing = async {
            theirs.write_all(said).await.unwrap();
            drop(theirs);
        };
        let reading = async {
            assert_eq!(wire.response().await.ok().unwrap(), b"* LIST () \"/\" {3}\r\na\r\n b\r\n");
            let mut response = Vec::new();
            assert_eq!(wire.step(&mut response).await.ok().unwrap(), Step::Literal(5));
            let (mut left, mut body) = (5, Vec::new());
            while left > 0 {
                body.extend_from_slice(&wire.data(&mut left).await.ok().unwrap());
            }
            assert_eq!(body, b"hello");
            assert_eq!(wire.step(&mut response).await.ok().unwrap(), Step::Whole);
            assert_eq!(wire.response().await.ok().unwrap(), b"b1 OK\r\n");
            assert!(wire.response().await.is_err());
        };
        tokio::join!(writing, reading);
    }
}

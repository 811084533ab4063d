//! A plain IMAP client: sends commands, reads answers with their literals as they stand.

use crate::dev::{Dev, IO_LIMIT, User};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// One connection.
pub struct Imap {
    reader: BufReader<TcpStream>,
    tag: u32,
}

/// What the server said to one command.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Untagged responses without `* ` and the final CRLF; literals stand in them as `{n}CRLF` and the bytes.
    pub untagged: Vec<Vec<u8>>,
    /// The tagged response without the tag: `OK …`, `NO …`, `BAD …`.
    pub tagged: String,
}

impl Answer {
    /// The tagged answer was OK.
    pub fn is_ok(&self) -> bool {
        self.tagged.starts_with("OK")
    }
    /// Untagged responses as text, for those that are.
    pub fn lines(&self) -> Vec<String> {
        self.untagged.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }
    /// The contents of every literal in the untagged responses, in order.
    pub fn literals(&self) -> Vec<Vec<u8>> {
        self.untagged.iter().flat_map(|line| literals_of(line)).collect()
    }
    /// The number before this word, as in `* 3 EXISTS`.
    pub fn number(&self, word: &str) -> Option<u32> {
        self.lines().iter().rev().find_map(|line| line.strip_suffix(&format!(" {word}"))?.parse().ok())
    }
}

impl Imap {
    /// Connects to the first front-end and reads the greeting.
    pub fn connect(dev: &Dev) -> Self {
        Self::connect_to(dev.port("imap"))
    }
    /// Connects to this port and reads the greeting.
    pub fn connect_to(port: u16) -> Self {
        Self::try_connect(port).expect("a greeting")
    }
    /// Connects; `None` if the connection or the greeting fails.
    pub fn try_connect(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(IO_LIMIT)).ok()?;
        stream.set_nodelay(true).ok()?;
        let mut client = Self { reader: BufReader::new(stream), tag: 0 };
        let greeting = client.try_response()?;
        greeting.starts_with(b"* OK").then_some(client)
    }
    /// Connects to the first front-end and signs in.
    pub fn sign_in(dev: &Dev, user: &User) -> Self {
        Self::sign_in_at(dev.port("imap"), user)
    }
    /// Connects to this port and signs in.
    pub fn sign_in_at(port: u16, user: &User) -> Self {
        let mut client = Self::connect_to(port);
        client.ok(&format!("LOGIN {} {}", user.address, user.password));
        client
    }

    /// Sends one command and reads to its tagged answer.
    pub fn command(&mut self, text: &str) -> Answer {
        self.try_command(text).unwrap_or_else(|| panic!("the connection broke in {text:?}"))
    }
    /// The same; `None` when the connection breaks before the answer.
    pub fn try_command(&mut self, text: &str) -> Option<Answer> {
        let tag = self.send(text)?;
        self.finish(&tag)
    }
    /// Sends one command that must be answered OK.
    pub fn ok(&mut self, text: &str) -> Answer {
        let answer = self.command(text);
        assert!(answer.is_ok(), "{text:?} was answered {:?}", answer.tagged);
        answer
    }
    /// Sends a command without waiting; returns its tag.
    pub fn send(&mut self, text: &str) -> Option<String> {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.raw(format!("{tag} {text}\r\n").as_bytes())?;
        Some(tag)
    }
    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> Option<()> {
        self.reader.get_mut().write_all(bytes).ok()
    }
    /// Reads to the answer of this tag.
    pub fn finish(&mut self, tag: &str) -> Option<Answer> {
        let mut untagged = Vec::new();
        loop {
            let line = self.try_response()?;
            if let Some(rest) = line.strip_prefix(b"* ") {
                untagged.push(rest.to_vec());
            } else if let Some(rest) = line.strip_prefix(format!("{tag} ").as_bytes()) {
                return Some(Answer { untagged, tagged: String::from_utf8_lossy(rest).into_owned() });
            } else {
                panic!("neither untagged nor {tag}: {:?}", String::from_utf8_lossy(&line));
            }
        }
    }
    /// APPEND with a synchronising literal; the tagged answer.
    pub fn append(&mut self, folder: &str, options: &str, message: &[u8]) -> Answer {
        self.try_append(folder, options, message).expect("the connection holds through APPEND")
    }
    /// The same; `None` when the connection breaks.
    pub fn try_append(&mut self, folder: &str, options: &str, message: &[u8]) -> Option<Answer> {
        let space = if options.is_empty() { "" } else { " " };
        let tag = self.send(&format!("APPEND {folder} {options}{space}{{{}}}", message.len()))?;
        loop {
            let line = self.try_response()?;
            if line.starts_with(b"+") {
                break;
            }
            if let Some(rest) = line.strip_prefix(format!("{tag} ").as_bytes()) {
                return Some(Answer { untagged: vec![], tagged: String::from_utf8_lossy(rest).into_owned() });
            }
        }
        self.raw(message)?;
        self.raw(b"\r\n")?;
        self.finish(&tag)
    }
    /// One response with its literals, without the final CRLF.
    pub fn response(&mut self) -> Vec<u8> {
        self.try_response().expect("a response")
    }
    /// One response; `None` when the connection ends.
    pub fn try_response(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            let from = out.len();
            self.reader.read_until(b'\n', &mut out).ok()?;
            if !out.ends_with(b"\r\n") {
                return None;
            }
            match literal_length(&out[from..out.len() - 2]) {
                Some(length) => {
                    let at = out.len();
                    out.resize(at + length, 0);
                    self.reader.read_exact(&mut out[at..]).ok()?;
                }
                None => {
                    out.truncate(out.len() - 2);
                    return Some(out);
                }
            }
        }
    }
    /// Every message of a folder by UID: (uid, bytes).
    pub fn messages(&mut self, folder: &str) -> Vec<(u32, Vec<u8>)> {
        self.ok(&format!("EXAMINE {folder}"));
        let answer = self.ok("UID FETCH 1:* (UID BODY.PEEK[])");
        answer
            .untagged
            .iter()
            .filter(|line| line.windows(6).any(|w| w == b"FETCH "))
            .map(|line| (uid_of(line), literals_of(line).pop().unwrap_or_default()))
            .collect()
    }
}

/// The number after `UID ` in a FETCH response, 0 if there is none.
pub fn uid_of(line: &[u8]) -> u32 {
    let text = String::from_utf8_lossy(line);
    let digits =
        text.split("UID ").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn literal_length(line: &[u8]) -> Option<usize> {
    let open = line.iter().rposition(|&b| b == b'{')?;
    let digits = line[open + 1..].strip_suffix(b"}")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn literals_of(response: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(end) = response[at..].windows(2).position(|w| w == b"\r\n").map(|n| at + n) {
        let Some(length) = literal_length(&response[at..end]) else { break };
        out.push(response[end + 2..end + 2 + length].to_vec());
        at = end + 2 + length;
    }
    out
}

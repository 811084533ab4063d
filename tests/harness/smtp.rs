//! A plain SMTP client.

use crate::dev::{Dev, IO_LIMIT, User};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// One connection, greeted.
pub struct Smtp {
    reader: BufReader<TcpStream>,
}

impl Smtp {
    /// Connects to the MX, reads the greeting and says EHLO.
    pub fn connect(dev: &Dev) -> Self {
        Self::try_connect(dev).expect("the MX answers EHLO")
    }
    /// The same; `None` when the connection fails.
    pub fn try_connect(dev: &Dev) -> Option<Self> {
        Self::greeted(dev.port("mx"), "EHLO")
    }
    /// Connects to a server at this port of 127.0.0.1, in the same way.
    pub fn connect_to(port: u16) -> Option<Self> {
        Self::greeted(port, "EHLO")
    }
    /// Connects to an LMTP server, which answers one recipient as SMTP does.
    pub fn lmtp(port: u16) -> Self {
        Self::greeted(port, "LHLO").expect("the server answers LHLO")
    }

    /// Connects to submission and signs in; `None` when that fails.
    pub fn try_submission(dev: &Dev, user: &User) -> Option<Self> {
        let mut client = Self::greeted(dev.port("submission"), "EHLO")?;
        let plain = STANDARD.encode(format!("\0{}\0{}", user.address, user.password));
        client.try_command(&format!("AUTH PLAIN {plain}"))?.starts_with("235").then_some(client)
    }

    fn greeted(port: u16, hello: &str) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(IO_LIMIT)).ok()?;
        stream.set_nodelay(true).ok()?;
        let mut client = Self { reader: BufReader::new(stream) };
        client.reply()?.starts_with("220").then_some(())?;
        client.try_command(&format!("{hello} client.example.test"))?.starts_with("250").then_some(client)
    }
    /// Sends a line and returns the last line of the reply.
    pub fn command(&mut self, line: &str) -> String {
        self.try_command(line).unwrap_or_else(|| panic!("the connection broke in {line:?}"))
    }
    /// The same; `None` when the connection breaks.
    pub fn try_command(&mut self, line: &str) -> Option<String> {
        self.raw(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }
    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> Option<()> {
        self.reader.get_mut().write_all(bytes).ok()
    }
    /// One reply; its last line.
    pub fn reply(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).ok()?;
            if line.is_empty() {
                return None;
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Some(line.trim_end().to_owned());
            }
        }
    }
    /// One whole transaction; the final reply, or `None` when the connection broke.
    pub fn try_send(&mut self, from: &str, to: &[&str], message: &[u8]) -> Option<String> {
        let options = if message.is_ascii() { "" } else { " BODY=8BITMIME" };
        let mail = self.try_command(&format!("MAIL FROM:<{from}>{options}"))?;
        if !mail.starts_with("250") {
            return Some(mail);
        }
        for recipient in to {
            let reply = self.try_command(&format!("RCPT TO:<{recipient}>"))?;
            if !reply.starts_with("250") {
                self.try_command("RSET")?;
                return Some(reply);
            }
        }
        let go_on = self.try_command("DATA")?;
        if !go_on.starts_with("354") {
            return Some(go_on);
        }
        self.raw(&stuffed(message))?;
        self.reply()
    }
    /// One whole transaction that must be accepted.
    pub fn send(&mut self, from: &str, to: &[&str], message: &[u8]) {
        let reply = self.try_send(from, to, message).expect("the connection holds");
        assert!(reply.starts_with("250"), "the MX answered {reply:?}");
    }
}

/// Dots doubled, the end added (RFC 5321 §4.5.2).
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|&b| b == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

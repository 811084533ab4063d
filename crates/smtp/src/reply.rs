//! Replies: three digits, an enhanced status code and text; written by servers, read by clients.

use crate::limits::{REPLY_LINE_BYTES_MAX, REPLY_LINES_MAX};
use std::borrow::Cow;

/// Subject and detail of an enhanced status code (RFC 3463); the class is the reply code's first digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// What the status is about: addressing 1, mailbox 2, mail system 3, network 4, protocol 5, content 6, policy 7.
    pub subject: u16,
    /// The detail within the subject.
    pub detail: u16,
}

/// One reply. Lines of the text are separated by `\n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    status: Option<Status>,
    text: Cow<'static, str>,
}

impl Reply {
    /// With an enhanced status code and a fixed text.
    pub const fn new(code: u16, subject: u16, detail: u16, text: &'static str) -> Self {
        Self { code, status: Some(Status { subject, detail }), text: Cow::Borrowed(text) }
    }

    /// With a text made for the occasion; control characters other than `\n` become `?` when written.
    pub const fn with_text(code: u16, subject: u16, detail: u16, text: String) -> Self {
        Self { code, status: Some(Status { subject, detail }), text: Cow::Owned(text) }
    }

    /// Without an enhanced status code: the greeting, HELO, EHLO and 3xx have none (RFC 2034 §4).
    pub const fn bare(code: u16, text: Cow<'static, str>) -> Self {
        Self { code, status: None, text }
    }

    /// The three digits.
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status code's subject and detail.
    pub const fn status(&self) -> Option<Status> {
        self.status
    }

    /// The text, lines separated by `\n`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it says yes: 2xx or 3xx.
    pub const fn is_positive(&self) -> bool {
        matches!(self.code, 200..=399)
    }

    /// Whether it says no for good: 5xx.
    pub const fn is_permanent(&self) -> bool {
        matches!(self.code, 500..=599)
    }

    /// Appends the reply as it goes on the wire. A line that would be over [`REPLY_LINE_BYTES_MAX`] is cut.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let separator = if lines.peek().is_some() { '-' } else { ' ' };
            let mut text = match self.status {
                Some(Status { subject, detail }) => {
                    format!("{}{separator}{}.{subject}.{detail} ", self.code, self.code / 100)
                }
                None => format!("{}{separator}", self.code),
            };
            text.extend(line.chars().map(|c| if c.is_control() { '?' } else { c }));
            let end = text.floor_char_boundary(REPLY_LINE_BYTES_MAX - 2);
            out.extend_from_slice(text.get(..end).unwrap_or_default().as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Why what a server sent is not a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Not three digits from 200 to 559, then a space, a hyphen or the end of the line.
    #[error("a reply line does not begin with a reply code")]
    Code,
    /// The lines of one reply differ in their code (RFC 5321 §4.2.1).
    #[error("the lines of one reply have different codes")]
    Mixed,
    /// Four times [`REPLY_LINE_BYTES_MAX`] without an end, for servers that overshoot.
    #[error("a reply line is too long")]
    LineTooLong,
    /// Over [`REPLY_LINES_MAX`].
    #[error("a reply has too many lines")]
    TooManyLines,
}

/// Reads replies for a client, in whatever pieces they come; holds one reply at most.
#[derive(Debug, Default)]
pub struct ReplyParser {
    line: Vec<u8>,
    reply: Option<(u16, Option<Status>, String)>,
    lines: usize,
}

impl ReplyParser {
    /// Takes what it needs from `input`; a reply when one is whole, `None` when more input is needed.
    pub fn push(&mut self, input: &mut &[u8]) -> Result<Option<Reply>, ReplyError> {
        while let Some(end) = memchr::memchr(b'\n', input) {
            let (head, rest) = input.split_at(end);
            *input = rest.get(1..).unwrap_or_default();
            self.hold(head)?;
            let line = std::mem::take(&mut self.line);
            if let Some(reply) = self.take_line(line.strip_suffix(b"\r").unwrap_or(&line))? {
                return Ok(Some(reply));
            }
        }
        let head = std::mem::take(input);
        self.hold(head)?;
        Ok(None)
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), ReplyError> {
        if self.line.len() + bytes.len() > 4 * REPLY_LINE_BYTES_MAX {
            return Err(ReplyError::LineTooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let (code, last, text) = split_line(line)?;
        let (status, text) = split_status(code, text);
        let text = String::from_utf8_lossy(text);
        self.lines += 1;
        match &mut self.reply {
            Some((first, ..)) if *first != code => return Err(ReplyError::Mixed),
            Some(_) if self.lines > REPLY_LINES_MAX => return Err(ReplyError::TooManyLines),
            Some((_, _, whole)) => {
                whole.push('\n');
                whole.push_str(&text);
            }
            None => self.reply = Some((code, status, text.into_owned())),
        }
        if !last {
            return Ok(None);
        }
        self.lines = 0;
        Ok(self.reply.take().map(|(code, status, text)| Reply { code, status, text: Cow::Owned(text) }))
    }
}

/// RFC 5321 §4.2: code, then the end of the line, a space (last) or a hyphen (more follow).
fn split_line(line: &[u8]) -> Result<(u16, bool, &[u8]), ReplyError> {
    let [a @ b'2'..=b'5', b @ b'0'..=b'5', c @ b'0'..=b'9', rest @ ..] = line else { return Err(ReplyError::Code) };
    let digit = |byte: &u8| u16::from(byte - b'0');
    let code = digit(a) * 100 + digit(b) * 10 + digit(c);
    match rest {
        [] => Ok((code, true, rest)),
        [b' ', text @ ..] => Ok((code, true, text)),
        [b'-', text @ ..] => Ok((code, false, text)),
        [..] => Err(ReplyError::Code),
    }
}

/// The enhanced status code, when there is one of the reply's own class (RFC 2034 §4).
fn split_status(code: u16, text: &[u8]) -> (Option<Status>, &[u8]) {
    let end = memchr::memchr(b' ', text).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let parsed = std::str::from_utf8(word).ok().and_then(|word| {
        let mut numbers = word.split('.').map(|part| if part.len() <= 3 { part.parse::<u16>().ok() } else { None });
        let (class, subject, detail) = (numbers.next()??, numbers.next()??, numbers.next()??);
        (numbers.next().is_none() && class == code / 100).then_some(Status { subject, detail })
    });
    match parsed {
        Some(status) => (Some(status), rest.strip_prefix(b" ").unwrap_or(rest)),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.write_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_line_and_several() {
        assert_eq!(wire(&Reply::new(550, 1, 1, "No such mailbox")), "550 5.1.1 No such mailbox\r\n");
        assert_eq!(wire(&Reply::bare(250, "a\nb".into())), "250-a\r\n250 b\r\n");
        assert_eq!(wire(&Reply::new(214, 0, 0, "a\nb")), "214-2.0.0 a\r\n214 2.0.0 b\r\n");
    }

    #[test]
    fn text_cannot_forge_a_line_and_long_lines_are_cut() {
        assert_eq!(wire(&Reply::with_text(250, 0, 0, "a\r\u{0}b".into())), "250 2.0.0 a??b\r\n");
        let long = wire(&Reply::with_text(250, 0, 0, "\u{f6}".repeat(400)));
        assert_eq!(long.len(), REPLY_LINE_BYTES_MAX);
        assert!(long.ends_with("\u{f6}\r\n"));
    }

    #[test]
    fn what_a_server_writes_a_client_reads_however_it_is_cut() {
        let replies = [
            Reply::bare(220, "mx.example ESMTP".into()),
            Reply::bare(250, "mx.example\nPIPELINING\nSIZE 1".into()),
            Reply::new(250, 1, 5, "OK"),
            Reply::new(452, 4, 5, "Full"),
        ];
        let bytes: Vec<u8> = replies.iter().flat_map(|reply| wire(reply).into_bytes()).collect();
        for size in 1..bytes.len() {
            let mut parser = ReplyParser::default();
            let mut read = Vec::new();
            for mut chunk in bytes.chunks(size) {
                while let Some(reply) = parser.push(&mut chunk).unwrap() {
                    read.push(reply);
                }
            }
            assert_eq!(read, replies);
        }
    }

    #[test]
    fn garbage_is_named() {
        let parse = |mut text: &[u8]| ReplyParser::default().push(&mut text);
        assert_eq!(parse(b"hello\r\n"), Err(ReplyError::Code));
        assert_eq!(parse(b"2500 x\r\n"), Err(ReplyError::Code));
        assert_eq!(parse(b"250-a\r\n251 b\r\n"), Err(ReplyError::Mixed));
        assert_eq!(parse(&[b'2'; 3000]), Err(ReplyError::LineTooLong));
        assert_eq!(parse(&b"250-a\r\n".repeat(200)), Err(ReplyError::TooManyLines));
        assert_eq!(parse(b"250\r\n"), Ok(Some(Reply::bare(250, "".into()))));
        assert_eq!(parse(b"250 5.1.1 x\r\n"), Ok(Some(Reply::bare(250, "5.1.1 x".into()))));
    }
}

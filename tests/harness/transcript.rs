//! Plays a transcript against a server: what a mail engineer reads is what is sent and what must come back.
//!
//! ```text
//! # a comment
//! ! connect imap            opens connection 1 (`! connect 2 imap` a second one; also `mx`)
//! ! starttls                TLS begins on the connection, with the system's CA
//! ! close                   the server must close now
//! ! brevdue alias add …     the operator gives this command, which must be done
//! C: a LOGIN {{user}} {{password}}
//! S: a OK {{*}}             {{*}} is anything within the line
//! S: * OK [UIDVALIDITY {{v=\d+}}] {{*}}      a pattern, kept as {{v}}
//! S? * OK {{*}}             this line may come, any number of times
//! C: b APPEND INBOX {<<}    the lines after it, marked `|`, are the literal; waits for `+` ({<<+} does not)
//! | Subject: x
//! |
//! C:                        what follows the literal; an empty one ends the command
//! S: * 1 FETCH (BODY[] {<<} the literal's size and bytes are compared
//! | Subject: x
//! |
//! S: )
//! 2C: …  2S: …              the second connection
//! C~ raw\r\n\x00            bytes with escapes, nothing added
//! C: a NOOP {{900*x }}       the text behind the star, so many times
//! ```
//! Variables set by the runner: `user`, `name` (its local-part), `password`, `plain` (the message of SASL PLAIN in base64), `user2`, `password2`, `domain`.

use crate::dev::{Dev, IO_LIMIT};
use crate::tls::Wire;
use regex::bytes::Regex;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;

/// A transcript's run: connections by number, variables by name.
pub struct Player<'a> {
    dev: &'a Dev,
    connections: HashMap<u8, Connection>,
    variables: HashMap<String, String>,
}

struct Connection {
    reader: BufReader<Wire>,
    /// A whole line that was read, and is still to be looked at.
    ahead: Option<Vec<u8>>,
}

impl Connection {
    fn new(wire: Wire) -> Self {
        Self { reader: BufReader::new(wire), ahead: None }
    }

    /// A line with its end, or what there is before the connection ends.
    fn line(&mut self) -> Result<Vec<u8>, String> {
        if let Some(line) = self.ahead.take() {
            return Ok(line);
        }
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line).map_err(|e| e.to_string())?;
        Ok(line)
    }

    /// What comes before the connection is closed; one that is reset is closed too.
    fn rest(&mut self) -> Result<Vec<u8>, String> {
        let mut rest = self.ahead.take().unwrap_or_default();
        match self.reader.read_to_end(&mut rest) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error.to_string()),
            Ok(_) | Err(_) => Ok(rest),
        }
    }
}

struct Line<'a> {
    number: usize,
    connection: u8,
    mark: char,
    kind: char,
    text: &'a str,
}

impl<'a> Player<'a> {
    /// With these variables.
    pub fn new(dev: &'a Dev, variables: HashMap<String, String>) -> Self {
        Self { dev, connections: HashMap::new(), variables }
    }

    /// Plays the whole transcript; the error says which line and what came instead.
    pub fn play(&mut self, transcript: &str) -> Result<(), String> {
        let lines: Vec<&str> = transcript.lines().collect();
        let mut at = 0;
        while at < lines.len() {
            let Some(line) = parse(at + 1, lines[at])? else {
                at += 1;
                continue;
            };
            at += 1;
            let mut literal = Vec::new();
            if line.text.ends_with("{<<}") || line.text.ends_with("{<<+}") {
                while let Some(rest) = lines.get(at).and_then(|next| next.strip_prefix('|')) {
                    let content = self.expand(rest.strip_prefix(' ').unwrap_or(rest));
                    literal.extend_from_slice(content.as_bytes());
                    literal.extend_from_slice(b"\r\n");
                    at += 1;
                }
            }
            self.step(&line, &literal).map_err(|error| format!("line {}: {}\n    {error}", line.number, line.text))?;
        }
        Ok(())
    }

    fn step(&mut self, line: &Line<'_>, literal: &[u8]) -> Result<(), String> {
        match (line.mark, line.kind) {
            ('!', _) => self.direct(line),
            ('C', '~') => {
                let bytes = unescape(&self.expand(line.text));
                self.write(line.connection, &bytes)
            }
            ('C', _) => self.send(line, literal),
            ('S', '?') => self.skip(line),
            ('S', _) => self.expect(line, literal),
            _ => Err("neither C:, S: nor !".into()),
        }
    }

    fn direct(&mut self, line: &Line<'_>) -> Result<(), String> {
        let words: Vec<&str> = line.text.split_whitespace().collect();
        let (verb, number, rest) = match words.as_slice() {
            [verb, number, rest @ ..] if number.parse::<u8>().is_ok() => (*verb, number.parse().unwrap_or(1), rest),
            [verb, rest @ ..] => (*verb, 1, rest),
            [] => return Err("an empty direction".into()),
        };
        match (verb, rest) {
            ("connect", [port]) => {
                let stream = TcpStream::connect(("127.0.0.1", self.dev.port(port))).map_err(|e| e.to_string())?;
                stream.set_read_timeout(Some(IO_LIMIT)).map_err(|e| e.to_string())?;
                self.connections.insert(number, Connection::new(Wire::Plain(stream)));
                Ok(())
            }
            ("starttls", []) => {
                let plain = self.connections.remove(&number).ok_or("not connected")?;
                if plain.ahead.is_some() || !plain.reader.buffer().is_empty() {
                    return Err(format!("before TLS came {:?}", lossy(plain.reader.buffer())));
                }
                let tls = plain.reader.into_inner().start_tls(&self.dev.ca())?;
                self.connections.insert(number, Connection::new(tls));
                Ok(())
            }
            ("brevdue", words) => {
                let words: Vec<String> = words.iter().map(|word| self.expand(word)).collect();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                crate::incoming::admin(self.dev, &words);
                Ok(())
            }
            ("hangup", []) => self.connections.remove(&number).map(drop).ok_or_else(|| "not connected".into()),
            ("close", []) => {
                let rest = self.connection(number)?.rest()?;
                if rest.is_empty() { Ok(()) } else { Err(format!("before the close came {:?}", lossy(&rest))) }
            }
            _ => Err("an unknown direction".into()),
        }
    }

    fn send(&mut self, line: &Line<'_>, literal: &[u8]) -> Result<(), String> {
        let text = self.expand(line.text);
        let (text, waits) = match (text.strip_suffix("{<<}"), text.strip_suffix("{<<+}")) {
            (Some(head), _) => (format!("{head}{{{}}}\r\n", literal.len()), true),
            (_, Some(head)) => (format!("{head}{{{}+}}\r\n", literal.len()), false),
            _ => return self.write(line.connection, format!("{text}\r\n").as_bytes()),
        };
        self.write(line.connection, text.as_bytes())?;
        if waits {
            let answer = self.read_line(line.connection)?;
            if !answer.starts_with(b"+") {
                return Err(format!("no continuation, but {:?}", lossy(&answer)));
            }
        }
        self.write(line.connection, literal)
    }

    fn expect(&mut self, line: &Line<'_>, literal: &[u8]) -> Result<(), String> {
        let wanted = line.text.replace("{<<}", &format!("{{{}}}", literal.len()));
        let pattern = self.pattern(&wanted)?;
        let answer = self.read_line(line.connection)?;
        self.take(&pattern, &answer)?;
        if line.text.ends_with("{<<}") {
            let mut bytes = vec![0; literal.len()];
            self.connection(line.connection)?.reader.read_exact(&mut bytes).map_err(|e| e.to_string())?;
            if bytes != literal {
                return Err(format!("the literal is\n{}", lossy(&bytes)));
            }
        }
        Ok(())
    }

    /// Takes lines while they match.
    fn skip(&mut self, line: &Line<'_>) -> Result<(), String> {
        let pattern = self.pattern(line.text)?;
        let connection = self.connection(line.connection)?;
        loop {
            let next = connection.line()?;
            // What is cut off is no line, for whoever wants one.
            if !next.ends_with(b"\n") || !pattern.is_match(next.trim_ascii_end()) {
                connection.ahead = Some(next);
                return Ok(());
            }
        }
    }

    fn take(&mut self, pattern: &Regex, answer: &[u8]) -> Result<(), String> {
        let found = pattern.captures(answer).ok_or_else(|| format!("came {:?}", lossy(answer)))?;
        for name in pattern.capture_names().flatten() {
            if let Some(value) = found.name(name) {
                self.variables.insert(name.to_owned(), lossy(value.as_bytes()));
            }
        }
        Ok(())
    }

    /// `{{*}}`, `{{name=regex}}` and `{{name}}` in otherwise literal text.
    fn pattern(&self, text: &str) -> Result<Regex, String> {
        let mut out = String::from("(?s-u)^");
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (inside, after) = after.split_once("}}").ok_or("{{ without }}")?;
            out.push_str(&regex::escape(before));
            match inside.split_once('=') {
                Some((name, pattern)) => out.push_str(&format!("(?P<{name}>{pattern})")),
                None if inside == "*" => out.push_str(".*"),
                None => out.push_str(&regex::escape(&self.variable(inside)?)),
            }
            rest = after;
        }
        out.push_str(&regex::escape(rest));
        out.push('$');
        Regex::new(&out).map_err(|error| error.to_string())
    }

    fn expand(&self, text: &str) -> String {
        let text = repeat(text);
        self.variables.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        self.variables.get(name).cloned().ok_or_else(|| format!("no variable {name}"))
    }

    fn connection(&mut self, number: u8) -> Result<&mut Connection, String> {
        self.connections.get_mut(&number).ok_or_else(|| format!("connection {number} is not open"))
    }

    fn write(&mut self, connection: u8, bytes: &[u8]) -> Result<(), String> {
        self.connection(connection)?.reader.get_mut().write_all(bytes).map_err(|e| e.to_string())
    }

    fn read_line(&mut self, connection: u8) -> Result<Vec<u8>, String> {
        let line = self.connection(connection)?.line()?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(line.to_vec()),
            None => Err(format!("the connection ended after {:?}", lossy(&line))),
        }
    }
}

/// Puts a text in as often as `{{900*text}}` says.
fn repeat(text: &str) -> String {
    let Some((before, rest)) = text.split_once("{{") else { return text.to_owned() };
    let Some((inner, after)) = rest.split_once("}}") else { return text.to_owned() };
    let many = inner.split_once('*').and_then(|(times, what)| Some(what.repeat(times.parse().ok()?)));
    let inner = many.unwrap_or_else(|| format!("{{{{{inner}}}}}"));
    format!("{before}{inner}{}", repeat(after))
}

fn parse(number: usize, text: &str) -> Result<Option<Line<'_>>, String> {
    if text.trim().is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    if let Some(rest) = text.strip_prefix('!') {
        return Ok(Some(Line { number, connection: 1, mark: '!', kind: ' ', text: rest.trim() }));
    }
    let (connection, rest) = match text.chars().next().and_then(|c| c.to_digit(10)) {
        Some(digit) => (digit as u8, &text[1..]),
        None => (1, text),
    };
    let mut chars = rest.chars();
    let (Some(mark), Some(kind)) = (chars.next(), chars.next()) else {
        return Err(format!("line {number}: cannot be read: {text}"));
    };
    let body = chars.as_str();
    Ok(Some(Line { number, connection, mark, kind, text: body.strip_prefix(' ').unwrap_or(body) }))
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.to_string().as_bytes());
            continue;
        }
        match chars.next() {
            Some('r') => out.push(b'\r'),
            Some('n') => out.push(b'\n'),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            Some(other) => out.extend_from_slice(other.to_string().as_bytes()),
            None => {}
        }
    }
    out
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

//! Authentication-Results that claim to be ours, taken out of what comes from outside (RFC 8601 §5).

use crate::field::fields;

/// Octets of such a field that are kept to read whom it names; a longer one is taken out, whomever it names.
const FIELD_BYTES_MAX: usize = 64 * 1024;
const NAME: &[u8] = b"authentication-results";

/// Whether a whole field, folded or not, is Authentication-Results with this host as its authserv-id.
pub fn is_forged(field: &[u8], host: &str) -> bool {
    let Some(field) = fields(field).next() else { return false };
    let value = field.unfolded();
    let (authority, rest) = authserv_id(&value);
    // One that names nobody at all would be read as the reader's own (RFC 8601 §2.2 requires a name).
    let names_nobody = authority.is_empty() && rest.contains('=');
    field.is("Authentication-Results") && (names_nobody || authority.eq_ignore_ascii_case(host))
}

/// The first word after comments: a token or a quoted string; and what follows.
fn authserv_id(value: &str) -> (String, &str) {
    let mut rest = value;
    loop {
        rest = rest.trim_start();
        match rest.strip_prefix('(') {
            Some(comment) => rest = after_comment(comment),
            None => break,
        }
    }
    let mut id = String::new();
    if let Some(quoted) = rest.strip_prefix('"') {
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => return (id, quoted.get(at + 1..).unwrap_or_default()),
                '\\' => id.extend(chars.next().map(|(_, c)| c)),
                c => id.push(c),
            }
        }
        return (id, "");
    }
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, ';' | '(')).unwrap_or(rest.len());
    let (token, rest) = rest.split_at(end);
    (token.to_owned(), rest)
}

/// What follows a comment, which may hold others.
fn after_comment(comment: &str) -> &str {
    let mut depth = 1usize;
    let mut chars = comment.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return comment.get(at + 1..).unwrap_or_default(),
            ')' => depth -= 1,
            '\\' => _ = chars.next(),
            _ => {}
        }
    }
    ""
}

/// Passes a message on without such fields, in pieces of any size. It keeps what may yet turn out to be one, and nothing
/// else.
pub struct ForgedFilter {
    host: String,
    state: State,
    held: Vec<u8>,
    removed: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// In a name that may be the one, at the start of a line.
    Name,
    /// In the field; `line_ended` behind a newline, where the field may go on.
    Field { line_ended: bool },
    /// In another field.
    Other { line_ended: bool },
    /// Behind the header.
    Body,
}

impl ForgedFilter {
    /// For a host of this name, at the first octet of a message.
    pub fn new(host: &str) -> Self {
        Self { host: host.to_owned(), state: State::Name, held: Vec::new(), removed: 0 }
    }

    /// Fields that were taken out so far.
    pub fn removed(&self) -> usize {
        self.removed
    }

    /// Takes the next piece; what may go on is appended to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if self.state == State::Body {
                out.extend_from_slice(rest);
                return;
            }
            self.step(byte, out);
            rest = after;
        }
    }

    /// At the end of the message.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.release(out);
        self.state = State::Body;
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Name => self.in_name(byte, out),
            State::Field { line_ended: true } | State::Other { line_ended: true } if !matches!(byte, b' ' | b'\t') => {
                self.release(out);
                self.state = State::Name;
                self.in_name(byte, out);
            }
            State::Field { .. } => {
                self.state = State::Field { line_ended: byte == b'\n' };
                if self.held.len() < FIELD_BYTES_MAX {
                    self.held.push(byte);
                }
            }
            State::Other { .. } => {
                self.state = State::Other { line_ended: byte == b'\n' };
                out.push(byte);
            }
            State::Body => out.push(byte),
        }
    }

    fn in_name(&mut self, byte: u8, out: &mut Vec<u8>) {
        // What is held fits already, or is the CR of an empty line: each octet is looked at once.
        let (at, after_cr) = (self.held.len(), self.held.first() == Some(&b'\r'));
        self.held.push(byte);
        let fits = match NAME.get(at) {
            Some(expected) => expected.eq_ignore_ascii_case(&byte),
            None => matches!(byte, b' ' | b'\t'),
        };
        if fits && !after_cr && self.held.len() < FIELD_BYTES_MAX {
            return;
        }
        if at >= NAME.len() && byte == b':' {
            self.state = State::Field { line_ended: false };
            return;
        }
        let so_far = self.held.as_slice();
        // An empty line ends the header; a lone CR waits for what it is.
        if so_far == b"\r" {
            return;
        }
        self.state =
            if so_far == b"\r\n" || so_far == b"\n" { State::Body } else { State::Other { line_ended: byte == b'\n' } };
        out.append(&mut self.held);
    }

    /// What was held goes on, unless it is forged.
    fn release(&mut self, out: &mut Vec<u8>) {
        let in_field = matches!(self.state, State::Field { .. });
        if in_field && (self.held.len() >= FIELD_BYTES_MAX || is_forged(&self.held, &self.host)) {
            self.removed += 1;
            self.held.clear();
        } else {
            out.append(&mut self.held);
        }
    }
}

#[cfg(test)]
mod tests;

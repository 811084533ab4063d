//! Encodes parts that are labelled `binary` anew, as base64, while a message comes; RFC 3516 §4.4 lets a server do so. Whether
//! a message is to pass through here is left to whoever takes it in.
//!
//! Bounded: a header block up to the scanner's limit, one line that may be a delimiter, one line of base64. Invariants:
//! - Everything but the Content-Transfer-Encoding and the body of such a part comes out as it went in.
//! - What a part's body is, the scanner says; how the message is cut into pieces changes nothing.
//! - The line end before a delimiter belongs to it (RFC 2046 §5.1.1), so the last one is held back from encoding.

use crate::field::with_value;
use crate::limits::DELIMITER_LINE_BYTES_MAX;
use crate::scanner::Scanner;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Octets of content in a line of base64: 76 characters (RFC 2045 §6.8).
const LINE_BYTES: usize = 57;

/// Passes a message on, without what IMAP could not send in a literal where that is possible.
#[derive(Debug)]
pub struct Recoder {
    scanner: Scanner,
    place: Place,
}

/// What becomes of the next octets.
#[derive(Debug)]
enum Place {
    /// They are of a header block, which is held back until it is known whether its label changes.
    Header(Vec<u8>),
    /// They come out as they are.
    Plain,
    /// They are the body of a part that is labelled `binary`.
    Body(Body),
}

impl Default for Recoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recoder {
    /// At the first octet of a message.
    pub fn new() -> Self {
        Self { scanner: Scanner::new(), place: Place::Header(Vec::new()) }
    }

    /// Takes the next octets and appends what is known of the message that comes out.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        bytes.split_inclusive(|byte| *byte == b'\n').for_each(|piece| self.take(piece, out));
    }

    /// The message is whole: appends what was held back.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        match &mut self.place {
            Place::Header(held) => out.append(held),
            Place::Plain => {}
            Place::Body(body) if self.scanner.is_delimiter(&body.candidate) => body.end(out),
            Place::Body(body) => body.end_of_message(out),
        }
    }

    /// Takes a line, or a piece of one.
    fn take(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let before = self.scanner.inside();
        match &mut self.place {
            Place::Body(body) => {
                let Some(line) = body.line(piece, &self.scanner) else { return };
                self.scanner.push(&line);
                if self.scanner.inside() == before {
                    return body.content(&line, out);
                }
                body.candidate = line;
                body.end(out);
            }
            Place::Header(held) => {
                held.extend_from_slice(piece);
                self.scanner.push(piece);
                if self.scanner.inside() == before {
                    if held.len() >= self.scanner.header_bytes_max() {
                        // Nobody reads a label so far down.
                        out.append(held);
                        self.place = Place::Plain;
                    }
                    return;
                }
            }
            Place::Plain => {
                out.extend_from_slice(piece);
                self.scanner.push(piece);
                if self.scanner.inside() == before {
                    return;
                }
            }
        }
        self.enter(out);
    }

    /// A header block or a body begins.
    fn enter(&mut self, out: &mut Vec<u8>) {
        let inside = self.scanner.inside();
        self.place = match std::mem::replace(&mut self.place, Place::Plain) {
            Place::Header(header) if inside.binary => {
                out.extend_from_slice(&with_value(&header, "Content-Transfer-Encoding", b" base64"));
                Place::Body(Body::default())
            }
            Place::Header(header) => {
                out.extend_from_slice(&header);
                if inside.header { Place::Header(Vec::new()) } else { Place::Plain }
            }
            Place::Plain | Place::Body(_) if inside.header => Place::Header(Vec::new()),
            Place::Plain | Place::Body(_) => Place::Plain,
        };
    }
}

/// The body of a part on its way into base64.
#[derive(Debug, Default)]
struct Body {
    /// A line that may turn out to be a delimiter.
    candidate: Vec<u8>,
    /// Whether the next octet is in the middle of a line that is content.
    within_line: bool,
    /// The line end that comes before the next octet, or a CR that may become one.
    line_end: Vec<u8>,
    /// Content that does not fill a line yet.
    pending: Vec<u8>,
    /// Whether a line was written.
    written: bool,
}

impl Body {
    /// What can be decided upon: the piece itself, or the candidate that it makes whole or too long.
    fn line(&mut self, piece: &[u8], scanner: &Scanner) -> Option<Vec<u8>> {
        let begins = !self.within_line && piece.first().is_some_and(|first| scanner.decides(*first));
        let ends = piece.ends_with(b"\n");
        self.within_line = !ends;
        if self.candidate.is_empty() && !begins {
            return Some(piece.to_vec());
        }
        self.candidate.extend_from_slice(piece);
        let decided = ends || self.candidate.len() > DELIMITER_LINE_BYTES_MAX;
        decided.then(|| std::mem::take(&mut self.candidate))
    }

    /// Encodes octets, but for a line end behind them.
    fn content(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut content = std::mem::take(&mut self.line_end);
        content.extend_from_slice(bytes);
        let line_end = match content.as_slice() {
            [.., b'\r', b'\n'] => 2,
            [.., b'\r' | b'\n'] => 1,
            [..] => 0,
        };
        self.line_end = content.split_off(content.len() - line_end);
        self.encode(&content, out);
    }

    fn encode(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.pending.extend_from_slice(bytes);
        let whole = self.pending.len() - self.pending.len() % LINE_BYTES;
        let rest = self.pending.split_off(whole);
        let lines = std::mem::replace(&mut self.pending, rest);
        lines.chunks(LINE_BYTES).for_each(|line| self.write(line, out));
    }

    fn write(&mut self, line: &[u8], out: &mut Vec<u8>) {
        if self.written {
            out.extend_from_slice(b"\r\n");
        }
        self.written = true;
        out.extend_from_slice(STANDARD.encode(line).as_bytes());
    }

    /// The candidate is a delimiter.
    fn end(&mut self, out: &mut Vec<u8>) {
        self.flush(out);
        out.append(&mut self.line_end);
        out.append(&mut self.candidate);
    }

    /// Everything that is held back is content.
    fn end_of_message(&mut self, out: &mut Vec<u8>) {
        let candidate = std::mem::take(&mut self.candidate);
        self.content(&candidate, out);
        let line_end = std::mem::take(&mut self.line_end);
        self.encode(&line_end, out);
        self.flush(out);
        if self.written {
            out.extend_from_slice(b"\r\n");
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        let rest = std::mem::take(&mut self.pending);
        if !rest.is_empty() {
            self.write(&rest, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recoded(message: &[u8], step: usize) -> Vec<u8> {
        let (mut recoder, mut out) = (Recoder::new(), Vec::new());
        message.chunks(step).for_each(|piece| recoder.push(piece, &mut out));
        recoder.finish(&mut out);
        out
    }

    fn check(message: &[u8], expected: &[u8]) {
        for step in 1..=message.len() {
            let out = recoded(message, step);
            assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string(), "by {step}");
        }
    }

    #[test]
    fn a_message_that_is_one_part() {
        check(
            b"Subject: a\r\ncontent-transfer-encoding:\r\n (as is) Binary\r\nTo: b\r\n\r\n\x00\r\n\n-",
            b"Subject: a\r\ncontent-transfer-encoding: base64\r\nTo: b\r\n\r\nAA0KCi0=\r\n",
        );
        check(
            b"Content-Transfer-Encoding: binary\n\n0123456789012345678901234567890123456789012345678901234567\r\n",
            b"Content-Transfer-Encoding: base64\n\n\
              MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2\r\nNw0K\r\n",
        );
    }

    #[test]
    fn parts_between_delimiters() {
        check(
            b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n--b\r\n\
              Content-Transfer-Encoding: binary\r\n\r\n\x00\r\n--cc\r\n\r\r\n--b\r\n\r\n\x00\r\n--b\r\n\
              Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\n\
              Content-Transfer-Encoding: binary\n\nx\n--b--\r\n\x00",
            b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n--b\r\n\
              Content-Transfer-Encoding: base64\r\n\r\nAA0KLS1jYw0KDQ==\r\n--b\r\n\r\n\x00\r\n--b\r\n\
              Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\n\
              Content-Transfer-Encoding: base64\n\neA==\n--b--\r\n\x00",
        );
    }

    #[test]
    fn what_is_not_there_is_not_made() {
        let multipart = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n";
        let of = |rest: &[u8]| [multipart, rest].concat();
        check(
            &of(b"Content-Transfer-Encoding: binary\r\n\r\n--b--"),
            &of(b"Content-Transfer-Encoding: base64\r\n\r\n--b--"),
        );
        check(
            &of(b"Content-Transfer-Encoding: binary\r\n\r\n\r\n--b--"),
            &of(b"Content-Transfer-Encoding: base64\r\n\r\n\r\n--b--"),
        );
        let no_body = of(b"Content-Transfer-Encoding: binary\r\n--b\r\nContent-Transfer-Encoding: binary\r\n");
        check(&no_body, &no_body);
        check(b"Content-Transfer-Encoding: binary\r\n\r\n", b"Content-Transfer-Encoding: base64\r\n\r\n");
    }

    #[test]
    fn the_first_label_counts_and_only_up_to_the_limit() {
        check(
            b"Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00",
            b"Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00",
        );
        let filler = vec![b'x'; model::limits::HEADER_BYTES_MAX];
        let long = [b"Content-Transfer-Encoding: binary\r\nA: ".as_slice(), &filler, b"\r\n\r\n\x00"].concat();
        assert!(recoded(&long, 4096) == long);
        assert!(recoded(&long, long.len()) == long);
    }

    #[test]
    fn a_line_that_begins_like_a_delimiter_may_be_long() {
        let head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: binary\r\n\r\n";
        let long = [b"--c".as_slice(), &[0; 5000], b"\r\n--b--\r\n"].concat();
        let out = recoded(&[head, long.as_slice()].concat(), 7);
        assert_eq!(recoded(&[head, long.as_slice()].concat(), usize::MAX), out);
        assert!(out.ends_with(b"\r\n--b--\r\n") && !out.contains(&0), "{}", out.escape_ascii());
    }
}

//! Transparency of DATA (RFC 5321 §4.5.2): dots taken off as the text streams in, put on as it streams out.

use memchr::memmem;

/// What the next piece of a DATA transfer is.
#[derive(Debug, PartialEq, Eq)]
pub enum Unstuffed<'i> {
    /// Text of the message.
    Text(&'i [u8]),
    /// CRLF dot CRLF: the message is whole. What is left of the input is commands.
    End,
    /// All input is used up.
    NeedInput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    LineStart,
    /// A dot at the start of a line, held back.
    Dot,
    /// A dot and a CR at the start of a line, held back.
    DotCr,
    Text,
    /// After a CR that was passed on.
    Cr,
}

/// Takes the dots off. Only CRLF ends a line here, so that a dot between bare line ends is text and never the end: what
/// others take for the end is where smuggled commands begin.
#[derive(Debug)]
pub struct Unstuffer(Position);

impl Default for Unstuffer {
    fn default() -> Self {
        Self(Position::LineStart)
    }
}

impl Unstuffer {
    /// The next piece; takes from `input` what it returns and what it swallows. Nothing is copied.
    pub fn next<'i>(&mut self, input: &mut &'i [u8]) -> Unstuffed<'i> {
        while let Some((&first, rest)) = input.split_first() {
            match (self.0, first) {
                (Position::LineStart, b'.') => (self.0, *input) = (Position::Dot, rest),
                (Position::Dot, b'\r') => (self.0, *input) = (Position::DotCr, rest),
                (Position::DotCr, b'\n') => {
                    (self.0, *input) = (Position::LineStart, rest);
                    return Unstuffed::End;
                }
                // The line goes on after the CR, which was text after all.
                (Position::DotCr, _) => {
                    self.0 = Position::Cr;
                    return Unstuffed::Text(b"\r");
                }
                (Position::Cr, b'\n') => {
                    self.0 = Position::LineStart;
                    return Unstuffed::Text(take(input, 1));
                }
                (Position::LineStart | Position::Dot | Position::Text | Position::Cr, _) => {
                    return Unstuffed::Text(self.text(input));
                }
            }
        }
        Unstuffed::NeedInput
    }

    /// Everything up to the next line that begins with a dot.
    fn text<'i>(&mut self, input: &mut &'i [u8]) -> &'i [u8] {
        let text = match memmem::find(input, b"\r\n.") {
            Some(at) => take(input, at + 2),
            None => std::mem::take(input),
        };
        self.0 = match text {
            [.., b'\r', b'\n'] => Position::LineStart,
            [.., b'\r'] => Position::Cr,
            [..] => Position::Text,
        };
        text
    }
}

fn take<'i>(input: &mut &'i [u8], count: usize) -> &'i [u8] {
    let (head, rest) = input.split_at(count.min(input.len()));
    *input = rest;
    head
}

/// Puts the dots on. Takes text whose lines end with CRLF.
#[derive(Debug)]
pub struct Stuffer(Position);

impl Default for Stuffer {
    fn default() -> Self {
        Self(Position::LineStart)
    }
}

impl Stuffer {
    /// Appends `text`, stuffed, to `out`.
    pub fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        for &byte in text {
            if self.0 == Position::LineStart && byte == b'.' {
                out.push(b'.');
            }
            self.0 = match (self.0, byte) {
                (_, b'\r') => Position::Cr,
                (Position::Cr, b'\n') => Position::LineStart,
                (..) => Position::Text,
            };
            out.push(byte);
        }
    }

    /// Ends the message; an unfinished last line is finished first.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.0 != Position::LineStart {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The text of one transfer, and what followed it, cut into pieces of `size`.
    fn unstuff(wire: &[u8], size: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut unstuffer, mut text) = (Unstuffer::default(), Vec::new());
        let mut chunks = wire.chunks(size.max(1));
        while let Some(mut input) = chunks.next() {
            loop {
                match unstuffer.next(&mut input) {
                    Unstuffed::Text(piece) => text.extend_from_slice(piece),
                    Unstuffed::End => return Some((text, [input, &chunks.collect::<Vec<_>>().concat()].concat())),
                    Unstuffed::NeedInput => break,
                }
            }
        }
        None
    }

    #[test]
    fn dots_and_ends() {
        for (wire, text, rest) in [
            (".\r\n", "", ""),
            ("\r\n.\r\nQUIT", "\r\n", "QUIT"),
            ("a\r\n.\r\n", "a\r\n", ""),
            ("..\r\n.\r\n", ".\r\n", ""),
            (".a\r\n...\r\n.\r\n", "a\r\n..\r\n", ""),
            // What smuggling is made of is text.
            ("a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", ""),
            ("a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", ""),
            ("a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", ""),
            ("a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", ""),
            ("a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", ""),
            ("a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", ""),
        ] {
            for size in 1..=wire.len() {
                let expected = Some((text.as_bytes().to_vec(), rest.as_bytes().to_vec()));
                assert_eq!(unstuff(wire.as_bytes(), size), expected, "{wire:?} by {size}");
            }
        }
        assert_eq!(unstuff(b"a\r\n.", 1), None);
    }

    proptest! {
        #[test]
        fn what_is_stuffed_comes_back(lines in prop::collection::vec("[.a\\x00-\\x09\\x{80}]{0,4}", 0..8), cut in 1usize..9) {
            let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let (mut stuffer, mut wire) = (Stuffer::default(), Vec::new());
            for piece in text.as_bytes().chunks(cut) {
                stuffer.push(piece, &mut wire);
            }
            stuffer.finish(&mut wire);
            prop_assert_eq!(unstuff(&wire, cut), Some((text.into_bytes(), Vec::new())));
        }
    }
}

//! The quoting of mboxrd, as octets go by: a line of any number of `>` and `From ` gets one `>` more, so that no line of a
//! message is taken for the beginning of the next, and what it was can be told.

use std::io::{self, Write};

const FROM: &[u8] = b"From ";

/// Quotes what is written through it. Knows where lines begin, over any pieces.
#[derive(Debug, Default)]
pub struct Quoter {
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// So many `>`, then so many octets of `From `, since the line began; none of them is written yet.
    Start { quotes: usize, matched: usize },
    /// Within a line that is written as it is.
    Within,
}

impl Default for State {
    fn default() -> Self {
        Self::Start { quotes: 0, matched: 0 }
    }
}

impl Quoter {
    /// Writes the next octets of the message.
    pub fn write(&mut self, out: &mut impl Write, mut data: &[u8]) -> io::Result<()> {
        while let Some((&first, rest)) = data.split_first() {
            match self.state {
                State::Within => {
                    let line = memchr::memchr(b'\n', data).map_or(data.len(), |end| end + 1);
                    let (line, after) = data.split_at(line);
                    out.write_all(line)?;
                    if line.ends_with(b"\n") {
                        self.state = State::default();
                    }
                    data = after;
                }
                State::Start { quotes, matched: 0 } if first == b'>' => {
                    self.state = State::Start { quotes: quotes + 1, matched: 0 };
                    data = rest;
                }
                State::Start { quotes, matched } if FROM.get(matched) == Some(&first) => {
                    self.state = State::Start { quotes, matched: matched + 1 };
                    data = rest;
                    if matched + 1 == FROM.len() {
                        out.write_all(b">")?;
                        self.release(out)?;
                    }
                }
                State::Start { .. } => self.release(out)?,
            }
        }
        Ok(())
    }

    /// Writes what was kept back: the message is whole.
    pub fn end(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.release(out)?;
        self.state = State::default();
        Ok(())
    }

    fn release(&mut self, out: &mut impl Write) -> io::Result<()> {
        if let State::Start { quotes, matched } = self.state {
            for _ in 0..quotes {
                out.write_all(b">")?;
            }
            out.write_all(FROM.get(..matched).unwrap_or_default())?;
        }
        self.state = State::Within;
        Ok(())
    }
}

/// What a line means in an mbox.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// It begins with `From `.
    From,
    /// A line of a message, without the quote that was put in front of it.
    Text(&'a [u8]),
}

/// Reads a line, or the beginning of one that is longer than what is read at once.
pub fn unquote(line: &[u8]) -> Line<'_> {
    let quotes = line.iter().take_while(|&&octet| octet == b'>').count();
    match (quotes, line.get(quotes..).is_some_and(|rest| rest.starts_with(FROM))) {
        (0, true) => Line::From,
        (_, true) => Line::Text(line.get(1..).unwrap_or_default()),
        (_, false) => Line::Text(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut quoter, mut out) = (Quoter::default(), Vec::new());
        pieces.iter().for_each(|piece| quoter.write(&mut out, piece).unwrap());
        quoter.end(&mut out).unwrap();
        out
    }

    fn unquoted(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in text.split_inclusive(|&octet| octet == b'\n') {
            match unquote(line) {
                Line::From => panic!("a line of a message begins with From"),
                Line::Text(text) => out.extend_from_slice(text),
            }
        }
        out
    }

    #[test]
    fn lines_are_quoted_and_come_back() {
        let most = ">".repeat(10_000);
        let texts = [
            "From x\r\n>From y\r\n>>From z\nFro\nFrom\n> From\n>\n\nfrom x\n From x\n".to_owned(),
            "From ".to_owned(),
            ">>>".to_owned(),
            "Fro".to_owned(),
            String::new(),
            format!("{most}From x\n"),
            format!("{most}>>From x\n>From x\n"),
        ];
        for text in texts {
            let whole = quoted(&[text.as_bytes()]);
            assert_eq!(unquoted(&whole), text.as_bytes());
            let octets: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(quoted(&octets), whole, "over any pieces");
        }
        assert_eq!(quoted(&[b"a\nFrom x\n>From y\nFrom"]), b"a\n>From x\n>>From y\nFrom");
    }
}

//! Finds places in a message where a shared attachment may begin or end, without understanding MIME.
//!
//! The structure of a message is known only when all of it was read, and by then the pieces of a large one are on disk. So
//! cuts are hints taken line by line: before a line that begins with `-` (every MIME delimiter does), and after the
//! empty line that ends a header. A wrong hint costs a few octets and never a byte of the message: contents are joined
//! again exactly as they were cut. The same attachment in two messages is cut at the same places, and so is stored once.

/// The state of the scan; bounded, whatever the message.
#[derive(Debug)]
pub(crate) struct Cutter {
    line: Line,
    /// Within a header: its empty line ends it and a body begins.
    header: bool,
    /// The cut at this place was answered.
    cut: bool,
}

/// How far a line has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Nothing of it yet.
    Start,
    /// Only a CR.
    Return,
    /// Only a `-`.
    Dash,
    /// Anything else: nothing matters until its line feed.
    Rest,
}

impl Cutter {
    pub(crate) const fn new() -> Self {
        Self { line: Line::Start, header: true, cut: true }
    }

    /// How many of the octets come before the next cut, and whether there is one; without a cut, all of them.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.line == Line::Start && byte == b'-' && !self.cut {
                self.cut = true;
                return (at, true);
            }
            self.cut = false;
            if self.line == Line::Rest {
                let feed = memchr::memchr(b'\n', bytes.get(at..).unwrap_or_default());
                let Some(feed) = feed else { break };
                at += feed + 1;
                self.line = Line::Start;
                continue;
            }
            at += 1;
            if self.step(byte) {
                self.cut = true;
                return (at, true);
            }
        }
        (bytes.len(), false)
    }

    /// Takes one octet near the start of a line; true when it ended a header.
    fn step(&mut self, byte: u8) -> bool {
        let (line, ends) = match (self.line, byte) {
            (Line::Start | Line::Return, b'\n') => (Line::Start, std::mem::take(&mut self.header)),
            (Line::Dash, b'\n') => (Line::Start, false),
            (Line::Start, b'\r') => (Line::Return, false),
            (Line::Start, b'-') => (Line::Dash, false),
            (Line::Dash, b'-') => {
                self.header = true;
                (Line::Rest, false)
            }
            (Line::Start | Line::Return | Line::Dash | Line::Rest, _) => (Line::Rest, false),
        };
        self.line = line;
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The offsets of the cuts, with the message pushed in pieces of `step` octets.
    fn cuts(message: &[u8], step: usize) -> Vec<usize> {
        let (mut cutter, mut at, mut found) = (Cutter::new(), 0, Vec::new());
        for piece in message.chunks(step) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (run, cut) = cutter.next(rest);
                at += run;
                rest = &rest[run..];
                if cut {
                    found.push(at);
                }
            }
        }
        found
    }

    #[test]
    fn bodies_and_delimiters_are_cut_whatever_the_pieces() {
        let message = b"A: b\r\n\r\nhello\r\n\r\n--x\r\nC: d\n\nQUJD\r\n--x--\r\n-\n-- \n";
        let expected = [8, 17, 28, 34, 41, 43];
        for step in 1..=message.len() {
            assert_eq!(cuts(message, step), expected, "{step}");
        }
    }
}

//! A message on its way out as a multi-line answer (RFC 1939 §3): dots doubled, lines ended by CRLF, a single dot at the end.

/// Turns a message's octets into those of the answer, piece by piece.
#[derive(Debug)]
pub struct Text {
    /// Lines of the body that are still wanted; `None` for all.
    lines_left: Option<u64>,
    in_header: bool,
    line: Line,
    done: bool,
}

/// How much of the current line there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Start,
    /// At the start a CR came, and nothing before it.
    StartCr,
    Middle,
    MiddleCr,
}

impl Text {
    /// The whole message.
    pub fn whole() -> Self {
        Self::new(None)
    }

    /// The header, the empty line after it, and so many lines of the body (RFC 1939 §7, TOP).
    pub fn top(lines: u64) -> Self {
        Self::new(Some(lines))
    }

    fn new(lines_left: Option<u64>) -> Self {
        Self { lines_left, in_header: true, line: Line::Start, done: false }
    }

    /// Nothing more of the message is wanted.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Takes the next octets of the message; what is to be sent is added to `out`.
    pub fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        while !self.done && !piece.is_empty() {
            // A whole run up to the next octet that could end a line goes in one go.
            let run = memchr::memchr2(b'\r', b'\n', piece).unwrap_or(piece.len());
            let (text, rest) = piece.split_at(run);
            self.run(text, out);
            let Some((end, rest)) = rest.split_first() else { return };
            self.line_end(*end, out);
            piece = rest;
        }
    }

    fn run(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let Some(first) = text.first() else { return };
        if self.line == Line::Start && *first == b'.' {
            out.push(b'.');
        }
        out.extend_from_slice(text);
        self.line = Line::Middle;
    }

    fn line_end(&mut self, octet: u8, out: &mut Vec<u8>) {
        if octet == b'\r' {
            out.push(b'\r');
            self.line = if self.line == Line::Start { Line::StartCr } else { Line::MiddleCr };
            return;
        }
        // A bare LF ends a line for many clients: what follows could pass for the end of the answer if it stayed one.
        if matches!(self.line, Line::Start | Line::Middle) {
            out.push(b'\r');
        }
        out.push(b'\n');
        let was_empty = matches!(self.line, Line::Start | Line::StartCr);
        self.line = Line::Start;
        match (self.in_header, &mut self.lines_left) {
            (true, left) if was_empty => {
                self.in_header = false;
                self.done = *left == Some(0);
            }
            (true, _) | (false, None) => {}
            (false, Some(left)) => {
                *left = left.saturating_sub(1);
                self.done = *left == 0;
            }
        }
    }

    /// The message has ended: ends the answer.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self.line {
            Line::Start => {}
            Line::StartCr | Line::MiddleCr => out.push(b'\n'),
            Line::Middle => out.extend_from_slice(b"\r\n"),
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sent(mut text: Text, pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in pieces {
            text.push(piece, &mut out);
        }
        text.finish(&mut out);
        out
    }

    #[test]
    fn dots_and_ends() {
        for (message, expected) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b"a\r", b"a\r\n.\r\n"),
            (b".\r\n..\r\n", b"..\r\n...\r\n.\r\n"),
            (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"\n\r\n", b"\r\n\r\n.\r\n"),
        ] {
            assert_eq!(sent(Text::whole(), &[message]), expected, "{message:?}");
        }
    }

    #[test]
    fn the_top_of_a_message() {
        let message = b"Subject: x\r\n\r\n.one\r\n\r\nthree\r\nfour\r\n";
        for (lines, expected) in [
            (0, &b"Subject: x\r\n\r\n.\r\n"[..]),
            (1, b"Subject: x\r\n\r\n..one\r\n.\r\n"),
            (2, b"Subject: x\r\n\r\n..one\r\n\r\n.\r\n"),
            (9, b"Subject: x\r\n\r\n..one\r\n\r\nthree\r\nfour\r\n.\r\n"),
        ] {
            assert_eq!(sent(Text::top(lines), &[message]), expected);
        }
        assert_eq!(sent(Text::top(0), &[b"no: body\r\n"]), b"no: body\r\n.\r\n");
    }

    /// What a client makes of an answer.
    fn received(mut answer: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        loop {
            let at = memchr::memmem::find(answer, b"\r\n").expect("a line") + 2;
            let (line, rest) = answer.split_at(at);
            if line == b".\r\n" {
                assert_eq!(rest, b"");
                return message;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            answer = rest;
        }
    }

    proptest! {
        #[test]
        fn what_was_sent_is_received(lines in proptest::collection::vec("[.a ]{0,5}", 0..20), cut in 0..200_usize) {
            let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let (one, two) = message.as_bytes().split_at(cut.min(message.len()));
            prop_assert_eq!(received(&sent(Text::whole(), &[one, two])), message.as_bytes());
        }

        #[test]
        fn cuts_make_no_difference(message in "[\\r\\n.ab]{0,40}", cut in 0..40_usize, lines in 0..5_u64) {
            let (one, two) = message.as_bytes().split_at(cut.min(message.len()));
            prop_assert_eq!(sent(Text::top(lines), &[one, two]), sent(Text::top(lines), &[message.as_bytes()]));
        }
    }
}

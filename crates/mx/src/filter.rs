//! What a message loses on its way in: Authentication-Results that claim to be ours (RFC 8601 §5), and Return-Path fields at
//! its top, which final delivery writes (RFC 5321 §4.4). Everything else passes octet for octet.

use authentication::ForgedFilter;

const NAME: &[u8] = b"return-path";

/// The filter of one message; holds no more than the field that may have to go.
pub struct Filter {
    top: Top,
    forged: ForgedFilter,
}

impl Filter {
    /// For a host of this name, at the first octet of a message.
    pub fn new(host: &str) -> Self {
        Self { top: Top { state: State::Name, held: Vec::new() }, forged: ForgedFilter::new(host) }
    }

    /// What goes on of the next piece.
    pub fn push(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        if self.top.state == State::Rest {
            self.forged.push(text, &mut out);
        } else {
            let mut topless = Vec::with_capacity(text.len());
            self.top.push(text, &mut topless);
            self.forged.push(&topless, &mut out);
        }
        out
    }

    /// What was held back at the end of the message.
    pub fn finish(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.forged.push(&std::mem::take(&mut self.top.held), &mut out);
        self.forged.finish(&mut out);
        out
    }
}

/// Return-Path fields before any other.
struct Top {
    state: State,
    /// The start of a line that may be one.
    held: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a field.
    Name,
    /// In a Return-Path; `true` behind its newline.
    Dropping(bool),
    /// Behind the last of them.
    Rest,
}

impl Top {
    fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        for (at, byte) in text.iter().enumerate() {
            if let State::Dropping(ended) = self.state {
                if !ended || matches!(byte, b' ' | b'\t') {
                    self.state = State::Dropping(*byte == b'\n');
                    continue;
                }
                self.state = State::Name;
            }
            if self.state == State::Name {
                self.held.push(*byte);
                self.name(out);
                continue;
            }
            out.extend_from_slice(text.get(at..).unwrap_or_default());
            return;
        }
    }

    /// Looks at what is held of a name.
    fn name(&mut self, out: &mut Vec<u8>) {
        let (name, beyond) = self.held.split_at(self.held.len().min(NAME.len()));
        let fits = NAME.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        match beyond {
            [] if fits => {}
            [b':'] if fits => {
                self.held.clear();
                self.state = State::Dropping(false);
            }
            _ => {
                out.append(&mut self.held);
                self.state = State::Rest;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(text: &[u8], step: usize) -> String {
        let mut filter = Filter::new("mx.example.com");
        let mut out: Vec<u8> = text.chunks(step).flat_map(|piece| filter.push(piece)).collect();
        out.extend(filter.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn forged_fields_go_and_nothing_else_changes() {
        let cases: [(&[u8], &str); 6] = [
            (
                b"Return-Path: <a@b>\r\n\tfolded\r\nreturn-path:x\r\nTo: c\r\nReturn-Path: d\r\n\r\nReturn-Path: e",
                "To: c\r\nReturn-Path: d\r\n\r\nReturn-Path: e",
            ),
            (
                b"A: b\r\nAuthentication-Results: MX.example.com;\r\n\tspf=pass\r\nC: d\r\n\r\nx",
                "A: b\r\nC: d\r\n\r\nx",
            ),
            (b"Return-Path: <>\r\nAuthentication-Results: mx.example.com; none\r\n\r\n", "\r\n"),
            (
                b"Authentication-Results: other.example; none\r\n\r\n",
                "Authentication-Results: other.example; none\r\n\r\n",
            ),
            (b"Return-Pat", "Return-Pat"),
            (b"\r\nReturn-Path: body\r\n", "\r\nReturn-Path: body\r\n"),
        ];
        for (text, expected) in cases {
            for step in 1..=text.len() {
                assert_eq!(passed(text, step), expected, "{step}");
            }
        }
    }
}

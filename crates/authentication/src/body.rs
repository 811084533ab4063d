//! The canonical forms of a body (RFC 6376 §3.4.3, §3.4.4), hashed as it goes by.

use vault::Digest;

/// Octets that are gathered before they are hashed: canonical text comes in small pieces.
const BUFFER_BYTES: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Simple,
    Relaxed,
}

/// SHA-256 of a body in one form.
pub(crate) struct BodyHash {
    form: Form,
    digest: Digest,
    buffer: Vec<u8>,
    /// Line ends that count only if a line follows.
    line_ends: u64,
    /// A CR that may begin a line end.
    after_return: bool,
    /// White space that counts only if something follows on the line.
    space: bool,
    /// Whether anything was hashed.
    began: bool,
}

impl BodyHash {
    pub(crate) fn new(form: Form) -> Self {
        Self {
            form,
            digest: Digest::new(),
            buffer: Vec::with_capacity(BUFFER_BYTES),
            line_ends: 0,
            after_return: false,
            space: false,
            began: false,
        }
    }

    /// Takes in the next piece.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((&first, after)) = rest.split_first() {
            if std::mem::take(&mut self.after_return) {
                if first == b'\n' {
                    // What white space was at the end of the line is gone with it.
                    self.space = false;
                    self.line_ends += 1;
                    rest = after;
                    continue;
                }
                self.text(b"\r");
            }
            match first {
                b'\r' => self.after_return = true,
                b' ' | b'\t' if self.form == Form::Relaxed => self.space = true,
                _ => {
                    let end = rest.iter().position(|byte| self.is_special(*byte)).unwrap_or(rest.len());
                    let (text, next) = rest.split_at(end);
                    self.text(text);
                    rest = next;
                    continue;
                }
            }
            rest = after;
        }
    }

    fn is_special(&self, byte: u8) -> bool {
        byte == b'\r' || (self.form == Form::Relaxed && matches!(byte, b' ' | b'\t'))
    }

    /// Text of a line, and what waited for it.
    fn text(&mut self, text: &[u8]) {
        for _ in 0..std::mem::take(&mut self.line_ends) {
            self.hash(b"\r\n");
        }
        if std::mem::take(&mut self.space) {
            self.hash(b" ");
        }
        self.hash(text);
    }

    fn hash(&mut self, bytes: &[u8]) {
        self.began = true;
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.digest.update(&self.buffer);
            self.buffer.clear();
        }
        if bytes.len() > BUFFER_BYTES {
            self.digest.update(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// At the end of the body: without empty lines there, and with a line end if there is a line at all. The simple form has
    /// one even then.
    pub(crate) fn finish(mut self) -> [u8; 32] {
        if std::mem::take(&mut self.after_return) {
            self.text(b"\r");
        }
        if self.began || self.form == Form::Simple {
            self.hash(b"\r\n");
        }
        self.digest.update(&self.buffer);
        self.digest.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(form: Form, body: &[u8], size: usize) -> [u8; 32] {
        let mut hash = BodyHash::new(form);
        body.chunks(size).for_each(|piece| hash.push(piece));
        hash.finish()
    }

    /// RFC 6376 §3.4.5, and the bodies of nothing.
    #[test]
    fn examples() {
        let example = b" C \r\nD \t E\r\n\r\n\r\n";
        for (form, body, canonical) in [
            (Form::Relaxed, example.as_slice(), b" C\r\nD E\r\n".as_slice()),
            (Form::Simple, example, b" C \r\nD \t E\r\n"),
            (Form::Relaxed, b"", b""),
            (Form::Simple, b"", b"\r\n"),
            (Form::Relaxed, b"\r\n\r\n", b""),
            (Form::Simple, b"\r\n\r\n", b"\r\n"),
            (Form::Relaxed, b"  \r\n\t\r\n\r\n", b""),
            (Form::Simple, b"  \r\n\r\n", b"  \r\n"),
            (Form::Relaxed, b"x", b"x\r\n"),
            (Form::Simple, b"x", b"x\r\n"),
            (Form::Relaxed, b"x \r", b"x \r\r\n"),
            (Form::Simple, b"x\ry\nz", b"x\ry\nz\r\n"),
        ] {
            assert_eq!(hash(form, body, 100), vault::digest(canonical), "{form:?} {body:?}");
        }
    }

    /// The forms as the RFC tells them, on a whole body.
    fn told(form: Form, body: &str) -> String {
        let lines = body.split("\r\n").map(|line| match form {
            Form::Simple => line.to_owned(),
            Form::Relaxed => {
                let squeezed =
                    line.replace('\t', " ").split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
                let begins = line.starts_with([' ', '\t']) && !squeezed.is_empty();
                if begins { format!(" {squeezed}") } else { squeezed }
            }
        });
        let text = lines.collect::<Vec<_>>().join("\r\n");
        let text = text.trim_end_matches("\r\n");
        if text.is_empty() && form == Form::Relaxed { String::new() } else { format!("{text}\r\n") }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(body in "( |\t|x|yy|\r\n|\r\n\r\n|\\.){0,30}", size in 1usize..9) {
            for form in [Form::Simple, Form::Relaxed] {
                prop_assert_eq!(hash(form, body.as_bytes(), size), vault::digest(told(form, &body).as_bytes()));
            }
        }
    }
}

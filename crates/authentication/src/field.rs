//! Header fields as octets: taken apart, canonicalised (RFC 6376 §3.4.2), and written folded.

use memchr::memchr;

/// One field: the name as written and the value with its folds and its last CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// The fields of a header, from the top. A line that is no field and continues none is passed over.
pub(crate) fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = header;
    std::iter::from_fn(move || {
        loop {
            let (line, after) = split_field(rest)?;
            rest = after;
            let Some(colon) = memchr(b':', line) else { continue };
            let (name, value) = line.split_at(colon);
            let name = name.trim_ascii_end();
            if !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic()) {
                return Some(Field { name, value: value.get(1..).unwrap_or_default() });
            }
        }
    })
}

/// The first line with those that continue it, and what follows; `None` at the end of the header.
fn split_field(header: &[u8]) -> Option<(&[u8], &[u8])> {
    if header.is_empty() || header.starts_with(b"\r\n") || header.starts_with(b"\n") {
        return None;
    }
    let mut end = 0;
    loop {
        end = match memchr(b'\n', header.get(end..)?) {
            Some(newline) => end + newline + 1,
            None => header.len(),
        };
        if !matches!(header.get(end), Some(b' ' | b'\t')) {
            return header.split_at_checked(end);
        }
    }
}

impl Field<'_> {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// In the "relaxed" form with its CRLF, at the end of `out` (RFC 6376 §3.4.2).
    pub(crate) fn relaxed(&self, out: &mut Vec<u8>) {
        out.extend(self.name.iter().map(u8::to_ascii_lowercase));
        out.push(b':');
        let mut words =
            self.value.split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).filter(|word| !word.is_empty());
        if let Some(first) = words.next() {
            out.extend_from_slice(first);
        }
        for word in words {
            out.push(b' ');
            out.extend_from_slice(word);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The value without folds and the white space around it.
    pub(crate) fn unfolded(&self) -> String {
        let text = String::from_utf8_lossy(self.value);
        text.split(['\r', '\n']).collect::<String>().trim().to_owned()
    }
}

/// Columns that a line of ours has where its words allow it (RFC 5322 §2.1.1).
const LINE_COLUMNS: usize = 78;

/// A field being written, folded before a word that would make the line too long.
pub(crate) struct Folded {
    text: String,
    column: usize,
}

impl Folded {
    /// `Name:`
    pub(crate) fn new(name: &str) -> Self {
        Self { text: format!("{name}:"), column: name.len() + 1 }
    }

    /// A word after a space, or on a line of its own.
    pub(crate) fn word(&mut self, word: &str) {
        if self.column + 1 + word.len() > LINE_COLUMNS {
            self.line();
        } else {
            self.text.push(' ');
            self.column += 1;
        }
        self.glue(word);
    }

    /// Right behind the last word.
    pub(crate) fn glue(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.len();
    }

    /// A new line.
    pub(crate) fn line(&mut self) {
        self.text.push_str("\r\n\t");
        self.column = 1;
    }

    /// Text that may be broken anywhere, such as base64.
    pub(crate) fn breakable(&mut self, text: &str) {
        let mut rest = text;
        loop {
            let room = LINE_COLUMNS.saturating_sub(self.column).max(1);
            match rest.split_at_checked(room) {
                Some((line, after)) if !after.is_empty() => {
                    self.glue(line);
                    self.line();
                    rest = after;
                }
                _ => return self.glue(rest),
            }
        }
    }

    /// With the last CRLF.
    pub(crate) fn finish(self) -> String {
        self.text + "\r\n"
    }

    /// As it stands, without the last CRLF.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_header() {
        let header = b"A: 1\r\n 2\r\nno field\r\nB :3\r\n: none\r\nC:\r\n\r\nD: body\r\n";
        let found: Vec<_> = fields(header).map(|field| (field.name, field.value)).collect();
        let expected: Vec<(&[u8], &[u8])> = vec![(b"A", b" 1\r\n 2\r\n"), (b"B", b"3\r\n"), (b"C", b"\r\n")];
        assert_eq!(found, expected);
        assert_eq!(fields(b"").count() + fields(b"\r\n").count(), 0);
    }

    /// RFC 6376 §3.4.5, the examples.
    #[test]
    fn relaxed_form() {
        let mut out = Vec::new();
        fields(b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n").for_each(|field| field.relaxed(&mut out));
        assert_eq!(out, b"a:X\r\nb:Y Z\r\n");
    }

    #[test]
    fn folding() {
        let mut field = Folded::new("X");
        for _ in 0..20 {
            field.word("1234567");
        }
        field.word("b=");
        field.breakable(&"x".repeat(200));
        let text = field.finish();
        assert!(text.ends_with("\r\n") && text.lines().all(|line| line.len() <= 78), "{text}");
        assert_eq!(text.matches('x').count(), 200);
    }
}

//! Object ids as IMAP shows them (RFC 8474 §4): a letter for what it is, and the node's number.

use super::cursor::Cursor;
use super::writer;

/// What an id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// A folder: MAILBOXID.
    Folder,
    /// Content: EMAILID.
    Email,
    /// Messages that belong together: THREADID.
    Thread,
}

impl Object {
    const fn letter(self) -> u8 {
        match self {
            Self::Folder => b'F',
            Self::Email => b'E',
            Self::Thread => b'T',
        }
    }
}

/// Appends an id.
pub fn write(out: &mut Vec<u8>, object: Object, number: u64) {
    out.push(object.letter());
    writer::number(out, number);
}

/// An id as text.
pub fn text(object: Object, number: u64) -> String {
    format!("{}{number}", char::from(object.letter()))
}

/// The number of an id that a client sends back; `None` when we never gave out one like it.
pub fn parse(text: &[u8], object: Object) -> Option<u64> {
    let (letter, digits) = text.split_first()?;
    let mut cursor = Cursor::new(digits);
    let number = cursor.number64().ok()?;
    // One id has one form.
    let ours = *letter == object.letter() && self::text(object, number).as_bytes() == text;
    ours.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back() {
        let mut out = Vec::new();
        write(&mut out, Object::Email, 42);
        assert_eq!(out, b"E42");
        assert_eq!(parse(&out, Object::Email), Some(42));
        for other in [&b"T42"[..], b"E", b"", b"E042", b"E42x", b"e42", b"E99999999999999999999"] {
            assert_eq!(parse(other, Object::Email), None);
        }
        assert_eq!(text(Object::Folder, 0), "F0");
    }
}

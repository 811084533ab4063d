//! The URLs of CATENATE (RFC 4469 §3, RFC 5092): messages of the same mailbox, and pieces of them.
//!
//! A URL is relative, with the folder (`/INBOX;UIDVALIDITY=1/;UID=2/;SECTION=1`) or without it (`/;UID=2` and `;UID=2` mean the
//! selected one). One that names a server is not looked at: whether it is this one the client knows better than we do.

use crate::codec::cursor::Cursor;
use crate::command::fetch::{Form, Kind, Section};
use model::{FolderName, Uid};

/// A message or a piece of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    /// Where; `None` for the selected folder.
    pub(super) folder: Option<FolderName>,
    /// What the folder's UIDVALIDITY must be.
    pub(super) uid_validity: Option<u32>,
    /// Which message.
    pub(super) uid: Uid,
    /// What of it.
    pub(super) section: Section,
}

/// Reads a URL; `None` when it is none that names a message here.
pub(super) fn parse(text: &[u8]) -> Option<Url> {
    let text = std::str::from_utf8(text).ok()?;
    // `;UID=` begins what is relative to a folder, and cannot stand in the folder's name, where `;` is written %3B.
    let at = find(text, ";UID=")?;
    let (before, message) = (text.get(..at)?, text.get(at + 5..)?);
    let (folder, uid_validity) = folder(before)?;
    let mut words = message.split("/;");
    let uid = Uid::new(number(words.next()?)?)?;
    let mut section = Section { form: Form::Peek, part: Vec::new(), kind: Kind::All, partial: None };
    let mut rest = words.next();
    if let Some(name) = rest.and_then(|word| value(word, "SECTION=")) {
        section = piece(&decoded(name)?)?;
        rest = words.next();
    }
    if let Some(range) = rest.and_then(|word| value(word, "PARTIAL=")) {
        section.partial = Some(partial(range)?);
        rest = words.next();
    }
    // URLAUTH and what else there may be is for others than the owner.
    rest.is_none().then_some(Url { folder, uid_validity, uid, section })
}

/// `/folder;UIDVALIDITY=n/`, or next to nothing.
fn folder(text: &str) -> Option<(Option<FolderName>, Option<u32>)> {
    if text.is_empty() || text == "/" {
        return Some((None, None));
    }
    let name = text.strip_prefix('/').filter(|name| !name.starts_with('/'))?.strip_suffix('/')?;
    let (name, validity) = match find(name, ";UIDVALIDITY=") {
        Some(at) => (name.get(..at)?, Some(number(name.get(at + 13..)?)?)),
        None => (name, None),
    };
    // RFC 5092 §8: the name is UTF-8, percent-encoded.
    let name = String::from_utf8(decoded(name)?).ok()?;
    Some((Some(FolderName::parse(&name).ok()?), validity))
}

/// What a section is called in FETCH is what it is called here.
fn piece(name: &[u8]) -> Option<Section> {
    if name.is_empty() {
        return None;
    }
    let text = [b"[", name, b"]"].concat();
    let mut cursor = Cursor::new(&text);
    let section = Section::parse(b"BODY.PEEK", &mut cursor).ok()??;
    cursor.rest().is_empty().then_some(section)
}

/// `offset` or `offset.length`
fn partial(text: &str) -> Option<(u64, u64)> {
    let bounded = |digits: &str| Cursor::new(digits.as_bytes()).number64().ok().filter(|_| is_digits(digits));
    match text.split_once('.') {
        Some((offset, length)) => Some((bounded(offset)?, bounded(length)?)),
        None => Some((bounded(text)?, i64::MAX as u64)),
    }
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| is_digits(text))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn value<'a>(word: &'a str, name: &str) -> Option<&'a str> {
    let (head, value) = word.split_at_checked(name.len())?;
    head.eq_ignore_ascii_case(name).then_some(value)
}

/// Where a word in capitals stands, in any case.
fn find(text: &str, word: &str) -> Option<usize> {
    text.to_ascii_uppercase().find(word)
}

/// Undoes percent-encoding (RFC 3986 §2.1).
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        let digits =
            std::str::from_utf8(&digits).ok().filter(|digits| digits.bytes().all(|d| d.is_ascii_hexdigit()))?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a URL"))
    }

    fn names(text: &str) -> (Option<String>, Option<u32>, u32) {
        let url = url(text);
        (url.folder.map(|name| name.as_str().to_owned()), url.uid_validity, url.uid.get())
    }

    #[test]
    fn messages_by_folder_and_in_the_selected_one() {
        assert_eq!(names("/INBOX/;UID=20"), (Some("INBOX".into()), None, 20));
        assert_eq!(names("/Drafts;UIDVALIDITY=385759045/;uid=20"), (Some("Drafts".into()), Some(385_759_045), 20));
        assert_eq!(names("/a/b%3B%20%C3%A6/;UID=1"), (Some("a/b; \u{e6}".into()), None, 1));
        for selected in [";UID=7", "/;UID=7"] {
            assert_eq!(names(selected), (None, None, 7));
        }
        assert_eq!(url(";UID=7").section.kind, Kind::All);
    }

    #[test]
    fn sections_and_partials() {
        let part = url("/INBOX/;UID=20/;SECTION=1.2").section;
        assert_eq!((part.part, part.kind, part.partial), (vec![1, 2], Kind::All, None));
        let mime = url("/INBOX/;UID=20/;section=1.2.MIME/;PARTIAL=5.1024").section;
        assert_eq!((mime.part, mime.kind, mime.partial), (vec![1, 2], Kind::Mime, Some((5, 1024))));
        let fields = url(";UID=20/;SECTION=HEADER.FIELDS%20(From%20To)/;PARTIAL=3").section;
        assert_eq!(fields.kind, Kind::Fields { not: false, names: vec!["From".into(), "To".into()] });
        assert_eq!(fields.partial, Some((3, i64::MAX as u64)));
    }

    #[test]
    fn what_names_no_message_here() {
        for text in [
            "",
            "/INBOX",
            "INBOX/;UID=1",
            "//INBOX/;UID=1",
            "/INBOX;UID=1",
            "/INBOX/;UID=0",
            "/INBOX/;UID=+1",
            "/INBOX/;UID=x",
            "/INBOX/;UID=1/",
            "/INBOX/;UID=1/;SECTION=",
            "/INBOX/;UID=1/;SECTION=1]<0.1>[",
            "/INBOX/;UID=1/;SECTION=NONSENSE",
            "/INBOX/;UID=1/;PARTIAL=",
            "/INBOX/;UID=1/;PARTIAL=1.x",
            "/INBOX/;UID=1/;PARTIAL=0.1/;SECTION=1",
            "/INBOX;UIDVALIDITY=x/;UID=1",
            "/IN%4/;UID=1",
            "/IN%FF/;UID=1",
            "/INBOX/;UID=1/;URLAUTH=anonymous",
            "imap://elsewhere.test/INBOX/;UID=1",
            "\u{130};UID=1",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"\xff;UID=1"), None);
    }
}

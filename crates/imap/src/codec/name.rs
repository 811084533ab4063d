//! Folder names as clients write and read them: modified UTF-7, or UTF-8 once the client has enabled that.

use super::cursor::{Cursor, Parsed};
use super::{mutf7, writer};
use model::folder::SEPARATOR;
use model::{FolderName, FolderNameError};

/// A folder's name. One that cannot be is no malformed command: it becomes a NO that says why.
pub type Name = Result<FolderName, NameError>;

/// Why a folder cannot have this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not the canonical form of modified UTF-7, or not UTF-8.
    #[error("The folder name is not in the encoding that is agreed on, modified UTF-7 or UTF-8")]
    Encoding,
    /// The name itself.
    #[error(transparent)]
    Name(#[from] FolderNameError),
}

/// `mailbox` (RFC 3501 §9, RFC 9051 §9).
pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Name> {
    let text = cursor.astring()?;
    Ok(read(&text, cursor.utf8_names()))
}

/// `mailbox` of a CREATE: a separator at the end only says that folders below it are planned (RFC 3501 §6.3.3).
pub fn parse_new(cursor: &mut Cursor<'_>) -> Parsed<Name> {
    let text = cursor.astring()?;
    Ok(read(text.strip_suffix(&[SEPARATOR as u8]).unwrap_or(&text), cursor.utf8_names()))
}

/// The text of a name or a pattern. RFC 6855 §3: where UTF-8 is agreed on, `&` is a character like any other.
pub fn decode(text: &[u8], utf8: bool) -> Option<String> {
    if utf8 { std::str::from_utf8(text).ok().map(str::to_owned) } else { mutf7::decode(text) }
}

/// Appends a name as an astring.
pub fn write(out: &mut Vec<u8>, name: &str, utf8: bool) {
    if utf8 { writer::utf8_astring(out, name) } else { writer::astring(out, mutf7::encode(name).as_bytes()) }
}

fn read(text: &[u8], utf8: bool) -> Name {
    let name = decode(text, utf8).ok_or(NameError::Encoding)?;
    Ok(FolderName::parse(&name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings() {
        let written = |utf8| {
            let mut out = Vec::new();
            write(&mut out, "Entwürfe & mehr", utf8);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(false), "\"Entw&APw-rfe &- mehr\"");
        assert_eq!(written(true), "\"Entwürfe & mehr\"");
        for utf8 in [false, true] {
            let text = written(utf8);
            let name = parse(&mut Cursor::new(text.as_bytes()).with_utf8_names(utf8)).unwrap();
            assert_eq!(name.unwrap().as_str(), "Entwürfe & mehr");
        }
        let latin = parse(&mut Cursor::new(b"{3}\r\n\xe4\xf6\xfc").with_utf8_names(true)).unwrap();
        assert_eq!(latin, Err(NameError::Encoding));
    }
}

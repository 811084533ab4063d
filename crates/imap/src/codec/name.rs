//! Folder names as clients write them.

use super::cursor::{Cursor, Parsed};
use super::mutf7;
use model::folder::SEPARATOR;
use model::{FolderName, FolderNameError};

/// A folder's name. One that cannot be is no malformed command: it becomes a NO that says why.
pub type Name = Result<FolderName, NameError>;

/// Why a folder cannot have this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not the canonical form of modified UTF-7.
    #[error("The folder name is not modified UTF-7")]
    Encoding,
    /// The name itself.
    #[error(transparent)]
    Name(#[from] FolderNameError),
}

/// `mailbox` (RFC 3501 §9).
pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Name> {
    Ok(read(&cursor.astring()?))
}

/// `mailbox` of a CREATE: a separator at the end only says that folders below it are planned (RFC 3501 §6.3.3).
pub fn parse_new(cursor: &mut Cursor<'_>) -> Parsed<Name> {
    let text = cursor.astring()?;
    Ok(read(text.strip_suffix(&[SEPARATOR as u8]).unwrap_or(&text)))
}

fn read(text: &[u8]) -> Name {
    let name = mutf7::decode(text).ok_or(NameError::Encoding)?;
    Ok(FolderName::parse(&name)?)
}

//! Folder names as the mailbox stores them: UTF-8, levels separated by `/`, INBOX in any case is `INBOX`.

use crate::limits::{FOLDER_LEVELS_MAX, FOLDER_NAME_BYTES_MAX};
use std::fmt;

/// The hierarchy separator.
pub const SEPARATOR: char = '/';
/// The folder that always exists (RFC 9051 §5.1).
pub const INBOX: &str = "INBOX";

/// A checked folder name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderName(String);

/// Why a name cannot be a folder's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FolderNameError {
    /// Nothing is left of it.
    #[error("the folder name is empty")]
    Empty,
    /// Over [`FOLDER_NAME_BYTES_MAX`] or [`FOLDER_LEVELS_MAX`].
    #[error("the folder name is too long or too deep")]
    TooLong,
    /// A level between two separators is empty.
    #[error("the folder name has an empty level")]
    EmptyLevel,
    /// A control character, or one of the list wildcards `*` and `%`.
    #[error("the folder name has a character that is not allowed")]
    Character,
}

impl FolderName {
    /// Checks and normalises (NFC; a first level that is INBOX in any case becomes `INBOX`; RFC 9051 §5.1).
    pub fn parse(name: &str) -> Result<Self, FolderNameError> {
        use unicode_normalization::UnicodeNormalization;
        if name.is_empty() {
            return Err(FolderNameError::Empty);
        }
        if name.len() > FOLDER_NAME_BYTES_MAX || name.split(SEPARATOR).count() > FOLDER_LEVELS_MAX {
            return Err(FolderNameError::TooLong);
        }
        // RFC 9051 §5.1: C0 and C1 controls and the line and paragraph separators SHOULD NOT stand in a name.
        if name.chars().any(|c| c.is_control() || matches!(c, '*' | '%' | '\u{2028}' | '\u{2029}')) {
            return Err(FolderNameError::Character);
        }
        if name.split(SEPARATOR).any(str::is_empty) {
            return Err(FolderNameError::EmptyLevel);
        }
        // ASCII is composed as it stands; most names are, and a list of folders reads thousands.
        let name: String = if name.is_ascii() { name.to_owned() } else { name.nfc().collect() };
        let (first, rest) =
            name.split_once(SEPARATOR).map_or((name.as_str(), None), |(first, rest)| (first, Some(rest)));
        if !first.eq_ignore_ascii_case(INBOX) {
            return Ok(Self(name));
        }
        Ok(Self(rest.map_or_else(|| INBOX.to_owned(), |rest| format!("{INBOX}/{rest}"))))
    }

    /// INBOX.
    pub fn inbox() -> Self {
        Self(INBOX.to_owned())
    }
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Whether this is INBOX itself.
    pub fn is_inbox(&self) -> bool {
        self.0 == INBOX
    }
    /// The name one level up, `None` at the top.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once(SEPARATOR).map(|(parent, _)| Self(parent.to_owned()))
    }
    /// Whether this name is below the other.
    pub fn is_below(&self, other: &Self) -> bool {
        self.0.strip_prefix(&other.0).is_some_and(|rest| rest.starts_with(SEPARATOR))
    }
}

impl fmt::Display for FolderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A folder's special use (RFC 6154).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecialUse {
    /// `\All`
    All,
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Flagged`
    Flagged,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

impl SpecialUse {
    /// Every special use.
    pub const ALL: [Self; 7] =
        [Self::All, Self::Archive, Self::Drafts, Self::Flagged, Self::Junk, Self::Sent, Self::Trash];

    /// The attribute as IMAP writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }

    /// The special use of this attribute, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.name().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_has_no_case_and_others_do() {
        assert_eq!(FolderName::parse("inBox").map(|n| n.to_string()), Ok("INBOX".into()));
        assert_eq!(FolderName::parse("inbox/Lists").map(|n| n.to_string()), Ok("INBOX/Lists".into()));
        assert_ne!(FolderName::parse("Inboxes"), FolderName::parse("INBOXes"));
    }

    #[test]
    fn bad_names_say_why() {
        assert_eq!(FolderName::parse(""), Err(FolderNameError::Empty));
        assert_eq!(FolderName::parse("a//b"), Err(FolderNameError::EmptyLevel));
        assert_eq!(FolderName::parse("/a"), Err(FolderNameError::EmptyLevel));
        assert_eq!(FolderName::parse("a\0b"), Err(FolderNameError::Character));
        assert_eq!(FolderName::parse("a*"), Err(FolderNameError::Character));
        assert_eq!(FolderName::parse(&"x/".repeat(40)), Err(FolderNameError::TooLong));
    }

    #[test]
    fn names_are_composed_and_know_their_family() {
        let name = FolderName::parse("Cafe\u{301}/x");
        assert_eq!(name.as_ref().map(FolderName::as_str), Ok("Caf\u{e9}/x"));
        let (child, parent) = (name.unwrap(), FolderName::parse("Café").unwrap());
        assert!(child.is_below(&parent));
        assert_eq!(child.parent(), Some(parent.clone()));
        assert!(!FolderName::parse("Cafés").unwrap().is_below(&parent));
    }
}

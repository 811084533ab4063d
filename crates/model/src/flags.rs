//! System flags as bits and keywords as checked text (RFC 9051 §2.3.2).

use std::fmt;

/// One system flag; the value is its bit in [`Flags`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Flag {
    /// `\Seen`
    Seen = 1,
    /// `\Answered`
    Answered = 2,
    /// `\Flagged`
    Flagged = 4,
    /// `\Deleted`
    Deleted = 8,
    /// `\Draft`
    Draft = 16,
}

impl Flag {
    /// Every system flag that can be stored.
    pub const ALL: [Self; 5] = [Self::Answered, Self::Flagged, Self::Deleted, Self::Seen, Self::Draft];

    /// The name as IMAP writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seen => "\\Seen",
            Self::Answered => "\\Answered",
            Self::Flagged => "\\Flagged",
            Self::Deleted => "\\Deleted",
            Self::Draft => "\\Draft",
        }
    }

    /// The flag of this name in any case, `None` for anything else.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.name().eq_ignore_ascii_case(name))
    }
}

/// A set of system flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u32);

impl Flags {
    /// No flags.
    pub const NONE: Self = Self(0);
    /// Every bit that is a system flag.
    pub const MASK: u32 = 31;

    /// From bits; unknown bits are dropped.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::MASK)
    }
    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0
    }
    /// Whether the flag is in the set.
    pub const fn has(self, flag: Flag) -> bool {
        self.0 & flag as u32 != 0
    }
    /// The set with the flag.
    #[must_use]
    pub const fn with(self, flag: Flag) -> Self {
        Self(self.0 | flag as u32)
    }
    /// The union.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// This set without the other's flags.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// The flags of the set.
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.into_iter().filter(move |flag| self.has(*flag))
    }
}

impl FromIterator<Flag> for Flags {
    fn from_iter<T: IntoIterator<Item = Flag>>(flags: T) -> Self {
        flags.into_iter().fold(Self::NONE, Self::with)
    }
}

/// A keyword: an IMAP atom, at most [`crate::limits::KEYWORD_BYTES_MAX`] bytes, compared without case.
#[derive(Clone, Eq)]
pub struct Keyword(String);

impl Keyword {
    /// A keyword from an atom; `None` when it is empty, too long or holds an atom-special.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=crate::limits::KEYWORD_BYTES_MAX).contains(&text.len());
        let atom = text.bytes().all(|b| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b));
        (fits && atom).then(|| Self(text.to_owned()))
    }
    /// As the client first wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}
impl std::hash::Hash for Keyword {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_ascii_lowercase().hash(state);
    }
}
impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Keyword {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.to_ascii_lowercase().cmp(&other.0.to_ascii_lowercase())
    }
}
impl fmt::Debug for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_atoms_without_case() {
        assert_eq!(Keyword::parse("$Junk"), Keyword::parse("$junk"));
        for bad in ["", "a b", "\\Seen", "a(b", "a]", "ä", "a\"", "a%"] {
            assert!(Keyword::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn flags_by_name_and_bit() {
        assert_eq!(Flag::parse("\\SEEN"), Some(Flag::Seen));
        assert_eq!(Flag::parse("\\Recent"), None);
        let set = Flags::NONE.with(Flag::Seen).with(Flag::Draft);
        assert_eq!(Flags::from_bits(set.bits() | 1 << 20), set);
        assert_eq!(set.iter().collect::<Flags>(), set);
    }
}

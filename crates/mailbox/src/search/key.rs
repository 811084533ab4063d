//! What SEARCH asks for; mirrors the wire's `SearchKey`.

use crate::error::Error;
use model::limits::{SEARCH_DEPTH_MAX, SEARCH_KEYS_MAX};
use model::{Flag, Keyword, ModSeq, UidSet};

/// How a date is compared, disregarding time and zone (RFC 9051 §6.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateRelation {
    /// Earlier than the day.
    Before,
    /// Within the day.
    On,
    /// Within the day or later.
    Since,
}

impl DateRelation {
    /// Whether `day` stands in this relation to `asked`; both in days since 1970-01-01.
    pub(crate) const fn holds(self, day: i64, asked: i32) -> bool {
        match self {
            Self::Before => day < asked as i64,
            Self::On => day == asked as i64,
            Self::Since => day >= asked as i64,
        }
    }
}

/// A search program. `RECENT` is a session's notion: the caller writes it as `Uids`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchKey {
    /// Every message.
    Everything,
    /// Every key holds; true when there is none.
    AllOf(Vec<SearchKey>),
    /// One key holds at least; false when there is none.
    AnyOf(Vec<SearchKey>),
    /// The key does not hold.
    Not(Box<SearchKey>),
    /// One of these messages.
    Uids(UidSet),
    /// The flag is set.
    FlagSet(Flag),
    /// The keyword is set.
    KeywordSet(Keyword),
    /// A field of the top header contains the text, without case; an empty value: the field exists.
    Header {
        /// Field name.
        name: String,
        /// Text.
        value: String,
    },
    /// Text of the body, decoded, without case.
    Body(String),
    /// Text of header or body, decoded, without case.
    Text(String),
    /// INTERNALDATE, in days since 1970-01-01.
    InternalDate(DateRelation, i32),
    /// The Date field, in days since 1970-01-01.
    SentDate(DateRelation, i32),
    /// More octets than this.
    Larger(u64),
    /// Fewer octets than this.
    Smaller(u64),
    /// MODSEQ at least (RFC 7162 §3.1.5).
    ModSeqAtLeast(ModSeq),
}

impl SearchKey {
    /// Whether the program keeps the limits on depth and number of keys.
    pub(crate) fn check(&self) -> Result<(), Error> {
        fn walk(key: &SearchKey, depth: usize, keys: &mut usize) -> Result<(), Error> {
            *keys += 1;
            if depth > SEARCH_DEPTH_MAX {
                return Err(Error::BadSearch("too many levels"));
            }
            if *keys > SEARCH_KEYS_MAX {
                return Err(Error::BadSearch("too many keys"));
            }
            match key {
                SearchKey::AllOf(keys_of) | SearchKey::AnyOf(keys_of) => {
                    keys_of.iter().try_for_each(|each| walk(each, depth + 1, keys))
                }
                SearchKey::Not(inner) => walk(inner, depth + 1, keys),
                SearchKey::Everything
                | SearchKey::Uids(_)
                | SearchKey::FlagSet(_)
                | SearchKey::KeywordSet(_)
                | SearchKey::Header { .. }
                | SearchKey::Body(_)
                | SearchKey::Text(_)
                | SearchKey::InternalDate(..)
                | SearchKey::SentDate(..)
                | SearchKey::Larger(_)
                | SearchKey::Smaller(_)
                | SearchKey::ModSeqAtLeast(_) => Ok(()),
            }
        }
        walk(self, 1, &mut 0)
    }

    /// A superset of the UIDs that can be found, when the program itself names one.
    pub(crate) fn bound(&self) -> Option<UidSet> {
        match self {
            Self::Uids(uids) => Some(uids.clone()),
            Self::AllOf(keys) => keys.iter().filter_map(Self::bound).reduce(|bound, next| bound.intersection(&next)),
            Self::AnyOf(keys) if !keys.is_empty() => {
                let bounds: Option<Vec<_>> = keys.iter().map(Self::bound).collect();
                bounds.map(|all| all.iter().fold(UidSet::new(), |union, each| union.union(each)))
            }
            Self::AnyOf(_)
            | Self::Not(_)
            | Self::Everything
            | Self::FlagSet(_)
            | Self::KeywordSet(_)
            | Self::Header { .. }
            | Self::Body(_)
            | Self::Text(_)
            | Self::InternalDate(..)
            | Self::SentDate(..)
            | Self::Larger(_)
            | Self::Smaller(_)
            | Self::ModSeqAtLeast(_) => None,
        }
    }
}

/// One step's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchStep {
    /// What was found in this step.
    pub found: UidSet,
    /// The highest MODSEQ among them; zero when nothing was found.
    pub highest_modseq: ModSeq,
    /// Everything has been looked at.
    pub done: bool,
}

//! What SEARCH asks for; mirrors the wire's `SearchKey`.

use super::pattern::{Pattern, Place};
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
    /// INTERNALDATE is this instant or later, in milliseconds since 1970-01-01 UTC (RFC 5032 YOUNGER).
    ReceivedFrom(i64),
    /// INTERNALDATE is this instant or earlier (RFC 5032 OLDER).
    ReceivedUntil(i64),
    /// The day the message was saved in the folder (RFC 8514), in days since 1970-01-01.
    SavedDate(DateRelation, i32),
    /// The email of this number (RFC 8474 EMAILID).
    Email(u64),
    /// An email of the thread of this number (RFC 8474 THREADID).
    Thread(u64),
    /// The pattern is found there.
    Matches(Place, Pattern),
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
                | SearchKey::ModSeqAtLeast(_)
                | SearchKey::ReceivedFrom(_)
                | SearchKey::ReceivedUntil(_)
                | SearchKey::SavedDate(..)
                | SearchKey::Email(_)
                | SearchKey::Thread(_)
                | SearchKey::Matches(..) => Ok(()),
            }
        }
        walk(self, 1, &mut 0)
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

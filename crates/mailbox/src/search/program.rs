//! A search program made ready for one mailbox: text folded, keywords by number, cheap tests before dear ones.

use super::fold::fold;
use super::key::{DateRelation, SearchKey};
use super::pattern::{Pattern, Place};
use crate::keywords::KeywordMap;
use model::{Flag, ModSeq, UidSet};

/// One test; what it looks at decides what it costs.
#[derive(Debug)]
pub(crate) enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Uids(UidSet),
    Flag(Flag),
    /// `None`: no message of the mailbox ever had it.
    Keyword(Option<u8>),
    InternalDate(DateRelation, i32),
    Larger(u64),
    Smaller(u64),
    ModSeqAtLeast(ModSeq),
    SentDate(DateRelation, i32),
    Column(Column, String),
    Field {
        name: String,
        value: String,
    },
    Body(String),
    Text(String),
    ReceivedFrom(i64),
    ReceivedUntil(i64),
    SavedDate(DateRelation, i32),
    Email(u64),
    Thread(u64),
    Matches(Place, Pattern),
}

/// A field that has a column of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Subject,
    From,
    To,
    Cc,
    Bcc,
    MessageId,
    InReplyTo,
}

impl Column {
    fn of(name: &str) -> Option<Self> {
        let named = [
            ("subject", Self::Subject),
            ("from", Self::From),
            ("to", Self::To),
            ("cc", Self::Cc),
            ("bcc", Self::Bcc),
            ("message-id", Self::MessageId),
            ("in-reply-to", Self::InReplyTo),
        ];
        named.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, column)| column)
    }
}

impl Test {
    pub(crate) fn new(key: &SearchKey, keywords: &KeywordMap) -> Self {
        match key {
            SearchKey::Everything => Self::All(Vec::new()),
            SearchKey::AllOf(keys) => Self::All(by_cost(keys, keywords)),
            SearchKey::AnyOf(keys) => Self::Any(by_cost(keys, keywords)),
            SearchKey::Not(key) => Self::Not(Box::new(Self::new(key, keywords))),
            SearchKey::Uids(uids) => Self::Uids(uids.clone()),
            SearchKey::FlagSet(flag) => Self::Flag(*flag),
            SearchKey::KeywordSet(keyword) => Self::Keyword(keywords.id(keyword)),
            SearchKey::Header { name, value } => match Column::of(name) {
                // An empty value asks whether the field exists, which an empty column cannot tell.
                Some(column) if !value.is_empty() => Self::Column(column, fold(value)),
                Some(_) | None => Self::Field { name: name.clone(), value: fold(value) },
            },
            // The empty text is in every message, also in one without a text that could be searched.
            SearchKey::Body(text) | SearchKey::Text(text) if text.is_empty() => Self::All(Vec::new()),
            SearchKey::Body(text) => Self::Body(fold(text)),
            SearchKey::Text(text) => Self::Text(fold(text)),
            SearchKey::InternalDate(relation, day) => Self::InternalDate(*relation, *day),
            SearchKey::SentDate(relation, day) => Self::SentDate(*relation, *day),
            SearchKey::Larger(size) => Self::Larger(*size),
            SearchKey::Smaller(size) => Self::Smaller(*size),
            SearchKey::ModSeqAtLeast(modseq) => Self::ModSeqAtLeast(*modseq),
            SearchKey::ReceivedFrom(ms) => Self::ReceivedFrom(*ms),
            SearchKey::ReceivedUntil(ms) => Self::ReceivedUntil(*ms),
            SearchKey::SavedDate(relation, day) => Self::SavedDate(*relation, *day),
            SearchKey::Email(email) => Self::Email(*email),
            SearchKey::Thread(thread) => Self::Thread(*thread),
            SearchKey::Matches(place, pattern) => Self::Matches(place.clone(), pattern.clone()),
        }
    }

    /// The text that must be somewhere in the message, for the text index.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Column(_, text) | Self::Field { value: text, .. } | Self::Body(text) | Self::Text(text) => Some(text),
            Self::All(_)
            | Self::Any(_)
            | Self::Not(_)
            | Self::Uids(_)
            | Self::Flag(_)
            | Self::Keyword(_)
            | Self::InternalDate(..)
            | Self::Larger(_)
            | Self::Smaller(_)
            | Self::ModSeqAtLeast(_)
            | Self::SentDate(..)
            | Self::ReceivedFrom(_)
            | Self::ReceivedUntil(_)
            | Self::SavedDate(..)
            | Self::Email(_)
            | Self::Thread(_)
            | Self::Matches(..) => None,
        }
    }

    /// 0: the narrow row; 1: the email row; 2: the header's octets; 3: the body's.
    fn cost(&self) -> u8 {
        match self {
            Self::All(tests) | Self::Any(tests) => tests.iter().map(Self::cost).max().unwrap_or(0),
            Self::Not(test) => test.cost(),
            Self::Uids(_)
            | Self::Flag(_)
            | Self::Keyword(_)
            | Self::InternalDate(..)
            | Self::Larger(_)
            | Self::Smaller(_)
            | Self::ModSeqAtLeast(_)
            | Self::ReceivedFrom(_)
            | Self::ReceivedUntil(_)
            | Self::SavedDate(..)
            | Self::Email(_) => 0,
            Self::SentDate(..) | Self::Column(..) | Self::Thread(_) => 1,
            Self::Field { .. } | Self::Matches(Place::Field(_), _) => 2,
            Self::Body(_) | Self::Text(_) | Self::Matches(Place::Body | Place::Text, _) => 3,
        }
    }
}

fn by_cost(keys: &[SearchKey], keywords: &KeywordMap) -> Vec<Test> {
    let mut tests: Vec<_> = keys.iter().map(|key| Test::new(key, keywords)).collect();
    tests.sort_by_key(Test::cost);
    tests
}

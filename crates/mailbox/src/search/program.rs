//! A search program made ready for one mailbox: text folded, keywords by number, cheap tests before dear ones.

use super::fold::fold;
use super::key::{DateRelation, SearchKey};
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
            SearchKey::Body(text) => Self::Body(fold(text)),
            SearchKey::Text(text) => Self::Text(fold(text)),
            SearchKey::InternalDate(relation, day) => Self::InternalDate(*relation, *day),
            SearchKey::SentDate(relation, day) => Self::SentDate(*relation, *day),
            SearchKey::Larger(size) => Self::Larger(*size),
            SearchKey::Smaller(size) => Self::Smaller(*size),
            SearchKey::ModSeqAtLeast(modseq) => Self::ModSeqAtLeast(*modseq),
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
            | Self::ModSeqAtLeast(_) => 0,
            Self::SentDate(..) | Self::Column(..) => 1,
            Self::Field { .. } => 2,
            Self::Body(_) | Self::Text(_) => 3,
        }
    }
}

fn by_cost(keys: &[SearchKey], keywords: &KeywordMap) -> Vec<Test> {
    let mut tests: Vec<_> = keys.iter().map(|key| Test::new(key, keywords)).collect();
    tests.sort_by_key(Test::cost);
    tests
}

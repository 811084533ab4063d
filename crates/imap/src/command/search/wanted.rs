//! Puts a search's keys into the node's terms: message numbers and \Recent are this session's own, so they become UIDs.

use super::Key;
use crate::session::Selected;
use crate::session::answer::Stop;
use model::UidSet;
use wire::session::{SearchAnd, SearchDate, SearchHeader, SearchKey, SearchOr, search_key};

/// Keys that all must hold.
///
/// # Errors
/// BAD for a message number that does not exist.
pub(super) fn all_of(keys: &[Key], selected: &Selected<'_>) -> Result<SearchKey, Stop> {
    match keys {
        [key] => one(key, selected),
        keys => {
            let keys = keys.iter().map(|key| one(key, selected)).collect::<Result<_, _>>()?;
            Ok(wire(search_key::Key::AllOf(SearchAnd { keys })))
        }
    }
}

fn one(key: &Key, selected: &Selected<'_>) -> Result<SearchKey, Stop> {
    use search_key::Key as Wire;
    Ok(wire(match key {
        Key::All => Wire::All(true),
        Key::And(keys) => return all_of(keys, selected),
        Key::Or(either, other) => Wire::AnyOf(SearchOr { keys: vec![one(either, selected)?, one(other, selected)?] }),
        Key::Not(key) => Wire::Not(Box::new(one(key, selected)?)),
        Key::Numbers(set) => uids(&selected.uids(set, false)?),
        Key::Uids(set) => uids(&selected.uids(set, true)?),
        Key::Flag(flag) => Wire::FlagSet(*flag as u32),
        Key::Keyword(Some(keyword)) => Wire::KeywordSet(keyword.as_str().to_owned()),
        Key::Keyword(None) => uids(&UidSet::new()),
        Key::Recent => uids(&selected.view.recent()),
        Key::Header(name, value) => Wire::Header(SearchHeader { name: name.clone(), value: value.clone() }),
        Key::Body(text) => Wire::Body(text.clone()),
        Key::Text(text) => Wire::Text(text.clone()),
        Key::InternalDate(relation, day) => Wire::InternalDate(SearchDate { relation: (*relation).into(), day: *day }),
        Key::SentDate(relation, day) => Wire::SentDate(SearchDate { relation: (*relation).into(), day: *day }),
        Key::Larger(octets) => Wire::Larger(*octets),
        Key::Smaller(octets) => Wire::Smaller(*octets),
        Key::ModSeq(modseq) => Wire::ModseqAtLeast(*modseq),
    }))
}

fn uids(set: &UidSet) -> search_key::Key {
    search_key::Key::Uids(set.into())
}

fn wire(key: search_key::Key) -> SearchKey {
    SearchKey { key: Some(key) }
}

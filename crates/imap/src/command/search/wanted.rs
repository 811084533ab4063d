//! Puts a search's keys into the node's terms: message numbers and \Recent are this session's own, so they become UIDs.

use super::Key;
use super::fuzzy::{self, Strength};
use super::key::Place;
use crate::session::Selected;
use crate::session::answer::{Answer, Stop};
use crate::session::view::{View, number_runs};
use model::{Uid, UidSet};
use wire::session::{
    PatternPlace, SearchAnd, SearchDate, SearchHeader, SearchKey, SearchOr, SearchPattern, search_key,
};

/// What keys are put into words for.
#[derive(Clone, Copy)]
pub struct Terms<'a, 's> {
    /// The selected folder; `None` where several folders are searched, which have no message numbers in common.
    pub selected: Option<&'a Selected<'s>>,
    /// What OLDER and YOUNGER count from: milliseconds since 1970-01-01 UTC.
    pub now_ms: i64,
    /// How much of a FUZZY string must fit.
    pub strength: Strength,
    /// The keys stand under FUZZY.
    pub fuzzy: bool,
}

impl<'a, 's> Terms<'a, 's> {
    /// For the selected folder, now.
    pub fn new(selected: &'a Selected<'s>) -> Self {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        Self { selected: Some(selected), ..Self::of_folders(now_ms) }
    }

    /// For several folders.
    pub const fn of_folders(now_ms: i64) -> Self {
        Self { selected: None, now_ms, strength: Strength::Stems, fuzzy: false }
    }

    /// Keys that all must hold, as far as the node takes them.
    ///
    /// # Errors
    /// BAD for a message number that does not exist; NO for a program over a limit.
    pub fn all_of(self, keys: &[Key]) -> Result<SearchKey, Stop> {
        let key = self.all(keys)?;
        wire::frame::check_search(&key).map_err(|problem| Answer::refused("LIMIT", problem.to_string()))?;
        Ok(key)
    }

    fn all(self, keys: &[Key]) -> Result<SearchKey, Stop> {
        match keys {
            [key] => self.one(key),
            keys => {
                let keys = keys.iter().map(|key| self.one(key)).collect::<Result<_, _>>()?;
                Ok(wire(search_key::Key::AllOf(SearchAnd { keys })))
            }
        }
    }

    fn one(self, key: &Key) -> Result<SearchKey, Stop> {
        use search_key::Key as Wire;
        Ok(wire(match key {
            Key::All => Wire::All(true),
            Key::And(keys) => return self.all(keys),
            Key::Or(either, other) => Wire::AnyOf(SearchOr { keys: vec![self.one(either)?, self.one(other)?] }),
            Key::Not(key) => Wire::Not(Box::new(self.one(key)?)),
            // RFC 6203 §3: what has no text is compared as always.
            Key::Fuzzy(key) => return Self { fuzzy: true, ..self }.one(key),
            Key::Header(name, value) if self.fuzzy && !value.is_empty() => {
                return self.words(value, &|word| Key::Header(name.clone(), word));
            }
            Key::Body(text) if self.fuzzy => return self.words(text, &Key::Body),
            Key::Text(text) if self.fuzzy => return self.words(text, &Key::Text),
            Key::Numbers(set) => uids(&self.known(set, false)?),
            Key::Uids(set) => uids(&self.known(set, true)?),
            Key::Flag(flag) => Wire::FlagSet(*flag as u32),
            Key::Keyword(Some(keyword)) => Wire::KeywordSet(keyword.as_str().to_owned()),
            Key::Keyword(None) | Key::Nothing => uids(&UidSet::new()),
            Key::Recent => match self.selected {
                Some(selected) => uids(&spanned(selected.view, &selected.view.recent())),
                None => Wire::Recent(true),
            },
            Key::Header(name, value) => Wire::Header(SearchHeader { name: name.clone(), value: value.clone() }),
            Key::Body(text) => Wire::Body(text.clone()),
            Key::Text(text) => Wire::Text(text.clone()),
            Key::InternalDate(relation, day) => Wire::InternalDate(date(*relation, *day)),
            Key::SentDate(relation, day) => Wire::SentDate(date(*relation, *day)),
            Key::SavedDate(relation, day) => Wire::SavedDate(date(*relation, *day)),
            // RFC 5032 §2: both include the second itself.
            Key::Older(seconds) => Wire::ReceivedUntilMs(self.seconds_ago(*seconds)),
            Key::Younger(seconds) => Wire::ReceivedFromMs(self.seconds_ago(*seconds)),
            Key::Larger(octets) => Wire::Larger(*octets),
            Key::Smaller(octets) => Wire::Smaller(*octets),
            Key::ModSeq(modseq) => Wire::ModseqAtLeast(*modseq),
            Key::Email(email) => Wire::Email(*email),
            Key::Thread(thread) => Wire::Thread(*thread),
            Key::Pattern(place, pattern) => Wire::Pattern(pattern_of(place, pattern)),
        }))
    }

    fn words(self, text: &str, like: &dyn Fn(String) -> Key) -> Result<SearchKey, Stop> {
        let keys: Vec<Key> = fuzzy::words(text, self.strength).into_iter().map(like).collect();
        Self { fuzzy: false, ..self }.all(&keys)
    }

    fn seconds_ago(self, seconds: u32) -> i64 {
        self.now_ms.saturating_sub(i64::from(seconds) * 1000)
    }

    /// The messages of a set, as few runs as will do.
    fn known(self, set: &crate::codec::SequenceSet, by_uid: bool) -> Result<UidSet, Stop> {
        match self.selected {
            Some(selected) if by_uid => Ok(spanned(selected.view, &selected.uids(set, by_uid)?)),
            Some(selected) => Ok(spanned(selected.view, &selected.uids_in_use(set)?)),
            None if by_uid && !set.is_saved() => Ok(set.resolve(u32::MAX)),
            // RFC 7377 §2.2: they mean nothing in other folders.
            None => Err(Answer::bad("Message numbers mean nothing when several folders are searched").into()),
        }
    }
}

/// A set with the same messages in it as far as the view knows, and with gaps only where a message lies: what is sent to the
/// node then grows with what the client wrote, not with the holes of the folder.
fn spanned(view: &View, wanted: &UidSet) -> UidSet {
    let mut spanned = UidSet::new();
    let mut numbers = number_runs(view.uids(), wanted).into_iter().peekable();
    let mut before = 0usize;
    let mut start: Option<Uid> = None;
    for &(first, last) in view.uids().runs() {
        let end = before + (last - first) as usize + 1;
        while let Some(&(from, to)) = numbers.peek() {
            if from > end {
                break;
            }
            let low = if from > before { Uid::new(first + (from - before - 1) as u32) } else { None };
            start = low.or(start);
            if to > end {
                break;
            }
            let high = Uid::new(first + (to - before - 1) as u32);
            if let Some((low, high)) = start.take().zip(high) {
                spanned.insert_range(low, high);
            }
            numbers.next();
        }
        before = end;
    }
    spanned
}

fn date(relation: wire::session::DateRelation, day: i32) -> SearchDate {
    SearchDate { relation: relation.into(), day }
}

fn pattern_of(place: &Place, pattern: &str) -> SearchPattern {
    let (place, field) = match place {
        Place::Field(name) => (PatternPlace::Field, name.clone()),
        Place::Body => (PatternPlace::Body, String::new()),
        Place::Text => (PatternPlace::Text, String::new()),
    };
    SearchPattern { place: place.into(), field, pattern: pattern.to_owned() }
}

fn uids(set: &UidSet) -> search_key::Key {
    search_key::Key::Uids(set.into())
}

fn wire(key: search_key::Key) -> SearchKey {
    SearchKey { key: Some(key) }
}

/// Two keys that both must hold.
pub fn both(one: SearchKey, other: SearchKey) -> SearchKey {
    wire(search_key::Key::AllOf(SearchAnd { keys: vec![one, other] }))
}

/// The key does not hold.
pub fn not(key: SearchKey) -> SearchKey {
    wire(search_key::Key::Not(Box::new(key)))
}

/// One of these messages.
pub fn among(set: &UidSet) -> SearchKey {
    wire(uids(set))
}

/// One of the messages that the client may know of: none that came after the last one it was told of.
pub fn told(view: &View) -> SearchKey {
    let all = Uid::new(1).zip(view.uids().last()).map_or_else(UidSet::new, |(first, last)| UidSet::range(first, last));
    among(&all)
}

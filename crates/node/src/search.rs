//! SEARCH: step by step on the pool, so that it can be cancelled and nobody waits behind it.
//!
//! Invariant: its end does not overtake the push of a commit that it has seen, so a session knows why a message was not found.

use crate::answer;
use crate::fault::{Fault, malformed};
use crate::limits::{SEARCH_FIRST_STEP_MESSAGES, SEARCH_STEP_MESSAGES};
use crate::resident::Reading;
use crate::session::Call;
use mailbox::search::Place;
use mailbox::{BadPattern, DateRelation, FolderId, Pattern, SearchCursor, SearchKey};
use model::UidSet;
use std::sync::Arc;
use wire::convert::{date_relation, flag, keyword, modseq, uid_set};
use wire::session::{self, FailureCode, SearchDate, search_key::Key};

/// Answers a SEARCH. The program's depth and size were checked with the frame.
pub async fn search(call: &Call, search: session::Search) -> Result<(), Fault> {
    let folder = FolderId::new(search.folder);
    let wanted = search.key.as_ref().ok_or_else(|| malformed("the search has no key"))?;
    let recent = call.session.view.recent(folder);
    // RFC 9051 §6.4.4: \Recent is this session's own notion.
    let key = Arc::new(program(wanted, &recent)?);
    let reading = call.enter().await?.reading();
    let mut cursor = SearchCursor::default();
    let mut highest_modseq = 0;
    let mut messages = SEARCH_FIRST_STEP_MESSAGES;
    loop {
        call.outbox.ready().await;
        let key = key.clone();
        let step;
        (step, cursor) = reading
            .read_in_pool(move |reader| {
                let step = reader.search(folder, &key, &mut cursor, messages)?;
                Ok((step, cursor))
            })
            .await?;
        messages = (2 * messages).min(SEARCH_STEP_MESSAGES);
        highest_modseq = highest_modseq.max(step.highest_modseq.get());
        for body in answer::found(&step.found, highest_modseq) {
            call.send(body, false);
        }
        if step.done {
            reading.resident().settled().await;
            call.send(answer::found_all(highest_modseq), true);
            return Ok(());
        }
    }
}

/// Everything that a search finds, and the highest MODSEQ among it: what SORT and THREAD start from.
pub async fn all(
    call: &Call,
    reading: &Reading,
    folder: FolderId,
    wanted: Option<&session::SearchKey>,
) -> Result<(UidSet, u64), Fault> {
    let wanted = wanted.ok_or_else(|| malformed("the search has no key"))?;
    let key = Arc::new(program(wanted, &call.session.view.recent(folder))?);
    let (mut cursor, mut found, mut highest_modseq) = (SearchCursor::default(), UidSet::new(), 0);
    loop {
        let key = key.clone();
        let step;
        (step, cursor) = reading
            .read_in_pool(move |reader| {
                let step = reader.search(folder, &key, &mut cursor, SEARCH_STEP_MESSAGES)?;
                Ok((step, cursor))
            })
            .await?;
        found.append(&step.found);
        highest_modseq = highest_modseq.max(step.highest_modseq.get());
        if step.done {
            reading.resident().settled().await;
            return Ok((found, highest_modseq));
        }
    }
}

fn program(key: &session::SearchKey, recent: &UidSet) -> Result<SearchKey, Fault> {
    let all = |keys: &[session::SearchKey]| keys.iter().map(|key| program(key, recent)).collect::<Result<Vec<_>, _>>();
    Ok(match key.key.as_ref().ok_or_else(|| malformed("the search has an empty key"))? {
        Key::AllOf(keys) => SearchKey::AllOf(all(&keys.keys)?),
        Key::AnyOf(keys) => SearchKey::AnyOf(all(&keys.keys)?),
        Key::Not(key) => SearchKey::Not(Box::new(program(key, recent)?)),
        Key::Uids(runs) => SearchKey::Uids(uid_set(Some(runs))?),
        Key::FlagSet(bit) => SearchKey::FlagSet(flag(*bit)?),
        Key::KeywordSet(text) => SearchKey::KeywordSet(keyword(text)?),
        Key::Header(header) => SearchKey::Header { name: header.name.clone(), value: header.value.clone() },
        Key::Body(text) => SearchKey::Body(text.clone()),
        Key::Text(text) => SearchKey::Text(text.clone()),
        Key::InternalDate(date) => SearchKey::InternalDate(relation(date)?, date.day),
        Key::SentDate(date) => SearchKey::SentDate(relation(date)?, date.day),
        Key::Larger(octets) => SearchKey::Larger(*octets),
        Key::Smaller(octets) => SearchKey::Smaller(*octets),
        Key::ModseqAtLeast(value) => SearchKey::ModSeqAtLeast(modseq(*value)?),
        Key::All(_) => SearchKey::Everything,
        Key::Recent(_) => SearchKey::Uids(recent.clone()),
        Key::ReceivedFromMs(ms) => SearchKey::ReceivedFrom(*ms),
        Key::ReceivedUntilMs(ms) => SearchKey::ReceivedUntil(*ms),
        Key::SavedDate(date) => SearchKey::SavedDate(relation(date)?, date.day),
        Key::Email(email) => SearchKey::Email(*email),
        Key::Thread(thread) => SearchKey::Thread(*thread),
        Key::Pattern(wanted) => SearchKey::Matches(place(wanted)?, pattern(&wanted.pattern)?),
    })
}

fn place(wanted: &session::SearchPattern) -> Result<Place, Fault> {
    let place =
        session::PatternPlace::try_from(wanted.place).map_err(|_| malformed("the place of a pattern is unknown"))?;
    Ok(match place {
        session::PatternPlace::Field => Place::Field(wanted.field.clone()),
        session::PatternPlace::Body => Place::Body,
        session::PatternPlace::Text => Place::Text,
    })
}

fn pattern(source: &str) -> Result<Pattern, Fault> {
    Pattern::parse(source).map_err(|error| {
        let code = match error {
            BadPattern::Malformed(_) => FailureCode::Cannot,
            BadPattern::TooBig => FailureCode::Limit,
        };
        Fault::new(code, error.to_string())
    })
}

fn relation(date: &SearchDate) -> Result<DateRelation, Fault> {
    Ok(match date_relation(date.relation)? {
        session::DateRelation::Before => DateRelation::Before,
        session::DateRelation::On => DateRelation::On,
        session::DateRelation::Since => DateRelation::Since,
    })
}

//! STORE (RFC 3501 §6.4.6), by message number and by UID, with UNCHANGEDSINCE (RFC 7162 §3.1.3).

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::{FlagList, SequenceSet};
use crate::limits::STORE_MESSAGES_AT_ONCE;
use crate::session::answer::{Answer, Code, Outcome, Stop, untagged_ok};
use crate::session::view::NumberCursor;
use crate::session::{
    Selected, Session, Told, absorb, expunge_issued, patiently, within_limit, write_flags, write_known_flags,
};
use model::{Uid, UidSet};
use wire::convert::{keyword_texts, uid_set};
use wire::session::{StoreMode, Stored};

/// STORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// UID STORE.
    pub by_uid: bool,
    /// Which messages.
    pub set: SequenceSet,
    /// Only those whose MODSEQ is not higher.
    pub unchanged_since: Option<u64>,
    /// Replace, add or remove.
    pub mode: StoreMode,
    /// The new flags are not to be told.
    pub silent: bool,
    /// The flags.
    pub flags: FlagList,
}

impl Store {
    /// Reads the set, the modifier, and what is to be done with which flags.
    ///
    /// # Errors
    /// One is missing or malformed.
    pub fn parse(cursor: &mut Cursor<'_>, by_uid: bool) -> Parsed<Self> {
        cursor.space()?;
        let set = SequenceSet::parse(cursor)?;
        cursor.space()?;
        let mut unchanged_since = None;
        if cursor.take(b'(') {
            if !cursor.word("UNCHANGEDSINCE ") {
                return Err(Malformed("The only modifier of STORE is UNCHANGEDSINCE"));
            }
            unchanged_since = Some(cursor.number64()?);
            cursor.expect(b')', "Expected the closing parenthesis")?;
            cursor.space()?;
        }
        let mode = match (cursor.take(b'+'), cursor.take(b'-')) {
            (true, false) => StoreMode::Add,
            (false, true) => StoreMode::Remove,
            (false, false) => StoreMode::Replace,
            (true, true) => return Err(Malformed("Expected FLAGS, +FLAGS or -FLAGS")),
        };
        if !cursor.word("FLAGS") {
            return Err(Malformed("Expected FLAGS, +FLAGS or -FLAGS"));
        }
        let silent = cursor.word(".SILENT");
        cursor.space()?;
        let flags = FlagList::parse_store(cursor)?;
        Ok(Self { by_uid, set, unchanged_since, mode, silent, flags })
    }

    /// Changes the flags and tells the new ones.
    ///
    /// # Errors
    /// BAD without a selected folder; NO in one that is read-only, or of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        // RFC 7162 §3.1: UNCHANGEDSINCE enables CONDSTORE.
        if self.unchanged_since.is_some() {
            session.enable_condstore();
        }
        let messages_max = session.shared.settings.messages_per_command_max;
        let mut selected = session.selected_for_change()?;
        let uids = selected.uids(&self.set, self.by_uid)?;
        if self.flags.overlong {
            let text = format!("A keyword has {} octets at most", model::limits::KEYWORD_BYTES_MAX);
            return Ok(Answer::refused("LIMIT", text));
        }
        if uids.is_empty() {
            return Ok(Answer::ok("Done"));
        }
        let (uids, limit) = within_limit(uids, messages_max);
        let mut modified = UidSet::new();
        let mut existing = 0;
        for some in at_once(&uids) {
            let storing = selected.node.store(self.request(selected.view.folder, &some));
            let stored = patiently(selected.connection, selected.tag, storing).await??;
            absorb(selected.node, selected.view)?;
            self.tell(&mut selected, &stored).await?;
            let failed = uid_set(stored.modified.as_ref())?;
            existing += stored.messages.len() + failed.len();
            modified = modified.union(&failed);
        }
        let answer = Answer::ok("Done");
        if modified.is_empty() {
            // RFC 2180 §4.2: by number and not silent, the client must hear that something it knows of is gone.
            let gone = !self.by_uid && !self.silent && existing < uids.len();
            return Ok(match limit {
                Some(limit) => answer.with(limit),
                None if gone => expunge_issued(),
                None => answer,
            });
        }
        if let Some(limit) = limit {
            untagged_ok(&mut selected.connection.out, &limit, "The other messages are for another command");
        }
        // RFC 7162 §3.1.3: message numbers for STORE, UIDs for UID STORE.
        Ok(answer.with(Code::Modified(selected.in_words(&modified, self.by_uid))))
    }

    fn request(&self, folder: u64, uids: &UidSet) -> wire::session::Store {
        wire::session::Store {
            folder,
            uids: Some(uids.into()),
            mode: self.mode.into(),
            flags: self.flags.flags.bits(),
            keywords: keyword_texts(&self.flags.keywords),
            conditional: self.unchanged_since.is_some(),
            unchanged_since: self.unchanged_since.unwrap_or_default(),
            // The answer says what became of each message; a push of the same would only have to be dropped.
            silent: true,
        }
    }

    /// A silent STORE tells nothing, or with CONDSTORE the new MODSEQ alone (RFC 7162 §3.1.3).
    async fn tell(&self, selected: &mut Selected<'_>, stored: &Stored) -> Result<(), Stop> {
        let told = Told { flags: !self.silent, ..Told::asked(selected.enabled, self.by_uid) };
        let mut numbers = NumberCursor::default();
        selected.view.highest_modseq = selected.view.highest_modseq.max(stored.highest_modseq);
        // A client should know a keyword before it sees it (RFC 3501 §7.2.6).
        stored.messages.iter().for_each(|change| selected.view.learn_keywords(&change.keywords));
        if selected.view.take_keywords_grew() {
            write_known_flags(&mut selected.connection.out, selected.view);
        }
        for change in &stored.messages {
            let Some(uid) = Uid::new(change.uid) else { continue };
            selected.view.searches.touch(&UidSet::range(uid, uid));
            // Changes of other sessions that came before ours are part of what is told; a silent STORE leaves them to be
            // told later, without the flags that it set itself being asked for.
            if told.flags {
                selected.view.told_flags(uid, change.modseq);
            } else {
                selected.view.renew_flags(change);
            }
            let Some(number) = numbers.number(selected.view.uids(), uid) else { continue };
            if told.flags || told.modseq {
                write_flags(&mut selected.connection.out, number, selected.view, change, told);
                selected.connection.relieve().await?;
            }
        }
        Ok(())
    }
}

/// The set in pieces, so that of the answer to a STORE of a whole large folder no more is held than of a small one's.
fn at_once(uids: &UidSet) -> Vec<UidSet> {
    let mut pieces = Vec::new();
    let (mut bounds, mut room) = (Vec::new(), STORE_MESSAGES_AT_ONCE as u32);
    for &(first, last) in uids.runs() {
        let mut next = first;
        loop {
            let end = last.min(next.saturating_add(room - 1));
            bounds.extend([next, end]);
            room -= end - next + 1;
            if room == 0 {
                pieces.extend(UidSet::from_bounds(&std::mem::take(&mut bounds)));
                room = STORE_MESSAGES_AT_ONCE as u32;
            }
            if end == last {
                break;
            }
            next = end + 1;
        }
    }
    pieces.extend(UidSet::from_bounds(&bounds).filter(|rest| !rest.is_empty()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_and_bounded() {
        let max = STORE_MESSAGES_AT_ONCE as u32;
        for (bounds, lengths) in [
            (vec![], vec![]),
            (vec![1, 3, 5, 5], vec![4]),
            (vec![1, max], vec![max]),
            (vec![1, max + 1], vec![max, 1]),
            (vec![1, max - 1, max + 1, max + 1, max + 3, max + 3], vec![max, 1]),
            (vec![u32::MAX - 2 * max, u32::MAX], vec![max, max, 1]),
        ] {
            let uids = UidSet::from_bounds(&bounds).unwrap();
            let pieces = at_once(&uids);
            assert_eq!(pieces.iter().map(|piece| piece.len() as u32).collect::<Vec<_>>(), lengths);
            assert_eq!(pieces.iter().fold(UidSet::new(), |all, piece| all.union(piece)), uids);
        }
    }
}

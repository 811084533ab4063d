//! STORE: changes flags and keywords of narrow rows, conditionally where asked (RFC 7162 §3.1.3).

use crate::error::Error;
use crate::folders::FolderState;
use crate::keywords::column;
use crate::row::{modseq, octets, uid};
use crate::types::{Change, FlagEdit, FlagState, FolderId, StoreMode, Stored};
use crate::writer::Tx;
use model::{Flags, ModSeq, Uid, UidSet};
use rusqlite::params;

/// A message that the STORE passes over.
struct Candidate {
    uid: Uid,
    flags: Flags,
    keywords: Vec<u8>,
    modseq: ModSeq,
    size: i64,
}

impl Tx<'_> {
    /// Applies the edit to those of `uids` that exist. All changed messages get one new MODSEQ; a message that would not
    /// change keeps its own, and when none changes nothing is written.
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`], [`Error::LimitReached`] for one keyword too many.
    pub fn store(
        &mut self,
        folder: FolderId,
        uids: &UidSet,
        edit: &FlagEdit,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Stored, Error> {
        let mut state = FolderState::load(self.connection, folder.into())?;
        let edit_keywords = self.edit_keywords(edit)?;
        let (mut messages, mut changed, mut modified) = (Vec::new(), Vec::new(), UidSet::new());
        let mut new_modseq = None;
        for candidate in self.candidates(folder, uids)? {
            if unchanged_since.is_some_and(|since| candidate.modseq > since) {
                modified.insert(candidate.uid);
                continue;
            }
            let (flags, keywords) = edited(&candidate, edit, &edit_keywords);
            let mut modseq = candidate.modseq;
            let changes = flags != candidate.flags || keywords != candidate.keywords;
            if changes {
                modseq = match new_modseq {
                    Some(modseq) => modseq,
                    None => *new_modseq.insert(self.counters.next_modseq()?),
                };
                self.write_flags(folder, candidate.uid, flags, &keywords, modseq)?;
                state.count_flag_change(candidate.flags, flags, candidate.size);
            }
            let keywords = self.keyword_names(&keywords)?;
            let now = FlagState { uid: candidate.uid, flags, keywords, modseq };
            if changes {
                changed.push(now.clone());
            }
            messages.push(now);
        }
        if let Some(modseq) = new_modseq {
            state.highest_modseq = modseq;
            state.save(self.connection)?;
            self.changes.push(Change::Flags { folder, messages: changed, modseq });
        }
        Ok(Stored { messages, modified, highest_modseq: state.highest_modseq })
    }

    /// The numbers of the edit's keywords; removing one that nobody has adds none.
    fn edit_keywords(&mut self, edit: &FlagEdit) -> Result<Vec<u8>, Error> {
        if edit.mode != StoreMode::Remove || edit.keywords.is_empty() {
            return self.keyword_ids(&edit.keywords);
        }
        let map = self.keyword_map()?;
        Ok(edit.keywords.iter().filter_map(|keyword| map.id(keyword)).collect())
    }

    fn candidates(&self, folder: FolderId, uids: &UidSet) -> Result<Vec<Candidate>, Error> {
        let mut found = Vec::new();
        let mut statement = self.connection.prepare_cached(
            "SELECT uid, flags, keywords, modseq, size FROM message \
             WHERE folder = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid",
        )?;
        for &(first, last) in uids.runs() {
            let mut rows = statement.query(params![folder.0, first, last])?;
            while let Some(row) = rows.next()? {
                let keywords = octets(row, 2)?.to_vec();
                let flags = Flags::from_bits(row.get(1)?);
                found.push(Candidate {
                    uid: uid(row, 0)?,
                    flags,
                    keywords,
                    modseq: modseq(row, 3)?,
                    size: row.get(4)?,
                });
            }
        }
        Ok(found)
    }

    fn write_flags(
        &self,
        folder: FolderId,
        uid: Uid,
        flags: Flags,
        keywords: &[u8],
        modseq: ModSeq,
    ) -> Result<(), Error> {
        self.connection
            .prepare_cached("UPDATE message SET flags = ?3, keywords = ?4, modseq = ?5 WHERE folder = ?1 AND uid = ?2")?
            .execute(params![folder.0, uid.get(), flags.bits(), column(keywords), modseq.get() as i64])?;
        Ok(())
    }

    pub(crate) fn keyword_names(&mut self, ids: &[u8]) -> Result<Vec<model::Keyword>, Error> {
        if ids.is_empty() { Ok(Vec::new()) } else { self.keyword_map()?.names(ids) }
    }
}

/// What the message's flags and keyword numbers become.
fn edited(candidate: &Candidate, edit: &FlagEdit, keywords: &[u8]) -> (Flags, Vec<u8>) {
    match edit.mode {
        StoreMode::Replace => (edit.flags, keywords.to_vec()),
        StoreMode::Add => {
            let mut all = [&candidate.keywords, keywords].concat();
            all.sort_unstable();
            all.dedup();
            (candidate.flags.union(edit.flags), all)
        }
        StoreMode::Remove => {
            let left = candidate.keywords.iter().copied().filter(|id| !keywords.contains(id)).collect();
            (candidate.flags.minus(edit.flags), left)
        }
    }
}

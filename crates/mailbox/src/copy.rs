//! COPY and MOVE: new narrow rows that refer to the same emails; no content moves (RFC 9051 §6.4.7, §6.4.8).

use crate::error::Error;
use crate::expunge::Gone;
use crate::folders::FolderState;
use crate::row::uid;
use crate::types::{Change, Copied, FlagState, FolderId, TokenAnswer};
use crate::writer::Tx;
use jiff::Timestamp;
use model::{Flags, FolderName, ModSeq, Token, Uid, UidSet};
use rusqlite::params;

/// A COPY, or a MOVE that removes what it copied.
struct Transfer<'a> {
    folder: FolderId,
    uids: &'a UidSet,
    to: &'a FolderName,
    now: Timestamp,
    token: Option<Token>,
    remove: bool,
}

/// A message that is copied.
struct Source {
    uid: Uid,
    flags: Flags,
    keywords: Option<Vec<u8>>,
    internal_ms: i64,
    size: i64,
    email: i64,
}

impl Tx<'_> {
    /// COPY: flags, keywords and INTERNALDATE go along; SAVEDATE is `now` (RFC 8514 §4.3).
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`] for either folder, [`Error::LimitReached`], [`Error::OverQuota`] for a copy.
    pub fn copy(
        &mut self,
        folder: FolderId,
        uids: &UidSet,
        to: &FolderName,
        now: Timestamp,
        token: Option<Token>,
    ) -> Result<Copied, Error> {
        self.transfer(&Transfer { folder, uids, to, now, token, remove: false })
    }

    /// MOVE: as COPY, and the source messages are gone in the same commit (RFC 9051 §6.4.8).
    ///
    /// # Errors
    /// As [`Tx::copy`].
    pub fn move_(
        &mut self,
        folder: FolderId,
        uids: &UidSet,
        to: &FolderName,
        now: Timestamp,
        token: Option<Token>,
    ) -> Result<Copied, Error> {
        self.transfer(&Transfer { folder, uids, to, now, token, remove: true })
    }

    fn transfer(&mut self, asked: &Transfer<'_>) -> Result<Copied, Error> {
        if let Some(TokenAnswer::Copied(answer)) = self.known_token(asked.token)? {
            return Ok(answer);
        }
        let folder = asked.folder;
        FolderState::load(self.connection, folder.into())?;
        let sources = self.sources(folder, asked.uids)?;
        if !asked.remove {
            let bytes = sources.iter().map(|each| each.size.unsigned_abs()).sum();
            self.require_room(bytes, sources.len() as u64)?;
        }
        let (uid_validity, new) = self.insert_copies(asked.to, &sources, asked.now)?;
        let to = FolderState::load(self.connection, asked.to.into())?.id;
        self.teach(folder, to, &sources.iter().map(|each| each.email).collect::<Vec<_>>())?;
        let highest_modseq = if asked.remove && !sources.is_empty() {
            let gone = |each: &Source| Gone { uid: each.uid, flags: each.flags, size: each.size, email: each.email };
            self.remove(folder, &sources.iter().map(gone).collect::<Vec<_>>())?
        } else {
            // Read only now: source and target may be one folder.
            FolderState::load(self.connection, folder.into())?.highest_modseq
        };
        let from = sources.iter().map(|each| each.uid).collect();
        let answer = Copied { uid_validity, from, to: new, highest_modseq, already: false };
        if let Some(token) = asked.token {
            self.remember(&token, &TokenAnswer::Copied(answer.clone()))?;
        }
        Ok(answer)
    }

    fn sources(&self, folder: FolderId, uids: &UidSet) -> Result<Vec<Source>, Error> {
        let mut found = Vec::new();
        let mut statement = self.connection.prepare_cached(
            "SELECT uid, flags, keywords, internal_ms, size, email FROM message \
             WHERE folder = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid",
        )?;
        for &(first, last) in uids.runs() {
            let mut rows = statement.query(params![folder.0, first, last])?;
            while let Some(row) = rows.next()? {
                found.push(Source {
                    uid: uid(row, 0)?,
                    flags: Flags::from_bits(row.get(1)?),
                    keywords: row.get(2)?,
                    internal_ms: row.get(3)?,
                    size: row.get(4)?,
                    email: row.get(5)?,
                });
            }
        }
        Ok(found)
    }

    fn insert_copies(
        &mut self,
        to: &FolderName,
        sources: &[Source],
        now: Timestamp,
    ) -> Result<(model::UidValidity, Vec<Uid>), Error> {
        let mut target = FolderState::load(self.connection, to.into())?;
        if sources.is_empty() {
            return Ok((target.uid_validity, Vec::new()));
        }
        let modseq = self.counters.next_modseq()?;
        let mut messages = Vec::with_capacity(sources.len());
        for source in sources {
            let uid = target.take_uid()?;
            self.insert_copy(target.id, uid, modseq, source, now)?;
            target.count_in(source.flags, source.size);
            let keywords = self.keyword_names(source.keywords.as_deref().unwrap_or_default())?;
            messages.push(FlagState { uid, flags: source.flags, keywords, modseq });
        }
        target.highest_modseq = modseq;
        target.save(self.connection)?;
        let new = messages.iter().map(|message| message.uid).collect();
        self.changes.push(Change::Appended { folder: target.id, messages, modseq });
        Ok((target.uid_validity, new))
    }

    fn insert_copy(
        &self,
        to: FolderId,
        uid: Uid,
        modseq: ModSeq,
        source: &Source,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.connection.prepare_cached(crate::append::INSERT_MESSAGE)?.execute(params![
            to.0,
            uid.get(),
            modseq.get() as i64,
            source.flags.bits(),
            source.keywords,
            source.internal_ms,
            now.as_millisecond(),
            source.size,
            source.email
        ])?;
        Ok(())
    }
}

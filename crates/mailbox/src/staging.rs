//! Pieces of large messages, committed before the message is whole, and how contents get their place and are shared.
//!
//! A content without a digest belongs to an upload; given up, it belongs to nobody and is collected as garbage.

use crate::content::{Segment, chunk_id, chunk_ids};
use crate::error::Error;
use crate::ingest::{Piece, SegmentDraft, Whole};
use crate::types::UploadId;
use crate::writer::Tx;
use rusqlite::{Connection, OptionalExtension, params};

/// At open no upload is under way: what is left of any is given up.
pub(crate) fn give_up_all(connection: &Connection) -> Result<(), Error> {
    connection.execute("UPDATE content SET upload = NULL, segment = NULL WHERE upload IS NOT NULL", [])?;
    Ok(())
}

impl Tx<'_> {
    /// Writes pieces of a message that is not whole yet. They are nobody's message until an append names the upload.
    ///
    /// # Errors
    /// Of the engine; then the upload is to be discarded.
    pub fn stage(&mut self, upload: UploadId, pieces: Vec<Piece>) -> Result<(), Error> {
        for piece in pieces {
            let content = match self.staged_content(upload, piece.segment)? {
                Some((content, _)) => content,
                None => self.insert_content(None, Some((upload, piece.segment)))?,
            };
            self.insert_chunk(content, &piece)?;
        }
        Ok(())
    }

    /// Gives up an upload; one that is not there is none.
    ///
    /// # Errors
    /// Of the engine.
    pub fn discard(&mut self, upload: UploadId) -> Result<(), Error> {
        self.connection
            .prepare_cached("UPDATE content SET upload = NULL, segment = NULL WHERE upload = ?1")?
            .execute([upload.0 as i64])?;
        Ok(())
    }

    /// Gives every segment of the message its content: one that is there already, or a new one.
    pub(crate) fn place(&mut self, whole: &Whole, upload: Option<UploadId>) -> Result<Vec<Segment>, Error> {
        whole.segments.iter().map(|draft| self.place_segment(upload, draft)).collect()
    }

    fn place_segment(&mut self, upload: Option<UploadId>, draft: &SegmentDraft) -> Result<Segment, Error> {
        let staged = match (draft.staged, upload) {
            (0, _) => None,
            (_, Some(upload)) => Some(self.staged_content(upload, draft.number)?.ok_or(Error::UploadIncomplete)?),
            (_, None) => return Err(Error::UploadIncomplete),
        };
        if staged.is_some_and(|(_, chunks)| chunks != draft.staged) {
            return Err(Error::UploadIncomplete);
        }
        if let Some(content) = self.same_content(draft)? {
            if let Some((staged, _)) = staged {
                self.give_up_content(staged)?;
            }
            self.connection.prepare_cached("UPDATE content SET refs = refs + 1 WHERE id = ?1")?.execute([content])?;
            return Ok(Segment { content, size: draft.size });
        }
        let content = match staged {
            Some((content, _)) => content,
            None => self.insert_content(Some(draft), None)?,
        };
        draft.pieces.iter().try_for_each(|piece| self.insert_chunk(content, piece))?;
        if staged.is_some() {
            self.adopt(content, draft)?;
        }
        Ok(Segment { content, size: draft.size })
    }

    /// A content with the same octets: SHA-256 and size agree.
    fn same_content(&self, draft: &SegmentDraft) -> Result<Option<i64>, Error> {
        let found = self
            .connection
            .prepare_cached("SELECT id FROM content WHERE sha256 = ?1 AND size = ?2")?
            .query_row(params![&draft.sha256[..], draft.size as i64], |row| row.get(0))
            .optional()?;
        Ok(found)
    }

    /// The content that holds a segment's staged pieces, and how many.
    fn staged_content(&self, upload: UploadId, segment: u32) -> Result<Option<(i64, u32)>, Error> {
        let found: Option<i64> = self
            .connection
            .prepare_cached("SELECT id FROM content WHERE upload = ?1 AND segment = ?2")?
            .query_row(params![upload.0 as i64, segment], |row| row.get(0))
            .optional()?;
        let Some(content) = found else { return Ok(None) };
        let (first, last) = chunk_ids(content);
        let chunks = self
            .connection
            .prepare_cached("SELECT count(*) FROM chunk WHERE id BETWEEN ?1 AND ?2")?
            .query_row([first, last], |row| row.get(0))?;
        Ok(Some((content, chunks)))
    }

    fn insert_content(&mut self, whole: Option<&SegmentDraft>, part: Option<(UploadId, u32)>) -> Result<i64, Error> {
        let content = self.counters.next_content()?;
        self.connection
            .prepare_cached(
                "INSERT INTO content (id, sha256, size, refs, upload, segment) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                content,
                whole.map(|draft| &draft.sha256[..]),
                whole.map_or(0, |draft| draft.size as i64),
                u8::from(whole.is_some()),
                part.map(|(upload, _)| upload.0 as i64),
                part.map(|(_, segment)| segment)
            ])?;
        Ok(content)
    }

    fn insert_chunk(&self, content: i64, piece: &Piece) -> Result<(), Error> {
        self.connection.prepare_cached("INSERT INTO chunk (id, size, bytes) VALUES (?1, ?2, ?3)")?.execute(params![
            chunk_id(content, piece.sequence),
            piece.size,
            &piece.bytes[..]
        ])?;
        Ok(())
    }

    /// A staged content is whole now and a message's.
    fn adopt(&self, content: i64, draft: &SegmentDraft) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "UPDATE content SET sha256 = ?2, size = ?3, refs = 1, upload = NULL, segment = NULL WHERE id = ?1",
            )?
            .execute(params![content, &draft.sha256[..], draft.size as i64])?;
        Ok(())
    }

    fn give_up_content(&self, content: i64) -> Result<(), Error> {
        self.connection
            .prepare_cached("UPDATE content SET upload = NULL, segment = NULL WHERE id = ?1")?
            .execute([content])?;
        Ok(())
    }
}

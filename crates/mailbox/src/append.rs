//! APPEND and delivery: one new message, its email row, and the contents that are not there yet, in one savepoint.

use crate::content::encode_segments;
use crate::error::Error;
use crate::folders::FolderState;
use crate::ingest::Content;
use crate::keywords::column;
use crate::tokens;
use crate::types::{Append, Appended, Change, FlagState, TokenAnswer};
use crate::writer::Tx;
use model::limits::MESSAGE_BYTES_MAX;
use model::{DeliveryId, Token};
use rusqlite::{OptionalExtension, params};

/// Every new row of `message`, here and in COPY.
pub(crate) const INSERT_MESSAGE: &str = "INSERT INTO message (folder, uid, modseq, flags, keywords, internal_ms, saved_ms, \
                                         size, email) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const INSERT_EMAIL: &str = "INSERT INTO email (id, thread, size, sent_day, sent_ms, message_id, in_reply_to, \
                            \"references\", subject, \"from\", \"to\", cc, bcc, base_subject, segments, envelope, body, body_structure, structure, preview) \
                            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";
/// References that are looked up to find a message's thread, the nearest first: a long discussion names hundreds.
const REFERENCES_TRIED_MAX: usize = 16;

impl Tx<'_> {
    /// Adds a message. A delivery or token that was committed before is answered with what was answered then, and nothing
    /// is written.
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`], [`Error::UploadIncomplete`], [`Error::LimitReached`], [`Error::TooBig`].
    pub fn append(&mut self, append: Append<'_>) -> Result<Appended, Error> {
        if let Some(known) = self.known_append(&append)? {
            return Ok(known);
        }
        let mut folder = FolderState::load(self.connection, append.folder)?;
        let uid = folder.take_uid()?;
        let modseq = self.counters.next_modseq()?;
        let keyword_ids = self.keyword_ids(append.keywords)?;
        // The MODSEQ of its first message names the email: it is used once in the mailbox's life.
        let email = modseq.get() as i64;
        let size = self.insert_email(email, append.content)?;
        self.connection.prepare_cached(INSERT_MESSAGE)?.execute(params![
            folder.id.0,
            uid.get(),
            modseq.get() as i64,
            append.flags.bits(),
            column(&keyword_ids),
            append.internal_date.as_millisecond(),
            (self.clock)().as_millisecond(),
            size,
            email
        ])?;
        folder.count_in(append.flags, size);
        folder.highest_modseq = modseq;
        folder.save(self.connection)?;
        let answer = Appended { folder: folder.id, uid_validity: folder.uid_validity, uid, modseq, already: false };
        self.note_append(append.delivery, append.token, &answer)?;
        let keywords = self.keyword_names(&keyword_ids)?;
        let messages = vec![FlagState { uid, flags: append.flags, keywords, modseq }];
        self.changes.push(Change::Appended { folder: folder.id, messages, modseq });
        Ok(answer)
    }

    fn known_append(&self, append: &Append<'_>) -> Result<Option<Appended>, Error> {
        if let Some(id) = &append.delivery
            && let Some(known) = tokens::delivery(self.connection, id)?
        {
            return Ok(Some(known));
        }
        match self.known_token(append.token)? {
            Some(TokenAnswer::Appended(known)) => Ok(Some(known)),
            Some(TokenAnswer::Copied(_) | TokenAnswer::Done) | None => Ok(None),
        }
    }

    fn note_append(
        &mut self,
        delivery: Option<DeliveryId>,
        token: Option<Token>,
        answer: &Appended,
    ) -> Result<(), Error> {
        if let Some(id) = delivery {
            self.remember_delivery(&id, answer)?;
        }
        if let Some(id) = token {
            self.remember(&id, &TokenAnswer::Appended(*answer))?;
        }
        Ok(())
    }

    /// Writes what never changes about the message; answers its size.
    fn insert_email(&mut self, id: i64, content: Content) -> Result<i64, Error> {
        let Content { whole, upload } = content;
        let size = i64::try_from(whole.size).ok().filter(|_| whole.size <= MESSAGE_BYTES_MAX).ok_or(Error::TooBig)?;
        let segments = encode_segments(&self.place(&whole, upload)?);
        let thread = self.thread(&whole.derived.nearest)?.unwrap_or(id);
        let derived = &whole.derived;
        self.connection.prepare_cached(INSERT_EMAIL)?.execute(params![
            id,
            thread,
            size,
            derived.sent_day,
            derived.sent_ms,
            derived.message_id,
            derived.in_reply_to,
            derived.references,
            derived.subject,
            derived.from,
            derived.to,
            derived.cc,
            derived.bcc,
            derived.base_subject,
            segments,
            derived.envelope,
            derived.body,
            derived.body_structure,
            derived.structure,
            derived.preview
        ])?;
        Ok(size)
    }

    /// The thread of the nearest message that this one refers to and that is here (RFC 8474 §5.2).
    fn thread(&self, references: &[String]) -> Result<Option<i64>, Error> {
        let mut find = self.connection.prepare_cached("SELECT thread FROM email WHERE message_id = ?1 LIMIT 1")?;
        for reference in references.iter().take(REFERENCES_TRIED_MAX) {
            if let Some(thread) = find.query_row([reference], |row| row.get(0)).optional()? {
                return Ok(Some(thread));
            }
        }
        Ok(None)
    }
}

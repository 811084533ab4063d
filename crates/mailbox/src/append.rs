//! APPEND and delivery: one new message, its email row, and the contents that are not there yet, in one savepoint.

use crate::content::encode_segments;
use crate::error::Error;
use crate::folders::FolderState;
use crate::ingest::Content;
use crate::keywords::column;
use crate::tokens;
use crate::types::{Append, Appended, Change, FlagState, FolderId, FolderRef, TokenAnswer};
use crate::writer::Tx;
use model::limits::MESSAGE_BYTES_MAX;
use model::{DeliveryId, Token, Uid};
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
    /// [`Error::NoSuchFolder`], [`Error::UploadIncomplete`], [`Error::LimitReached`], [`Error::TooBig`], [`Error::OverQuota`]
    /// but for a delivery; [`Error::GivenUp`].
    pub fn append(&mut self, append: Append<'_>) -> Result<Appended, Error> {
        if let Some(known) = self.known_append(append.delivery, append.token)? {
            return Ok(known);
        }
        let (delivery, token) = (append.delivery, append.token);
        let answer = self.add(append)?;
        self.note_append(delivery, token, &answer)?;
        Ok(answer)
    }

    /// Adds messages to one folder, all or none, and removes the one that they replace (RFC 3502, RFC 8508). Their own tokens
    /// are not looked at. A token that was committed before is answered with what was answered then, and nothing is written.
    ///
    /// # Errors
    /// As [`Tx::append`]; [`Error::NoSuchMessage`] when there is none to replace or to add.
    pub fn append_all<'a>(
        &mut self,
        appends: impl IntoIterator<Item = Append<'a>>,
        replaced: Option<(FolderId, Uid)>,
        token: Option<Token>,
    ) -> Result<Appended, Error> {
        if let Some(known) = self.known_append(None, token)? {
            return Ok(known);
        }
        if let Some((folder, uid)) = replaced {
            // First, so that its room can be used.
            let gone = self.message_to_go(folder, uid)?;
            self.remove(folder, &[gone])?;
        }
        let mut answer: Option<Appended> = None;
        for append in appends {
            let added = self.add(append)?;
            match &mut answer {
                // One writer, one transaction: nobody takes a UID in between.
                Some(first) if (first.folder, first.uid.get() + first.count) == (added.folder, added.uid.get()) => {
                    first.count += 1;
                    first.modseq = added.modseq;
                }
                Some(_) => return Err(Error::LimitReached("folders of one append")),
                None => answer = Some(added),
            }
        }
        let answer = answer.ok_or(Error::NoSuchMessage)?;
        self.note_append(None, token, &answer)?;
        Ok(answer)
    }

    fn add(&mut self, append: Append<'_>) -> Result<Appended, Error> {
        // A delivery was promised its place when it was accepted.
        if append.delivery.is_none() {
            self.require_room(append.content.size(), 1)?;
        }
        // Before anything is written.
        FolderState::load(self.connection, append.folder)?;
        let modseq = self.counters.next_modseq()?;
        let keyword_ids = self.keyword_ids(append.keywords)?;
        // The MODSEQ of its first message names the email: it is used once in the mailbox's life.
        let email = modseq.get() as i64;
        let size = self.insert_email(email, append.content)?;
        let place = match append.folder {
            FolderRef::Incoming { junk: false } => FolderRef::Incoming { junk: self.sounds_like_junk(email)? },
            named @ (FolderRef::Id(_) | FolderRef::Name(_) | FolderRef::Incoming { junk: true }) => named,
        };
        let mut folder = FolderState::load(self.connection, place)?;
        let uid = folder.take_uid()?;
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
        let answer =
            Appended { folder: folder.id, uid_validity: folder.uid_validity, uid, count: 1, modseq, already: false };
        let keywords = self.keyword_names(&keyword_ids)?;
        let messages = vec![FlagState { uid, flags: append.flags, keywords, modseq }];
        self.changes.push(Change::Appended { folder: folder.id, messages, modseq });
        Ok(answer)
    }

    fn known_append(&self, delivery: Option<DeliveryId>, token: Option<Token>) -> Result<Option<Appended>, Error> {
        if let Some(id) = &delivery
            && let Some(known) = tokens::delivery(self.connection, id)?
        {
            return Ok(Some(known));
        }
        match self.known_token(token)? {
            Some(TokenAnswer::Appended(known)) => Ok(Some(known)),
            Some(TokenAnswer::GivenUp) => Err(Error::GivenUp),
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

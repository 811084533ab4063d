//! THREAD (RFC 5256 §3): puts messages that a search found in threads. Rows are read step by step; what is kept of each is
//! small, and how many there may be is bounded.
//!
//! The whole folder must be seen before the first thread is known, so memory grows with what was found: up to some 50 MiB at
//! the limits below, 2 MiB for 10,000 messages.

mod forest;
mod ids;
mod subjects;

use crate::error::Error;
use crate::reader::Reader;
use crate::types::FolderId;
use forest::Forest;
use message::BaseSubject;
use model::{Uid, UidSet};
use rusqlite::{Connection, params};

/// Messages that one THREAD looks at: nobody reads more threads, and a larger folder is searched first.
pub const THREAD_MESSAGES_MAX: usize = 200_000;
/// Different message ids that one THREAD keeps; those beyond it link nothing.
const THREAD_IDS_MAX: usize = 500_000;
/// Message ids of one References field that are followed, the newest: a chain names its last links.
const THREAD_REFERENCES_MAX: usize = 100;

/// How threads are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// By base subject (RFC 5256 §3 ORDEREDSUBJECT).
    OrderedSubject,
    /// By message ids, then by base subject (RFC 5256 §3 REFERENCES).
    References,
    /// By message ids alone, the thread with the newest message last (draft-ietf-morg-inthread).
    Refs,
}

/// One place in a thread; parents stand before their children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadNode {
    /// `None` for a message that is not there, or was not searched for.
    pub uid: Option<Uid>,
    /// 0 where a thread starts.
    pub depth: u32,
}

/// What is kept of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    uid: Uid,
    /// When it was sent, in milliseconds since 1970-01-01 UTC.
    sent_ms: i64,
    /// INTERNALDATE, likewise.
    received_ms: i64,
    /// Number of its base subject.
    subject: u32,
    /// The base subject is empty.
    no_subject: bool,
    /// Its subject says reply or forward.
    is_reply: bool,
}

/// A THREAD under way.
#[derive(Debug)]
pub struct ThreadCursor {
    uids: UidSet,
    algorithm: Algorithm,
    next: u32,
    forest: Forest,
}

/// One step's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThreadStep {
    /// All threads, when it is done.
    pub nodes: Vec<ThreadNode>,
    /// Every message has been looked at.
    pub done: bool,
}

impl ThreadCursor {
    /// Of these messages.
    ///
    /// # Errors
    /// [`Error::LimitReached`]: there are more than [`THREAD_MESSAGES_MAX`].
    pub fn new(uids: UidSet, algorithm: Algorithm) -> Result<Self, Error> {
        if uids.len() > THREAD_MESSAGES_MAX {
            return Err(Error::LimitReached("messages in one THREAD"));
        }
        Ok(Self { uids, algorithm, next: 1, forest: Forest::default() })
    }
}

impl Reader {
    /// Looks at up to `budget_messages` messages; the last step answers. A message that goes between two steps may be missing.
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`], [`Error::Damaged`].
    pub fn thread(
        &self,
        folder: FolderId,
        cursor: &mut ThreadCursor,
        budget_messages: usize,
    ) -> Result<ThreadStep, Error> {
        self.snapshot(|connection| {
            crate::folders::FolderState::load(connection, folder.into())?;
            if !gather(connection, folder, cursor, budget_messages.max(1))? {
                return Ok(ThreadStep::default());
            }
            let forest = std::mem::take(&mut cursor.forest);
            let nodes = match cursor.algorithm {
                Algorithm::OrderedSubject => subjects::ordered_subject(forest.into_messages()),
                Algorithm::References => forest.references(),
                Algorithm::Refs => forest.refs(),
            };
            Ok(ThreadStep { nodes, done: true })
        })
    }
}

/// Goes on reading; true when it came to the end.
fn gather(
    connection: &Connection,
    folder: FolderId,
    cursor: &mut ThreadCursor,
    mut budget: usize,
) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT m.uid, m.internal_ms, e.sent_ms, e.subject, e.message_id, e.\"references\", e.in_reply_to FROM message m \
         JOIN email e ON e.id = m.email WHERE m.folder = ?1 AND m.uid BETWEEN ?2 AND ?3 ORDER BY m.uid",
    )?;
    let by_id = cursor.algorithm != Algorithm::OrderedSubject;
    let runs = cursor.uids.runs();
    let runs = runs.get(runs.partition_point(|run| run.1 < cursor.next)..).unwrap_or_default();
    for &(first, last) in runs {
        let mut rows = statement.query(params![folder.get() as i64, first.max(cursor.next), last])?;
        while let Some(row) = rows.next()? {
            let uid = crate::row::uid(row, 0)?;
            if budget == 0 {
                cursor.next = uid.get();
                return Ok(false);
            }
            budget -= 1;
            let received_ms: i64 = row.get(1)?;
            // RFC 5256 §2.2: without a valid date, INTERNALDATE stands for it.
            let sent_ms = row.get::<_, Option<i64>>(2)?.unwrap_or(received_ms);
            let subject = BaseSubject::of(row.get_ref(3)?.as_str().unwrap_or_default());
            let found = Found {
                uid,
                sent_ms,
                received_ms,
                subject: cursor.forest.subject(&subject.text),
                no_subject: subject.text.is_empty(),
                is_reply: subject.is_reply,
            };
            let text = |column| row.get_ref(column).map(|value| value.as_str().unwrap_or_default());
            let (id, references, in_reply_to) = (text(4)?, text(5)?, text(6)?);
            if by_id {
                cursor.forest.add(found, id, &chain(references, in_reply_to));
            } else {
                cursor.forest.add(found, "", &[]);
            }
        }
    }
    Ok(true)
}

/// The messages before this one, oldest first. RFC 5256 §3: without References the first id of In-Reply-To.
fn chain<'a>(references: &'a str, in_reply_to: &'a str) -> Vec<&'a str> {
    let all: Vec<&str> = references.split_ascii_whitespace().collect();
    if all.is_empty() {
        return in_reply_to.split_ascii_whitespace().take(1).collect();
    }
    all.get(all.len().saturating_sub(THREAD_REFERENCES_MAX)..).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests;

//! Takes messages into the queue: text as it comes, then the whole with its envelope, once for each id.

use super::batch::QueueTx;
use super::row;
use super::types::{Envelope, Limits, Recipient, Totals};
use super::{CHUNK_BYTES, PREFIX_BYTES_MAX};
use crate::error::Error;
use model::EnqueueId;
use model::limits::MESSAGE_BYTES_MAX;
use rusqlite::{Connection, params};

/// A message whose text is coming; what of it is in the file. A batch that fails takes back what it did to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Incoming {
    /// Its row, once text was written.
    row: Option<i64>,
    chunks: u32,
    size: u64,
}

impl Incoming {
    /// Octets of text that are in the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether nothing of it is in the file.
    pub fn is_new(&self) -> bool {
        self.row.is_none()
    }
}

/// A message that is whole.
#[derive(Debug, Clone)]
pub struct Message {
    /// The sender's id; the system's own have none.
    pub id: Option<EnqueueId>,
    /// Its envelope.
    pub envelope: Envelope,
    /// Its recipients, at least one.
    pub recipients: Vec<Recipient>,
    /// What goes before the text.
    pub prefix: Vec<u8>,
    /// Text that is in the file already.
    pub incoming: Incoming,
    /// The rest of the text.
    pub rest: Vec<u8>,
}

/// What became of a message that was given to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is in the queue, in this row.
    New(i64),
    /// It was taken before; nothing was done.
    Before,
}

impl QueueTx<'_> {
    /// The next octets of a message's text, at most [`CHUNK_BYTES`]: one chunk, so that all but the last should be full.
    ///
    /// # Errors
    /// [`Error::TooBig`], [`Error::DiskFull`]; [`Error::UploadIncomplete`] when what came before was dropped.
    pub fn push(&mut self, incoming: Incoming, text: &[u8]) -> Result<Incoming, Error> {
        push(self.connection, incoming, text)
    }

    /// Drops a message that is not whole.
    ///
    /// # Errors
    /// Of the engine.
    pub fn discard(&mut self, incoming: Incoming) -> Result<(), Error> {
        discard(self.connection, incoming)
    }

    /// Whether a message of that many octets may come.
    ///
    /// # Errors
    /// [`Error::LimitReached`] with what there is too much of.
    pub fn admit(&self, octets: u64) -> Result<(), Error> {
        admit(*self.totals, self.limits, octets)
    }

    /// Whether the message was taken.
    ///
    /// # Errors
    /// Of the engine.
    pub fn is_taken(&self, id: &EnqueueId) -> Result<bool, Error> {
        is_taken(self.connection, id)
    }

    /// Takes a message: from the commit on it is in the queue, due at once.
    ///
    /// # Errors
    /// [`Error::LimitReached`], [`Error::TooBig`], [`Error::NoRecipients`], [`Error::DiskFull`]; [`Error::UploadIncomplete`] as
    /// [`QueueTx::push`].
    pub fn take(&mut self, message: &Message) -> Result<Taken, Error> {
        if let Some(id) = &message.id {
            let noted = self
                .connection
                .prepare_cached("INSERT INTO taken (enqueue, taken_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
                .execute(params![&id.as_bytes()[..], self.now])?;
            if noted == 0 {
                self.discard(message.incoming)?;
                return Ok(Taken::Before);
            }
            admit(*self.totals, self.limits, message.size())?;
        }
        if message.prefix.len() > PREFIX_BYTES_MAX {
            return Err(Error::TooBig);
        }
        if message.recipients.is_empty() {
            return Err(Error::NoRecipients);
        }
        let row = self.write(message)?;
        for (destination, recipients) in by_destination(&message.recipients) {
            self.share(row, destination, &recipients)?;
        }
        self.totals.entries += 1;
        self.totals.octets += message.size();
        Ok(Taken::New(row))
    }

    /// The entry's row and the rest of its text.
    fn write(&mut self, message: &Message) -> Result<i64, Error> {
        let mut incoming = message.incoming;
        for text in message.rest.chunks(CHUNK_BYTES) {
            incoming = push(self.connection, incoming, text)?;
        }
        let row = match incoming.row {
            Some(row) => row,
            None => insert(self.connection)?,
        };
        let envelope = &message.envelope;
        let written = self
            .connection
            .prepare_cached(
                "UPDATE entry SET arrived_ms = ?2, size = ?3, reverse_path = ?4, ret = ?5, envelope_id = ?6, needs = ?7, \
                 mailbox = ?8, origin = ?9, expires_ms = ?10 WHERE id = ?1 AND arrived_ms IS NULL",
            )?
            .execute(params![
                row,
                self.now,
                message.size() as i64,
                envelope.reverse_path,
                envelope.ret.code(),
                envelope.envelope_id,
                row::needs(envelope),
                envelope.mailbox,
                envelope.origin.code(),
                envelope.expires_ms,
            ])?;
        if written == 0 {
            return Err(Error::UploadIncomplete);
        }
        if !message.prefix.is_empty() {
            write_chunk(self.connection, row, 0, &message.prefix)?;
        }
        Ok(row)
    }

    fn share(&mut self, entry: i64, name: &str, recipients: &[&Recipient]) -> Result<(), Error> {
        let destination: i64 = self
            .connection
            .prepare_cached(
                "INSERT INTO destination (name, recipients, due_ms) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE SET \
                 recipients = recipients + excluded.recipients, \
                 due_ms = min(coalesce(due_ms, excluded.due_ms), excluded.due_ms) RETURNING id",
            )?
            .query_row(params![name, recipients.len() as i64, self.now], |row| row.get(0))?;
        let share = self
            .connection
            .prepare_cached("INSERT INTO share (entry, destination, due_ms) VALUES (?1, ?2, ?3)")?
            .insert(params![entry, destination, self.now])?;
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO recipient (share, address, notify, original, next_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for recipient in recipients {
            statement.execute(params![share, recipient.address, recipient.notify, recipient.original, self.now])?;
        }
        self.totals.recipients += recipients.len() as u64;
        Ok(())
    }
}

impl Message {
    /// Octets of prefix and text.
    fn size(&self) -> u64 {
        self.incoming.size + (self.prefix.len() + self.rest.len()) as u64
    }
}

pub(super) fn push(connection: &Connection, incoming: Incoming, text: &[u8]) -> Result<Incoming, Error> {
    let size = incoming.size.saturating_add(text.len() as u64);
    if size > MESSAGE_BYTES_MAX || text.len() > CHUNK_BYTES {
        return Err(Error::TooBig);
    }
    let row = match incoming.row {
        Some(row) => row,
        None => insert(connection)?,
    };
    let chunks = incoming.chunks + 1;
    let sql = "UPDATE entry SET chunks = ?2, size = ?3 WHERE id = ?1 AND arrived_ms IS NULL";
    if connection.prepare_cached(sql)?.execute(params![row, chunks, size as i64])? == 0 {
        // The file was opened anew, or another took its place, and what had not come whole was dropped.
        return Err(Error::UploadIncomplete);
    }
    write_chunk(connection, row, chunks, text)?;
    Ok(Incoming { row: Some(row), chunks, size })
}

pub(super) fn discard(connection: &Connection, incoming: Incoming) -> Result<(), Error> {
    if let Some(row) = incoming.row {
        connection.prepare_cached("DELETE FROM entry WHERE id = ?1 AND arrived_ms IS NULL")?.execute([row])?;
    }
    Ok(())
}

pub(super) fn is_taken(connection: &Connection, id: &EnqueueId) -> Result<bool, Error> {
    Ok(connection.prepare_cached("SELECT 1 FROM taken WHERE enqueue = ?1")?.exists([&id.as_bytes()[..]])?)
}

pub(super) fn admit(totals: Totals, limits: Limits, octets: u64) -> Result<(), Error> {
    if totals.entries >= limits.entries_max {
        return Err(Error::LimitReached("messages in the queue"));
    }
    if totals.octets.saturating_add(octets) > limits.octets_max {
        return Err(Error::LimitReached("octets in the queue"));
    }
    Ok(())
}

fn insert(connection: &Connection) -> Result<i64, Error> {
    let row = connection
        .prepare_cached(
            "INSERT INTO entry (size, chunks, reverse_path, ret, envelope_id, needs, mailbox, origin, expires_ms) \
             VALUES (0, 0, '', 0, '', 0, '', 4, 0)",
        )?
        .insert([])?;
    Ok(row)
}

fn write_chunk(connection: &Connection, entry: i64, number: u32, bytes: &[u8]) -> Result<(), Error> {
    connection
        .prepare_cached("INSERT INTO chunk (entry, number, bytes) VALUES (?1, ?2, ?3)")?
        .execute(params![entry, number, bytes])?;
    Ok(())
}

/// Each destination with its recipients, in the order of the envelope, none twice.
fn by_destination(recipients: &[Recipient]) -> Vec<(&str, Vec<&Recipient>)> {
    let mut grouped: Vec<(&str, Vec<&Recipient>)> = Vec::new();
    let mut at = std::collections::HashMap::new();
    let mut seen = std::collections::HashSet::new();
    for recipient in recipients {
        if !seen.insert((recipient.destination.as_str(), recipient.address.as_str())) {
            continue;
        }
        let place = *at.entry(recipient.destination.as_str()).or_insert_with(|| {
            grouped.push((&recipient.destination, Vec::new()));
            grouped.len() - 1
        });
        if let Some((_, group)) = grouped.get_mut(place) {
            group.push(recipient);
        }
    }
    grouped
}

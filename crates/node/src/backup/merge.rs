//! What a backup of waiting mail, or of a queue, has and the file that is used has not, comes into that file.
//!
//! Invariants: the backup is a copy of our own, whole, sound, and opened with the node's key; nothing of it is believed before. A message
//! that waited comes once by its delivery id: not where it waits, and not where the owner's mailbox remembers that it was drained. An
//! entry of a queue comes once by its number, and is held, for it may have been sent since.

use super::restore::{Arrival, Part};
use crate::fault::Fault;
use crate::keyed::queue_options;
use crate::primary::Primary;
use mailbox::Error;
use mailbox::queue::{Merged, QueueBackup, QueueFile, QueueReader};
use mailbox::snapshot::{Subject, inspect};
use mailbox::waiting::{Closing, WaitingFile, WaitingMessage};
use model::{MailboxId, QueueId};

/// Messages after which the log of the file that they come into is looked after.
const MESSAGES_PER_UPKEEP: u64 = 64;

/// A backup of waiting mail. Dropping it removes the copy.
pub struct WaitingBackup {
    /// Whose mail it is.
    pub id: MailboxId,
    file: WaitingFile,
    _part: Part,
}

/// A backup of a queue. Dropping it removes the copy.
pub struct OpenQueueBackup {
    /// Its entries.
    pub backup: QueueBackup,
    _part: Part,
}

/// What came in, whole and sound.
fn checked(primary: &Primary, arrival: Arrival, subject: &Subject<'_>) -> Result<Part, Fault> {
    let part = arrival.whole()?;
    inspect(part.path()?, subject, &primary.settings.options, &primary.staging.pace())?;
    Ok(part)
}

/// Opens what came in as waiting mail.
///
/// # Errors
/// DAMAGED when it differs from its digest or a page of it is damaged; WRONG_KEY when it is another node's.
pub fn waiting(primary: &Primary, arrival: Arrival, id: MailboxId) -> Result<WaitingBackup, Fault> {
    let key = primary.node_key.file_key(&id)?;
    let part = checked(primary, arrival, &Subject::Waiting(&key, &id))?;
    let file = WaitingFile::open_or_create(part.path()?, &key, &id, primary.settings.options.disk)?;
    Ok(WaitingBackup { id, file, _part: part })
}

/// Opens what came in as a queue; `why` is why its entries will be held.
///
/// # Errors
/// As [`waiting`].
pub fn queue(primary: &Primary, arrival: Arrival, id: QueueId, why: String) -> Result<OpenQueueBackup, Fault> {
    let (key, options) = (primary.node_key.queue_key(&id)?, queue_options(primary));
    let part = checked(primary, arrival, &Subject::Queue(&key, &id))?;
    // One of an earlier schema is brought up to date, here in its own place.
    QueueFile::open_or_create(part.path()?, &key, &id, options)?.close()?;
    let reader = QueueReader::open(part.path()?, &key, &id, options)?;
    Ok(OpenQueueBackup { backup: QueueBackup { reader, id, is_same: true, why }, _part: part })
}

impl WaitingBackup {
    /// Adds what is not there, behind what is; each message is durable before the next is begun. What is wrong with the backup is no
    /// damage of the file.
    ///
    /// # Errors
    /// Of the file; what was added stays.
    pub fn pour(&self, into: &mut WaitingFile) -> Result<Merged, Error> {
        let (mut merged, mut before) = (Merged::default(), None);
        while let Some(message) = self.file.next_after(before.as_ref()).map_err(unreadable)? {
            if into.known(&message.delivery)? {
                merged.there += 1;
            } else {
                self.add(&message, into).inspect_err(|_| {
                    // One that cannot be discarded now is dropped when the file is next opened.
                    let _ = into.discard(&message.delivery);
                })?;
                merged.taken += 1;
                if merged.taken.is_multiple_of(MESSAGES_PER_UPKEEP) {
                    into.upkeep()?;
                }
            }
            before = Some(message);
        }
        Ok(merged)
    }

    fn add(&self, message: &WaitingMessage, into: &mut WaitingFile) -> Result<(), Error> {
        let delivery = &message.delivery;
        into.begin(delivery, message.received_at)?;
        for sequence in 0..message.chunks {
            let part = self.file.read(delivery, sequence).map_err(unreadable)?;
            into.push(delivery, &part.unwrap_or_default())?;
        }
        into.complete(delivery, Closing { wrap: &message.wrap, prefix: &message.prefix, junk: message.junk })
    }
}

/// What is wrong with the backup.
fn unreadable(error: Error) -> Error {
    Error::Io { doing: "reading the backup", source: std::io::Error::other(error) }
}

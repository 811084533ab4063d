//! Puts a message in: text to the disk as it comes, then the whole in one durable commit.
//!
//! Invariants: what is held of a message is less than a chunk, its prefix, and what the transport has under way; the sender is
//! asked for more only as the file takes it. Nothing of a message whose stream breaks stays.

use super::convert;
use super::fault::malformed;
use super::files::{File, Queues};
use super::meters;
use super::writer::After;
use crate::limits::DELIVERY_SILENCE_MS_MAX;
use bytes::Bytes;
use mailbox::queue::{CHUNK_BYTES, Incoming, Message, PREFIX_BYTES_MAX, Taken};
use model::EnqueueId;
use model::limits::MESSAGE_BYTES_MAX;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Status, Streaming};
use wire::queue::enqueue_request::Step;
use wire::queue::{EnqueueCommit, EnqueueReply, EnqueueRequest};

/// Serves one stream.
pub async fn enqueue(queues: &Queues, mut steps: Streaming<EnqueueRequest>) -> Result<EnqueueReply, Status> {
    let Some(Step::Begin(begin)) = next(&mut steps).await? else { return Err(malformed("begin with Begin")) };
    let id = EnqueueId::try_from(&begin.enqueue_id[..]).map_err(|_| malformed("the enqueue id has 16 octets"))?;
    let (envelope, recipients) = convert::envelope(begin.envelope.ok_or_else(|| malformed("Begin has no envelope"))?)?;
    let file = queues.of_message(&id).ok_or_else(|| Status::unavailable("this node has no queue"))?;
    if begin.size > MESSAGE_BYTES_MAX {
        return Err(too_big());
    }
    file.has_room(begin.size).await?;
    let mut text = Text { file, incoming: Incoming::default(), held: Vec::new(), size: 0 };
    let commit = loop {
        match next(&mut steps).await? {
            Some(Step::Data(data)) => text.push(&data).await?,
            Some(Step::Commit(commit)) => break commit,
            Some(Step::Begin(_)) => return Err(malformed("Begin comes once")),
            None => return Err(Status::cancelled("the stream ended before Commit")),
        }
    };
    let (incoming, rest) = text.whole(&commit)?;
    let origin = envelope.origin;
    let message = Message { id: Some(id), envelope, recipients, prefix: commit.prefix.into(), incoming, rest };
    // To the end, also when the sender hangs up meanwhile.
    let taken = tokio::spawn(take(file.clone(), message, incoming)).await;
    match taken.map_err(|_| Status::internal("the message could not be put in"))?? {
        Taken::New(_) => {
            meters::taken(origin);
            Ok(EnqueueReply { already: false })
        }
        Taken::Before => Ok(EnqueueReply { already: true }),
    }
}

async fn take(file: Arc<File>, message: Message, incoming: Incoming) -> Result<Taken, Status> {
    let after = After { wakes: |taken| matches!(taken, Taken::New(_)), ..After::NOTHING };
    let taken = file.run(move |tx| tx.take(&message), after).await;
    if taken.is_err() {
        // It was not taken; what of it is in the file is not a message.
        file.writer.discard(incoming);
    }
    taken
}

async fn next(steps: &mut Streaming<EnqueueRequest>) -> Result<Option<Step>, Status> {
    let silence = Duration::from_millis(DELIVERY_SILENCE_MS_MAX);
    let request = tokio::time::timeout(silence, steps.message()).await;
    let request = request.map_err(|_| Status::deadline_exceeded("nothing came for too long"))??;
    request.map(|request| request.step.ok_or_else(|| malformed("an empty step"))).transpose()
}

fn too_big() -> Status {
    Status::out_of_range(format!("a message has at most {MESSAGE_BYTES_MAX} octets"))
}

/// The text so far. Dropped before it is whole, it leaves nothing behind.
struct Text<'f> {
    file: &'f Arc<File>,
    incoming: Incoming,
    /// Octets that do not fill a chunk yet.
    held: Vec<u8>,
    size: u64,
}

impl Text<'_> {
    async fn push(&mut self, data: &Bytes) -> Result<(), Status> {
        self.size = self.size.saturating_add(data.len() as u64);
        if self.size > MESSAGE_BYTES_MAX {
            return Err(too_big());
        }
        let mut rest = &data[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(CHUNK_BYTES - self.held.len()));
            self.held.extend_from_slice(now);
            rest = later;
            if self.held.len() == CHUNK_BYTES {
                self.file.has_room(CHUNK_BYTES as u64).await?;
                let chunk = std::mem::take(&mut self.held);
                // Given away, so that a stream that is dropped meanwhile does not drop a message that grows still: who
                // nobody waits for is dropped by the writer.
                let before = std::mem::take(&mut self.incoming);
                let pushed = self.file.writer.push(before, chunk).await;
                self.incoming = match pushed {
                    Ok(incoming) => incoming,
                    Err(failed) => {
                        self.incoming = before;
                        return Err(self.file.status(&failed));
                    }
                };
            }
        }
        Ok(())
    }

    /// What is in the file, and what is not yet.
    fn whole(mut self, commit: &EnqueueCommit) -> Result<(Incoming, Vec<u8>), Status> {
        if commit.size != self.size {
            return Err(malformed("octets of the message were lost on the way"));
        }
        if commit.prefix.len() > PREFIX_BYTES_MAX {
            return Err(malformed("the prefix is too long"));
        }
        Ok((std::mem::take(&mut self.incoming), std::mem::take(&mut self.held)))
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        self.file.writer.discard(self.incoming);
    }
}

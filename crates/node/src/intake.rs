//! A message on its way in: hashed, cut and compressed as it comes, small ones in place and large ones on the pool.
//! Where the pieces go is the caller's.
//!
//! Invariant: at most one chunk of the body is in memory here, besides what the caller has not taken yet.

use crate::fault::{Fault, internal};
use crate::limits::INGEST_IN_PLACE_BYTES;
use crate::primary::Primary;
use bytes::Bytes;
use mailbox::Prefix;
use mailbox::{Content, Ingest, Piece};
use model::limits::{CHUNK_BYTES_MAX, MESSAGE_BYTES_MAX};
use std::sync::Arc;
use wire::session::FailureCode;

/// The message.
pub struct Intake {
    primary: Arc<Primary>,
    /// Away while the pool works on it.
    ingest: Option<Ingest>,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    size: u64,
}

impl Intake {
    /// An empty one.
    pub fn new(primary: &Arc<Primary>) -> Self {
        let ingest = Some(Ingest::new());
        Self { primary: primary.clone(), ingest, waiting: Vec::new(), waiting_bytes: 0, size: 0 }
    }

    /// Octets so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next octets; answers the pieces that are ready to be staged, none for a small message.
    ///
    /// # Errors
    /// TOO_BIG over `MESSAGE_BYTES_MAX`.
    pub async fn push(&mut self, data: Bytes) -> Result<Vec<Piece>, Fault> {
        self.size = self.size.saturating_add(data.len() as u64);
        if self.size > MESSAGE_BYTES_MAX {
            return Err(too_big());
        }
        if self.size <= INGEST_IN_PLACE_BYTES as u64 {
            let ingest = self.ingest.as_mut().ok_or_else(gone)?;
            ingest.push(&data)?;
            return Ok(ingest.take_pieces());
        }
        self.waiting_bytes += data.len();
        self.waiting.push(data);
        if self.waiting_bytes < CHUNK_BYTES_MAX { Ok(Vec::new()) } else { self.work_off().await }
    }

    /// On the pool: what has come since the last time.
    async fn work_off(&mut self) -> Result<Vec<Piece>, Fault> {
        let mut ingest = self.ingest.take().ok_or_else(gone)?;
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let worked = self.primary.readers.run(move || {
            for data in waiting {
                ingest.push(&data)?;
            }
            let pieces = ingest.take_pieces();
            Ok::<_, mailbox::Error>((ingest, pieces))
        });
        let (ingest, pieces) = worked.await??;
        self.ingest = Some(ingest);
        Ok(pieces)
    }

    /// The message is whole: the last pieces to stage, and the content, which refers to the staged ones.
    pub async fn finish(self) -> Result<Content, Fault> {
        self.finish_behind(Prefix::default()).await
    }

    /// As [`Intake::finish`], with fields that stand in front of what came.
    pub async fn finish_behind(mut self, prefix: Prefix) -> Result<Content, Fault> {
        let ingest = self.ingest.take().ok_or_else(gone)?;
        let waiting = std::mem::take(&mut self.waiting);
        if self.size <= INGEST_IN_PLACE_BYTES as u64 {
            return Ok(ingest.finish_behind(&prefix)?);
        }
        let finished = self.primary.readers.run(move || {
            let mut ingest = ingest;
            for data in waiting {
                ingest.push(&data)?;
            }
            ingest.finish_behind(&prefix)
        });
        Ok(finished.await??)
    }
}

/// Over the size of one message.
pub fn too_big() -> Fault {
    Fault::new(FailureCode::TooBig, format!("the message is larger than {MESSAGE_BYTES_MAX} octets"))
}

fn gone() -> Fault {
    internal("the message was given up before")
}

//! Puts a message into a node's queue, once, over as many connections as that takes.
//!
//! Invariants: every try of one message carries the same id, and a node takes an id once. `Ok` from [`Enqueue::commit`] is
//! the node's word that the message is on stable storage. The text is kept while it is small; of a longer one that was cut
//! off, nothing but its commit can be asked for.

use super::failure::EnqueueError;
use super::limits::{COMMIT_MAX, DOUBT_MAX, FRAME_BYTES, REPLAY_BYTES_MAX, SETTLE_MAX};
use super::stream::{Ended, Stream};
use super::{Queues, Rpc};
use crate::backoff::Backoff;
use bytes::{Bytes, BytesMut};
use directory::client::DirectoryClient;
use rustls::ClientConfig;
use std::sync::Arc;
use tokio::time::{Instant, timeout};
use wire::queue::{EnqueueBegin, EnqueueCommit, EnqueueStatusRequest, Envelope};

/// The way into the queues. Cheap to clone.
#[derive(Clone)]
pub struct Enqueuer(Queues);

impl Enqueuer {
    /// Finds nodes through the directory and speaks mutual TLS. Needs a tokio runtime around it.
    pub fn new(directory: DirectoryClient, tls: Arc<ClientConfig>) -> Self {
        Self(Queues::new(directory, tls))
    }

    /// Begins a message in the queue of a node, by its label. `size`: its octets as far as is known, else 0; what cannot fit
    /// is refused before all of it was sent.
    ///
    /// # Errors
    /// [`EnqueueError::Unavailable`]; that the node cannot be reached shows only later.
    pub async fn begin(&self, node: &str, envelope: Envelope, size: u64) -> Result<Enqueue, EnqueueError> {
        let rpc = self.0.rpc(node).await?;
        let id: [u8; 16] = vault::random().map_err(|error| EnqueueError::Unavailable(error.to_string()))?;
        let begin = EnqueueBegin { enqueue_id: Bytes::copy_from_slice(&id), envelope: Some(envelope), size };
        let way = Way::Open(Stream::open(rpc.clone(), begin.clone()));
        Ok(Enqueue { rpc, begin, way, held: BytesMut::new(), kept: Some(Vec::new()), size: 0 })
    }
}

/// How it stands with the node.
enum Way {
    /// The stream takes more.
    Open(Stream),
    /// The node has the message already.
    Taken,
    /// The stream broke; what is kept is sent again.
    Broken(EnqueueError),
}

/// A message on its way into a queue. Dropped, it was never there.
pub struct Enqueue {
    rpc: Rpc,
    begin: EnqueueBegin,
    way: Way,
    /// Octets that do not fill a frame yet.
    held: BytesMut,
    /// Every frame so far, while they are few.
    kept: Option<Vec<Bytes>>,
    size: u64,
}

impl Enqueue {
    /// The next octets of the message, as it is to be sent but for the prefix.
    ///
    /// # Errors
    /// See [`EnqueueError`]; then there is nothing left to do but to drop it. A connection that breaks while the message is
    /// small is no error.
    pub async fn push(&mut self, mut text: &[u8]) -> Result<(), EnqueueError> {
        self.size = self.size.saturating_add(text.len() as u64);
        while !text.is_empty() {
            let (now, rest) = text.split_at(text.len().min(FRAME_BYTES - self.held.len()));
            self.held.extend_from_slice(now);
            text = rest;
            if self.held.len() == FRAME_BYTES {
                self.send_held().await?;
            }
        }
        Ok(())
    }

    /// The message is whole; `prefix` goes before it. On `Ok` it is on stable storage.
    ///
    /// # Errors
    /// See [`EnqueueError`].
    pub async fn commit(mut self, prefix: impl Into<Bytes>) -> Result<(), EnqueueError> {
        self.send_held().await?;
        let commit = EnqueueCommit { prefix: prefix.into(), size: self.size };
        let first = match std::mem::replace(&mut self.way, Way::Taken) {
            Way::Taken => return Ok(()),
            Way::Open(stream) => stream.commit(commit.clone()).await,
            Way::Broken(error) => Err(error),
        };
        match first {
            Err(EnqueueError::Unavailable(why)) => self.settle(&commit, why).await,
            decided => decided,
        }
    }

    /// Sends what is held, and keeps it if the whole is small.
    async fn send_held(&mut self) -> Result<(), EnqueueError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let frame = self.held.split().freeze();
        if self.size > REPLAY_BYTES_MAX as u64 {
            self.kept = None;
        }
        if let Some(kept) = &mut self.kept {
            kept.push(frame.clone());
        }
        if let Way::Open(stream) = &mut self.way {
            match stream.data(frame).await {
                Ok(()) => {}
                Err(Ended::Taken) => self.way = Way::Taken,
                Err(Ended::Broken(error)) => self.way = Way::Broken(error),
            }
        }
        match &self.way {
            Way::Broken(error @ (EnqueueError::Full(_) | EnqueueError::Refused(_))) => Err(error.clone()),
            Way::Broken(error) if self.kept.is_none() => Err(error.clone()),
            Way::Open(_) | Way::Taken | Way::Broken(_) => Ok(()),
        }
    }

    /// Finds out what became of a message whose answer was lost: sends it again if it is kept, else asks.
    async fn settle(&mut self, commit: &EnqueueCommit, why: String) -> Result<(), EnqueueError> {
        let mut backoff = Backoff::new();
        let (mut why, deadline, mut doubted_until) = (why, Instant::now() + SETTLE_MAX, None);
        loop {
            let pause = backoff.pause();
            if Instant::now() + pause > deadline {
                return Err(EnqueueError::Unavailable(why));
            }
            tokio::time::sleep(pause).await;
            tracing::debug!(%why, "asking again what became of a message for the queue");
            let tried = match self.kept.clone() {
                Some(kept) => self.send_again(kept, commit).await,
                None => match self.taken().await {
                    Ok(true) => return Ok(()),
                    Ok(false) if Instant::now() < *doubted_until.get_or_insert(Instant::now() + DOUBT_MAX) => {
                        Err(EnqueueError::Unavailable("the node has not taken it".to_owned()))
                    }
                    Ok(false) => return Err(EnqueueError::Unavailable(why)),
                    Err(error) => Err(error),
                },
            };
            match tried {
                Err(EnqueueError::Unavailable(again)) => why = again,
                decided => return decided,
            }
        }
    }

    async fn send_again(&self, kept: Vec<Bytes>, commit: &EnqueueCommit) -> Result<(), EnqueueError> {
        let mut stream = Stream::open(self.rpc.clone(), self.begin.clone());
        for frame in kept {
            match stream.data(frame).await {
                Ok(()) => {}
                Err(Ended::Taken) => return Ok(()),
                Err(Ended::Broken(error)) => return Err(error),
            }
        }
        stream.commit(commit.clone()).await
    }

    async fn taken(&mut self) -> Result<bool, EnqueueError> {
        let request = EnqueueStatusRequest { enqueue_id: self.begin.enqueue_id.clone() };
        let late = || EnqueueError::Unavailable("the node did not answer in time".to_owned());
        let answer = timeout(COMMIT_MAX, self.rpc.enqueue_status(request)).await.map_err(|_| late())?;
        Ok(answer?.into_inner().taken)
    }
}

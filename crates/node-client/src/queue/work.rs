//! One node's queue for a worker: leases, bodies, and what became of them. Questions that are harmless twice are asked again
//! over a connection that broke.

use super::Rpc;
use super::failure::QueueError;
use super::limits::{ANSWER_MAX, REPEATS_MAX};
use crate::backoff::Backoff;
use bytes::Bytes;
use std::time::Duration;
use tokio::time::timeout;
use tonic::{Response, Status, Streaming};
use wire::queue::{
    ChangeRequest, DestinationsReply, DestinationsRequest, Entry, LeaseReply, LeaseRequest, LeasedEntry, ListReply,
    ListRequest, PauseRequest, ReadReply, ReadRequest, RenewRequest, SettleRequest, ShowRequest,
};

/// The queue of one node. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    rpc: Rpc,
    node: String,
}

impl Queue {
    pub(super) fn new(rpc: Rpc, node: String) -> Self {
        Self { rpc, node }
    }

    /// The node's label.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Takes what is due, or waits `wait_ms` for it. A lost answer is not asked for again: its leases end by themselves.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Refused`].
    pub async fn lease(&self, request: LeaseRequest) -> Result<LeaseReply, QueueError> {
        let wait = Duration::from_millis(request.wait_ms.into());
        let mut rpc = self.rpc.clone();
        within(wait + ANSWER_MAX, rpc.lease(request)).await
    }

    /// The message of a leased entry: prefix and text, in order.
    ///
    /// # Errors
    /// [`QueueError::Lost`], [`QueueError::Unavailable`].
    pub async fn read(&self, leased: &LeasedEntry) -> Result<Body, QueueError> {
        let mut rpc = self.rpc.clone();
        let request = ReadRequest { entry: leased.entry, lease: leased.lease };
        let stream = within(ANSWER_MAX, rpc.read(request)).await?;
        Ok(Body { stream, left: leased.size })
    }

    /// Leases go on for `seconds` from now; returns those that are lost, by lease number.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Refused`].
    pub async fn renew(&self, leases: Vec<ReadRequest>, seconds: u32) -> Result<Vec<u64>, QueueError> {
        let reply = self.repeated(|mut rpc| {
            let request = RenewRequest { leases: leases.clone(), seconds };
            async move { rpc.renew(request).await }
        });
        Ok(reply.await?.lost)
    }

    /// What became of a leased entry; durable on return. Asked again after a lost answer, [`QueueError::Lost`] may mean that
    /// the first time was enough.
    ///
    /// # Errors
    /// [`QueueError::Lost`], [`QueueError::Unavailable`], [`QueueError::Refused`].
    pub async fn settle(&self, request: SettleRequest) -> Result<(), QueueError> {
        let reply = self.repeated(|mut rpc| {
            let request = request.clone();
            async move { rpc.settle(request).await }
        });
        reply.await.map(drop)
    }

    /// Nothing more for this destination until then, to any worker.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Refused`].
    pub async fn pause(&self, destination: &str, until_ms: i64, status: &str) -> Result<(), QueueError> {
        let request = PauseRequest { destination: destination.to_owned(), until_ms, status: status.to_owned() };
        let reply = self.repeated(|mut rpc| {
            let request = request.clone();
            async move { rpc.pause(request).await }
        });
        reply.await.map(drop)
    }

    /// Destinations with the most recipients, for the operator.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Refused`].
    pub async fn destinations(&self, limit: u32) -> Result<DestinationsReply, QueueError> {
        self.repeated(|mut rpc| async move { rpc.destinations(DestinationsRequest { limit }).await }).await
    }

    /// A page of entries, for the operator.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Refused`].
    pub async fn list(&self, request: ListRequest) -> Result<ListReply, QueueError> {
        let reply = self.repeated(|mut rpc| {
            let request = request.clone();
            async move { rpc.list(request).await }
        });
        reply.await
    }

    /// One entry, for the operator; [`QueueError::Lost`] when it is not there.
    ///
    /// # Errors
    /// [`QueueError::Lost`], [`QueueError::Unavailable`].
    pub async fn show(&self, entry: u64) -> Result<Entry, QueueError> {
        self.repeated(|mut rpc| async move { rpc.show(ShowRequest { entry }).await }).await
    }

    /// Retries, holds, releases or drops; how many recipients it touched.
    ///
    /// # Errors
    /// [`QueueError::Lost`] when there is no such entry, [`QueueError::Unavailable`], [`QueueError::Refused`].
    pub async fn change(&self, request: ChangeRequest) -> Result<u64, QueueError> {
        // Not repeated: the count of a second time is another one.
        let mut rpc = self.rpc.clone();
        Ok(rpc.change(request).await?.into_inner().recipients)
    }

    async fn repeated<T, F>(&self, ask: impl Fn(Rpc) -> F) -> Result<T, QueueError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let mut backoff = Backoff::new();
        for _ in 0..REPEATS_MAX {
            match within(ANSWER_MAX, ask(self.rpc.clone())).await {
                Err(QueueError::Unavailable(why)) => tracing::debug!(node = %self.node, %why, "asking a queue again"),
                decided => return decided,
            }
            tokio::time::sleep(backoff.pause()).await;
        }
        within(ANSWER_MAX, ask(self.rpc.clone())).await
    }
}

/// The octets of a message as they come.
pub struct Body {
    stream: Streaming<ReadReply>,
    left: u64,
}

impl Body {
    /// The next octets, `None` after the last.
    ///
    /// # Errors
    /// [`QueueError::Lost`] when the lease ended meanwhile, [`QueueError::Unavailable`] when the stream broke: what came is
    /// not the whole message.
    pub async fn next(&mut self) -> Result<Option<Bytes>, QueueError> {
        let next = timeout(ANSWER_MAX, self.stream.message()).await;
        let next = next.map_err(|_| QueueError::unavailable("the node sent nothing for too long"))??;
        match next {
            Some(ReadReply { data }) => match self.left.checked_sub(data.len() as u64) {
                Some(left) => {
                    self.left = left;
                    Ok(Some(data))
                }
                None => Err(QueueError::unavailable("the message is longer than it should be")),
            },
            None if self.left == 0 => Ok(None),
            None => Err(QueueError::unavailable("the message was cut off")),
        }
    }
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, QueueError> {
    let answered = timeout(limit, call).await;
    Ok(answered.map_err(|_| QueueError::unavailable("the node did not answer in time"))??.into_inner())
}

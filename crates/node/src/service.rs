//! The node's gRPC service: each call to the module that answers it.

use crate::aside::{self, AsideFile, Kept};
use crate::check;
use crate::deliver;
use crate::erase::Removed;
use crate::fault::Fault;
use crate::limits::{ASIDE_LISTED_MAX, DELIVERIES_MAX};
use crate::primary::Primary;
use crate::shard::{Census, Request as ShardRequest};
use model::limits::RECIPIENTS_MAX;
use model::{DeliveryId, MailboxId};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use wire::convert;
use wire::node::node_server::Node;
use wire::node::{
    AsideKind, CheckReply, CheckRequest, Committed, DeliverReply, DeliverRequest, DeliveryStatusReply,
    DeliveryStatusRequest, DiscardAsideReply, DiscardAsideRequest, EraseReply, EraseRequest, ErasedFile,
    ListAsideReply, ListAsideRequest, Outcome,
};
use wire::session::FailureCode;

/// Replies of one delivery that wait for the MX: one for each recipient, and credit.
const REPLIES_MAX: usize = 8;

/// The shards as seen from here.
#[derive(Clone)]
pub struct Shards {
    /// The node stops.
    pub stop: CancellationToken,
    senders: Arc<[mpsc::Sender<ShardRequest>]>,
}

impl Shards {
    /// In shard order.
    pub fn new(senders: Vec<mpsc::Sender<ShardRequest>>, stop: CancellationToken) -> Self {
        Self { stop, senders: senders.into() }
    }

    /// Asks the mailbox's shard; `None` when it is closing.
    pub async fn ask<T>(
        &self,
        mailbox: &MailboxId,
        request: impl FnOnce(oneshot::Sender<T>) -> ShardRequest,
    ) -> Option<T> {
        let shard = self.senders.get(wire::shard_of(mailbox, self.senders.len()))?;
        let (answer, answered) = oneshot::channel();
        shard.send(request(answer)).await.ok()?;
        answered.await.ok()
    }

    /// What all shards have open; `None` when one does not answer.
    pub async fn census(&self) -> Option<Census> {
        let mut all = Census::default();
        for shard in self.senders.iter() {
            let (answer, answered) = oneshot::channel();
            shard.send(ShardRequest::Census(answer)).await.ok()?;
            let census = answered.await.ok()?;
            all.open_mailboxes += census.open_mailboxes;
            all.sessions += census.sessions;
        }
        Some(all)
    }
}

/// The service.
pub struct Service {
    primary: Arc<Primary>,
    shards: Shards,
    deliveries: Arc<Semaphore>,
}

impl Service {
    /// The service of this node.
    pub fn new(primary: Arc<Primary>, shards: Shards) -> Self {
        Self { primary, shards, deliveries: Arc::new(Semaphore::new(DELIVERIES_MAX)) }
    }
}

#[tonic::async_trait]
impl Node for Service {
    type DeliverStream = ReceiverStream<Result<DeliverReply, Status>>;

    async fn deliver(
        &self,
        request: Request<Streaming<DeliverRequest>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let permit = self.deliveries.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Status::unavailable("too many deliveries are under way: try again"))?;
        let (replies, stream) = mpsc::channel(REPLIES_MAX);
        let (primary, shards) = (self.primary.clone(), self.shards.clone());
        tokio::spawn(async move {
            metrics::gauge!("brevdue_node_deliveries").increment(1);
            deliver::run(primary, shards, request.into_inner(), replies).await;
            metrics::gauge!("brevdue_node_deliveries").decrement(1);
            drop(permit);
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn delivery_status(
        &self,
        request: Request<DeliveryStatusRequest>,
    ) -> Result<Response<DeliveryStatusReply>, Status> {
        let request = request.into_inner();
        if request.mailbox_ids.is_empty() {
            return Ok(Response::new(DeliveryStatusReply { committed: Vec::new() }));
        }
        if request.mailbox_ids.len() > RECIPIENTS_MAX {
            return Err(Status::invalid_argument(format!("more than {RECIPIENTS_MAX} mailboxes")));
        }
        let delivery =
            convert::delivery_id(&request.delivery_id).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let mut committed = Vec::with_capacity(request.mailbox_ids.len());
        for mailbox_id in request.mailbox_ids {
            let mailbox =
                convert::mailbox_id(&mailbox_id).map_err(|error| Status::invalid_argument(error.to_string()))?;
            let outcome = self.status(delivery, mailbox).await?;
            committed.push(Committed { mailbox_id, outcome: outcome.into() });
        }
        Ok(Response::new(DeliveryStatusReply { committed }))
    }

    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckReply>, Status> {
        check::check(&self.primary).await.map_err(Status::unavailable)?;
        let census = self.shards.census().await.ok_or_else(|| Status::unavailable("a shard does not answer"))?;
        Ok(Response::new(CheckReply {
            node_id: self.primary.node.to_string(),
            open_mailboxes: u32::try_from(census.open_mailboxes).unwrap_or(u32::MAX),
            sessions: u32::try_from(census.sessions).unwrap_or(u32::MAX),
        }))
    }

    async fn erase(&self, request: Request<EraseRequest>) -> Result<Response<EraseReply>, Status> {
        let id = convert::mailbox_id(&request.get_ref().mailbox_id);
        let id = id.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let asked = self.shards.ask(&id, |answer| ShardRequest::Erase(id, answer)).await;
        let erased = asked.ok_or_else(|| Status::unavailable("the node is closing"))?;
        let removed = erased.map_err(|fault| Status::unavailable(fault.to_string()))?;
        let file = |file: Removed| ErasedFile {
            name: file.name,
            bytes: file.bytes,
            path: file.path.to_string_lossy().into_owned(),
        };
        let files = removed.into_iter().map(file).collect();
        Ok(Response::new(EraseReply { files }))
    }

    async fn list_aside(&self, _: Request<ListAsideRequest>) -> Result<Response<ListAsideReply>, Status> {
        let files = self.on_disk(aside::list).await?;
        let total = files.len() as u64;
        let files = files.into_iter().take(ASIDE_LISTED_MAX).map(aside_file).collect();
        Ok(Response::new(ListAsideReply { files, total }))
    }

    async fn discard_aside(
        &self,
        request: Request<DiscardAsideRequest>,
    ) -> Result<Response<DiscardAsideReply>, Status> {
        let name = request.into_inner().name;
        let bytes = self.on_disk(move |primary| aside::discard(primary, &name)).await?;
        Ok(Response::new(DiscardAsideReply { bytes }))
    }
}

fn aside_file(file: AsideFile) -> wire::node::AsideFile {
    let AsideFile { name, kind, id, at, bytes, why } = file;
    let kind = match kind {
        Kept::Mailbox => AsideKind::Mailbox,
        Kept::Waiting => AsideKind::Waiting,
        Kept::Queue => AsideKind::Queue,
    };
    wire::node::AsideFile { name, kind: kind.into(), id, at_ms: at.as_millisecond(), bytes, why }
}

impl Service {
    /// Does what waits for the disk, on the pool for it.
    async fn on_disk<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Primary) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Status> {
        self.primary.on_disk(run).await.map_err(|fault| match fault.code {
            FailureCode::NoSuchMessage => Status::not_found(fault.text),
            _ => Status::unavailable(fault.text),
        })
    }

    async fn status(&self, delivery: DeliveryId, mailbox: MailboxId) -> Result<Outcome, Status> {
        let asked = self.shards.ask(&mailbox, |answer| ShardRequest::Status(delivery, mailbox, answer)).await;
        asked.ok_or_else(|| Status::unavailable("the node is closing"))
    }
}

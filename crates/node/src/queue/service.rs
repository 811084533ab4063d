//! The queue's gRPC service: each call to the module that answers it, each with a place of its own.

use super::files::Queues;
use super::limits::{ENQUEUES_MAX, LEASES_AT_ONCE_MAX, READS_MAX};
use super::{admin, enqueue, meters, read, work};
use model::EnqueueId;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use wire::queue as proto;
use wire::queue::queue_server::Queue;

/// The service.
pub struct Service {
    queues: Arc<Queues>,
    stop: CancellationToken,
    enqueues: Arc<Semaphore>,
    leases: Arc<Semaphore>,
    reads: Arc<Semaphore>,
}

impl Service {
    /// The service of this node, until `stop`. Needs a tokio runtime around it.
    pub fn new(queues: Arc<Queues>, stop: CancellationToken) -> Self {
        tokio::spawn(meters::watch(Arc::downgrade(&queues), stop.clone()));
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            queues,
            stop,
            enqueues: places(ENQUEUES_MAX),
            leases: places(LEASES_AT_ONCE_MAX),
            reads: places(READS_MAX),
        }
    }
}

fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Status> {
    places.clone().try_acquire_owned().map_err(|_| Status::unavailable("too many calls of this kind: try again"))
}

#[tonic::async_trait]
impl Queue for Service {
    type ReadStream = read::Stream;

    async fn enqueue(
        &self,
        request: Request<Streaming<proto::EnqueueRequest>>,
    ) -> Result<Response<proto::EnqueueReply>, Status> {
        let _place = place(&self.enqueues)?;
        enqueue::enqueue(&self.queues, request.into_inner()).await.map(Response::new)
    }

    async fn enqueue_status(
        &self,
        request: Request<proto::EnqueueStatusRequest>,
    ) -> Result<Response<proto::EnqueueStatusReply>, Status> {
        let id = EnqueueId::try_from(&request.get_ref().enqueue_id[..])
            .map_err(|_| Status::invalid_argument("the enqueue id has 16 octets"))?;
        let file = self.queues.of_message(&id).ok_or_else(|| Status::unavailable("this node has no queue"))?;
        let taken = file.read(move |reader| reader.is_taken(&id)).await?;
        Ok(Response::new(proto::EnqueueStatusReply { taken }))
    }

    async fn lease(&self, request: Request<proto::LeaseRequest>) -> Result<Response<proto::LeaseReply>, Status> {
        let _place = place(&self.leases)?;
        work::lease(&self.queues, request.into_inner(), &self.stop).await.map(Response::new)
    }

    async fn read(&self, request: Request<proto::ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let place = place(&self.reads)?;
        read::read(&self.queues, request.into_inner(), place).await.map(Response::new)
    }

    async fn renew(&self, request: Request<proto::RenewRequest>) -> Result<Response<proto::RenewReply>, Status> {
        work::renew(&self.queues, request.into_inner()).await.map(Response::new)
    }

    async fn settle(&self, request: Request<proto::SettleRequest>) -> Result<Response<proto::SettleReply>, Status> {
        work::settle(&self.queues, request.into_inner()).await.map(Response::new)
    }

    async fn pause(&self, request: Request<proto::PauseRequest>) -> Result<Response<proto::PauseReply>, Status> {
        work::pause(&self.queues, request.into_inner()).await.map(Response::new)
    }

    async fn destinations(
        &self,
        request: Request<proto::DestinationsRequest>,
    ) -> Result<Response<proto::DestinationsReply>, Status> {
        admin::destinations(&self.queues, request.into_inner()).await.map(Response::new)
    }

    async fn list(&self, request: Request<proto::ListRequest>) -> Result<Response<proto::ListReply>, Status> {
        admin::list(&self.queues, request.into_inner()).await.map(Response::new)
    }

    async fn show(&self, request: Request<proto::ShowRequest>) -> Result<Response<proto::Entry>, Status> {
        admin::show(&self.queues, request.into_inner()).await.map(Response::new)
    }

    async fn change(&self, request: Request<proto::ChangeRequest>) -> Result<Response<proto::ChangeReply>, Status> {
        admin::change(&self.queues, request.into_inner()).await.map(Response::new)
    }
}

//! A node's queue that keeps what it is given, or does not take it.

use std::result::Result;
use std::sync::{Arc, Mutex};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use wire::queue::enqueue_request::Step;
use wire::queue::queue_server::Queue;
use wire::queue::*;

/// What was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    pub envelope: Envelope,
    pub prefix: String,
    pub text: Vec<u8>,
}

#[derive(Clone, Default)]
pub struct ScriptedQueue {
    pub taken: Arc<Mutex<Vec<Taken>>>,
    /// Nothing more fits.
    pub full: Arc<Mutex<bool>>,
}

impl ScriptedQueue {
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }
}

fn never<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("the MX has no right to it"))
}

#[tonic::async_trait]
impl Queue for ScriptedQueue {
    async fn enqueue(&self, request: Request<Streaming<EnqueueRequest>>) -> Result<Response<EnqueueReply>, Status> {
        let mut steps = request.into_inner();
        let (mut envelope, mut text) = (None, Vec::new());
        while let Some(request) = steps.message().await? {
            match request.step.unwrap() {
                Step::Begin(begin) => envelope = begin.envelope,
                Step::Data(data) => text.extend_from_slice(&data),
                Step::Commit(commit) => {
                    if *self.full.lock().unwrap() {
                        return Err(Status::resource_exhausted("full"));
                    }
                    assert_eq!(commit.size, text.len() as u64);
                    let prefix = String::from_utf8(commit.prefix.to_vec()).unwrap();
                    self.taken.lock().unwrap().push(Taken { envelope: envelope.unwrap(), prefix, text });
                    return Ok(Response::new(EnqueueReply { already: false }));
                }
            }
        }
        Err(Status::cancelled("no Commit"))
    }

    async fn enqueue_status(&self, _: Request<EnqueueStatusRequest>) -> Result<Response<EnqueueStatusReply>, Status> {
        Ok(Response::new(EnqueueStatusReply { taken: false }))
    }

    type ReadStream = ReceiverStream<Result<ReadReply, Status>>;

    async fn lease(&self, _: Request<LeaseRequest>) -> Result<Response<LeaseReply>, Status> {
        never()
    }
    async fn read(&self, _: Request<ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        never()
    }
    async fn renew(&self, _: Request<RenewRequest>) -> Result<Response<RenewReply>, Status> {
        never()
    }
    async fn settle(&self, _: Request<SettleRequest>) -> Result<Response<SettleReply>, Status> {
        never()
    }
    async fn pause(&self, _: Request<PauseRequest>) -> Result<Response<PauseReply>, Status> {
        never()
    }
    async fn destinations(&self, _: Request<DestinationsRequest>) -> Result<Response<DestinationsReply>, Status> {
        never()
    }
    async fn list(&self, _: Request<ListRequest>) -> Result<Response<ListReply>, Status> {
        never()
    }
    async fn show(&self, _: Request<ShowRequest>) -> Result<Response<Entry>, Status> {
        never()
    }
    async fn change(&self, _: Request<ChangeRequest>) -> Result<Response<ChangeReply>, Status> {
        never()
    }
}

//! One Enqueue stream to one node: frames out, one answer. Dropping it takes back whatever was not committed.

use super::Rpc;
use super::failure::EnqueueError;
use super::limits::{COMMIT_MAX, FRAMES_QUEUED_MAX, STALL_MAX};
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use wire::queue::enqueue_request::Step;
use wire::queue::{EnqueueBegin, EnqueueCommit, EnqueueReply, EnqueueRequest};

/// How a stream ended before it was meant to.
pub(super) enum Ended {
    /// The node had taken the message before.
    Taken,
    /// It did not go through.
    Broken(EnqueueError),
}

/// The call under way.
pub(super) struct Stream {
    steps: mpsc::Sender<EnqueueRequest>,
    answer: AbortOnDropHandle<Result<EnqueueReply, Status>>,
}

impl Stream {
    /// Begins; the node's first word comes with a later step.
    pub(super) fn open(mut rpc: Rpc, begin: EnqueueBegin) -> Self {
        let (steps, queued) = mpsc::channel(FRAMES_QUEUED_MAX);
        let call = async move {
            // The frames behind wait for this one's turn.
            let first = tokio_stream::once(request(Step::Begin(begin)));
            let stream = tokio_stream::StreamExt::chain(first, ReceiverStream::new(queued));
            rpc.enqueue(stream).await.map(tonic::Response::into_inner)
        };
        Self { steps, answer: AbortOnDropHandle::new(tokio::spawn(call)) }
    }

    /// Sends octets of the message, as soon as the node has room for them.
    pub(super) async fn data(&mut self, data: Bytes) -> Result<(), Ended> {
        self.send(Step::Data(data)).await
    }

    /// Sends the end and waits for the commit.
    pub(super) async fn commit(mut self, commit: EnqueueCommit) -> Result<(), EnqueueError> {
        match self.send(Step::Commit(commit)).await {
            Ok(()) => {}
            Err(Ended::Taken) => return Ok(()),
            Err(Ended::Broken(error)) => return Err(error),
        }
        let Self { steps, answer } = self;
        drop(steps);
        answered(answer, COMMIT_MAX).await.map(drop)
    }

    async fn send(&mut self, step: Step) -> Result<(), Ended> {
        match tokio::time::timeout(STALL_MAX, self.steps.send(request(step))).await {
            Ok(Ok(())) => Ok(()),
            Err(_) => Err(Ended::Broken(EnqueueError::Unavailable("the node took nothing for too long".to_owned()))),
            // The call is over; its answer says why.
            Ok(Err(_)) => match answered(&mut self.answer, COMMIT_MAX).await {
                Ok(_) => Err(Ended::Taken),
                Err(error) => Err(Ended::Broken(error)),
            },
        }
    }
}

async fn answered(
    answer: impl Future<Output = Result<Result<EnqueueReply, Status>, tokio::task::JoinError>>,
    limit: Duration,
) -> Result<EnqueueReply, EnqueueError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(answer)) => Ok(answer?),
        Ok(Err(_)) => Err(EnqueueError::Unavailable("the call was given up".to_owned())),
        Err(_) => Err(EnqueueError::Unavailable("the node did not answer in time".to_owned())),
    }
}

fn request(step: Step) -> EnqueueRequest {
    EnqueueRequest { step: Some(step) }
}

//! One `Deliver` stream to one node: steps out against credit, admissions and commits in. Dropping it takes back whatever
//! was not committed.

use crate::limits::FRAMES_QUEUED_MAX;
use crate::nodes::NodeRpc;
use crate::patience::Patience;
use bytes::Bytes;
use futures_util::FutureExt;
use model::limits::CREDIT_BYTES;
use model::{DeliveryId, MailboxId};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use wire::node::{
    Begin, Commit, Committed, DeliverReply, DeliverRequest, Outcome, Plain, Sealed, Verdict, Wrap,
    deliver_reply::Answer, deliver_request::Step,
};

/// Why a node's part of a delivery broke off. None of them says that nothing was committed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The call ended with an error.
    #[error("the node ended the delivery: {} ({:?})", .0.message(), .0.code())]
    Ended(Box<Status>),
    /// The stream ended early.
    #[error("the node closed the delivery's stream")]
    Closed,
    /// Nothing came within the named wait.
    #[error("the node gave no {0} in time")]
    Stalled(&'static str),
    /// An answer that does not fit the question.
    #[error("the node's answer does not fit: {0}")]
    Malformed(&'static str),
}

impl From<Status> for LinkError {
    fn from(status: Status) -> Self {
        Self::Ended(Box::new(status))
    }
}

/// The stream of one delivery to one node.
pub(super) struct Link {
    steps: mpsc::Sender<DeliverRequest>,
    replies: Streaming<DeliverReply>,
    credit: u64,
    patience: Patience,
    sealed_bytes: u64,
}

impl Link {
    /// Begins a delivery of `size` octets as declared, 0 when unknown.
    pub(super) async fn open(
        mut rpc: NodeRpc,
        delivery: &DeliveryId,
        size: u64,
        patience: Patience,
    ) -> Result<Self, LinkError> {
        let (steps, queued) = mpsc::channel(FRAMES_QUEUED_MAX);
        let begin = Begin { delivery_id: Bytes::copy_from_slice(delivery.as_bytes()), size };
        // The channel is new and has room.
        steps.try_send(request(Step::Begin(begin))).map_err(|_| LinkError::Closed)?;
        let call = rpc.deliver(ReceiverStream::new(queued));
        let replies = within(patience.admission, "stream", call).await??.into_inner();
        Ok(Self { steps, replies, credit: CREDIT_BYTES, patience, sealed_bytes: 0 })
    }

    /// Asks what the node will do with mail for a recipient.
    pub(super) async fn admit(&mut self, mailbox: &MailboxId, epoch: u64) -> Result<Verdict, LinkError> {
        let mailbox_id = mailbox.to_string();
        self.send(Step::Recipient(wire::node::Recipient { mailbox_id: mailbox_id.clone(), epoch })).await?;
        let answer = within(self.patience.admission, "verdict", async {
            loop {
                match self.reply().await? {
                    Some(Answer::Credit(octets)) => self.credit = self.credit.saturating_add(octets),
                    Some(Answer::Admission(admission)) => return Ok(admission),
                    Some(Answer::Committed(_)) | None => return Err(LinkError::Malformed("no admission")),
                }
            }
        });
        let admission = answer.await??;
        if admission.mailbox_id != mailbox_id {
            return Err(LinkError::Malformed("admission of another mailbox"));
        }
        Ok(admission.verdict())
    }

    /// Gives up a recipient.
    pub(super) async fn withdraw(&mut self, mailbox: &MailboxId) -> Result<(), LinkError> {
        self.send(Step::Drop(wire::node::Drop { mailbox_id: mailbox.to_string() })).await
    }

    /// Sends text in the clear, once the node has room for it.
    pub(super) async fn plain(&mut self, data: Bytes) -> Result<(), LinkError> {
        self.spend(data.len() as u64).await?;
        self.send(Step::Plain(Plain { data })).await
    }

    /// Sends sealed text, once the node has room for it.
    pub(super) async fn sealed(&mut self, data: Bytes) -> Result<(), LinkError> {
        self.spend(data.len() as u64).await?;
        self.sealed_bytes += data.len() as u64;
        self.send(Step::Sealed(Sealed { data })).await
    }

    /// Whether the node has not hung up, as far as is known without waiting.
    pub(super) fn is_alive(&mut self) -> bool {
        loop {
            match self.reply().now_or_never() {
                None => return true,
                Some(Ok(Some(Answer::Credit(octets)))) => self.credit = self.credit.saturating_add(octets),
                Some(Ok(Some(Answer::Admission(_) | Answer::Committed(_)) | None) | Err(_)) => return false,
            }
        }
    }

    /// Sends what closes the message and asks for the commit; `answered` is called with each recipient's outcome as it comes.
    pub(super) async fn commit(
        mut self,
        closing: Closing,
        recipients: usize,
        mut answered: impl FnMut(MailboxId, Outcome),
    ) -> Result<(), LinkError> {
        let Closing { wraps, plain_size, prefix, sealed_prefix, junk } = closing;
        for (mailbox, wrap) in wraps {
            self.send(Step::Wrap(Wrap { mailbox_id: mailbox.to_string(), wrap })).await?;
        }
        let junk_mailbox_ids = junk.iter().map(MailboxId::to_string).collect();
        let commit = Commit { plain_size, sealed_size: self.sealed_bytes, prefix, sealed_prefix, junk_mailbox_ids };
        self.send(Step::Commit(commit)).await?;
        let Self { steps, mut replies, patience, .. } = self;
        drop(steps);
        let mut left = recipients;
        within(patience.commit, "commit", async {
            while left > 0 {
                match replies.message().await?.ok_or(LinkError::Closed)?.answer {
                    Some(Answer::Committed(committed)) => {
                        let (mailbox, outcome) = outcome_of(&committed)?;
                        answered(mailbox, outcome);
                        left -= 1;
                    }
                    Some(Answer::Credit(_)) => {}
                    Some(Answer::Admission(_)) | None => return Err(LinkError::Malformed("no commit")),
                }
            }
            Ok(())
        })
        .await?
    }

    /// Waits until the node has room for `octets`, and takes it.
    async fn spend(&mut self, octets: u64) -> Result<(), LinkError> {
        while self.credit < octets {
            match within(self.patience.stall, "credit", self.reply()).await?? {
                Some(Answer::Credit(more)) => self.credit = self.credit.saturating_add(more),
                Some(Answer::Admission(_) | Answer::Committed(_)) | None => {
                    return Err(LinkError::Malformed("no credit"));
                }
            }
        }
        self.credit -= octets;
        Ok(())
    }

    async fn send(&mut self, step: Step) -> Result<(), LinkError> {
        match within(self.patience.stall, "room", self.steps.send(request(step))).await? {
            Ok(()) => Ok(()),
            // The call is over; its status says why.
            Err(_) => Err(self.reply().await.err().unwrap_or(LinkError::Closed)),
        }
    }

    async fn reply(&mut self) -> Result<Option<Answer>, LinkError> {
        Ok(self.replies.message().await?.ok_or(LinkError::Closed)?.answer)
    }
}

/// What closes a message on one node.
pub(super) struct Closing {
    /// The content key for each recipient whose mailbox is not open.
    pub(super) wraps: Vec<(MailboxId, Bytes)>,
    /// Octets of text.
    pub(super) plain_size: u64,
    /// What stands in front of it.
    pub(super) prefix: Bytes,
    /// The same, sealed; empty when nobody waits.
    pub(super) sealed_prefix: Bytes,
    /// Recipients to whom it is junk.
    pub(super) junk: Vec<MailboxId>,
}

/// A recipient's mailbox and outcome, checked.
pub(super) fn outcome_of(committed: &Committed) -> Result<(MailboxId, Outcome), LinkError> {
    let mailbox = committed.mailbox_id.parse().map_err(|_| LinkError::Malformed("mailbox id"))?;
    Ok((mailbox, committed.outcome()))
}

fn request(step: Step) -> DeliverRequest {
    DeliverRequest { step: Some(step) }
}

async fn within<T>(limit: Duration, what: &'static str, work: impl Future<Output = T>) -> Result<T, LinkError> {
    tokio::time::timeout(limit, work).await.map_err(|_| LinkError::Stalled(what))
}

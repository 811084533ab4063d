//! One SMTP transaction's delivery, as the MX drives it over gRPC: from its recipients to their commits.
//! What happens at a recipient's mailbox is `leg`'s.
//!
//! Invariants: the stream's life is the promises' life: when it ends, however it ends, its legs' channels end with it. The
//! body is hashed and compressed once, whatever the number of open mailboxes. Credit is given back when every leg has taken
//! what it was given for, so that at most a window of it is in memory.

use crate::fault::Fault;
use crate::intake::Intake;
use crate::leg::{Admitted, Body, Ending, Recipient, Step};
use crate::limits::DELIVERY_SILENCE_MS_MAX;
use crate::primary::Primary;
use crate::service::Shards;
use crate::shard::Request;
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use mailbox::{PREFIX_BYTES_MAX, Prefix};
use model::limits::{CHUNK_BYTES_MAX, CREDIT_BYTES, MESSAGE_BYTES_MAX, RECIPIENTS_MAX};
use model::{DeliveryId, MailboxId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use wire::convert;
use wire::node::deliver_reply::Answer;
use wire::node::deliver_request::Step as Frame;
use wire::node::{
    self, Admission, Begin, Commit, Committed, DeliverReply, DeliverRequest, Outcome, Sealed, Verdict, Wrap,
};

/// Credit is given back in such steps.
const CREDIT_STEP_BYTES: u64 = CREDIT_BYTES / 8;
/// Octets of one recipient's wrap of the content key; the form in use takes some 1,300.
const WRAP_BYTES_MAX: usize = 16 * 1024;
/// Octets that sealing adds to a message at most: a tag for each 64 KiB, and a header.
const SEALED_BYTES_MAX: u64 = MESSAGE_BYTES_MAX + MESSAGE_BYTES_MAX / 1024 + 4096;
/// Octets of a sealed prefix: the fields, and a tag.
const SEALED_PREFIX_BYTES_MAX: usize = PREFIX_BYTES_MAX + 64;

type Replies = mpsc::Sender<Result<DeliverReply, Status>>;

/// One admitted recipient.
struct Leg {
    mailbox: MailboxId,
    steps: mpsc::Sender<Step>,
    is_open: bool,
    wrap: Option<Bytes>,
}

/// A delivery under way.
struct Delivery {
    shards: Shards,
    replies: Replies,
    id: DeliveryId,
    size: u64,
    recipients: Vec<(MailboxId, Verdict)>,
    legs: Vec<Leg>,
    intake: Intake,
    /// What went wrong with the body in the clear; told at the commit.
    failed: Option<Fault>,
    sealed_size: u64,
    /// Whether the body has begun.
    body: bool,
    /// Octets that came and for which no credit was given back yet.
    owed: u64,
}

/// Serves the stream to its end; what is wrong with it is its last answer.
pub async fn run(primary: Arc<Primary>, shards: Shards, frames: Streaming<DeliverRequest>, replies: Replies) {
    let mut frames = Frames { stream: frames, stop: shards.stop.clone() };
    let served = tokio::select! {
        served = serve(primary, shards, &mut frames, &replies) => served,
        // The MX no longer listens: the promise ends.
        () = replies.closed() => Ok(()),
    };
    if let Err(status) = served {
        metrics::counter!("brevdue_node_deliveries_broken_total").increment(1);
        let _ = replies.send(Err(status)).await;
    }
}

async fn serve(primary: Arc<Primary>, shards: Shards, frames: &mut Frames, replies: &Replies) -> Result<(), Status> {
    let Frame::Begin(Begin { delivery_id, size }) = frames.next().await? else {
        return Err(Status::invalid_argument("a delivery begins with Begin"));
    };
    let mut delivery = Delivery {
        intake: Intake::new(&primary),
        shards,
        replies: replies.clone(),
        id: convert::delivery_id(&delivery_id).map_err(invalid)?,
        size,
        recipients: Vec::new(),
        legs: Vec::new(),
        failed: None,
        sealed_size: 0,
        body: false,
        owed: 0,
    };
    loop {
        match frames.next().await? {
            Frame::Begin(_) => return Err(Status::invalid_argument("a delivery begins once")),
            Frame::Recipient(recipient) => delivery.recipient(&recipient).await?,
            Frame::Drop(dropped) => delivery.drop_recipient(&dropped)?,
            Frame::Plain(plain) => delivery.plain(plain.data).await?,
            Frame::Sealed(sealed) => delivery.sealed(sealed).await?,
            Frame::Wrap(wrap) => delivery.wrap(wrap)?,
            Frame::Commit(commit) => return delivery.commit(commit).await,
        }
    }
}

/// What the MX sends.
struct Frames {
    stream: Streaming<DeliverRequest>,
    stop: CancellationToken,
}

impl Frames {
    /// The next step. A node that stops waits for no more of a body; a commit that has begun is not cut off.
    async fn next(&mut self) -> Result<Frame, Status> {
        let silence = Duration::from_millis(DELIVERY_SILENCE_MS_MAX);
        let frame = tokio::select! {
            frame = tokio::time::timeout(silence, self.stream.message()) => frame,
            () = self.stop.cancelled() => return Err(closing(())),
        };
        let frame = frame.map_err(|_| Status::deadline_exceeded("the delivery was silent for too long"))??;
        let frame = frame.ok_or_else(|| Status::cancelled("the delivery ended without Commit"))?;
        frame.step.ok_or_else(|| Status::invalid_argument("the frame has no step that this version knows"))
    }
}

fn invalid(error: impl std::fmt::Display) -> Status {
    Status::invalid_argument(error.to_string())
}

fn closing<T>(_: T) -> Status {
    Status::unavailable("the node is closing")
}

impl Delivery {
    async fn reply(&self, answer: Answer) -> Result<(), Status> {
        let reply = DeliverReply { answer: Some(answer) };
        self.replies.send(Ok(reply)).await.map_err(|_| Status::cancelled("nobody listens"))
    }

    async fn recipient(&mut self, recipient: &node::Recipient) -> Result<(), Status> {
        if self.body {
            return Err(Status::invalid_argument("a recipient after the body"));
        }
        let mailbox = convert::mailbox_id(&recipient.mailbox_id).map_err(invalid)?;
        let known = self.recipients.iter().find(|(id, _)| *id == mailbox).map(|(_, verdict)| *verdict);
        let verdict = match known {
            // Two addresses of one mailbox: one copy.
            Some(verdict) => verdict,
            None => {
                if self.recipients.len() >= RECIPIENTS_MAX {
                    return Err(Status::invalid_argument(format!("more than {RECIPIENTS_MAX} recipients")));
                }
                let verdict = self.admit(mailbox, recipient.epoch).await?;
                self.recipients.push((mailbox, verdict));
                verdict
            }
        };
        self.reply(Answer::Admission(Admission { mailbox_id: mailbox.to_string(), verdict: verdict.into() })).await
    }

    async fn admit(&mut self, mailbox: MailboxId, epoch: u64) -> Result<Verdict, Status> {
        let recipient = Recipient { mailbox, epoch, delivery: self.id, size: self.size };
        let admitted = self.shards.ask(&mailbox, |answer| Request::Admit(recipient, answer)).await;
        let (steps, verdict) = match admitted.ok_or_else(|| closing(()))? {
            Admitted::Open(steps) => (Some(steps), Verdict::Open),
            Admitted::Waiting(steps) => (Some(steps), Verdict::Waiting),
            Admitted::Refused(verdict) => (None, verdict),
        };
        metrics::counter!("brevdue_node_admissions_total", "verdict" => verdict.as_str_name()).increment(1);
        let is_open = verdict == Verdict::Open;
        self.legs.extend(steps.map(|steps| Leg { mailbox, steps, is_open, wrap: None }));
        Ok(verdict)
    }

    fn drop_recipient(&mut self, dropped: &node::Drop) -> Result<(), Status> {
        if self.body {
            return Err(Status::invalid_argument("a recipient is dropped before the body"));
        }
        let mailbox = convert::mailbox_id(&dropped.mailbox_id).map_err(invalid)?;
        // The leg ends with its channel.
        self.legs.retain(|leg| leg.mailbox != mailbox);
        self.recipients.retain(|(id, _)| *id != mailbox);
        Ok(())
    }

    /// Counts what came against the credit.
    fn came(&mut self, octets: usize) -> Result<(), Status> {
        self.body = true;
        self.owed += octets as u64;
        metrics::counter!("brevdue_node_delivered_bytes_total").increment(octets as u64);
        // More frames than there is credit for wait in the stream's window, which is as large as the credit.
        if octets > CHUNK_BYTES_MAX {
            return Err(Status::invalid_argument(format!("more than {CHUNK_BYTES_MAX} octets in one frame")));
        }
        Ok(())
    }

    /// Gives back credit once enough of it was taken.
    async fn give_credit(&mut self) -> Result<(), Status> {
        if self.owed < CREDIT_STEP_BYTES {
            return Ok(());
        }
        let credit = std::mem::take(&mut self.owed);
        self.reply(Answer::Credit(credit)).await
    }

    async fn plain(&mut self, data: Bytes) -> Result<(), Status> {
        self.came(data.len())?;
        if !self.legs.iter().any(|leg| leg.is_open) {
            return Err(Status::invalid_argument("a body in the clear, and no open mailbox"));
        }
        if self.failed.is_none() {
            match self.intake.push(data).await {
                Ok(pieces) if pieces.is_empty() => {}
                Ok(pieces) => {
                    for leg in self.legs.iter().filter(|leg| leg.is_open) {
                        // A leg that has ended is told of at the commit.
                        let _ = leg.steps.send(Step::Pieces(pieces.clone())).await;
                    }
                }
                Err(fault) => self.failed = Some(fault),
            }
        }
        self.give_credit().await
    }

    async fn sealed(&mut self, sealed: Sealed) -> Result<(), Status> {
        self.came(sealed.data.len())?;
        self.sealed_size = self.sealed_size.saturating_add(sealed.data.len() as u64);
        if self.sealed_size > SEALED_BYTES_MAX {
            return Err(Status::invalid_argument("the sealed body is larger than a message may be"));
        }
        if self.legs.iter().all(|leg| leg.is_open) {
            return Err(Status::invalid_argument("a sealed body, and nobody for whom it waits"));
        }
        for leg in self.legs.iter().filter(|leg| !leg.is_open) {
            let _ = leg.steps.send(Step::Sealed(sealed.data.clone())).await;
        }
        self.give_credit().await
    }

    fn wrap(&mut self, wrap: Wrap) -> Result<(), Status> {
        let mailbox = convert::mailbox_id(&wrap.mailbox_id).map_err(invalid)?;
        if wrap.wrap.is_empty() || wrap.wrap.len() > WRAP_BYTES_MAX {
            return Err(Status::invalid_argument("a wrapped key of an impossible size"));
        }
        let leg = self.legs.iter_mut().find(|leg| leg.mailbox == mailbox && !leg.is_open);
        let leg = leg.ok_or_else(|| Status::invalid_argument("a wrapped key for nobody of this delivery"))?;
        leg.wrap = Some(wrap.wrap);
        Ok(())
    }

    async fn commit(mut self, commit: Commit) -> Result<(), Status> {
        let (plain, sealed) = (self.legs.iter().any(|leg| leg.is_open), self.legs.iter().any(|leg| !leg.is_open));
        let whole =
            (!plain || self.intake.size() == commit.plain_size) && (!sealed || self.sealed_size == commit.sealed_size);
        if !whole {
            return Err(Status::invalid_argument("the body is not as long as it was said to be"));
        }
        if commit.sealed_prefix.len() > SEALED_PREFIX_BYTES_MAX {
            return Err(Status::invalid_argument("the sealed prefix is larger than one may be"));
        }
        let prefix = Prefix::new(commit.prefix.into()).map_err(invalid)?;
        let junk = commit.junk_mailbox_ids.iter().map(|id| convert::mailbox_id(id).map_err(invalid));
        let junk = junk.collect::<Result<Vec<_>, _>>()?;
        let (intake, failed) = (self.intake, self.failed.take());
        let content = match failed {
            _ if !plain => None,
            Some(fault) => Some(Err(fault)),
            None => Some(intake.finish_behind(prefix).await),
        };
        let mut committing: FuturesUnordered<_> = self
            .legs
            .drain(..)
            .map(|leg| {
                let whole = Whole {
                    content: content.clone(),
                    sealed_prefix: commit.sealed_prefix.clone(),
                    junk: junk.contains(&leg.mailbox),
                };
                async move { (leg.mailbox, commit_leg(leg, whole).await) }
            })
            .collect();
        while let Some((mailbox, outcome)) = committing.next().await {
            metrics::counter!("brevdue_node_deliveries_total", "outcome" => outcome.as_str_name()).increment(1);
            let committed = Committed { mailbox_id: mailbox.to_string(), outcome: outcome.into() };
            let reply = DeliverReply { answer: Some(Answer::Committed(committed)) };
            self.replies.send(Ok(reply)).await.map_err(|_| Status::cancelled("nobody listens"))?;
        }
        Ok(())
    }
}

/// What a leg is told of a message that is whole.
struct Whole {
    /// In the clear, if anybody's mailbox is open.
    content: Option<Result<mailbox::Content, Fault>>,
    /// For those whose mailbox is not.
    sealed_prefix: Bytes,
    /// Found to be junk for this recipient.
    junk: bool,
}

/// Answered by the leg after its commit is durable.
async fn commit_leg(leg: Leg, whole: Whole) -> Outcome {
    let Whole { content, sealed_prefix: prefix, junk } = whole;
    let body = match (leg.is_open, content, leg.wrap) {
        (true, Some(Ok(content)), _) => Body::Plain(content),
        (true, Some(Err(fault)), _) => return fault.outcome(),
        (false, _, Some(wrap)) => Body::Sealed { wrap, prefix },
        (true, None, _) | (false, _, None) => return Outcome::Failed,
    };
    let (answer, answered) = oneshot::channel();
    if leg.steps.send(Step::Commit(Ending { body, junk }, answer)).await.is_err() {
        return Outcome::Failed;
    }
    answered.await.unwrap_or(Outcome::Failed)
}

//! One node's share of a delivery: its recipients, the stream to it, and what to do when that breaks.
//!
//! Invariant: a recipient's outcome is recorded only from the node's own word. After a lost answer the node is asked, under
//! the same delivery id, and what it has committed is not asked for again.

use super::DeliverError;
use super::Findings;
use super::body::{Body, Frame};
use super::link::{Closing, Link, LinkError, outcome_of};
use crate::limits::{SETTLE_PAUSE_MS_MAX, SETTLE_PAUSE_MS_MIN};
use crate::nodes::NodeRpc;
use crate::patience::Patience;
use bytes::Bytes;
use model::{DeliveryId, MailboxId};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;
use vault::sealing::PublicKey;
use wire::node::{DeliveryStatusRequest, Outcome, Verdict};

/// Somebody whom the message is for.
pub(super) struct Recipient {
    pub(super) mailbox: MailboxId,
    pub(super) epoch: u64,
    pub(super) key: PublicKey,
    /// The mailbox is not open: the text goes sealed.
    pub(super) waits: bool,
}

/// What became of each recipient, in the nodes' words.
pub(super) type Outcomes = HashMap<MailboxId, Outcome>;

/// One node's share.
pub(super) struct Share {
    pub(super) node: String,
    rpc: NodeRpc,
    delivery: DeliveryId,
    size: u64,
    patience: Patience,
    link: Option<Link>,
    pub(super) recipients: Vec<Recipient>,
    wraps: Vec<(MailboxId, Bytes)>,
    /// What stands in front of the text, under the key that the wraps are of.
    sealed_prefix: Bytes,
}

/// A text that is whole.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    /// Octets.
    pub(super) size: u64,
    /// All of it, if it is small enough to be sent again.
    pub(super) replay: Option<&'a [Bytes]>,
    /// What was found out about it.
    pub(super) findings: &'a Findings,
}

impl Share {
    /// A share of the node's, with an open stream and no recipient.
    pub(super) async fn open(
        node: String,
        rpc: NodeRpc,
        delivery: DeliveryId,
        size: u64,
        patience: Patience,
    ) -> Result<Self, LinkError> {
        let link = Link::open(rpc.clone(), &delivery, size, patience).await?;
        Ok(Self {
            node,
            rpc,
            delivery,
            size,
            patience,
            link: Some(link),
            recipients: Vec::new(),
            wraps: Vec::new(),
            sealed_prefix: Bytes::new(),
        })
    }

    /// Asks the node about one more recipient, and has them if it says yes. A break is no refusal of those who were
    /// admitted before: the share is taken up again with the text.
    pub(super) async fn admit(&mut self, mut recipient: Recipient) -> Result<Verdict, LinkError> {
        let link = self.link.as_mut().ok_or(LinkError::Closed)?;
        let verdict = match link.admit(&recipient.mailbox, recipient.epoch).await {
            Ok(verdict) => verdict,
            Err(error) => {
                self.lose(&error);
                return Err(error);
            }
        };
        recipient.waits = verdict == Verdict::Waiting;
        if matches!(verdict, Verdict::Open | Verdict::Waiting) {
            self.recipients.push(recipient);
        }
        Ok(verdict)
    }

    /// Gives up a recipient that was admitted.
    pub(super) async fn withdraw(&mut self, mailbox: &MailboxId) {
        if !self.has(mailbox) {
            return;
        }
        self.recipients.retain(|recipient| recipient.mailbox != *mailbox);
        if let Some(link) = self.link.as_mut()
            && let Err(error) = link.withdraw(mailbox).await
        {
            self.lose(&error);
        }
    }

    pub(super) fn has(&self, mailbox: &MailboxId) -> bool {
        self.recipients.iter().any(|recipient| recipient.mailbox == *mailbox)
    }

    pub(super) fn anybody_waits(&self) -> bool {
        self.recipients.iter().any(|recipient| recipient.waits)
    }

    /// Whether the stream is there.
    pub(super) const fn is_linked(&self) -> bool {
        self.link.is_some()
    }

    /// Wraps the content key for those who wait.
    pub(super) async fn wrap(&mut self, body: &Body) -> Result<(), DeliverError> {
        self.wraps.clear();
        for recipient in self.recipients.iter().filter(|recipient| recipient.waits) {
            self.wraps.push((recipient.mailbox, body.wrap(&recipient.key, &recipient.mailbox)?));
            // A wrap is ~0.2 ms of one core: a hundred of them must not hold up the other conversations.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Sends a frame in the forms that this node's recipients want. A break is noted, and seen with [`Share::is_linked`].
    pub(super) async fn send(&mut self, frame: &Frame) {
        let wants_plain = !frame.plain.is_empty() && self.recipients.iter().any(|recipient| !recipient.waits);
        let wants_sealed = !frame.sealed.is_empty() && self.anybody_waits();
        let Some(link) = self.link.as_mut() else { return };
        let sent: Result<(), LinkError> = async {
            if wants_plain {
                link.plain(frame.plain.clone()).await?;
            }
            if wants_sealed {
                link.sealed(frame.sealed.clone()).await?;
            }
            Ok(())
        }
        .await;
        if let Err(error) = sent {
            self.lose(&error);
        }
    }

    /// The text's end was sent, and with it this was sealed.
    pub(super) fn close(&mut self, sealed_prefix: Bytes) {
        self.sealed_prefix = sealed_prefix;
    }

    /// Makes sure that the node has the whole text, sending it again if it broke off, until `deadline`; whether it has.
    pub(super) async fn make_ready(&mut self, text: Text<'_>, deadline: Instant) -> bool {
        let mut pause = Pause::new(deadline);
        if self.link.as_mut().is_some_and(|link| !link.is_alive()) {
            self.lose(&LinkError::Closed);
        }
        while self.link.is_none() {
            let Some(replay) = text.replay else { return false };
            if let Err(error) = self.send_again(replay, text.findings).await {
                self.lose(&error);
                if !pause.take().await {
                    return false;
                }
            }
        }
        true
    }

    /// Commits, and finds out what became of it when the answer is lost: asked again and, if the text is small, sent again,
    /// until `deadline`. Recipients without an outcome are those of whom nothing is known.
    pub(super) async fn commit(&mut self, text: Text<'_>, deadline: Instant) -> Outcomes {
        let mut outcomes = Outcomes::new();
        let mut pause = Pause::new(deadline);
        let mut doubted_until = None;
        loop {
            if let Some(link) = self.link.take() {
                let closing = self.closing(text);
                let note = |mailbox, outcome| {
                    outcomes.insert(mailbox, outcome);
                };
                if let Err(error) = link.commit(closing, self.recipients.len(), note).await {
                    self.lose(&error);
                }
            }
            self.recipients.retain(|recipient| !outcomes.contains_key(&recipient.mailbox));
            if self.recipients.is_empty() || !pause.take().await {
                return outcomes;
            }
            match self.ask(&mut outcomes).await {
                Err(error) => self.lose(&error),
                Ok(()) if self.recipients.is_empty() => return outcomes,
                Ok(()) => match text.replay {
                    Some(replay) => {
                        if let Err(error) = self.send_again(replay, text.findings).await {
                            self.lose(&error);
                        }
                    }
                    // The node's word is that they have nothing, and the text is gone.
                    None if Instant::now() < *doubted_until.get_or_insert(Instant::now() + self.patience.doubt) => {}
                    None => {
                        outcomes.extend(self.recipients.drain(..).map(|one| (one.mailbox, Outcome::Failed)));
                        return outcomes;
                    }
                },
            }
        }
    }

    fn closing(&mut self, text: Text<'_>) -> Closing {
        let findings = text.findings;
        let is_here = |mailbox: &&MailboxId| self.has(mailbox);
        Closing {
            plain_size: text.size,
            prefix: Bytes::copy_from_slice(findings.prefix.as_bytes()),
            sealed_prefix: self.sealed_prefix.clone(),
            junk: findings.junk.iter().filter(is_here).copied().collect(),
            wraps: std::mem::take(&mut self.wraps),
        }
    }

    /// Asks the node which of the recipients it has committed; they are done with.
    async fn ask(&mut self, outcomes: &mut Outcomes) -> Result<(), LinkError> {
        let mailbox_ids = self.recipients.iter().map(|recipient| recipient.mailbox.to_string()).collect();
        let delivery_id = Bytes::copy_from_slice(self.delivery.as_bytes());
        let call = self.rpc.delivery_status(DeliveryStatusRequest { delivery_id, mailbox_ids });
        let reply =
            tokio::time::timeout(self.patience.commit, call).await.map_err(|_| LinkError::Stalled("status"))??;
        for committed in reply.into_inner().committed {
            let (mailbox, outcome) = outcome_of(&committed)?;
            if is_committed(outcome) {
                outcomes.insert(mailbox, outcome);
            }
        }
        self.recipients.retain(|recipient| !outcomes.contains_key(&recipient.mailbox));
        Ok(())
    }

    /// Opens a new stream under the same delivery id and sends the whole text to those who are left.
    async fn send_again(&mut self, replay: &[Bytes], findings: &Findings) -> Result<(), DeliverError> {
        metrics::counter!(crate::metrics::REPLAYS).increment(1);
        let mut link = Link::open(self.rpc.clone(), &self.delivery, self.size, self.patience).await?;
        for recipient in &mut self.recipients {
            let verdict = link.admit(&recipient.mailbox, recipient.epoch).await?;
            recipient.waits = match verdict {
                Verdict::Open => false,
                Verdict::Waiting => true,
                Verdict::Unavailable
                | Verdict::NoRoom
                | Verdict::WrongNode
                | Verdict::DiskFull
                | Verdict::TooBig
                | Verdict::OverLimit => {
                    return Err(DeliverError::NoLongerAdmitted);
                }
            };
        }
        let mut body = Body::new(&self.delivery, self.anybody_waits())?;
        self.wrap(&body).await?;
        self.link = Some(link);
        for text in replay {
            body.push(text);
            while let Some(frame) = body.frame()? {
                self.send(&frame).await;
            }
        }
        let last = body.finish(findings.prefix.as_bytes())?;
        for frame in &last.frames {
            self.send(frame).await;
        }
        self.close(last.sealed_prefix);
        Ok(())
    }

    fn lose(&mut self, error: &dyn std::fmt::Display) {
        tracing::warn!(delivery = %self.delivery, node = %self.node, %error, "lost a node in mid-delivery");
        metrics::counter!(crate::metrics::LINKS_LOST).increment(1);
        self.link = None;
    }
}

/// Whether the node has it on stable storage.
pub(super) const fn is_committed(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Stored | Outcome::Waiting | Outcome::Already => true,
        Outcome::Failed | Outcome::NoRoom | Outcome::DiskFull | Outcome::OverLimit => false,
    }
}

/// Waits that double, up to a deadline.
struct Pause {
    next: Duration,
    deadline: Instant,
}

impl Pause {
    const fn new(deadline: Instant) -> Self {
        Self { next: Duration::from_millis(SETTLE_PAUSE_MS_MIN), deadline }
    }

    /// Waits; `false` at once when the deadline would pass.
    async fn take(&mut self) -> bool {
        if Instant::now() + self.next > self.deadline {
            return false;
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(Duration::from_millis(SETTLE_PAUSE_MS_MAX));
        true
    }
}

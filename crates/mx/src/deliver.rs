//! One message's delivery to the primaries of its recipients, from RCPT to the commit. Knows nothing of SMTP.
//!
//! Invariants: nothing is committed anywhere before every node was sent the whole text, and nothing more once a node failed.
//! [`Delivery::finish`] says yes only when every recipient is on stable storage. Memory: one frame of text for each node, and the text itself while it is small.

mod body;
mod link;
mod share;

use crate::nodes::NodeRpc;
use crate::patience::Patience;
use body::{Body, Frame};
use link::LinkError;
use message::trace::Prefix;
use model::{DeliveryId, MailboxId};
use share::{Outcomes, Recipient, Share, Text, is_committed};
use tokio::time::Instant;
use vault::VaultError;
use vault::sealing::PublicKey;
use wire::node::{Outcome, Verdict};

/// Why a delivery cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// A node was lost.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Sealing failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A node that was lost no longer takes a recipient that it had admitted.
    #[error("the node no longer takes a recipient that it had admitted")]
    NoLongerAdmitted,
    /// Text before the recipients were settled.
    #[error("steps of the delivery were out of order")]
    Order,
}

/// Why a message is not delivered, or not to everybody. All of them pass but the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelivered {
    /// A node was lost, or failed.
    Unavailable,
    /// No recipient who failed has room.
    NoRoom,
    /// A disk is full.
    DiskFull,
    /// It turned out to be larger than its recipients' mailboxes may become.
    OverLimit,
}

/// What was found out about a message on its way, which is known only at its end.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Fields that stand in front of the text.
    pub prefix: Prefix,
    /// Recipients to whom it is junk.
    pub junk: Vec<MailboxId>,
}

/// What a finished delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Recipients whose copy is on stable storage.
    pub committed: usize,
    /// Recipients in all.
    pub recipients: usize,
    /// Octets of text.
    pub size: u64,
    /// Why it is not all of them.
    pub undelivered: Option<Undelivered>,
}

/// One message's delivery.
pub struct Delivery {
    id: DeliveryId,
    size: u64,
    patience: Patience,
    shares: Vec<Share>,
    body: Option<Body>,
}

impl Delivery {
    /// A delivery without recipients; `size` as declared, 0 when unknown.
    pub fn new(id: DeliveryId, size: u64, patience: Patience) -> Self {
        Self { id, size, patience, shares: Vec::new(), body: None }
    }

    /// Its id.
    pub const fn id(&self) -> DeliveryId {
        self.id
    }

    /// Recipients so far.
    pub fn recipients(&self) -> usize {
        self.shares.iter().map(|share| share.recipients.len()).sum()
    }

    /// Whether the mailbox is among the recipients: two addresses may lead to one mailbox, which gets one copy.
    pub fn has(&self, mailbox: &MailboxId) -> bool {
        self.shares.iter().any(|share| share.has(mailbox))
    }

    /// Asks the node whether it takes mail for the mailbox, opening a stream to it with its first recipient.
    ///
    /// # Errors
    /// The node was lost before it said.
    pub async fn admit(
        &mut self,
        node: &str,
        rpc: NodeRpc,
        mailbox: MailboxId,
        epoch: u64,
        key: PublicKey,
    ) -> Result<Verdict, LinkError> {
        // A share that lost its stream has recipients whose turn comes with the text; newer ones get a stream of their own.
        let at = match self.shares.iter().position(|share| share.node == node && share.is_linked()) {
            Some(at) => at,
            None => {
                let share = Share::open(node.to_owned(), rpc, self.id, self.size, self.patience).await?;
                self.shares.push(share);
                self.shares.len() - 1
            }
        };
        let Some(share) = self.shares.get_mut(at) else { return Err(LinkError::Closed) };
        let verdict = share.admit(Recipient { mailbox, epoch, key, waits: false }).await;
        self.shares.retain(|share| !share.recipients.is_empty() || share.is_linked());
        verdict
    }

    /// Gives up a mailbox that was admitted; before [`Delivery::begin`].
    pub async fn withdraw(&mut self, mailbox: &MailboxId) {
        for share in &mut self.shares {
            share.withdraw(mailbox).await;
        }
    }

    /// The recipients are settled: the text may come.
    ///
    /// # Errors
    /// Sealing failed.
    pub async fn begin(&mut self) -> Result<(), DeliverError> {
        self.shares.retain(|share| !share.recipients.is_empty());
        let body = Body::new(&self.id, self.shares.iter().any(Share::anybody_waits))?;
        for share in &mut self.shares {
            share.wrap(&body).await?;
        }
        self.body = Some(body);
        Ok(())
    }

    /// Passes text on to every node; waits while one has no room for it.
    ///
    /// # Errors
    /// A node was lost, and the text is too long to be sent again: the delivery is to be dropped.
    pub async fn push(&mut self, text: &[u8]) -> Result<(), DeliverError> {
        let body = self.body.as_mut().ok_or(DeliverError::Order)?;
        body.push(text);
        while let Some(frame) = body.frame()? {
            send(&mut self.shares, &frame, body.replay().is_some()).await?;
        }
        Ok(())
    }

    /// The text is whole: commits it everywhere.
    pub async fn finish(mut self, findings: &Findings) -> Report {
        let recipients = self.recipients();
        let mut size = 0;
        let outcomes = match self.commit(findings, &mut size).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                tracing::warn!(delivery = %self.id, %error, "delivery given up before the commit");
                Outcomes::new()
            }
        };
        let committed = outcomes.values().filter(|outcome| is_committed(**outcome)).count();
        let undelivered = (committed < recipients).then(|| why(&outcomes));
        Report { committed, recipients, size, undelivered }
    }

    async fn commit(&mut self, findings: &Findings, size: &mut u64) -> Result<Outcomes, DeliverError> {
        let mut body = self.body.take().ok_or(DeliverError::Order)?;
        let replayable = body.replay().is_some();
        let last = body.finish(findings.prefix.as_bytes())?;
        for frame in &last.frames {
            send(&mut self.shares, frame, replayable).await?;
        }
        self.shares.iter_mut().for_each(|share| share.close(last.sealed_prefix.clone()));
        *size = body.size();
        let text = Text { size: body.size(), replay: body.replay(), findings };
        // One reply speaks for all recipients: when one fails, the sender tries all of them again, and who has the message
        // already has it twice then. So first every node is to have the whole text, and then they commit one after the
        // other, so that a failure stops those that have not.
        let deadline = Instant::now() + self.patience.settle / 2;
        for share in &mut self.shares {
            if !share.make_ready(text, deadline).await {
                return Err(LinkError::Closed.into());
            }
        }
        let deadline = Instant::now() + self.patience.settle;
        let mut outcomes = Outcomes::new();
        for share in &mut self.shares {
            let recipients = share.recipients.len();
            let committed = share.commit(text, deadline).await;
            let all = committed.values().filter(|outcome| is_committed(**outcome)).count() == recipients;
            outcomes.extend(committed);
            if !all {
                break;
            }
        }
        Ok(outcomes)
    }
}

/// Sends a frame to every node in turn: the slowest sets the pace, and the client is the one who waits.
async fn send(shares: &mut [Share], frame: &Frame, replayable: bool) -> Result<(), DeliverError> {
    for share in shares {
        share.send(frame).await;
        if !replayable && !share.is_linked() {
            return Err(LinkError::Closed.into());
        }
    }
    Ok(())
}

/// The reason of those who failed when they share one; who is missing was not tried, or nothing is known of them.
fn why(outcomes: &Outcomes) -> Undelivered {
    let mut failed = outcomes.values().filter(|outcome| !is_committed(**outcome));
    let first = failed.next();
    match first {
        Some(Outcome::NoRoom) if failed.all(|outcome| Some(outcome) == first) => Undelivered::NoRoom,
        Some(Outcome::DiskFull) if failed.all(|outcome| Some(outcome) == first) => Undelivered::DiskFull,
        Some(Outcome::OverLimit) if failed.all(|outcome| Some(outcome) == first) => Undelivered::OverLimit,
        Some(_) | None => Undelivered::Unavailable,
    }
}

//! A node that follows a script: takes deliveries as the real one does, keeps them in memory, and breaks off where it is told.

use bytes::Bytes;
use model::limits::CREDIT_BYTES;
use model::{DeliveryId, MailboxId};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use vault::sealing::{Opener, PrivateKey};
use wire::node::deliver_reply::Answer;
use wire::node::deliver_request::Step;
use wire::node::node_server::Node;
use wire::node::{
    Admission, Begin, CheckReply, CheckRequest, Commit, Committed, DeliverReply, DeliverRequest, DeliveryStatusReply,
    DeliveryStatusRequest, Outcome, Verdict,
};

/// Where one Deliver stream goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// The stream breaks at the first recipient.
    AtRecipient,
    /// The stream breaks after the first frame of text.
    InText,
    /// The stream breaks at Commit; nothing is stored.
    BeforeCommit,
    /// Everything is stored; the stream breaks before the answer.
    LostAnswer,
    /// The commit fails with this outcome.
    Fails(Outcome),
    /// Recipients are given this verdict.
    Says(Verdict),
}

/// What was stored for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub delivery: DeliveryId,
    pub mailbox: MailboxId,
    /// With what stands in front of it.
    pub text: Vec<u8>,
    pub junk: bool,
    pub sealed: bool,
}

#[derive(Default)]
pub struct State {
    pub stored: Vec<Stored>,
    /// Mailboxes that are open; the others wait.
    pub open: Vec<MailboxId>,
    /// One for each Deliver to come; `None` when it is used up.
    pub script: VecDeque<Trouble>,
    /// So many DeliveryStatus calls fail first.
    pub status_failures: usize,
    /// So many say that nothing was committed, as a node does that has no key yet.
    pub status_denials: usize,
    pub status_calls: usize,
    pub deliver_calls: usize,
    /// Octets of text that came in, over all streams.
    pub octets: u64,
}

#[derive(Clone)]
pub struct ScriptedNode {
    pub state: Arc<Mutex<State>>,
    /// The owners' keys: what is sealed is opened as they would.
    keys: Arc<Mutex<HashMap<MailboxId, PrivateKey>>>,
    /// Credit is given back only while this is true.
    pub gives_credit: watch::Sender<bool>,
}

struct Delivering {
    node: ScriptedNode,
    trouble: Trouble,
    delivery: DeliveryId,
    recipients: Vec<(MailboxId, bool)>,
    plain: Vec<u8>,
    sealed: Vec<u8>,
    wraps: HashMap<MailboxId, Bytes>,
    credit: u64,
    owed: u64,
    replies: mpsc::Sender<Result<DeliverReply, Status>>,
}

impl ScriptedNode {
    pub fn new(keys: HashMap<MailboxId, PrivateKey>) -> Self {
        Self { state: Arc::default(), keys: Arc::new(Mutex::new(keys)), gives_credit: watch::Sender::new(true) }
    }

    pub fn learn(&self, mailbox: MailboxId, key: PrivateKey) {
        self.keys.lock().unwrap().insert(mailbox, key);
    }

    pub fn script(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.state.lock().unwrap().script.extend(troubles);
    }

    pub fn stored(&self) -> Vec<Stored> {
        self.state.lock().unwrap().stored.clone()
    }
}

impl Delivering {
    async fn reply(&self, answer: Answer) {
        // The MX may have hung up.
        let _ = self.replies.send(Ok(DeliverReply { answer: Some(answer) })).await;
    }

    async fn run(mut self, mut steps: Streaming<DeliverRequest>) -> Result<(), Status> {
        let mut gives_credit = self.node.gives_credit.subscribe();
        loop {
            let step = tokio::select! {
                step = steps.message() => step?,
                () = async { drop(gives_credit.wait_for(|gives| *gives).await) }, if self.owed > 0 => {
                    self.credit += self.owed;
                    let owed = std::mem::take(&mut self.owed);
                    self.reply(Answer::Credit(owed)).await;
                    continue;
                }
            };
            let Some(step) = step else { return Ok(()) };
            match step.step.unwrap() {
                Step::Begin(_) => return Err(Status::invalid_argument("a second Begin")),
                Step::Recipient(recipient) => self.recipient(recipient.mailbox_id.parse().unwrap()).await?,
                Step::Drop(_) => return Err(Status::invalid_argument("nobody drops")),
                Step::Plain(plain) => {
                    self.plain.extend_from_slice(&plain.data);
                    self.text(plain.data.len())?;
                }
                Step::Sealed(sealed) => {
                    self.sealed.extend_from_slice(&sealed.data);
                    self.text(sealed.data.len())?;
                }
                Step::Wrap(wrap) => drop(self.wraps.insert(wrap.mailbox_id.parse().unwrap(), wrap.wrap)),
                Step::Commit(commit) => return self.commit(commit).await,
            }
        }
    }

    async fn recipient(&mut self, mailbox: MailboxId) -> Result<(), Status> {
        let open = self.node.state.lock().unwrap().open.contains(&mailbox);
        let verdict = match self.trouble {
            Trouble::AtRecipient => return Err(Status::unavailable("killed")),
            Trouble::Says(verdict) => verdict,
            _ if open => Verdict::Open,
            _ => Verdict::Waiting,
        };
        if matches!(verdict, Verdict::Open | Verdict::Waiting) {
            self.recipients.push((mailbox, open));
        }
        self.reply(Answer::Admission(Admission { mailbox_id: mailbox.to_string(), verdict: verdict.into() })).await;
        Ok(())
    }

    fn text(&mut self, octets: usize) -> Result<(), Status> {
        let octets = octets as u64;
        self.node.state.lock().unwrap().octets += octets;
        if self.trouble == Trouble::InText {
            return Err(Status::unavailable("killed"));
        }
        self.credit = self.credit.checked_sub(octets).ok_or_else(|| Status::invalid_argument("credit overrun"))?;
        self.owed += octets;
        Ok(())
    }

    async fn commit(self, commit: Commit) -> Result<(), Status> {
        if self.trouble == Trouble::BeforeCommit {
            return Err(Status::unavailable("killed"));
        }
        assert_eq!(commit.sealed_size, self.sealed.len() as u64);
        let mut answers = Vec::new();
        for &(mailbox, open) in &self.recipients {
            let outcome = match self.trouble {
                Trouble::Fails(outcome) => outcome,
                _ => self.store(mailbox, open, &commit),
            };
            answers.push(Committed { mailbox_id: mailbox.to_string(), outcome: outcome.into() });
        }
        if self.trouble == Trouble::LostAnswer {
            return Err(Status::unavailable("killed"));
        }
        for committed in answers {
            self.reply(Answer::Committed(committed)).await;
        }
        Ok(())
    }

    fn store(&self, mailbox: MailboxId, open: bool, commit: &Commit) -> Outcome {
        let mut state = self.node.state.lock().unwrap();
        if state.stored.iter().any(|stored| (stored.delivery, stored.mailbox) == (self.delivery, mailbox)) {
            return Outcome::Already;
        }
        let (prefix, text) = if open {
            (commit.prefix.to_vec(), self.plain.clone())
        } else {
            self.opened(mailbox, &commit.sealed_prefix)
        };
        assert_eq!(text.len() as u64, commit.plain_size);
        let junk = commit.junk_mailbox_ids.contains(&mailbox.to_string());
        let text = [prefix, text].concat();
        state.stored.push(Stored { delivery: self.delivery, mailbox, text, sealed: !open, junk });
        if open { Outcome::Stored } else { Outcome::Waiting }
    }

    fn opened(&self, mailbox: MailboxId, sealed_prefix: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let keys = self.node.keys.lock().unwrap();
        let mut opener = Opener::new(&keys[&mailbox], &self.wraps[&mailbox], &self.delivery, &mailbox).unwrap();
        let mut text = opener.push(&self.sealed).unwrap();
        let prefix = opener.open_prefix(sealed_prefix).unwrap();
        text.extend(opener.finish().unwrap());
        (prefix, text)
    }
}

#[tonic::async_trait]
impl Node for ScriptedNode {
    type DeliverStream = ReceiverStream<Result<DeliverReply, Status>>;

    async fn deliver(
        &self,
        request: Request<Streaming<DeliverRequest>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let mut steps = request.into_inner();
        let Some(DeliverRequest { step: Some(Step::Begin(Begin { delivery_id, .. })) }) = steps.message().await? else {
            return Err(Status::invalid_argument("Begin comes first"));
        };
        let trouble = {
            let mut state = self.state.lock().unwrap();
            state.deliver_calls += 1;
            state.script.pop_front().unwrap_or(Trouble::None)
        };
        let (replies, stream) = mpsc::channel(16);
        let delivering = Delivering {
            node: self.clone(),
            trouble,
            delivery: DeliveryId::try_from(&delivery_id[..]).unwrap(),
            recipients: Vec::new(),
            plain: Vec::new(),
            sealed: Vec::new(),
            wraps: HashMap::new(),
            credit: CREDIT_BYTES,
            owed: 0,
            replies: replies.clone(),
        };
        tokio::spawn(async move {
            if let Err(status) = delivering.run(steps).await {
                let _ = replies.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn delivery_status(
        &self,
        request: Request<DeliveryStatusRequest>,
    ) -> Result<Response<DeliveryStatusReply>, Status> {
        let request = request.into_inner();
        let mut state = self.state.lock().unwrap();
        state.status_calls += 1;
        if state.status_failures > 0 {
            state.status_failures -= 1;
            return Err(Status::unavailable("starting"));
        }
        let denied = state.status_denials > 0;
        state.status_denials = state.status_denials.saturating_sub(1);
        let committed = request.mailbox_ids.into_iter().map(|mailbox_id| {
            let known = |stored: &Stored| {
                stored.mailbox.to_string() == mailbox_id && stored.delivery.as_bytes() == &request.delivery_id[..]
            };
            let outcome = if !denied && state.stored.iter().any(known) { Outcome::Already } else { Outcome::Failed };
            Committed { mailbox_id, outcome: outcome.into() }
        });
        Ok(Response::new(DeliveryStatusReply { committed: committed.collect() }))
    }

    async fn erase(&self, _: Request<wire::node::EraseRequest>) -> Result<Response<wire::node::EraseReply>, Status> {
        Err(Status::unimplemented("not asked by the MX"))
    }

    async fn list_aside(
        &self,
        _: Request<wire::node::ListAsideRequest>,
    ) -> Result<Response<wire::node::ListAsideReply>, Status> {
        Err(Status::unimplemented("not asked by the MX"))
    }

    async fn discard_aside(
        &self,
        _: Request<wire::node::DiscardAsideRequest>,
    ) -> Result<Response<wire::node::DiscardAsideReply>, Status> {
        Err(Status::unimplemented("not asked by the MX"))
    }

    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckReply>, Status> {
        Ok(Response::new(CheckReply::default()))
    }
}

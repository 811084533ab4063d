//! One message on its way into the queue: its header is held, completed and checked, then everything streams through.
//!
//! Memory: the header and a frame of text; the queue's client keeps the text while it is small.

use crate::header::{self, Gathered, Gatherer, HeaderError, Missing};
use crate::sent_copy::SentCopy;
use crate::server::Shared;
use crate::transaction::Sender;
use crate::{answers, limits};
use authentication::{BodyStream, Checked, SignError, Signer, SigningKey};
use jiff::Timestamp;
use model::{Address, Domain, EnqueueId};
use node_client::queue::Enqueue;
use smtp::Reply;
use std::sync::Arc;
use wire::queue::Envelope;

/// A message whose text comes.
pub struct Outgoing {
    envelope: Envelope,
    stage: Stage,
}

enum Stage {
    Header(Gatherer),
    Text(Box<Text>),
    /// It is refused; what still comes is of no use.
    Refused(Reply),
}

/// What the text goes through.
struct Text {
    enqueue: Enqueue,
    body: BodyStream,
    copy: Option<SentCopy>,
    /// The author's domain, which signs.
    domain: Domain,
}

impl Outgoing {
    /// To these recipients.
    pub fn new(envelope: Envelope) -> Self {
        Self { envelope, stage: Stage::Header(Gatherer::default()) }
    }

    /// More of the message.
    pub async fn push(&mut self, shared: &Shared, sender: &mut Sender, id: EnqueueId, piece: &[u8]) {
        let failed = match &mut self.stage {
            Stage::Header(gatherer) => match gatherer.push(piece) {
                Ok(None) => return,
                Ok(Some(gathered)) => self.begin(shared, sender, id, gathered).await.err(),
                Err(HeaderError::TooLong) => Some(answers::HEADER_TOO_LONG),
            },
            Stage::Text(text) => text.push(piece).await.err(),
            Stage::Refused(_) => return,
        };
        if let Some(reply) = failed {
            self.stage = Stage::Refused(reply);
        }
    }

    /// The message is whole: signs it and commits it to the queue.
    pub async fn finish(
        mut self,
        shared: &Shared,
        sender: &mut Sender,
        id: EnqueueId,
        received: &str,
    ) -> Result<(), Reply> {
        if let Stage::Header(gatherer) = &mut self.stage {
            let gathered = Gathered { header: std::mem::take(gatherer).finish(), text: Vec::new() };
            self.begin(shared, sender, id, gathered).await?;
        }
        let text = match self.stage {
            Stage::Text(text) => *text,
            Stage::Refused(reply) => return Err(reply),
            Stage::Header(_) => return Err(answers::INTERNAL),
        };
        let Text { enqueue, body, copy, domain } = text;
        let signatures = sign(shared, &domain, body.finish()).await?;
        enqueue.commit(format!("{received}{signatures}")).await.map_err(|error| {
            tracing::warn!(message = %id, %error, "a message was not taken by the queue");
            answers::for_enqueue(&error)
        })?;
        if let Some(copy) = copy {
            copy.finish().await;
        }
        Ok(())
    }

    async fn begin(
        &mut self,
        shared: &Shared,
        sender: &mut Sender,
        id: EnqueueId,
        gathered: Gathered,
    ) -> Result<(), Reply> {
        let domain = author(shared, sender, &gathered.header).await?;
        let unique = id.to_string();
        let missing = Missing { now: Timestamp::now(), unique: &unique, host: &shared.settings.hostname };
        let header = header::complete(&gathered.header, &missing);
        let envelope = std::mem::take(&mut self.envelope);
        let size = (header.outgoing.len() + gathered.text.len()) as u64;
        let begun = shared.queues.begin(sender.node(), envelope, size).await;
        let enqueue = begun.map_err(|error| {
            tracing::warn!(message = %id, %error, "no way into the queue");
            answers::for_enqueue(&error)
        })?;
        let mut copy = match sender.session(shared).await {
            Some(session) => Some(SentCopy::begin(session).await),
            None => None,
        };
        if let Some(copy) = &mut copy {
            copy.push(&header.kept).await;
        }
        let mut text = Text { enqueue, body: BodyStream::new(), copy: None, domain };
        text.push(&header.outgoing).await?;
        text.copy = copy;
        text.push(&gathered.text).await?;
        self.stage = Stage::Text(Box::new(text));
        Ok(())
    }
}

impl Text {
    async fn push(&mut self, piece: &[u8]) -> Result<(), Reply> {
        self.body.push(piece);
        if let Some(copy) = &mut self.copy {
            copy.push(piece).await;
        }
        self.enqueue.push(piece).await.map_err(|error| {
            tracing::warn!(%error, "the queue does not take the rest of a message");
            answers::for_enqueue(&error)
        })
    }
}

/// The domain of the first author, when every author is the account's own.
async fn author(shared: &Shared, sender: &Sender, header: &[u8]) -> Result<Domain, Reply> {
    let authors = header::authors(header).ok_or(answers::NO_FROM)?;
    let mut domain = None;
    for author in authors.iter().take(limits::AUTHORS_MAX + 1) {
        let author: Address = author.parse().map_err(|_| answers::NOT_YOUR_FROM)?;
        if !sender.may_send_as(shared, &author).await?.allowed {
            return Err(answers::NOT_YOUR_FROM);
        }
        domain.get_or_insert_with(|| author.domain().clone());
    }
    if authors.len() > limits::AUTHORS_MAX { Err(answers::NOT_YOUR_FROM) } else { domain.ok_or(answers::NO_FROM) }
}

/// The signatures of the domain's keys; none when it has none.
async fn sign(shared: &Shared, domain: &Domain, checked: Checked) -> Result<String, Reply> {
    let keys = shared.directory.signing_keys(domain).await.map_err(|error| {
        // Unsigned, it would be refused elsewhere for good.
        tracing::warn!(%error, "the keys of a domain cannot be had");
        answers::UNAVAILABLE
    })?;
    let keys: Result<Vec<_>, SignError> =
        keys.iter().map(|key| SigningKey::new(domain.as_str(), &key.selector, &key.key)).collect();
    let keys = keys.map_err(|error| {
        tracing::error!(%error, "a key of a domain cannot be used; look at `brevdue domain dkim list`");
        answers::INTERNAL
    })?;
    if keys.is_empty() {
        return Ok(String::new());
    }
    let signer = Arc::new(Signer::new(keys));
    // A millisecond of RSA for each message: not on a thread that serves all the others.
    let signed = tokio::task::spawn_blocking(move || signer.sign(b"", &checked, Timestamp::now())).await;
    match signed {
        Ok(Ok(fields)) => Ok(fields),
        Ok(Err(error)) => {
            tracing::warn!(%error, "a message cannot be signed");
            Err(answers::HEADER_TOO_LONG)
        }
        Err(_) => Err(answers::INTERNAL),
    }
}

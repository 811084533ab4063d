//! One copy on its way into a queue.

use super::{Front, author};
use crate::Mx;
use crate::metrics as names;
use crate::recipient::{Accepted, Purpose};
use crate::success;
use authentication::{BodyStream, Checked, Results, Signer, SigningKey, seal_arc, srs};
use model::Domain;
use node_client::queue::{Enqueue, EnqueueError};
use smtp::command::Mail;
use smtp::dsn::{Notify, ReturnText, original_of};
use wire::queue::{Envelope, Origin, QueueRecipient, Return};

/// What a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To other hosts.
    Forward,
    /// To programs.
    Webhook,
    /// A bounce that comes home.
    Bounce,
}

impl Kind {
    /// Those that a recipient asks for.
    pub fn of(recipient: &Accepted) -> Vec<Self> {
        match &recipient.purpose {
            Purpose::Bounce(_) => vec![Self::Bounce],
            Purpose::Routed(routed) => {
                let forward = (!routed.forwards.is_empty()).then_some(Self::Forward);
                let webhook = (!routed.webhooks.is_empty()).then_some(Self::Webhook);
                forward.into_iter().chain(webhook).collect()
            }
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Webhook => "webhook",
            Self::Bounce => "bounce",
        }
    }
}

/// The copy.
pub struct Parcel {
    kind: Kind,
    enqueue: Enqueue,
    /// Whose: in Delivered-To, and in From where it is written anew.
    address: String,
    domain: Domain,
    /// Of a copy whose From was written anew, which is signed and sealed as it is now.
    ours: Option<BodyStream>,
}

impl Parcel {
    pub async fn begin(mx: &Mx, mail: &Mail, recipient: &Accepted, kind: Kind) -> Result<Self, EnqueueError> {
        let (node, envelope) = addressed(mx, mail, recipient, kind).await?;
        let enqueue = mx.enqueuer.begin(&node, envelope, mail.size.unwrap_or(0)).await?;
        let (address, domain) = (recipient.address.clone(), recipient.domain.clone());
        Ok(Self { kind, enqueue, address, domain, ours: None })
    }

    pub fn is_forward(&self) -> bool {
        self.kind == Kind::Forward
    }

    pub async fn push(&mut self, text: &[u8]) -> Result<(), EnqueueError> {
        if let Some(ours) = &mut self.ours {
            ours.push(text);
        }
        self.enqueue.push(text).await
    }

    /// Pushes a whole header and what came with it, in a forward with the recipient in From and the author in Reply-To.
    pub async fn push_as_ours(&mut self, text: &[u8]) -> Result<(), EnqueueError> {
        if self.kind != Kind::Forward {
            return self.push(text).await;
        }
        self.ours = Some(BodyStream::new());
        let text = author::rewritten(text, &self.address, self.domain.as_str());
        self.push(&text).await
    }

    pub async fn commit(mut self, mx: &Mx, front: &Front<'_>) -> Result<(), EnqueueError> {
        let prefix = match self.kind {
            Kind::Webhook => [front.return_path, front.findings, front.received].concat(),
            Kind::Bounce => [front.findings, front.received].concat(),
            Kind::Forward => {
                let delivered_to = format!("Delivered-To: {}\r\n", self.address);
                let seals = self.seals(mx, front).await;
                [&seals, delivered_to.as_str(), front.findings, front.received].concat()
            }
        };
        self.enqueue.commit(prefix.into_bytes()).await?;
        ::metrics::counter!(names::ENQUEUED, "kind" => self.kind.name()).increment(1);
        Ok(())
    }

    /// The ARC set, and for a copy that is ours now a signature. Without keys, or when it cannot be made, there is none: the
    /// copy goes all the same.
    async fn seals(&mut self, mx: &Mx, front: &Front<'_>) -> String {
        let signer = match signer(mx, &self.domain).await {
            Ok(signer) if !signer.is_empty() => signer,
            Ok(_) => return String::new(),
            Err(error) => {
                tracing::warn!(%error, "a forwarded message is not sealed");
                return String::new();
            }
        };
        let ours = self.ours.take().map(BodyStream::finish);
        let sealed = |checked: &Checked, results: &Results| {
            seal_arc(&signer, &mx.session.hostname, results, checked, mx.clock.now()).ok().flatten().unwrap_or_default()
        };
        let checked = ours.as_ref().unwrap_or(front.checked);
        let mut fields = front.results.map(|results| sealed(checked, results)).unwrap_or_default();
        if let Some(ours) = &ours {
            fields.push_str(&signer.sign(b"", ours, mx.clock.now()).unwrap_or_default());
        }
        fields
    }
}

/// What signs for a domain: all of its keys that are in use.
///
/// # Errors
/// The directory does not answer.
pub async fn signer(mx: &Mx, domain: &Domain) -> Result<Signer, directory::client::Error> {
    let keys = mx.directory.signing_keys(domain).await?;
    let usable = keys.iter().filter_map(|key| SigningKey::new(domain.as_str(), &key.selector, &key.key).ok());
    Ok(Signer::new(usable.collect()))
}

/// Whose queue, and the envelope.
async fn addressed(mx: &Mx, mail: &Mail, recipient: &Accepted, kind: Kind) -> Result<(String, Envelope), EnqueueError> {
    let unavailable = |error: &dyn std::fmt::Display| EnqueueError::Unavailable(error.to_string());
    let (addresses, owner) = match (&recipient.purpose, kind) {
        (Purpose::Bounce(home), _) => (vec![home.clone()], None),
        (Purpose::Routed(routed), Kind::Webhook) => (routed.webhooks.clone(), Some(&routed.owner)),
        (Purpose::Routed(routed), Kind::Forward | Kind::Bounce) => (routed.forwards.clone(), Some(&routed.owner)),
    };
    let placed = owner.and_then(|owner| owner.placement.as_ref()).map(|placement| placement.node_id.clone());
    let node = match placed {
        Some(node) => node,
        // A bounce is in nobody's name: any node's queue will do.
        None => mx.nodes.any().await.map_err(|error| unavailable(&error))?,
    };
    let reverse_path = match kind {
        Kind::Webhook => mail.path.as_str().to_owned(),
        Kind::Forward | Kind::Bounce => {
            let secrets = mx.directory.srs_secrets().await.map_err(|error| unavailable(&error))?;
            rewritten(&secrets, mail.path.as_str(), recipient.domain.as_str(), mx.clock.now())
        }
    };
    let notify = match kind {
        // A program beside a mailbox is its owner's: the message is delivered without it.
        Kind::Webhook if !recipient.stores.is_empty() => Notify::NEVER,
        Kind::Webhook | Kind::Forward | Kind::Bounce => success::asked_of_copies(recipient),
    };
    // RFC 3461 §5.2.1 (d): the address that the sender knows.
    let original = recipient.original.clone().or_else(|| original_of(recipient.path.as_str())).unwrap_or_default();
    let envelope = Envelope {
        reverse_path,
        recipients: addresses
            .into_iter()
            .map(|address| QueueRecipient { address, notify: notify.bits(), original: original.clone() })
            .collect(),
        ret: match mail.ret {
            None => Return::Unspecified,
            Some(ReturnText::Full) => Return::Full,
            Some(ReturnText::Headers) => Return::Headers,
        }
        .into(),
        envelope_id: mail.envelope_id.clone().unwrap_or_default(),
        smtputf8: mail.utf8,
        eight_bit: mail.eight_bit,
        require_tls: mail.require_tls,
        sender_mailbox: owner.map(|owner| owner.mailbox_id.clone()).unwrap_or_default(),
        origin: if kind == Kind::Webhook { Origin::Webhook } else { Origin::Forward }.into(),
        ..Envelope::default()
    };
    Ok((node, envelope))
}

/// The reverse-path of ours. One that cannot be rewritten becomes the null one: its bounces go to nobody, as would those of
/// a path that SPF refuses.
fn rewritten(secrets: &[vault::Secret32], sender: &str, domain: &str, now: jiff::Timestamp) -> String {
    let keys = srs::Keys::new(secrets);
    keys.and_then(|keys| keys.forward(sender, domain, now).ok()).unwrap_or_default()
}

//! RCPT: from an envelope's address to what is to be done with the message for it, or to the reply that says why not.

use crate::Mx;
use crate::answers;
use crate::deliver::Delivery;
use crate::policy::{self, Facts, For};
use authentication::srs;
use directory::client::{Alias, Disposition, Lookup, Policy, Routed};
use model::limits::RECIPIENTS_MAX;
use model::{Address, Domain, MailboxId};
use smtp::command::Rcpt;
use smtp::dsn::Notify;
use smtp::session::answers::RECIPIENT_OK;
use smtp::{Path, Reply};
use std::sync::Arc;
use vault::sealing::PublicKey;
use wire::node::Verdict;

/// A recipient that was taken.
pub struct Accepted {
    /// The path as it stood in the envelope.
    pub path: Path,
    /// When the sender wants to hear.
    pub notify: Notify,
    /// As it stood in ORCPT.
    pub original: Option<String>,
    /// Normalised.
    pub address: String,
    /// Its domain.
    pub domain: Domain,
    /// What is to be done.
    pub purpose: Purpose,
    /// Mailboxes that the message goes into for this one.
    pub stores: Vec<MailboxId>,
}

/// What is to be done with a message for a recipient.
pub enum Purpose {
    /// As the directory says; nothing when it says to throw it away.
    Routed(Arc<Routed>),
    /// A bounce to an address that was rewritten here: it goes home to this one.
    Bounce(String),
}

impl Accepted {
    /// Of its domain; a bounce has none.
    pub fn policy(&self) -> Option<&Policy> {
        match &self.purpose {
            Purpose::Routed(routed) if routed.disposition == Disposition::Accept => Some(&routed.policy),
            Purpose::Routed(_) | Purpose::Bounce(_) => None,
        }
    }

    /// Whether it goes on to other hosts.
    pub fn is_forwarded(&self) -> bool {
        matches!(&self.purpose, Purpose::Routed(routed) if !routed.forwards.is_empty())
    }
}

/// What a transaction has when a recipient is named.
pub struct Opened<'a> {
    /// Where mailboxes are asked.
    pub delivery: &'a mut Delivery,
    /// Those before.
    pub accepted: &'a mut Vec<Accepted>,
    /// What is known of the sender.
    pub facts: &'a mut Facts,
    /// The reverse-path.
    pub sender: &'a Path,
}

/// Adds the recipient if the directory, its domain's policy and its primaries agree; the reply says so or why not.
pub async fn add(mx: &Mx, opened: Opened<'_>, rcpt: Rcpt) -> Reply {
    match admit(mx, opened, rcpt).await {
        Ok(()) => RECIPIENT_OK,
        Err(reply) => reply,
    }
}

async fn admit(mx: &Mx, opened: Opened<'_>, rcpt: Rcpt) -> Result<(), Reply> {
    let Rcpt { path, notify, original, extended: _ } = rcpt;
    let address = address_of(mx, &path)?;
    let Opened { delivery, accepted, facts, sender } = opened;
    let purpose = purpose_of(mx, &address).await?;
    let (name, domain) = (address.alias(), address.domain().clone());
    let mut new = Accepted { path, notify, original, address: name, domain, purpose, stores: Vec::new() };
    if let Some(policy) = new.policy() {
        facts.look_up(mx, policy, sender.as_str()).await;
        let whom = For { policy, recipient: &new.address, sender: sender.as_str() };
        policy::admit(mx, facts, whom).await?;
    }
    if let Purpose::Routed(routed) = &new.purpose
        && routed.disposition == Disposition::Accept
    {
        new.stores = store(mx, delivery, &address, routed).await?;
    }
    accepted.push(new);
    Ok(())
}

/// `<Postmaster>` is this host's own (RFC 5321 §4.5.1).
fn address_of(mx: &Mx, path: &Path) -> Result<Address, Reply> {
    let text = match path {
        Path::Mailbox(text) => text.clone(),
        Path::Postmaster => format!("postmaster@{}", mx.session.hostname),
        Path::Null => return Err(answers::NO_SUCH_MAILBOX),
    };
    text.parse().map_err(answers::for_address)
}

async fn purpose_of(mx: &Mx, address: &Address) -> Result<Purpose, Reply> {
    let routed = match route(mx, address).await? {
        Lookup::Found(routed) => routed,
        Lookup::UnknownDomain => return Err(answers::RELAY_DENIED),
        Lookup::UnknownAlias if srs::is_rewritten(address.local()) => return bounce(mx, address).await,
        Lookup::UnknownAlias => return Err(answers::NO_SUCH_MAILBOX),
    };
    let said = |reply: Reply, code, subject, detail| {
        if routed.text.is_empty() { reply } else { Reply::with_text(code, subject, detail, routed.text.clone()) }
    };
    match routed.disposition {
        Disposition::Accept | Disposition::Swallow => Ok(Purpose::Routed(routed)),
        Disposition::Refuse => Err(said(answers::DISABLED, 550, 2, 1)),
        Disposition::FailSoftly => Err(said(answers::NOT_NOW, 450, 2, 1)),
        Disposition::Unspecified => Err(answers::UNAVAILABLE),
    }
}

async fn route(mx: &Mx, address: &Address) -> Result<Lookup<Arc<Routed>>, Reply> {
    mx.directory.route(address).await.map_err(|error| {
        tracing::warn!(%error, "cannot look a recipient up");
        answers::UNAVAILABLE
    })
}

/// A bounce comes home through the address that the message was forwarded with.
async fn bounce(mx: &Mx, address: &Address) -> Result<Purpose, Reply> {
    let secrets = mx.directory.srs_secrets().await.map_err(|error| {
        tracing::warn!(%error, "cannot ask for the secrets of rewritten addresses");
        answers::UNAVAILABLE
    })?;
    let keys = srs::Keys::new(&secrets).ok_or(answers::NO_SUCH_MAILBOX)?;
    match keys.reverse(address.local(), mx.clock.now()) {
        Ok(home) => Ok(Purpose::Bounce(home)),
        Err(srs::SrsError::Expired) => Err(answers::REWRITTEN_EXPIRED),
        Err(srs::SrsError::Form | srs::SrsError::Hash | srs::SrsError::TooLong) => Err(answers::NO_SUCH_MAILBOX),
    }
}

/// A mailbox as the directory knows it.
struct Found {
    mailbox: MailboxId,
    node: String,
    epoch: u64,
    key: PublicKey,
}

fn found(alias: &Alias) -> Option<Found> {
    let mailbox = alias.mailbox_id.parse().ok()?;
    let placement = alias.placement.as_ref()?;
    let key = PublicKey::from_bytes(&alias.sealing_public_key).ok()?;
    Some(Found { mailbox, node: placement.node_id.clone(), epoch: placement.epoch, key })
}

/// Asks the primary of every mailbox; all of them take it, or none is to have it for this recipient.
async fn store(mx: &Mx, delivery: &mut Delivery, address: &Address, routed: &Routed) -> Result<Vec<MailboxId>, Reply> {
    if delivery.recipients() + routed.stores.len() > RECIPIENTS_MAX {
        return Err(answers::TOO_MANY_MAILBOXES);
    }
    let (mut stores, mut fresh) = (Vec::new(), Vec::new());
    for alias in &routed.stores {
        let asked = match found(alias) {
            Some(found) if delivery.has(&found.mailbox) => Ok(found.mailbox),
            Some(found) => admit_mailbox(mx, delivery, address, found).await.inspect(|mailbox| fresh.push(*mailbox)),
            None => {
                tracing::error!(
                    mailbox = alias.mailbox_id,
                    "the directory's entry is malformed; run `brevdue mailbox check`"
                );
                Err(answers::UNAVAILABLE)
            }
        };
        match asked {
            Ok(mailbox) => stores.push(mailbox),
            Err(reply) => {
                for mailbox in fresh {
                    delivery.withdraw(&mailbox).await;
                }
                return Err(reply);
            }
        }
    }
    Ok(stores)
}

async fn admit_mailbox(mx: &Mx, delivery: &mut Delivery, address: &Address, found: Found) -> Result<MailboxId, Reply> {
    let mailbox = found.mailbox;
    let mut verdict = ask(mx, delivery, found).await?;
    if verdict == Verdict::WrongNode {
        // The mailbox may just have moved: the directory knows where to.
        let again = route(mx, address).await?.found();
        let moved = again.iter().flat_map(|routed| &routed.stores).filter_map(found_of(mailbox)).next();
        verdict = ask(mx, delivery, moved.ok_or(answers::UNAVAILABLE)?).await?;
    }
    answers::for_verdict(verdict).map_or(Ok(mailbox), Err)
}

fn found_of(mailbox: MailboxId) -> impl Fn(&Alias) -> Option<Found> {
    move |alias| found(alias).filter(|found| found.mailbox == mailbox)
}

async fn ask(mx: &Mx, delivery: &mut Delivery, found: Found) -> Result<Verdict, Reply> {
    let Found { mailbox, node, epoch, key } = found;
    let rpc = mx.nodes.node(&node).await.map_err(|error| {
        tracing::warn!(%node, %error, "no way to a recipient's node");
        answers::UNAVAILABLE
    })?;
    delivery.admit(&node, rpc, mailbox, epoch, key).await.map_err(|error| {
        tracing::warn!(%node, %error, "a recipient's node does not answer");
        answers::UNAVAILABLE
    })
}

//! RCPT: from an envelope's address to a mailbox and its primary, or to the reply that says why not.

use crate::Mx;
use crate::answers;
use crate::deliver::Delivery;
use directory::client::{Alias, Lookup};
use model::{Address, MailboxId};
use smtp::session::answers::RECIPIENT_OK;
use smtp::{Path, Reply};
use vault::sealing::PublicKey;
use wire::node::Verdict;

/// Adds the recipient to the delivery if the directory and its primary agree; the reply says so or why not.
pub async fn add(mx: &Mx, delivery: &mut Delivery, path: &Path) -> Reply {
    match admit(mx, delivery, path).await {
        Ok(()) => RECIPIENT_OK,
        Err(reply) => reply,
    }
}

/// A recipient as the directory knows it.
struct Found {
    mailbox: MailboxId,
    node: String,
    epoch: u64,
    key: PublicKey,
}

async fn admit(mx: &Mx, delivery: &mut Delivery, path: &Path) -> Result<(), Reply> {
    let address = address_of(mx, path)?;
    let found = resolve(mx, &address).await?;
    if delivery.has(&found.mailbox) {
        return Ok(());
    }
    let mut verdict = ask(mx, delivery, found).await?;
    if verdict == Verdict::WrongNode {
        // The mailbox may just have moved: the directory knows where to.
        let found = resolve(mx, &address).await?;
        verdict = ask(mx, delivery, found).await?;
    }
    answers::for_verdict(verdict).map_or(Ok(()), Err)
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

async fn resolve(mx: &Mx, address: &Address) -> Result<Found, Reply> {
    let alias = match mx.directory.lookup(address).await {
        Ok(Lookup::Found(alias)) => alias,
        Ok(Lookup::UnknownDomain) => return Err(answers::RELAY_DENIED),
        Ok(Lookup::UnknownAlias) => return Err(answers::NO_SUCH_MAILBOX),
        Err(error) => {
            tracing::warn!(%error, "cannot look a recipient up");
            return Err(answers::UNAVAILABLE);
        }
    };
    if alias.disabled {
        return Err(answers::DISABLED);
    }
    found(&alias).ok_or_else(|| {
        tracing::error!(mailbox = alias.mailbox_id, "the directory's entry is malformed; run `brevdue mailbox check`");
        answers::UNAVAILABLE
    })
}

fn found(alias: &Alias) -> Option<Found> {
    let mailbox = alias.mailbox_id.parse().ok()?;
    let placement = alias.placement.as_ref()?;
    let key = PublicKey::from_bytes(&alias.sealing_public_key).ok()?;
    Some(Found { mailbox, node: placement.node_id.clone(), epoch: placement.epoch, key })
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

//! Success, for senders who asked to hear of it (RFC 3461 §5.2.3, §5.2.7): who is told what, and the notices into a queue. Failure
//! is told in the conversation.
//!
//! Invariant: a notice is made after the message is on stable storage for everybody it tells of. One that cannot be queued is
//! missed and logged, as is one that takes too long: refusing the message for it would have it delivered twice.

use crate::Mx;
use crate::limits::NOTICE_SECONDS_MAX;
use crate::metrics as names;
use crate::onward::signer;
use crate::policy::Facts;
use crate::recipient::{Accepted, Purpose};
use authentication::BodyStream;
use directory::client::Disposition;
use node_client::queue::{EnqueueError, notice_envelope};
use smtp::Path;
use smtp::command::Mail;
use smtp::dsn::Notify;
use smtp::notice::{Action, Letter, Notice, Original, Told, Written};
use std::time::Duration;
use tokio::time::timeout;

/// [`NOTICE_SECONDS_MAX`], which says why.
const NOTICE_WAIT: Duration = Duration::from_secs(NOTICE_SECONDS_MAX);

/// A message that was taken.
pub struct Delivered<'a> {
    /// The envelope's sender, and what it wants to hear.
    pub mail: &'a Mail,
    /// What is known of the sender.
    pub facts: &'a Facts,
    /// Recipients.
    pub accepted: &'a [Accepted],
    /// To which of them it is junk.
    pub junk: &'a [bool],
    /// The header as it came.
    pub header: &'a [u8],
}

/// Addresses and programs that a message for a recipient goes on to.
fn targets(accepted: &Accepted) -> usize {
    match &accepted.purpose {
        Purpose::Routed(routed) => routed.forwards.len() + routed.webhooks.len(),
        Purpose::Bounce(_) => 1,
    }
}

/// When the sender hears of what becomes of a recipient's copies. RFC 3461 §5.2.7.2: a single one goes on with what was asked.
/// §5.2.7.3 (c): of several, success is not told again.
pub fn asked_of_copies(accepted: &Accepted) -> Notify {
    if accepted.stores.is_empty() && targets(accepted) == 1 {
        accepted.notify
    } else {
        accepted.notify.without_success()
    }
}

/// What is told of a recipient, if anything is.
fn action(accepted: &Accepted) -> Option<Action> {
    let Purpose::Routed(routed) = &accepted.purpose else { return None };
    // What is thrown away was not delivered.
    if !accepted.notify.success() || routed.disposition != Disposition::Accept {
        return None;
    }
    match (accepted.stores.is_empty(), targets(accepted)) {
        (false, _) => Some(Action::Delivered),
        // It goes on with what was asked.
        (true, 0 | 1) => None,
        (true, _) => Some(Action::Expanded),
    }
}

/// Tells the sender. Of junk nothing is told, and to a sender whom nobody vouches for neither: anybody can write a name into
/// MAIL, and its owner would get what he never asked for.
pub async fn tell(mx: &Mx, delivered: &Delivered<'_>) {
    if delivered.mail.path == Path::Null || !delivered.facts.may_be_told() {
        return;
    }
    for told in [Action::Delivered, Action::Expanded] {
        let wanted = delivered.accepted.iter().zip(delivered.junk);
        let about: Vec<_> =
            wanted.filter(|(one, junk)| !**junk && action(one) == Some(told)).map(|(one, _)| one).collect();
        let Some(first) = about.first() else { continue };
        let sent = timeout(NOTICE_WAIT, send(mx, delivered, told, first, &about)).await;
        let late = Err(EnqueueError::Unavailable("the queue did not take it in time".to_owned()));
        if let Err(error) = sent.unwrap_or(late) {
            tracing::warn!(%error, "a sender is not told of a success");
        }
    }
}

async fn send(
    mx: &Mx,
    delivered: &Delivered<'_>,
    action: Action,
    first: &Accepted,
    about: &[&Accepted],
) -> Result<(), EnqueueError> {
    let unavailable = |error: &dyn std::fmt::Display| EnqueueError::Unavailable(error.to_string());
    let Written { message, eight_bit, utf8 } =
        write(mx, delivered, action, first, about).map_err(|error| unavailable(&error))?;
    let owner = match &first.purpose {
        Purpose::Routed(routed) => routed.owner.placement.as_ref().map(|placement| placement.node_id.clone()),
        Purpose::Bounce(_) => None,
    };
    let node = match owner {
        Some(node) => node,
        None => mx.nodes.any().await.map_err(|error| unavailable(&error))?,
    };
    let envelope = notice_envelope(delivered.mail.path.as_str(), utf8, eight_bit);
    let mut enqueue = mx.enqueuer.begin(&node, envelope, message.len() as u64).await?;
    enqueue.push(&message).await?;
    let signature = signature(mx, first, &message).await;
    enqueue.commit(signature.into_bytes()).await?;
    ::metrics::counter!(names::ENQUEUED, "kind" => "notice").increment(1);
    Ok(())
}

fn write(
    mx: &Mx,
    delivered: &Delivered<'_>,
    action: Action,
    first: &Accepted,
    about: &[&Accepted],
) -> Result<Written, vault::VaultError> {
    let told: Vec<_> = about.iter().map(|one| one.told()).collect();
    let at = mx.clock.now();
    let random = vault::random::<16>()?;
    let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let mail = delivered.mail;
    let letter = Letter {
        reverse_path: mail.path.as_str(),
        envelope_id: mail.envelope_id.as_deref().unwrap_or_default(),
        utf8: mail.utf8,
        arrived: at,
    };
    let (original, host) = (&Original::header_of(delivered.header), mx.session.hostname.as_str());
    let from = &format!("postmaster@{}", first.domain);
    Ok(Notice { letter, action, told: &told, original, host, from, at, id: &id }.write())
}

impl Accepted {
    /// As the sender named it.
    fn told(&self) -> Told<'_> {
        let address = if self.path == Path::Postmaster { self.address.as_str() } else { self.path.as_str() };
        let original = self.original.as_deref().unwrap_or_default();
        Told { address, original, status: (0, 0), text: "", is_reply: false, remote: "" }
    }
}

/// An unsigned notice is better than none.
async fn signature(mx: &Mx, first: &Accepted, message: &[u8]) -> String {
    let signer = match signer(mx, &first.domain).await {
        Ok(signer) if !signer.is_empty() => signer,
        Ok(_) => return String::new(),
        Err(error) => {
            tracing::warn!(%error, "a notice is not signed");
            return String::new();
        }
    };
    let mut stream = BodyStream::new();
    stream.push(message);
    signer.sign(b"", &stream.finish(), mx.clock.now()).unwrap_or_default()
}

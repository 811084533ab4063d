//! What the MX says beside the session's own replies (RFC 5321 §4.2, RFC 3463): the one place where its errors become SMTP.

use crate::deliver::Undelivered;
use model::{AddressError, DeliveryId};
use node_client::queue::EnqueueError;
use smtp::Reply;
use wire::node::Verdict;

/// The domain is not ours (RFC 5321 §3.6.2).
pub const RELAY_DENIED: Reply = Reply::new(550, 7, 1, "Relaying denied: no mail is taken for this domain here");
/// The domain is ours, the mailbox does not exist.
pub const NO_SUCH_MAILBOX: Reply = Reply::new(550, 1, 1, "No such mailbox");
/// The alias is switched off.
pub const DISABLED: Reply = Reply::new(550, 2, 1, "Mailbox disabled");
/// The alias is switched off for a while.
pub const NOT_NOW: Reply = Reply::new(450, 2, 1, "Mailbox not available now, try again later");
/// A rewritten address is good for some weeks only.
pub const REWRITTEN_EXPIRED: Reply = Reply::new(550, 1, 6, "This rewritten address has expired");
/// Its mailboxes, and those of the recipients before, are more than one delivery takes (RFC 5321 §4.5.3.1.10).
pub const TOO_MANY_MAILBOXES: Reply = Reply::new(452, 5, 3, "Too many recipients, send the others separately");
/// The message has been at this recipient before.
pub const FORWARD_LOOP: Reply = Reply::new(554, 4, 6, "The message was forwarded from here before: it loops");
/// The directory or a node cannot be asked.
pub const UNAVAILABLE: Reply = Reply::new(451, 3, 0, "Temporarily unavailable, try again later");
/// Too many hosts have had it (RFC 5321 §6.3).
pub const LOOP: Reply = Reply::new(554, 4, 6, "Too many Received fields: the message loops");
/// Randomness, a key, or our own order of steps.
pub const INTERNAL: Reply = Reply::new(451, 3, 0, "Internal error, try again later");

/// For an address that cannot be a mailbox of ours.
pub const fn for_address(error: AddressError) -> Reply {
    match error {
        AddressError::Form | AddressError::LocalPart => Reply::new(550, 1, 3, "Not an address that has a mailbox"),
        AddressError::TooLong => Reply::new(550, 1, 1, "No such mailbox: the address is too long"),
        AddressError::Domain => Reply::new(550, 1, 2, "Not a domain that takes mail"),
    }
}

/// It would not fit if the mailbox, and all that share a limit with it, were empty.
const OVER_LIMIT: Reply = Reply::new(552, 2, 2, "The message is larger than this mailbox may become");

/// For a node's verdict on a recipient; `None` when it takes the mail.
pub const fn for_verdict(verdict: Verdict) -> Option<Reply> {
    match verdict {
        Verdict::Open | Verdict::Waiting => None,
        Verdict::Unavailable | Verdict::WrongNode => Some(UNAVAILABLE),
        Verdict::NoRoom => Some(Reply::new(452, 2, 2, "Mailbox full")),
        Verdict::DiskFull => Some(Reply::new(452, 3, 1, "Not enough storage, try again later")),
        Verdict::TooBig => Some(Reply::new(552, 2, 3, "Message too big for this mailbox")),
        Verdict::OverLimit => Some(OVER_LIMIT),
    }
}

/// For a message that is not on stable storage for every recipient.
pub const fn for_undelivered(why: Undelivered) -> Reply {
    match why {
        Undelivered::Unavailable => Reply::new(451, 3, 0, "Not stored, try again later"),
        Undelivered::NoRoom => Reply::new(452, 2, 2, "Mailbox full"),
        Undelivered::DiskFull => Reply::new(452, 3, 1, "Not enough storage, try again later"),
        Undelivered::OverLimit => OVER_LIMIT,
    }
}

/// For a copy that is not in a queue.
pub fn for_queue(error: &EnqueueError) -> Reply {
    match error {
        EnqueueError::Full(_) => Reply::new(452, 3, 1, "The queue is full, try again later"),
        EnqueueError::Refused(_) => Reply::new(554, 6, 0, "The message cannot go on"),
        EnqueueError::Unavailable(_) => UNAVAILABLE,
    }
}

/// The message is on stable storage for every recipient.
pub fn stored(id: DeliveryId) -> Reply {
    Reply::with_text(250, 0, 0, format!("Stored as {id}"))
}

/// What the stages of the policy say; each has a code of its own (RFC 7372, RFC 3463 and their registry).
pub mod policy {
    use smtp::Reply;

    /// The client's name does not lead back to its address.
    pub const FCRDNS: Reply = Reply::new(550, 7, 25, "The name of your address does not lead back to it");
    /// The domain takes nothing from there.
    pub const DENIED: Reply = Reply::new(554, 7, 0, "Mail from there is not taken for this recipient");
    /// Too much from one source.
    pub const SOURCE_RATE: Reply = Reply::new(450, 7, 28, "Too much mail from your network, try again later");
    /// Too much for one recipient.
    pub const RECIPIENT_RATE: Reply = Reply::new(450, 2, 1, "This recipient gets too much mail now, try again later");
    /// A stranger.
    pub const GREYLISTED: Reply = Reply::new(451, 7, 1, "Not known here yet, try again in a few minutes");
    /// The sender's domain says that it is not theirs.
    pub const SPF: Reply = Reply::new(550, 7, 23, "SPF of the sender's domain fails");
    /// No signature is good.
    pub const DKIM: Reply = Reply::new(550, 7, 20, "No DKIM signature passes");
    /// The author's domain says to refuse it.
    pub const DMARC: Reply = Reply::new(550, 7, 1, "DMARC of the author's domain fails, and its policy is to refuse");
    /// Its score.
    pub const SPAM: Reply = Reply::new(550, 7, 0, "The message looks like spam");
    /// clamd found something.
    pub const VIRUS: Reply = Reply::new(552, 7, 0, "The message has a virus in it");

    /// A block list has the client; the list tells its reasons.
    pub fn dnsbl(zone: &str) -> Reply {
        let zone: String = zone.chars().filter(|c| c.is_ascii_graphic()).collect();
        Reply::with_text(554, 7, 1, format!("Your address is on the block list {zone}"))
    }
}

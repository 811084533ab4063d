//! What the MX says beside the session's own replies (RFC 5321 §4.2, RFC 3463): the one place where its errors become SMTP.

use crate::deliver::Undelivered;
use model::{AddressError, DeliveryId};
use smtp::Reply;
use wire::node::Verdict;

/// The domain is not ours (RFC 5321 §3.6.2).
pub const RELAY_DENIED: Reply = Reply::new(550, 7, 1, "Relaying denied: no mail is taken for this domain here");
/// The domain is ours, the mailbox does not exist.
pub const NO_SUCH_MAILBOX: Reply = Reply::new(550, 1, 1, "No such mailbox");
/// The alias is switched off.
pub const DISABLED: Reply = Reply::new(550, 2, 1, "Mailbox disabled");
/// The directory or a node cannot be asked.
pub const UNAVAILABLE: Reply = Reply::new(451, 3, 0, "Temporarily unavailable, try again later");
/// Too many hosts have had it (RFC 5321 §6.3).
pub const LOOP: Reply = Reply::new(554, 4, 6, "Too many Received fields: the message loops");
/// Randomness, a key, or our own order of steps.
pub const INTERNAL: Reply = Reply::new(451, 3, 0, "Internal error, try again later");
/// The text took too long.
pub const TOO_SLOW: Reply = Reply::new(421, 4, 2, "The message takes too long, closing");

/// For an address that cannot be a mailbox of ours.
pub const fn for_address(error: AddressError) -> Reply {
    match error {
        AddressError::Form | AddressError::LocalPart => Reply::new(550, 1, 3, "Not an address that has a mailbox"),
        AddressError::TooLong => Reply::new(550, 1, 1, "No such mailbox: the address is too long"),
        AddressError::Domain => Reply::new(550, 1, 2, "Not a domain that takes mail"),
    }
}

/// For a node's verdict on a recipient; `None` when it takes the mail.
pub const fn for_verdict(verdict: Verdict) -> Option<Reply> {
    match verdict {
        Verdict::Open | Verdict::Waiting => None,
        Verdict::Unavailable | Verdict::WrongNode => Some(UNAVAILABLE),
        Verdict::NoRoom => Some(Reply::new(452, 2, 2, "Mailbox full")),
        Verdict::DiskFull => Some(Reply::new(452, 3, 1, "Not enough storage, try again later")),
        Verdict::TooBig => Some(Reply::new(552, 2, 3, "Message too big for this mailbox")),
    }
}

/// For a message that is not on stable storage for every recipient.
pub const fn for_undelivered(why: Undelivered) -> Reply {
    match why {
        Undelivered::Unavailable => Reply::new(451, 3, 0, "Not stored, try again later"),
        Undelivered::NoRoom => Reply::new(452, 2, 2, "Mailbox full"),
        Undelivered::DiskFull => Reply::new(452, 3, 1, "Not enough storage, try again later"),
    }
}

/// The message is on stable storage for every recipient.
pub fn stored(id: DeliveryId) -> Reply {
    Reply::with_text(250, 0, 0, format!("Stored as {id}"))
}

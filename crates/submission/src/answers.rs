//! What submission says beside the session's own replies (RFC 6409, RFC 4954 §6, RFC 3463): the one place where its errors
//! become SMTP.

use model::EnqueueId;
use node_client::queue::EnqueueError;
use sign_in::Denied;
use smtp::Reply;
use smtp::session::answers::WRONG_PASSWORD;

/// The reverse-path belongs to somebody else (RFC 6409 §6.1).
pub const NOT_YOUR_ADDRESS: Reply = Reply::new(550, 7, 1, "This is not an address of your account");
/// From in the message belongs to somebody else.
pub const NOT_YOUR_FROM: Reply = Reply::new(550, 7, 1, "From names an address that is not one of your account");
/// RFC 5322 §3.6: a message has an author.
pub const NO_FROM: Reply = Reply::new(554, 6, 0, "The message has no From field with an address");
/// The header cannot be held.
pub const HEADER_TOO_LONG: Reply = Reply::new(554, 6, 0, "The header of the message is too long");
/// The domain is ours, the mailbox does not exist.
pub const NO_SUCH_MAILBOX: Reply = Reply::new(550, 1, 1, "No such mailbox");
/// Mail can only go to a mailbox at a domain.
pub const NOT_AN_ADDRESS: Reply = Reply::new(553, 1, 3, "Not an address that mail can be sent to");
/// The account's limit.
pub const SENT_ENOUGH: Reply =
    Reply::new(450, 7, 1, "Your account has sent to as many recipients as it may for now, try again later");
/// The directory or a node cannot be asked.
pub const UNAVAILABLE: Reply = Reply::new(451, 3, 0, "Temporarily unavailable, try again later");
/// Randomness, or our own order of steps.
pub const INTERNAL: Reply = Reply::new(451, 3, 0, "Internal error, try again later");
/// RFC 4616 §2: nobody acts for somebody else here.
pub const OTHER_IDENTITY: Reply = Reply::new(535, 7, 8, "Nobody may act for somebody else");
/// RFC 4954 §4.
pub const NOT_PLAIN: Reply = Reply::new(501, 5, 2, "The response is not that of PLAIN");

/// For somebody who was not signed in.
pub fn for_denied(denied: &Denied) -> Reply {
    match denied {
        Denied::Wrong => WRONG_PASSWORD,
        Denied::Blocked => Reply::new(454, 7, 0, "Too many failed sign-ins from there, try again later"),
        Denied::Disabled => Reply::new(535, 7, 13, "This account is disabled"),
        Denied::Busy => Reply::new(454, 7, 0, "Too many people are signing in, try again"),
        Denied::Unavailable | Denied::Mailbox(_) => {
            Reply::new(454, 7, 0, "Sign-in is not possible at the moment, try again")
        }
    }
}

/// For a message that the queue did not take.
pub fn for_enqueue(error: &EnqueueError) -> Reply {
    match error {
        EnqueueError::Full(_) => Reply::new(452, 3, 1, "Not enough storage, try again later"),
        EnqueueError::Refused(_) => Reply::new(554, 6, 0, "The queue does not take this message"),
        EnqueueError::Unavailable(_) => UNAVAILABLE,
    }
}

/// The message is on stable storage.
pub fn queued(id: EnqueueId) -> Reply {
    Reply::with_text(250, 0, 0, format!("Queued as {id}"))
}

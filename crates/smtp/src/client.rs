//! The client's side without I/O: what a server offers, and the commands as they go on the wire. Reading replies is
//! [`crate::reply`]'s, putting dots on is [`crate::transfer`]'s.

mod offers;
mod write;

pub use offers::{Limits, Offers};
pub use write::{MailParameters, Notify, ReturnText, is_domain, is_envelope_id, is_original, mail, rcpt};

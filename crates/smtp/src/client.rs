//! The client's side without I/O: what a server offers, and the commands as they go on the wire. Reading replies is
//! [`crate::reply`]'s, putting dots on is [`crate::transfer`]'s.

mod offers;
mod write;

pub use crate::dsn::{Notify, ReturnText, is_envelope_id, is_original};
pub use offers::{Limits, Offers};
pub use write::{MailParameters, is_domain, mail, rcpt};

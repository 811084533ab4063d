//! The server's side of a connection that speaks SMTP: moves octets between the connection and the session, keeps the waits, and
//! asks a role for its answers. What they are, and where a message goes, is the role's affair.

mod connection;
mod conversation;
pub mod limits;

pub use conversation::{Conversation, Door, End, Manner, Role, Waits};

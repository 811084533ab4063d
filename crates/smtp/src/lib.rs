//! SMTP without I/O: grammar, message transfer, the server's session, the client's commands, and notices to senders; sockets,
//! policy and delivery are the roles' affair.
//!
//! The grammar is our own: what is strict here (line ends, NUL, path syntax) is what other parsers forgive, and forgiving
//! is how one server's data becomes the next one's commands.

pub mod address;
pub mod client;
pub mod command;
pub mod content;
pub mod dsn;
pub mod limits;
mod line;
pub mod notice;
pub mod reply;
pub mod session;
pub mod transfer;

pub use address::{Path, PathError};
pub use command::{Command, CommandError};
pub use content::{Content, ContentFault};
pub use reply::{Reply, ReplyParser};
pub use session::{Auth, Config, Event, Protocol, Session, SignInOffer};
pub use transfer::{Stuffer, Unstuffed, Unstuffer};

//! The IMAP front-end. Stateless: it translates between IMAP and the session link, signs people in, and keeps nothing that
//! another front-end would miss. Knows nothing of SQLite and of how mail comes in.

pub mod codec;
pub mod command;
mod health;
pub mod limits;
mod server;
pub mod session;

pub use server::{LISTENER, METRICS_LISTENER, RunError, TLS_LISTENER, run};

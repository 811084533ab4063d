//! The POP3 front-end (RFC 1939). Stateless: it shows the whole INBOX of whoever signs in, as it was then, and removes what
//! was marked when they leave. Knows nothing of SQLite, of other folders, and of how mail comes in.

pub mod command;
mod connection;
mod health;
pub mod limits;
mod maildrop;
mod server;
mod session;
pub mod text;

pub use server::{LISTENER, METRICS_LISTENER, RunError, TLS_LISTENER, run};

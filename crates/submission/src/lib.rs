//! The submission front-end (RFC 6409): people sign in and send; what they send is completed, signed by their domain and put
//! into their node's queue. Stateless: what it has acknowledged is on a node. Knows nothing of how mail leaves.

mod answers;
mod conversation;
pub mod header;
mod health;
pub mod limits;
mod outgoing;
mod sent_copy;
mod server;
mod transaction;

pub use server::{LISTENER, METRICS_LISTENER, RunError, TLS_LISTENER, run};

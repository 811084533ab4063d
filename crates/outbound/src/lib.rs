//! The queue's delivery to other hosts and programs: leases what is due from the nodes, chooses hosts, sends, and says what
//! became of it. Holds nothing: a worker that dies is one whose leases end.

pub mod attempt;
pub mod connection;
pub mod dane;
pub mod destinations;
pub mod entry;
pub mod fault;
pub mod guard;
mod health;
pub mod http;
mod leases;
pub mod letter;
pub mod limits;
pub mod metrics;
pub mod mta_sts;
pub mod outcome;
pub mod patience;
mod pool;
mod random;
pub mod route;
mod run;
pub mod schedule;
mod sign;
pub mod text;
pub mod tls;
pub mod tls_policy;
pub mod tls_report;
pub mod transaction;
mod transport;
pub mod webhook;
mod worker;

pub use run::{METRICS_LISTENER, RunError, run};

//! The worker that carries snapshots from the nodes into stores, and what everybody who reads a store must know: names, manifests
//! and retention. It opens nothing of what it carries.
//!
//! A snapshot's way: `node` (what waits there) → `worker` → `store` (a folder, or S3) → `manifest`, which is put last and makes
//! it a backup → `tidy` and `retention`. `destination` says which store, `lane` whether it can be had now; `backlog` remembers what waits. Back: `Store::fetch`, which compares digests.

mod backlog;
mod catalogue;
mod destination;
mod health;
mod lane;
mod limits;
pub mod manifest;
mod metrics;
mod node;
pub mod retention;
mod run;
pub mod store;
mod throttle;
mod tidy;
mod worker;

pub use node::{Node, NodeError, Nodes};
pub use run::{RunError, run, stores};

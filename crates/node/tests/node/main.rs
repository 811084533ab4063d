//! The node over real sockets: sessions, pushes, deliveries and the drain, good and bad.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests")]

mod aside;
mod backup;
mod client;
mod damage;
mod delivery;
mod drain;
mod erase;
mod fleet;
mod indexing;
mod kept;
mod links;
mod lists;
mod merge;
mod pools;
mod pools_at_random;
mod prefix;
mod pushes;
mod queue;
mod queue_damage;
mod sessions;
mod transfers;
mod watch;
mod world;

//! The MX against a real directory and nodes that follow a script, all over mutual TLS on loopback.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests")]

mod client;
mod commits;
mod conversations;
mod deliveries;
mod node;
mod notices;
mod queue;
mod routes;
mod world;

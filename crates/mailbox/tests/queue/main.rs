//! The queue file: what is taken is handed out until it is decided, through crashes and at every limit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

mod crash;
mod fair;
mod model;
mod place;
mod restore;
mod rules;

//! A flipped bit, anywhere in a file or its log: it is found, named, and never taken for the end of what was kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

#[path = "../common/mod.rs"]
mod common;
mod log;
mod pages;
mod queue;
mod salvage;
mod sealed;
mod state;

//! The client's side against real servers and against servers that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod https;
mod misbehaving;
mod postfix;
mod support;

//! Names looked up and messages vouched for, against real servers of DNS and Redis and independent implementations.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod arc;
mod dkim;
mod dmarc;
mod dns;
mod python;
mod shared;
mod spf;
mod support;

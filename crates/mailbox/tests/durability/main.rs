//! Power cuts at every write, sync and rename, processes that are killed, and disks that fail: what was acknowledged is there,
//! nothing is there twice, and the files are sound. docs/durability.md says what is promised and how to run more of it.
//!
//! `BREVDUE_CUTS=1` cuts at every change in every way, `BREVDUE_CUTS=100` a hundred times as often; `BREVDUE_CUTS_SEED` gives
//! another seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

#[path = "../common/mod.rs"]
mod common;
mod cuts;
mod drain;
mod failures;
mod log;
mod mailbox_file;
mod migration;
mod queue_file;
mod steps;
mod view;
mod waiting_file;

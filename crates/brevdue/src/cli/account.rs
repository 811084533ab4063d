//! Commands and arguments for what may be stored.

use clap::{Args, Subcommand};
use model::Octets;

/// `account …`
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Limit what all mailboxes of an account may hold together. What is there already stays.
    Limit {
        /// The account, or an address of it.
        account: String,
        /// The limits.
        #[command(flatten)]
        limits: Limits,
    },
    /// Show an account: its limits, and what each of its aliases stores, as its node last told.
    Show {
        /// The account, or an address of it.
        account: String,
    },
}

/// What may be held.
#[derive(Debug, Clone, Copy, Args)]
#[group(required = true, multiple = true)]
pub struct Limits {
    /// Octets, such as 5G or 300M; 0 for no limit.
    #[arg(long, value_name = "OCTETS")]
    pub bytes: Option<Octets>,
    /// Messages; 0 for no limit.
    #[arg(long, value_name = "N")]
    pub messages: Option<u64>,
}

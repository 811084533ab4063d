//! Commands and arguments for where mail goes, what domains ask, and what DNS says of them.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Where mail goes.
#[derive(Debug, Clone, Default, Args)]
pub struct Targets {
    /// Forward to this address, here or elsewhere; may be given several times.
    #[arg(long = "forward", value_name = "ADDRESS")]
    pub forwards: Vec<String>,
    /// Call this webhook: a URL, for which one is made, or the id of one that is there; may be given several times.
    #[arg(long = "webhook", value_name = "URL|ID")]
    pub webhooks: Vec<String>,
    /// What a webhook that is made here is sent.
    #[arg(long, value_enum, default_value_t = Payload::Parsed)]
    pub payload: Payload,
}

impl Targets {
    /// Whether any was given.
    pub fn are_any(&self) -> bool {
        !(self.forwards.is_empty() && self.webhooks.is_empty())
    }
}

/// Where mail goes no more.
#[derive(Debug, Clone, Default, Args)]
pub struct Without {
    /// Forward to this address no more.
    #[arg(id = "no_forwards", long = "no-forward", value_name = "ADDRESS")]
    pub forwards: Vec<String>,
    /// Call this webhook no more.
    #[arg(id = "no_webhooks", long = "no-webhook", value_name = "ID")]
    pub webhooks: Vec<String>,
}

/// What a webhook is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Payload {
    /// The parsed message.
    #[default]
    Parsed,
    /// The message's octets.
    Raw,
    /// Both.
    Both,
}

impl Payload {
    /// Whether it is sent parsed, and raw.
    pub fn parts(self) -> (bool, bool) {
        match self {
            Self::Parsed => (true, false),
            Self::Raw => (false, true),
            Self::Both => (true, true),
        }
    }
}

/// How mail is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Refused for good.
    Refuse,
    /// Refused for now: senders try again for days.
    Soft,
    /// Taken and thrown away.
    Swallow,
}

/// `alias pattern …`
#[derive(Debug, Subcommand)]
pub enum PatternCommand {
    /// Take mail for every local-part that the regular expression matches as a whole. What its groups matched may stand in
    /// the local-part of --forward, as $1 or ${name}.
    Add {
        /// The domain.
        domain: String,
        /// The regular expression.
        regex: String,
        /// Where it goes.
        #[command(flatten)]
        targets: Targets,
        /// The account that may send as what it matches.
        #[arg(long, value_name = "ID")]
        account: Option<String>,
        /// Its place among the domain's patterns, from 1; without it, the last. The first that matches counts.
        #[arg(long, value_name = "N")]
        position: Option<u32>,
    },
    /// Change where it goes, its place, or whether it takes mail.
    Change {
        /// The domain.
        domain: String,
        /// The regular expression.
        regex: String,
        /// Where it goes too.
        #[command(flatten)]
        targets: Targets,
        /// Where it goes no more.
        #[command(flatten)]
        without: Without,
        /// Its place among the domain's patterns, from 1.
        #[arg(long, value_name = "N")]
        position: Option<u32>,
        /// Take no mail.
        #[arg(long, value_enum, conflicts_with = "enable")]
        disable: Option<Mode>,
        /// Take mail again.
        #[arg(long)]
        enable: bool,
        /// With --disable: what the sender's host is told.
        #[arg(long, requires = "disable")]
        text: Option<String>,
    },
    /// Take the pattern away.
    Remove {
        /// The domain.
        domain: String,
        /// The regular expression.
        regex: String,
    },
    /// List a domain's patterns in their order.
    List {
        /// The domain.
        domain: String,
    },
}

/// `domain dkim …`
#[derive(Debug, Subcommand)]
pub enum DkimCommand {
    /// Make keys that sign after the next rotation: publish their records first (`brevdue dns`).
    Add {
        /// The domain.
        domain: String,
        /// What they sign with.
        #[arg(long, value_enum, default_value_t = Algorithms::Both)]
        algorithm: Algorithms,
        /// The selector, for one key; without it, one is made from the date.
        #[arg(long)]
        selector: Option<String>,
    },
    /// List the keys.
    List {
        /// The domain.
        domain: String,
    },
    /// Sign with the next keys from now on. Their records must be in DNS.
    Rotate {
        /// The domain.
        domain: String,
        /// Do not look into DNS first.
        #[arg(long)]
        anyway: bool,
    },
    /// Sign with a key no more. Its record stays for a week, for what it signed.
    Retire {
        /// The domain.
        domain: String,
        /// The key.
        selector: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Forget a retired key, whose record is gone.
    Remove {
        /// The domain.
        domain: String,
        /// The key.
        selector: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// What new keys sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Algorithms {
    /// RSA-2048 and Ed25519, one each.
    Both,
    /// RSA-2048.
    Rsa,
    /// Ed25519.
    Ed25519,
}

/// `webhook …`
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Make a webhook. Prints its secret, which is not shown again.
    Add {
        /// Where it is called.
        url: String,
        /// What it is sent.
        #[arg(long, value_enum, default_value_t = Payload::Parsed)]
        payload: Payload,
        /// The account that it belongs to.
        #[arg(long, value_name = "ID")]
        account: Option<String>,
    },
    /// List the webhooks.
    List,
    /// Change a webhook.
    Change {
        /// Its id.
        id: String,
        /// Where it is called.
        #[arg(long)]
        url: Option<String>,
        /// What it is sent.
        #[arg(long, value_enum)]
        payload: Option<Payload>,
        /// Make a new secret and print it. The old one signs nothing more.
        #[arg(long)]
        new_secret: bool,
    },
    /// Take a webhook away that no rule calls.
    Remove {
        /// Its id.
        id: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// `srs …`
#[derive(Debug, Subcommand)]
pub enum SrsCommand {
    /// Make a new secret for rewritten senders. Bounces under the three before it still come home.
    Rotate,
}

/// Arguments of `dns`.
#[derive(Debug, Args)]
pub struct DnsArgs {
    /// The domain.
    pub domain: String,
    /// Compare with what DNS says, and the MTA-STS policy with what its host serves; exit code 1 when something is missing or wrong.
    #[arg(long)]
    pub check: bool,
    /// The MX's certificate for the DANE record, PEM; without it, the configured one.
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
}

//! What goes into a queue file and comes out of it.

use crate::error::Error;

/// RFC 3461 §4.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ret {
    /// Not given.
    #[default]
    Unspecified,
    /// The whole message goes into a DSN.
    Full,
    /// Its header does.
    Headers,
}

/// Who put a message in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An alias's owner.
    Submission,
    /// An alias that forwards.
    Forward,
    /// An alias that calls a program.
    Webhook,
    /// The system itself.
    System,
}

/// A message's envelope but for its recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Empty: the null reverse-path.
    pub reverse_path: String,
    /// RFC 3461 RET.
    pub ret: Ret,
    /// RFC 3461 ENVID; empty when not given.
    pub envelope_id: String,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 6152.
    pub eight_bit: bool,
    /// RFC 8689.
    pub require_tls: bool,
    /// The alias whose message it is; empty for the system's own.
    pub mailbox: String,
    /// Who put it in.
    pub origin: Origin,
    /// 0: the worker's own limit.
    pub expires_ms: i64,
}

/// A recipient of a new message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Where it goes.
    pub address: String,
    /// What it is handed out with.
    pub destination: String,
    /// RFC 3461 NOTIFY bits.
    pub notify: u32,
    /// RFC 3461 ORCPT as it came.
    pub original: String,
}

/// What is known of a recipient that was not decided yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Where it goes.
    pub address: String,
    /// RFC 3461 NOTIFY bits.
    pub notify: u32,
    /// RFC 3461 ORCPT as it came.
    pub original: String,
    /// Attempts that were deferred.
    pub attempts: u32,
    /// When it is due, in milliseconds.
    pub next_ms: i64,
    /// Its sender was told of the delay.
    pub delay_notified: bool,
    /// What the last attempt was told.
    pub status: String,
    /// The host that said so.
    pub remote: String,
}

/// What to lease.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Names the worker.
    pub worker: String,
    /// Shares at most.
    pub shares_max: usize,
    /// Shares of one destination at most.
    pub per_destination_max: usize,
    /// How long the leases last, in milliseconds.
    pub lease_ms: i64,
    /// Destinations that are passed over.
    pub not: std::collections::HashSet<String>,
}

/// The due recipients of one message at one destination, handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The entry's row.
    pub entry: i64,
    /// The lease's number; never used before.
    pub lease: i64,
    /// Where they go.
    pub destination: String,
    /// The envelope.
    pub envelope: Envelope,
    /// Those under the lease.
    pub recipients: Vec<State>,
    /// Octets of prefix and text.
    pub size: u64,
    /// When it came.
    pub arrived_ms: i64,
}

/// What became of a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Which.
    pub address: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Enhanced status and text.
    pub status: String,
    /// The host that said so.
    pub remote: String,
    /// The sender has been told of the delay.
    pub delay_notified: bool,
}

/// What became of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done with.
    Delivered,
    /// Given up.
    Failed,
    /// To be tried again, then.
    Deferred {
        /// In milliseconds.
        next_ms: i64,
    },
}

/// Which shares an operator means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Those of one entry.
    Entry(i64),
    /// Those of one destination.
    Destination(String),
    /// Every one.
    All,
}

/// What an operator does with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Due now; the destination's pause is over.
    Retry,
    /// Not handed out until released.
    Hold,
    /// Handed out again when due.
    Release,
    /// Removed.
    Drop,
}

/// How far a change that takes several steps has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Recipients that this step touched.
    pub recipients: u64,
    /// Where the next step goes on; `None`: all is done.
    pub next: Option<ChangeCursor>,
}

/// Where a change goes on: shares from `after` on, none that came since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeCursor {
    pub(super) after: i64,
    pub(super) up_to: i64,
}

/// An entry as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The entry's row.
    pub entry: i64,
    /// Its envelope.
    pub envelope: Envelope,
    /// Octets of prefix and text.
    pub size: u64,
    /// When it came.
    pub arrived_ms: i64,
    /// Who has not been decided yet.
    pub recipients: Vec<ListedRecipient>,
}

/// A recipient as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRecipient {
    /// What is known of it.
    pub state: State,
    /// Where it goes.
    pub destination: String,
    /// The worker that has it; empty when nobody has.
    pub leased_by: String,
    /// Whether it is held.
    pub held: bool,
    /// Why it is, where no operator did it; else empty.
    pub held_why: String,
    /// Until when its destination is paused.
    pub paused_until_ms: i64,
}

/// A destination as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its name.
    pub name: String,
    /// Recipients that wait for it.
    pub recipients: u64,
    /// Of these, handed out.
    pub leased: u64,
    /// Of these, held.
    pub held: u64,
    /// Until when it is paused.
    pub paused_until_ms: i64,
    /// Why it is.
    pub paused_status: String,
}

/// How much a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Messages.
    pub entries: u64,
    /// Octets of them.
    pub octets: u64,
    /// Recipients that are not decided.
    pub recipients: u64,
}

/// How much a file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages.
    pub entries_max: u64,
    /// Octets of them.
    pub octets_max: u64,
}

impl Ret {
    pub(super) const fn code(self) -> i64 {
        match self {
            Self::Unspecified => 0,
            Self::Full => 1,
            Self::Headers => 2,
        }
    }

    pub(super) fn of_code(code: i64) -> Result<Self, Error> {
        match code {
            0 => Ok(Self::Unspecified),
            1 => Ok(Self::Full),
            2 => Ok(Self::Headers),
            other => Err(Error::damaged(format!("RET {other}"))),
        }
    }
}

impl Origin {
    pub(super) const fn code(self) -> i64 {
        match self {
            Self::Submission => 1,
            Self::Forward => 2,
            Self::Webhook => 3,
            Self::System => 4,
        }
    }

    pub(super) fn of_code(code: i64) -> Result<Self, Error> {
        match code {
            1 => Ok(Self::Submission),
            2 => Ok(Self::Forward),
            3 => Ok(Self::Webhook),
            4 => Ok(Self::System),
            other => Err(Error::damaged(format!("origin {other}"))),
        }
    }
}

//! The change feed: numbered rows of what changed, and a broadcast of them once they are committed.
//!
//! Invariants: a change is broadcast only after its commit, in sequence order; `latest` is never ahead of a commit.

use super::Error;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::broadcast;

/// Changes that are kept: at a hundred changes a minute, more than an hour without a front-end.
const CHANGES_KEPT_MAX: u64 = 10_000;
/// Changes that a watcher may have missed and still gets one by one; dropping its cache is cheaper beyond that.
const CHANGES_MISSED_MAX: u64 = 1_000;
/// Changes that wait for a slow watcher before it is told to drop everything.
const CHANGES_WAITING_MAX: usize = 1_024;

/// What a change is about; what was cached of it is no longer good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// An alias: its normalised address.
    Alias(String),
    /// A domain.
    Domain(String),
    /// A node.
    Node(String),
    /// A webhook.
    Webhook(String),
    /// The SRS secrets.
    SrsSecrets,
    /// An account.
    Account(String),
}

/// One committed change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// Ascending, never used twice.
    pub(crate) sequence: u64,
    /// What changed.
    pub(crate) subject: Subject,
}

/// What a watcher missed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    /// These, in order.
    Changes(Vec<Change>),
    /// More than is told one by one, or more than is kept.
    TooMuch,
}

/// The broadcast of committed changes.
#[derive(Debug)]
pub(crate) struct Feed {
    live: broadcast::Sender<Change>,
    latest: AtomicU64,
}

impl Feed {
    /// The feed that goes on after the newest change of the database.
    pub(super) async fn open(connection: &mut SqliteConnection) -> Result<Self, Error> {
        // AUTOINCREMENT keeps the highest number ever given in sqlite_sequence, also when the rows are gone.
        let latest: Option<i64> = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'change'")
            .fetch_optional(connection)
            .await?;
        let latest = AtomicU64::new(latest.unwrap_or(0).unsigned_abs());
        Ok(Self { live: broadcast::Sender::new(CHANGES_WAITING_MAX), latest })
    }

    /// The sequence of the newest committed change, 0 before the first.
    pub(crate) fn latest(&self) -> u64 {
        self.latest.load(Ordering::Acquire)
    }

    /// Everything that is committed from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.live.subscribe()
    }

    /// After the commit: tells the watchers.
    pub(super) fn publish(&self, changes: Vec<Change>) {
        for change in changes {
            self.latest.store(change.sequence, Ordering::Release);
            // Nobody watching is no error.
            let _ = self.live.send(change);
        }
    }

    /// The committed changes after `since`. A `since` from a catalogue that was ahead of this one counts as too much.
    pub(crate) async fn missed(&self, readers: &SqlitePool, since: u64) -> Result<Missed, Error> {
        let latest = self.latest();
        if since > latest || latest - since > CHANGES_MISSED_MAX {
            return Ok(Missed::TooMuch);
        }
        let rows =
            sqlx::query("SELECT sequence, kind, subject FROM change WHERE sequence > ? ORDER BY sequence LIMIT ?")
                .bind(since.cast_signed())
                .bind(CHANGES_MISSED_MAX.cast_signed())
                .fetch_all(readers)
                .await?;
        let changes = rows.iter().map(change_of).collect::<Result<Vec<_>, _>>()?;
        // Numbers have no gaps, so the first one that is kept tells whether something between is gone.
        match changes.first() {
            Some(first) if first.sequence != since + 1 => Ok(Missed::TooMuch),
            None if since != latest => Ok(Missed::TooMuch),
            Some(_) | None => Ok(Missed::Changes(changes)),
        }
    }
}

/// Within the writing transaction: numbers the changes and drops the oldest.
pub(super) async fn record(connection: &mut SqliteConnection, subjects: Vec<Subject>) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let (kind, text) = match &subject {
            Subject::Alias(address) => (0, address.as_str()),
            Subject::Domain(name) => (1, name.as_str()),
            Subject::Node(id) => (2, id.as_str()),
            Subject::Webhook(id) => (3, id.as_str()),
            Subject::SrsSecrets => (4, ""),
            Subject::Account(id) => (5, id.as_str()),
        };
        let sequence: i64 = sqlx::query_scalar("INSERT INTO change (kind, subject) VALUES (?, ?) RETURNING sequence")
            .bind(kind)
            .bind(text)
            .fetch_one(&mut *connection)
            .await?;
        changes.push(Change { sequence: sequence.unsigned_abs(), subject });
    }
    if let Some(oldest_kept) = changes.last().and_then(|last| last.sequence.checked_sub(CHANGES_KEPT_MAX)) {
        sqlx::query("DELETE FROM change WHERE sequence <= ?")
            .bind(oldest_kept.cast_signed())
            .execute(connection)
            .await?;
    }
    Ok(changes)
}

fn change_of(row: &sqlx::sqlite::SqliteRow) -> Result<Change, Error> {
    let text: String = row.try_get("subject")?;
    let subject = match row.try_get::<i64, _>("kind")? {
        0 => Subject::Alias(text),
        1 => Subject::Domain(text),
        2 => Subject::Node(text),
        3 => Subject::Webhook(text),
        4 => Subject::SrsSecrets,
        5 => Subject::Account(text),
        _ => return Err(Error::Damaged("a change of an unknown kind")),
    };
    Ok(Change { sequence: row.try_get::<i64, _>("sequence")?.unsigned_abs(), subject })
}

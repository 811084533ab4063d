//! The catalogue in SQLite: one writing connection with group commit, reading connections beside it. Knows no protocol.

mod alias;
mod copy;
mod credential;
mod disk;
mod dkim;
mod domain;
mod erase;
mod error;
mod feed;
mod find;
mod keeping;
mod node;
mod pattern;
mod restore;
mod route;
mod rule;
mod schema;
mod sealer;
mod setting;
mod snapshot;
mod srs;
mod storage;
mod webhook;
mod writer;

pub(crate) use alias::{AddAlias, AliasRow, MarkBorn};
pub use copy::CopyError;
pub(crate) use copy::{Copied, blocking, digest as digest_of};
#[cfg(test)]
pub(crate) use copy::{inspect, take as take_copy};
pub(crate) use credential::{
    AddCredential, CREDENTIALS_PER_ALIAS_MAX, CredentialKind, CredentialRow, RevokeCredential,
};
#[cfg(test)]
pub(crate) use disk::{Disk, SystemDisk};
pub(crate) use disk::{Place, beside};
pub(crate) use dkim::{AddKey, KeyRow, KeyState, NewKey, OpenKey, RemoveKey, RetireKey, Rotate};
pub(crate) use domain::{AddDomain, DomainRow};
pub(crate) use erase::{EraseAlias, EraseStep};
pub use error::Error;
pub(crate) use feed::{Change, Feed, Missed, Subject};
pub(crate) use find::rule_local;
pub(crate) use keeping::{BackupStoreRow, KeptRow, SetBackupStore};
pub(crate) use node::{NodeRow, RegisterNode};
pub(crate) use pattern::{check as check_pattern, check_template};
pub use restore::{Restored, restore};
pub(crate) use route::{Disposition, Route, Sender};
pub(crate) use rule::{AddRule, ChangeRule, RemoveRule, RuleKind, RuleMode, RuleName, RuleRow, Target};
#[cfg(test)]
pub(crate) use schema::first_schema_for_tests;
pub(crate) use sealer::Sealer;
pub(crate) use setting::SetDomain;
pub(crate) use snapshot::{Changed, NoteSnapshot, SettleSnapshot, SnapshotRow};
pub(crate) use storage::{AccountRow, Allowance, Grant, Granted, LimitAccount, LimitAlias, Space, StoredRow};
pub(crate) use webhook::{AddWebhook, ChangeWebhook, RemoveWebhook, WebhookRow};
pub(crate) use writer::Write;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use writer::Writer;

/// Reading connections: a look-up takes a tenth of a millisecond, so a few are plenty.
const READERS_MAX: u32 = 4;
/// Milliseconds that a look-up waits for a reading connection before it is refused.
const READER_WAIT_MS_MAX: u64 = 5_000;
/// Rows of one listing: keeps the answer under gRPC's 4 MiB.
const ROWS_LISTED_MAX: usize = 16_384;

/// The open catalogue. Holds an exclusive lock on its file, because the change feed lives in this process.
pub struct Catalogue {
    place: Place,
    readers: SqlitePool,
    writer: Writer,
    feed: Arc<Feed>,
    sealer: Arc<Sealer>,
    compiled: pattern::Compiled,
    _lock: Option<File>,
}

impl Catalogue {
    /// Opens the database at `path`, makes it when it is missing, and brings its schema up to date. `key` is the file with
    /// the key that seals its secrets; it is made when it is missing.
    ///
    /// # Errors
    /// Another process has it open, a later version wrote it, the file cannot be opened, or the key is gone.
    pub async fn open(path: &Path, key: &Path) -> Result<Self, Error> {
        let lock = lock(path)?;
        let place = Place { disk: &disk::SystemDisk, path: path.to_owned() };
        Self::open_at(place, key, Some(lock)).await
    }

    /// As [`Self::open`], on any disk.
    pub(crate) async fn open_at(place: Place, key: &Path, lock: Option<File>) -> Result<Self, Error> {
        let path = &place.path;
        let failed = |source: Arc<dyn std::error::Error + Send + Sync>| Error::Open { path: path.to_owned(), source };
        let cannot_open = |error: sqlx::Error| failed(Arc::new(error));
        // Durable before anybody is told what is in it.
        on_disk(&place, |place| place.make().and_then(|()| place.settle()))
            .await
            .map_err(|error| failed(Arc::new(error)))?;
        let mut connection = schema::writer_options(&place).connect().await.map_err(cannot_open)?;
        schema::migrate(&mut connection, path).await?;
        let sealer = Arc::new(Sealer::open(&mut connection, key).await?);
        let feed = Arc::new(Feed::open(&mut connection).await?);
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(Duration::from_millis(READER_WAIT_MS_MAX))
            .connect_with(schema::reader_options(&place))
            .await
            .map_err(cannot_open)?;
        let writer = Writer::start(connection, place.clone(), Arc::clone(&feed));
        Ok(Self { place, readers, writer, feed, sealer, compiled: pattern::Compiled::default(), _lock: lock })
    }

    /// Makes an encrypted copy of what is committed now at `target`, where nothing may be; writes go on meanwhile.
    pub(crate) async fn copy_to(&self, target: &Path) -> Result<Copied, CopyError> {
        copy::take(&self.place, &self.sealer.snapshot_key()?, target).await
    }

    /// A reading connection.
    #[cfg(test)]
    #[allow(clippy::unwrap_used, reason = "tests")]
    pub(crate) async fn reader_for_tests(&self) -> sqlx::pool::PoolConnection<sqlx::Sqlite> {
        self.readers.acquire().await.unwrap()
    }

    /// Where its file is.
    pub(crate) fn path(&self) -> &Path {
        &self.place.path
    }

    /// The change feed.
    pub(crate) fn feed(&self) -> &Feed {
        &self.feed
    }

    /// What seals secrets.
    pub(crate) fn sealer(&self) -> &Arc<Sealer> {
        &self.sealer
    }

    /// Makes a change; it is on stable storage when this returns.
    pub(crate) async fn write<W: Write>(&self, write: W) -> Result<W::Answer, Error> {
        self.writer.run(write).await
    }

    /// What a watcher that saw `since` missed.
    pub(crate) async fn missed(&self, since: u64) -> Result<Missed, Error> {
        self.feed.missed(&self.readers, since).await
    }

    /// Real work for the health check: a durable write through the one writer, and a read.
    ///
    /// # Errors
    /// The database fails or does not answer.
    pub async fn check(&self) -> Result<(), Error> {
        self.write(WriteProbe).await?;
        sqlx::query("SELECT checked_ms FROM probe WHERE id = 1").fetch_one(&self.readers).await?;
        Ok(())
    }
}

struct WriteProbe;

impl Write for WriteProbe {
    type Answer = ();
    const COUNTS: bool = false;

    async fn apply(self, connection: &mut sqlx::SqliteConnection, _: &mut Vec<Subject>) -> Result<(), Error> {
        sqlx::query("INSERT INTO probe (id, checked_ms) VALUES (1, ?) ON CONFLICT DO UPDATE SET checked_ms = excluded.checked_ms")
            .bind(now_ms())
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// Milliseconds since 1970-01-01 UTC.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The lock lies beside the database: SQLite's own locks on the file would be lost when another handle on it closes.
fn lock(path: &Path) -> Result<File, Error> {
    let beside = beside(path, ".lock");
    let failed = |error: std::io::Error| Error::Open { path: beside.clone(), source: Arc::new(error) };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&beside).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Off the async workers.
async fn on_disk(
    place: &Place,
    run: impl FnOnce(&Place) -> std::io::Result<()> + Send + 'static,
) -> std::io::Result<()> {
    let place = place.clone();
    tokio::task::spawn_blocking(move || run(&place)).await.map_err(std::io::Error::other)?
}

/// The rows of a listing that was asked for with one row more than it may have.
fn bounded<T>(rows: Vec<T>) -> Result<Vec<T>, Error> {
    if rows.len() > ROWS_LISTED_MAX { Err(Error::TooManyToList(ROWS_LISTED_MAX)) } else { Ok(rows) }
}

/// The limit to ask for when a listing may have [`ROWS_LISTED_MAX`] rows.
const fn listing_limit() -> i64 {
    ROWS_LISTED_MAX as i64 + 1
}

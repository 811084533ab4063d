//! How the database is opened: pragmas, and migrations that go forward only.

use super::Error;
use super::disk::Place;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlSafeStr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Milliseconds that a connection waits for another's lock: only a checkpoint or an operator's shell ever holds one.
const BUSY_WAIT_MS: u64 = 5_000;
/// The first SQLite without the WAL-reset bug.
const ENGINE_VERSION_MIN: (u32, u32, u32) = (3, 51, 3);

/// Version, name and SQL of every migration, oldest first. Released ones never change.
const MIGRATIONS: [(i64, &str, &str); 5] = [
    (1, "catalogue", include_str!("../../migrations/0001_catalogue.sql")),
    (2, "mail", include_str!("../../migrations/0002_mail.sql")),
    (3, "storage", include_str!("../../migrations/0003_storage.sql")),
    (4, "backup store", include_str!("../../migrations/0004_backup_store.sql")),
    (5, "snapshot", include_str!("../../migrations/0005_snapshot.sql")),
];

/// Options of the writing connection.
///
/// `synchronous=FULL` puts the WAL on stable storage at every commit, so what was answered survives a power cut.
pub(super) fn writer_options(place: &Place) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .filename(&place.path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_millis(BUSY_WAIT_MS))
        .disable_statement_logging();
    match place.disk.vfs() {
        None => options,
        Some(vfs) => options.vfs(vfs),
    }
}

/// The newest schema that this program knows.
pub(super) fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Options of a reading connection.
pub(super) fn reader_options(place: &Place) -> SqliteConnectOptions {
    writer_options(place).create_if_missing(false).pragma("query_only", "ON")
}

/// Brings the schema up to date, or says why it cannot be.
pub(super) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), Error> {
    check_engine(connection).await?;
    let migrations = MIGRATIONS
        .into_iter()
        .map(|(version, name, sql)| {
            Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
        })
        .collect();
    Migrator::with_migrations(migrations).run(&mut *connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => Error::NewerSchema {
            path: path.to_owned(),
            found,
            known: MIGRATIONS.map(|(version, ..)| version)[MIGRATIONS.len() - 1],
        },
        error => Error::Open { path: path.to_owned(), source: Arc::new(error) },
    })
}

async fn check_engine(connection: &mut SqliteConnection) -> Result<(), Error> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *connection).await?;
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    if (next(), next(), next()) < ENGINE_VERSION_MIN { Err(Error::OldEngine(version)) } else { Ok(()) }
}

/// A file as the first release left it, with a domain and a feed that has come to 41.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
pub(crate) async fn first_schema_for_tests(place: &Place) {
    let mut connection = writer_options(place).connect().await.unwrap();
    let (version, name, sql) = MIGRATIONS[0];
    let first = Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false);
    Migrator::with_migrations(vec![first]).run(&mut connection).await.unwrap();
    sqlx::query("INSERT INTO domain (name, created_ms) VALUES ('x.test', 1)").execute(&mut connection).await.unwrap();
    sqlx::query("INSERT INTO change (sequence, kind, subject) VALUES (41, 1, 'x.test')")
        .execute(&mut connection)
        .await
        .unwrap();
}

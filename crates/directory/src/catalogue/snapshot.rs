//! What the catalogue knows of its own snapshots: a counter of the changes that matter to them, and the newest one's row.
//!
//! Invariant: the counter grows in the transaction of the change; so a snapshot says of itself what it has, and two with one
//! counter have the same. Grants of room and the health check are not counted: nothing is lost with them.

use super::{Catalogue, Error, Subject, Write, now_ms};
use model::SnapshotId;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// Characters of a reason that are kept.
const WHY_CHARS_MAX: usize = 500;

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotRow {
    pub(crate) id: SnapshotId,
    pub(crate) taken_ms: i64,
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
    /// The change counter then.
    pub(crate) changes: u64,
    pub(crate) schema: u32,
    /// It is in a store, and its file is not here any more.
    pub(crate) uploaded: bool,
    /// Why the last try to put it there failed.
    pub(crate) why: String,
}

/// What has changed, and the newest snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) changes: u64,
    /// Since when there is something that no snapshot has; 0: nothing.
    pub(crate) since_ms: i64,
    pub(crate) newest: Option<SnapshotRow>,
}

/// Within the writing transaction: one change more.
pub(super) async fn count(connection: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("UPDATE change_count SET changes = changes + 1, since_ms = iif(since_ms = 0, ?, since_ms)")
        .bind(now_ms())
        .execute(connection)
        .await?;
    Ok(())
}

/// A snapshot's file is in place.
pub(crate) struct NoteSnapshot(pub(crate) SnapshotRow);

impl Write for NoteSnapshot {
    /// The one whose place it takes.
    type Answer = Option<SnapshotId>;
    const COUNTS: bool = false;

    async fn apply(self, connection: &mut SqliteConnection, _: &mut Vec<Subject>) -> Result<Self::Answer, Error> {
        let older = newest(connection).await?.map(|row| row.id);
        let Self(row) = self;
        sqlx::query(
            "INSERT INTO snapshot (one, id, taken_ms, bytes, sha256, changes, schema, uploaded, why)
             VALUES (1, ?, ?, ?, ?, ?, ?, 0, '')
             ON CONFLICT DO UPDATE SET id = excluded.id, taken_ms = excluded.taken_ms, bytes = excluded.bytes,
                 sha256 = excluded.sha256, changes = excluded.changes, schema = excluded.schema, uploaded = 0, why = ''",
        )
        .bind(row.id.to_string())
        .bind(row.taken_ms)
        .bind(row.bytes.cast_signed())
        .bind(row.sha256.as_slice())
        .bind(row.changes.cast_signed())
        .bind(i64::from(row.schema))
        .execute(&mut *connection)
        .await?;
        // What came since it began is as old as that at most.
        sqlx::query("UPDATE change_count SET since_ms = iif(changes = ?, 0, ?)")
            .bind(row.changes.cast_signed())
            .bind(row.taken_ms)
            .execute(connection)
            .await?;
        Ok(older)
    }
}

/// What became of a snapshot. Of one that is not the newest, nothing is kept.
pub(crate) enum SettleSnapshot {
    /// It is in a store.
    Uploaded(SnapshotId),
    /// A try failed, and why.
    Failed(SnapshotId, String),
    /// Its file is gone.
    Lost(SnapshotId),
}

impl Write for SettleSnapshot {
    type Answer = ();
    const COUNTS: bool = false;

    async fn apply(self, connection: &mut SqliteConnection, _: &mut Vec<Subject>) -> Result<(), Error> {
        let query = match self {
            Self::Uploaded(id) => {
                sqlx::query("UPDATE snapshot SET uploaded = 1, why = '' WHERE id = ?").bind(id.to_string())
            }
            Self::Failed(id, why) => sqlx::query("UPDATE snapshot SET why = ? WHERE id = ? AND uploaded = 0")
                .bind(why.chars().take(WHY_CHARS_MAX).collect::<String>())
                .bind(id.to_string()),
            Self::Lost(id) => {
                let lost = sqlx::query("DELETE FROM snapshot WHERE id = ? AND uploaded = 0").bind(id.to_string());
                if lost.execute(&mut *connection).await?.rows_affected() == 0 {
                    return Ok(());
                }
                sqlx::query("UPDATE change_count SET since_ms = iif(since_ms = 0, ?, since_ms)").bind(now_ms())
            }
        };
        query.execute(connection).await?;
        Ok(())
    }
}

async fn newest(connection: &mut SqliteConnection) -> Result<Option<SnapshotRow>, Error> {
    let row = sqlx::query("SELECT id, taken_ms, bytes, sha256, changes, schema, uploaded, why FROM snapshot")
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(row_of).transpose()
}

fn row_of(row: &SqliteRow) -> Result<SnapshotRow, Error> {
    let sha256: Vec<u8> = row.try_get("sha256")?;
    Ok(SnapshotRow {
        id: row.try_get::<String, _>("id")?.parse().map_err(|_| Error::Damaged("a snapshot's id"))?,
        taken_ms: row.try_get("taken_ms")?,
        bytes: row.try_get::<i64, _>("bytes")?.unsigned_abs(),
        sha256: sha256.try_into().map_err(|_| Error::Damaged("a snapshot's digest"))?,
        changes: row.try_get::<i64, _>("changes")?.unsigned_abs(),
        schema: u32::try_from(row.try_get::<i64, _>("schema")?).map_err(|_| Error::Damaged("a snapshot's schema"))?,
        uploaded: row.try_get("uploaded")?,
        why: row.try_get("why")?,
    })
}

impl Catalogue {
    /// What has changed, and the newest snapshot.
    pub(crate) async fn changed(&self) -> Result<Changed, Error> {
        let mut read = self.readers.begin().await?;
        let row = sqlx::query("SELECT changes, since_ms FROM change_count").fetch_one(&mut *read).await?;
        let changes = row.try_get::<i64, _>("changes")?.unsigned_abs();
        let changed = Changed { changes, since_ms: row.try_get("since_ms")?, newest: newest(&mut read).await? };
        read.rollback().await?;
        Ok(changed)
    }
}

//! The operator's side of storage: limits are set, and what is stored is shown.

use super::{Space, account_limit};
use crate::catalogue::{Catalogue, Error, Subject, Write, bounded, listing_limit};
use model::{AccountId, Address};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// What an alias stores.
pub(crate) struct StoredRow {
    pub(crate) address: String,
    pub(crate) limit: Space,
    /// In the mailbox, or waiting for it.
    pub(crate) used: Space,
    pub(crate) waiting: Space,
    pub(crate) granted: Space,
    /// 0 for never.
    pub(crate) told_ms: i64,
}

/// An account with what its aliases store.
pub(crate) struct AccountRow {
    pub(crate) id: String,
    pub(crate) limit: Space,
    pub(crate) aliases: Vec<StoredRow>,
}

/// Limits an account; `None` leaves a limit as it is.
pub(crate) struct LimitAccount {
    pub(crate) account: AccountId,
    pub(crate) bytes_max: Option<u64>,
    pub(crate) messages_max: Option<u64>,
}

impl Write for LimitAccount {
    type Answer = ();

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<(), Error> {
        let set = sqlx::query(
            "UPDATE account SET bytes_max = coalesce(?, bytes_max), messages_max = coalesce(?, messages_max) WHERE id = ?",
        )
        .bind(self.bytes_max.map(u64::cast_signed))
        .bind(self.messages_max.map(u64::cast_signed))
        .bind(self.account.as_str())
        .execute(connection)
        .await?;
        if set.rows_affected() == 0 {
            return Err(Error::UnknownAccount);
        }
        subjects.push(Subject::Account(self.account.to_string()));
        Ok(())
    }
}

/// Limits an alias; `None` leaves a limit as it is.
pub(crate) struct LimitAlias {
    pub(crate) address: Address,
    pub(crate) bytes_max: Option<u64>,
    pub(crate) messages_max: Option<u64>,
}

impl Write for LimitAlias {
    type Answer = StoredRow;

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<StoredRow, Error> {
        let alias = self.address.alias();
        let set = sqlx::query(
            "UPDATE alias SET bytes_max = coalesce(?, bytes_max), messages_max = coalesce(?, messages_max)
             WHERE address = ?",
        )
        .bind(self.bytes_max.map(u64::cast_signed))
        .bind(self.messages_max.map(u64::cast_signed))
        .bind(&alias)
        .execute(&mut *connection)
        .await?;
        if set.rows_affected() == 0 {
            return Err(Error::UnknownAlias);
        }
        subjects.push(Subject::Alias(alias.clone()));
        let row = sqlx::query(
            "SELECT address, bytes_max, messages_max, coalesce(bytes, 0) AS bytes, coalesce(messages, 0) AS messages,
                    coalesce(used_bytes, 0) AS used_bytes, coalesce(used_messages, 0) AS used_messages,
                    coalesce(waiting_bytes, 0) AS waiting_bytes,
                    coalesce(waiting_messages, 0) AS waiting_messages, coalesce(told_ms, 0) AS told_ms
             FROM alias a LEFT JOIN storage s ON s.mailbox_id = a.mailbox_id WHERE address = ?",
        )
        .bind(&alias)
        .fetch_one(connection)
        .await?;
        stored(&row)
    }
}

impl Catalogue {
    /// An account, and what each of its aliases stores, by address.
    pub(crate) async fn account(&self, account: &AccountId) -> Result<AccountRow, Error> {
        let mut read = self.readers.begin().await?;
        let limit = account_limit(&mut read, account.as_str()).await?;
        let rows = sqlx::query(
            "SELECT address, bytes_max, messages_max, coalesce(bytes, 0) AS bytes, coalesce(messages, 0) AS messages,
                    coalesce(used_bytes, 0) AS used_bytes, coalesce(used_messages, 0) AS used_messages,
                    coalesce(waiting_bytes, 0) AS waiting_bytes,
                    coalesce(waiting_messages, 0) AS waiting_messages, coalesce(told_ms, 0) AS told_ms
             FROM alias a LEFT JOIN storage s ON s.mailbox_id = a.mailbox_id WHERE a.account = ? ORDER BY address LIMIT ?",
        )
        .bind(account.as_str())
        .bind(listing_limit())
        .fetch_all(&mut *read)
        .await?;
        read.rollback().await?;
        let aliases = bounded(rows)?.iter().map(stored).collect::<Result<_, _>>()?;
        Ok(AccountRow { id: account.to_string(), limit, aliases })
    }
}

fn stored(row: &SqliteRow) -> Result<StoredRow, Error> {
    Ok(StoredRow {
        address: row.try_get("address")?,
        limit: Space::read(row, "bytes_max", "messages_max")?,
        used: Space::read(row, "used_bytes", "used_messages")?,
        waiting: Space::read(row, "waiting_bytes", "waiting_messages")?,
        granted: Space::read(row, "bytes", "messages")?,
        told_ms: row.try_get("told_ms")?,
    })
}

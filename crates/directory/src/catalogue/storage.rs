//! What mailboxes hold, and the pools of accounts and domains that they share. A mailbox is counted where it is; here stands
//! what its node was granted, and no more than that does it come to hold.
//!
//! Invariants: the grants of an account's mailboxes together are within the account's limit, and those of a domain's within
//! the domain's, but for what was there before the limit was. A grant is changed only by who knows its version, so that a
//! request that comes late changes nothing. Sums are read in the transaction that uses them, and kept nowhere.

mod share;
mod show;

pub(crate) use show::{AccountRow, LimitAccount, LimitAlias, StoredRow};

use super::{BackupStoreRow, Catalogue, Error, Subject, Write, now_ms, setting};
use crate::settings::{NO_STORE, Settings};
use model::{Domain, MailboxId};
use share::{Need, Pool, share};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// Octets and messages; of a limit, 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
}

impl Space {
    fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), messages: self.messages.saturating_add(other.messages) }
    }

    fn less(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_sub(other.bytes), messages: self.messages.saturating_sub(other.messages) }
    }

    fn max(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), messages: self.messages.max(other.messages) }
    }

    fn is_none(self) -> bool {
        self == Self::default()
    }

    /// From two columns.
    fn read(row: &SqliteRow, bytes: &str, messages: &str) -> Result<Self, Error> {
        let number = |name| Ok::<_, Error>(row.try_get::<i64, _>(name)?.unsigned_abs());
        Ok(Self { bytes: number(bytes)?, messages: number(messages)? })
    }
}

/// What its node is to know of a mailbox: what limits it, and whether anybody keeps its backups.
pub(crate) struct Allowance {
    pub(crate) alias: Space,
    pub(crate) account: Space,
    pub(crate) domain: Space,
    pub(crate) address: String,
    pub(crate) account_id: String,
    pub(crate) not_backed_up: bool,
}

/// A mailbox's grant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Granted {
    /// Whether the request made it so.
    pub(crate) applied: bool,
    pub(crate) version: u64,
    pub(crate) granted: Space,
    /// What is in the mailbox, as was last told.
    pub(crate) held: Space,
    /// What the account's other mailboxes use, as was last told.
    pub(crate) others: Space,
}

/// A mailbox's node tells and asks.
pub(crate) struct Grant {
    pub(crate) mailbox: MailboxId,
    /// Of the grant that it knows; 0 when there was none.
    pub(crate) version: u64,
    pub(crate) held: Space,
    pub(crate) waiting: Space,
    pub(crate) promised: Space,
    pub(crate) least: Space,
    pub(crate) wish: Space,
}

/// A mailbox with its grant, as it stands.
struct Record {
    account: String,
    domain: String,
    version: u64,
    granted: Space,
    /// In the mailbox, or waiting for it.
    used: Space,
    waiting: Space,
}

impl Write for Grant {
    type Answer = Granted;
    /// A node tells again what there is, so a backup need not have it.
    const COUNTS: bool = false;

    async fn apply(self, connection: &mut SqliteConnection, _: &mut Vec<Subject>) -> Result<Granted, Error> {
        let mut record = Record::of(connection, &self.mailbox).await?;
        let applied = record.version == self.version;
        if applied {
            record.granted = self.granted(connection, &record).await?;
            record.version += 1;
            record.used = self.held.plus(self.waiting);
            record.waiting = self.waiting;
            record.save(connection, &self.mailbox).await?;
        }
        record.answer(connection, applied).await
    }
}

impl Grant {
    async fn granted(&self, connection: &mut SqliteConnection, record: &Record) -> Result<Space, Error> {
        let kept = self.held.plus(self.waiting).plus(self.promised);
        if self.least.is_none() && self.wish.is_none() {
            return Ok(kept);
        }
        let pools = record.pools(connection).await?;
        let bytes = Need { kept: kept.bytes, least: self.least.bytes, wish: self.wish.bytes };
        let messages = Need { kept: kept.messages, least: self.least.messages, wish: self.wish.messages };
        let bytes = share(bytes, pools.iter().map(|(limit, others)| Pool::of_bytes(*limit, *others)));
        let messages = share(messages, pools.iter().map(|(limit, others)| Pool::of_messages(*limit, *others)));
        // What was granted is kept until it is given back: the node may have used it by now.
        let base = record.granted.max(kept);
        Ok(match (bytes, messages) {
            (Some(bytes), Some(messages)) => base.max(Space { bytes, messages }),
            (None, _) | (_, None) => base,
        })
    }
}

impl Record {
    async fn of(connection: &mut SqliteConnection, mailbox: &MailboxId) -> Result<Self, Error> {
        let row = sqlx::query(
            "SELECT a.account, a.domain, coalesce(version, 0) AS version, coalesce(bytes, 0) AS bytes,
                    coalesce(messages, 0) AS messages, coalesce(used_bytes, 0) AS used_bytes,
                    coalesce(used_messages, 0) AS used_messages, coalesce(waiting_bytes, 0) AS waiting_bytes,
                    coalesce(waiting_messages, 0) AS waiting_messages
             FROM alias a LEFT JOIN storage s ON s.mailbox_id = a.mailbox_id WHERE a.mailbox_id = ?",
        )
        .bind(mailbox.to_string())
        .fetch_optional(connection)
        .await?
        .ok_or(Error::UnknownMailbox)?;
        Ok(Self {
            account: row.try_get("account")?,
            domain: row.try_get("domain")?,
            version: row.try_get::<i64, _>("version")?.unsigned_abs(),
            granted: Space::read(&row, "bytes", "messages")?,
            used: Space::read(&row, "used_bytes", "used_messages")?,
            waiting: Space::read(&row, "waiting_bytes", "waiting_messages")?,
        })
    }

    async fn save(&self, connection: &mut SqliteConnection, mailbox: &MailboxId) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO storage (mailbox_id, account, domain, version, bytes, messages, used_bytes, used_messages,
                 waiting_bytes, waiting_messages, told_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET version = excluded.version, bytes = excluded.bytes, messages = excluded.messages,
                 used_bytes = excluded.used_bytes, used_messages = excluded.used_messages,
                 waiting_bytes = excluded.waiting_bytes, waiting_messages = excluded.waiting_messages,
                 told_ms = excluded.told_ms",
        )
        .bind(mailbox.to_string())
        .bind(&self.account)
        .bind(&self.domain)
        .bind(self.version.cast_signed())
        .bind(self.granted.bytes.cast_signed())
        .bind(self.granted.messages.cast_signed())
        .bind(self.used.bytes.cast_signed())
        .bind(self.used.messages.cast_signed())
        .bind(self.waiting.bytes.cast_signed())
        .bind(self.waiting.messages.cast_signed())
        .bind(now_ms())
        .execute(connection)
        .await?;
        Ok(())
    }

    /// The limits of its account and its domain, and what is granted to others under them.
    async fn pools(&self, connection: &mut SqliteConnection) -> Result<Vec<(Space, Space)>, Error> {
        let mut pools = Vec::with_capacity(2);
        let account = account_limit(connection, &self.account).await?;
        if !account.is_none() {
            let sums = "SELECT coalesce(sum(bytes), 0) AS bytes, coalesce(sum(messages), 0) AS messages
                        FROM storage WHERE account = ?";
            let row = sqlx::query(sums).bind(&self.account).fetch_one(&mut *connection).await?;
            pools.push((account, Space::read(&row, "bytes", "messages")?.less(self.granted)));
        }
        let domain = domain_limit(connection, &self.domain).await?;
        if !domain.is_none() {
            let sums = "SELECT coalesce(sum(bytes), 0) AS bytes, 0 AS messages FROM storage WHERE domain = ?";
            let row = sqlx::query(sums).bind(&self.domain).fetch_one(&mut *connection).await?;
            pools.push((domain, Space::read(&row, "bytes", "messages")?.less(self.granted)));
        }
        Ok(pools)
    }

    async fn answer(self, connection: &mut SqliteConnection, applied: bool) -> Result<Granted, Error> {
        let sums = "SELECT coalesce(sum(used_bytes), 0) AS bytes, coalesce(sum(used_messages), 0) AS messages
                    FROM storage WHERE account = ?";
        let row = sqlx::query(sums).bind(&self.account).fetch_one(connection).await?;
        let others = Space::read(&row, "bytes", "messages")?.less(self.used);
        let held = self.used.less(self.waiting);
        Ok(Granted { applied, version: self.version, granted: self.granted, held, others })
    }
}

/// Within a transaction.
async fn account_limit(connection: &mut SqliteConnection, account: &str) -> Result<Space, Error> {
    let row = sqlx::query("SELECT bytes_max, messages_max FROM account WHERE id = ?")
        .bind(account)
        .fetch_optional(connection)
        .await?
        .ok_or(Error::UnknownAccount)?;
    Space::read(&row, "bytes_max", "messages_max")
}

/// Within a transaction.
async fn domain_limit(connection: &mut SqliteConnection, domain: &str) -> Result<Space, Error> {
    Ok(Space { bytes: settings_of(connection, domain).await?.quota_bytes(), messages: 0 })
}

/// Within a transaction.
async fn settings_of(connection: &mut SqliteConnection, domain: &str) -> Result<Settings, Error> {
    let domain: Domain = domain.parse().map_err(|_| Error::Damaged("a domain's name"))?;
    setting::of(connection, &domain).await
}

impl Catalogue {
    /// What limits a mailbox.
    pub(crate) async fn allowance(&self, mailbox: &MailboxId) -> Result<Allowance, Error> {
        let mut read = self.readers.begin().await?;
        let row = sqlx::query(
            "SELECT address, account, domain, bytes_max, messages_max, backup_store FROM alias WHERE mailbox_id = ?",
        )
        .bind(mailbox.to_string())
        .fetch_optional(&mut *read)
        .await?
        .ok_or(Error::UnknownMailbox)?;
        let settings = settings_of(&mut read, row.try_get("domain")?).await?;
        let stores =
            BackupStoreRow { own: row.try_get("backup_store")?, domain: settings.value("backup_store").to_owned() };
        let account_id: String = row.try_get("account")?;
        let allowance = Allowance {
            alias: Space::read(&row, "bytes_max", "messages_max")?,
            account: account_limit(&mut read, &account_id).await?,
            domain: Space { bytes: settings.quota_bytes(), messages: 0 },
            address: row.try_get("address")?,
            account_id,
            not_backed_up: stores.name() == NO_STORE,
        };
        read.rollback().await?;
        Ok(allowance)
    }

    /// A mailbox's grant as it stands.
    pub(crate) async fn granted(&self, mailbox: &MailboxId) -> Result<Granted, Error> {
        let mut read = self.readers.begin().await?;
        let granted = Record::of(&mut read, mailbox).await?.answer(&mut read, false).await?;
        read.rollback().await?;
        Ok(granted)
    }
}

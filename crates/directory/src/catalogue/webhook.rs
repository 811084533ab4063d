//! Webhooks: programs that are called with mail. Their secrets stand here sealed.

use super::{Catalogue, Error, Subject, Write, bounded, listing_limit, now_ms};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use zeroize::Zeroizing;

/// What the sealer is told that it seals.
const WHAT: &str = "a webhook's secret";

/// A webhook as it stands in the catalogue, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebhookRow {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) include_parsed: bool,
    pub(crate) include_raw: bool,
    /// Empty for nobody's.
    pub(crate) account: String,
    pub(crate) created_ms: i64,
}

/// Makes a webhook.
pub(crate) struct AddWebhook {
    pub(crate) row: WebhookRow,
    pub(crate) sealed_secret: Vec<u8>,
}

impl Write for AddWebhook {
    type Answer = WebhookRow;

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<WebhookRow, Error> {
        sqlx::query(
            "INSERT INTO webhook (id, url, sealed_secret, include_parsed, include_raw, account, created_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&self.row.id)
        .bind(&self.row.url)
        .bind(&self.sealed_secret)
        .bind(self.row.include_parsed)
        .bind(self.row.include_raw)
        .bind(&self.row.account)
        .bind(now_ms())
        .execute(&mut *connection)
        .await?;
        // It may have been looked for before.
        subjects.push(Subject::Webhook(self.row.id.clone()));
        one(connection, &self.row.id).await
    }
}

/// Changes a webhook.
pub(crate) struct ChangeWebhook {
    pub(crate) id: String,
    pub(crate) url: Option<String>,
    /// Parsed and raw.
    pub(crate) include: Option<(bool, bool)>,
    pub(crate) sealed_secret: Option<Vec<u8>>,
}

impl Write for ChangeWebhook {
    type Answer = WebhookRow;

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<WebhookRow, Error> {
        sqlx::query(
            "UPDATE webhook SET url = coalesce(?2, url), include_parsed = coalesce(?3, include_parsed),
             include_raw = coalesce(?4, include_raw), sealed_secret = coalesce(?5, sealed_secret) WHERE id = ?1",
        )
        .bind(&self.id)
        .bind(self.url)
        .bind(self.include.map(|(parsed, _)| parsed))
        .bind(self.include.map(|(_, raw)| raw))
        .bind(self.sealed_secret)
        .execute(&mut *connection)
        .await?;
        subjects.push(Subject::Webhook(self.id.clone()));
        one(connection, &self.id).await
    }
}

/// Takes a webhook away that no rule calls.
pub(crate) struct RemoveWebhook(pub(crate) String);

impl Write for RemoveWebhook {
    type Answer = ();

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<(), Error> {
        let used: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM rule_target WHERE kind = 2 AND value = ?)")
            .bind(&self.0)
            .fetch_one(&mut *connection)
            .await?;
        if used {
            return Err(Error::WebhookInUse);
        }
        let gone = sqlx::query("DELETE FROM webhook WHERE id = ?").bind(&self.0).execute(connection).await?;
        if gone.rows_affected() == 0 {
            return Err(Error::UnknownWebhook);
        }
        subjects.push(Subject::Webhook(self.0));
        Ok(())
    }
}

/// Within a transaction: whether there is a webhook of this id.
pub(super) async fn is_known(connection: &mut SqliteConnection, id: &str) -> Result<bool, Error> {
    Ok(sqlx::query("SELECT 1 FROM webhook WHERE id = ?").bind(id).fetch_optional(connection).await?.is_some())
}

async fn one(connection: &mut SqliteConnection, id: &str) -> Result<WebhookRow, Error> {
    let row = sqlx::query("SELECT id, url, include_parsed, include_raw, account, created_ms FROM webhook WHERE id = ?")
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row_of(&row.ok_or(Error::UnknownWebhook)?)
}

fn row_of(row: &SqliteRow) -> Result<WebhookRow, Error> {
    Ok(WebhookRow {
        id: row.try_get("id")?,
        url: row.try_get("url")?,
        include_parsed: row.try_get("include_parsed")?,
        include_raw: row.try_get("include_raw")?,
        account: row.try_get("account")?,
        created_ms: row.try_get("created_ms")?,
    })
}

impl Catalogue {
    /// A new secret for a webhook, and the form in which the catalogue has it.
    pub(crate) fn new_webhook_secret(&self, id: &str) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), Error> {
        let secret = vault::Secret32::generate().map_err(|_| Error::Random)?;
        let sealed = self.sealer.seal(WHAT, id, secret.expose())?;
        Ok((Zeroizing::new(secret.expose().to_vec()), sealed))
    }

    /// A webhook with its secret.
    pub(crate) async fn webhook(&self, id: &str) -> Result<(WebhookRow, Zeroizing<Vec<u8>>), Error> {
        let row = sqlx::query(
            "SELECT id, url, include_parsed, include_raw, account, created_ms, sealed_secret FROM webhook WHERE id = ?",
        )
        .bind(id)
        .fetch_optional(&self.readers)
        .await?
        .ok_or(Error::UnknownWebhook)?;
        let sealed: Vec<u8> = row.try_get("sealed_secret")?;
        Ok((row_of(&row)?, self.sealer.open_sealed(WHAT, id, &sealed)?))
    }

    /// Every webhook, oldest first.
    pub(crate) async fn webhooks(&self) -> Result<Vec<WebhookRow>, Error> {
        let rows = sqlx::query(
            "SELECT id, url, include_parsed, include_raw, account, created_ms FROM webhook
             ORDER BY created_ms, id LIMIT ?",
        )
        .bind(listing_limit())
        .fetch_all(&self.readers)
        .await?;
        bounded(rows)?.iter().map(row_of).collect()
    }
}

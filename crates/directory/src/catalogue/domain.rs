//! Domains: what mail is taken for.

use super::dkim::{self, KeyState, NewKey};
use super::{Catalogue, Error, Subject, Write, bounded, listing_limit, now_ms};
use model::Domain;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

/// A domain as it stands in the catalogue.
pub(crate) struct DomainRow {
    pub(crate) name: String,
    pub(crate) created_ms: i64,
}

/// Makes a domain with its first DKIM keys, which sign at once.
pub(crate) struct AddDomain {
    pub(crate) domain: Domain,
    pub(crate) keys: Vec<NewKey>,
}

impl Write for AddDomain {
    type Answer = DomainRow;

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<DomainRow, Error> {
        let row = DomainRow { name: self.domain.to_string(), created_ms: now_ms() };
        let made = sqlx::query("INSERT INTO domain (name, created_ms) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(&row.name)
            .bind(row.created_ms)
            .execute(&mut *connection)
            .await?;
        if made.rows_affected() == 0 {
            return Err(Error::DomainExists);
        }
        for key in &self.keys {
            dkim::insert(connection, &self.domain, key, KeyState::Active).await?;
        }
        subjects.push(Subject::Domain(row.name.clone()));
        Ok(row)
    }
}

/// Within a transaction: whether mail is taken for the domain.
pub(super) async fn is_known(connection: &mut SqliteConnection, domain: &Domain) -> Result<bool, Error> {
    let found = sqlx::query("SELECT 1 FROM domain WHERE name = ?").bind(domain.as_str()).fetch_optional(connection);
    Ok(found.await?.is_some())
}

impl Catalogue {
    /// Every domain, by name.
    pub(crate) async fn domains(&self) -> Result<Vec<DomainRow>, Error> {
        let rows = sqlx::query("SELECT name, created_ms FROM domain ORDER BY name LIMIT ?")
            .bind(listing_limit())
            .fetch_all(&self.readers)
            .await?;
        let rows =
            rows.iter().map(|row| Ok(DomainRow { name: row.try_get("name")?, created_ms: row.try_get("created_ms")? }));
        bounded(rows.collect::<Result<_, Error>>()?)
    }

    /// One domain.
    pub(crate) async fn domain(&self, domain: &Domain) -> Result<DomainRow, Error> {
        let created_ms = sqlx::query_scalar("SELECT created_ms FROM domain WHERE name = ?")
            .bind(domain.as_str())
            .fetch_optional(&self.readers)
            .await?
            .ok_or(Error::UnknownDomain)?;
        Ok(DomainRow { name: domain.to_string(), created_ms })
    }

    /// Whether mail is taken for the domain.
    pub(crate) async fn has_domain(&self, domain: &Domain) -> Result<bool, Error> {
        is_known(&mut *self.readers.acquire().await?, domain).await
    }
}

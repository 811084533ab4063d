//! The settings of domains as rows: what is at its default has none.

use super::{Catalogue, Error, Subject, Write, domain};
use crate::settings::{self, Settings};
use model::Domain;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

/// Sets one setting of a domain, or puts it back to its default.
pub(crate) struct SetDomain {
    pub(crate) domain: Domain,
    pub(crate) setting: String,
    /// `None`: the default.
    pub(crate) value: Option<String>,
}

impl Write for SetDomain {
    type Answer = Settings;

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<Settings, Error> {
        if !domain::is_known(connection, &self.domain).await? {
            return Err(Error::UnknownDomain);
        }
        let known = settings::find(&self.setting).ok_or_else(|| {
            let names: Vec<_> = settings::SETTINGS.iter().map(|setting| setting.name).collect();
            Error::BadSetting(format!("{}: there is no such setting; there are {}", self.setting, names.join(", ")))
        })?;
        let now = of(connection, &self.domain).await?;
        let value = match &self.value {
            None => known.default.to_owned(),
            Some(text) => known.form.read(text, now.value(known.name)).ok_or_else(|| {
                Error::BadSetting(format!("{}: not a value for it; it takes {}", known.name, known.form))
            })?,
        };
        let query = if value == known.default {
            sqlx::query("DELETE FROM domain_setting WHERE domain = ?1 AND name = ?2")
                .bind(self.domain.as_str())
                .bind(known.name)
        } else {
            sqlx::query(
                "INSERT INTO domain_setting (domain, name, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET value = excluded.value",
            )
            .bind(self.domain.as_str())
            .bind(known.name)
            .bind(value)
        };
        query.execute(&mut *connection).await?;
        subjects.push(Subject::Domain(self.domain.to_string()));
        of(connection, &self.domain).await
    }
}

/// Within a transaction: the domain's settings.
pub(super) async fn of(connection: &mut SqliteConnection, domain: &Domain) -> Result<Settings, Error> {
    let rows = sqlx::query("SELECT name, value FROM domain_setting WHERE domain = ?")
        .bind(domain.as_str())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok((row.try_get("name")?, row.try_get("value")?))).collect()
}

impl Catalogue {
    /// The domain's settings.
    pub(crate) async fn settings(&self, domain: &Domain) -> Result<Settings, Error> {
        of(&mut *self.readers.acquire().await?, domain).await
    }
}

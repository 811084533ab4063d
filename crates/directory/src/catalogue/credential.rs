//! Credentials: named wrappings of an alias's mailbox key. The catalogue cannot open one.

use super::{Catalogue, Error, Subject, Write};
use model::{Address, CredentialId};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// Credentials of one alias: a sign-in may have to try each.
pub(crate) const CREDENTIALS_PER_ALIAS_MAX: usize = 32;

/// How the password of a credential came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    Generated = 0,
    Chosen = 1,
    Recovery = 2,
}

/// A credential as it stands in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CredentialRow {
    pub(crate) id: CredentialId,
    pub(crate) label: String,
    pub(crate) kind: CredentialKind,
    pub(crate) wrapped_key: Vec<u8>,
    pub(crate) created_ms: i64,
}

/// Gives an alias one more credential.
pub(crate) struct AddCredential {
    pub(crate) address: Address,
    pub(crate) credential: CredentialRow,
}

impl Write for AddCredential {
    type Answer = CredentialRow;

    async fn apply(
        self,
        connection: &mut SqliteConnection,
        subjects: &mut Vec<Subject>,
    ) -> Result<CredentialRow, Error> {
        let alias = self.address.alias();
        if count(connection, &alias).await? >= CREDENTIALS_PER_ALIAS_MAX {
            return Err(Error::TooManyCredentials(CREDENTIALS_PER_ALIAS_MAX));
        }
        insert(connection, &alias, &self.credential).await?;
        subjects.push(Subject::Alias(alias));
        Ok(self.credential)
    }
}

/// Takes a credential away, but never the last.
pub(crate) struct RevokeCredential {
    pub(crate) address: Address,
    pub(crate) label: String,
}

impl Write for RevokeCredential {
    type Answer = ();

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<(), Error> {
        let alias = self.address.alias();
        let left = count(connection, &alias).await?;
        let gone = sqlx::query("DELETE FROM credential WHERE address = ? AND label = ?")
            .bind(&alias)
            .bind(&self.label)
            .execute(connection)
            .await?;
        match (gone.rows_affected(), left) {
            (0, _) => return Err(Error::UnknownCredential),
            // Refused after the DELETE: the savepoint undoes it.
            (_, 0 | 1) => return Err(Error::LastCredential),
            (_, _) => {}
        }
        subjects.push(Subject::Alias(alias));
        Ok(())
    }
}

/// Within a writing transaction: how many credentials the alias has.
async fn count(connection: &mut SqliteConnection, alias: &str) -> Result<usize, Error> {
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM credential c WHERE c.address = a.address) FROM alias a WHERE address = ?",
    )
    .bind(alias)
    .fetch_optional(connection)
    .await?
    .ok_or(Error::UnknownAlias)?;
    usize::try_from(row.try_get::<i64, _>(0)?).map_err(|_| Error::Damaged("a negative count"))
}

/// Within a writing transaction: adds the row.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    alias: &str,
    credential: &CredentialRow,
) -> Result<(), Error> {
    let added = sqlx::query(
        "INSERT INTO credential (address, label, id, kind, wrapped_key, created_ms) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(alias)
    .bind(&credential.label)
    .bind(credential.id.to_string())
    .bind(credential.kind as i64)
    .bind(&credential.wrapped_key)
    .bind(credential.created_ms)
    .execute(connection)
    .await;
    match added {
        Ok(_) => Ok(()),
        Err(error) if Error::is_unique_violation(&error) => Err(Error::CredentialExists),
        Err(error) => Err(error.into()),
    }
}

impl Catalogue {
    /// The alias's credentials, oldest first, and its wrapped private sealing key.
    pub(crate) async fn credentials(&self, address: &Address) -> Result<(Vec<CredentialRow>, Vec<u8>), Error> {
        let alias = address.alias();
        let mut read = self.readers.begin().await?;
        let credentials = rows_of(&mut read, &alias).await?;
        let wrapped: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT wrapped_private_key FROM sealing_key WHERE address = ?")
                .bind(&alias)
                .fetch_optional(&mut *read)
                .await?;
        read.rollback().await?;
        Ok((credentials, wrapped.ok_or(Error::UnknownAlias)?))
    }
}

/// Within a transaction: the alias's credentials, oldest first.
pub(super) async fn rows_of(connection: &mut SqliteConnection, alias: &str) -> Result<Vec<CredentialRow>, Error> {
    let rows = sqlx::query(
        "SELECT id, label, kind, wrapped_key, created_ms FROM credential WHERE address = ? ORDER BY created_ms, id",
    )
    .bind(alias)
    .fetch_all(connection)
    .await?;
    rows.iter().map(row_of).collect()
}

fn row_of(row: &SqliteRow) -> Result<CredentialRow, Error> {
    let kind = match row.try_get::<i64, _>("kind")? {
        0 => CredentialKind::Generated,
        1 => CredentialKind::Chosen,
        2 => CredentialKind::Recovery,
        _ => return Err(Error::Damaged("a credential of an unknown kind")),
    };
    Ok(CredentialRow {
        id: row.try_get::<String, _>("id")?.parse().map_err(|_| Error::Damaged("a credential id"))?,
        label: row.try_get("label")?,
        kind,
        wrapped_key: row.try_get("wrapped_key")?,
        created_ms: row.try_get("created_ms")?,
    })
}

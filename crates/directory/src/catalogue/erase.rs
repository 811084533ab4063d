//! The end of an alias, in two steps with the erasure of its files between them: a crash leaves it closed, to be erased again.

use super::alias::{AliasRow, by_address};
use super::find::rule_local;
use super::{Error, Subject, Write};
use model::Address;
use sqlx::sqlite::SqliteConnection;

/// Erases an alias.
pub(crate) struct EraseAlias {
    pub(crate) address: Address,
    pub(crate) step: EraseStep,
}

/// How far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EraseStep {
    /// Nobody signs in and no mail is taken. Every wrapping of its key is gone: nothing opens the mailbox any more.
    Close,
    /// It is forgotten.
    Forget,
}

impl Write for EraseAlias {
    /// The alias as it was.
    type Answer = AliasRow;

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<AliasRow, Error> {
        let row = by_address(connection, &self.address.alias()).await?.ok_or(Error::UnknownAlias)?;
        match self.step {
            EraseStep::Close => close(connection, &row.address).await?,
            EraseStep::Forget if !row.disabled => return Err(Error::AliasOpen),
            EraseStep::Forget => self.forget(connection, &row).await?,
        }
        subjects.push(Subject::Alias(row.address.clone()));
        Ok(row)
    }
}

async fn close(connection: &mut SqliteConnection, alias: &str) -> Result<(), Error> {
    sqlx::query("UPDATE alias SET disabled = 1 WHERE address = ?").bind(alias).execute(&mut *connection).await?;
    sqlx::query("DELETE FROM credential WHERE address = ?").bind(alias).execute(&mut *connection).await?;
    Ok(())
}

impl EraseAlias {
    /// What belongs to the alias goes with its row.
    async fn forget(&self, connection: &mut SqliteConnection, row: &AliasRow) -> Result<(), Error> {
        sqlx::query("DELETE FROM rule WHERE domain = ? AND kind = 0 AND pattern = ?")
            .bind(self.address.domain().as_str())
            .bind(rule_local(&self.address))
            .execute(&mut *connection)
            .await?;
        sqlx::query("DELETE FROM alias WHERE address = ?").bind(&row.address).execute(&mut *connection).await?;
        // Its account too, unless something else is of it.
        sqlx::query(
            "DELETE FROM account WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM alias WHERE account = ?1)
             AND NOT EXISTS (SELECT 1 FROM rule WHERE account = ?1) AND NOT EXISTS (SELECT 1 FROM webhook WHERE account = ?1)",
        )
        .bind(&row.account)
        .execute(connection)
        .await?;
        Ok(())
    }
}

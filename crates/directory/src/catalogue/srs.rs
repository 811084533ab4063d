//! The secrets that sign rewritten senders (SRS): the newest signs, those before it still let bounces home.

use super::{Catalogue, Error, Subject, Write, now_ms};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use zeroize::Zeroizing;

/// Secrets that are kept. A rewritten sender is good for some weeks, and nobody rotates more often than weekly.
pub(crate) const SECRETS_MAX: usize = 4;
/// What the sealer is told that it seals.
const WHAT: &str = "an SRS secret";

/// Adds a secret, which signs from now on, and forgets the oldest.
pub(crate) struct AddSrsSecret {
    /// Sealed.
    sealed: Vec<u8>,
    /// Nothing is done when there is one already: two that need the first at once agree on one.
    only_first: bool,
}

impl Write for AddSrsSecret {
    type Answer = ();

    async fn apply(self, connection: &mut SqliteConnection, subjects: &mut Vec<Subject>) -> Result<(), Error> {
        let some: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM srs_secret)").fetch_one(&mut *connection).await?;
        if some && self.only_first {
            return Ok(());
        }
        sqlx::query("INSERT INTO srs_secret (sealed, created_ms) VALUES (?, ?)")
            .bind(self.sealed)
            .bind(now_ms())
            .execute(&mut *connection)
            .await?;
        sqlx::query("DELETE FROM srs_secret WHERE id NOT IN (SELECT id FROM srs_secret ORDER BY id DESC LIMIT ?)")
            .bind(i64::try_from(SECRETS_MAX).unwrap_or(i64::MAX))
            .execute(connection)
            .await?;
        subjects.push(Subject::SrsSecrets);
        Ok(())
    }
}

impl Catalogue {
    /// The secrets, newest first; the first is made when there is none.
    pub(crate) async fn srs_secrets(&self) -> Result<Vec<Zeroizing<Vec<u8>>>, Error> {
        let secrets = self.known_srs_secrets().await?;
        if !secrets.is_empty() {
            return Ok(secrets);
        }
        self.write(self.new_srs_secret(true)?).await?;
        self.known_srs_secrets().await
    }

    /// A new secret signs from now on.
    pub(crate) async fn rotate_srs(&self) -> Result<(), Error> {
        self.write(self.new_srs_secret(false)?).await
    }

    fn new_srs_secret(&self, only_first: bool) -> Result<AddSrsSecret, Error> {
        let secret = vault::Secret32::generate().map_err(|_| Error::Random)?;
        Ok(AddSrsSecret { sealed: self.sealer.seal(WHAT, "", secret.expose())?, only_first })
    }

    async fn known_srs_secrets(&self) -> Result<Vec<Zeroizing<Vec<u8>>>, Error> {
        let rows = sqlx::query("SELECT sealed FROM srs_secret ORDER BY id DESC").fetch_all(&self.readers).await?;
        let open = |sealed: Vec<u8>| self.sealer.open_sealed(WHAT, "", &sealed);
        rows.iter().map(|row| open(row.try_get("sealed")?)).collect()
    }
}

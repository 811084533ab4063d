//! What goes with a backup: where it is to be, and the wrapped keys of the moment, sealed with the directory's key. A bucket that
//! is stolen has nothing in it on which a password could be tried.

use super::credential::rows_of;
use super::{Catalogue, CredentialRow, Error, Subject, Write, setting};
use model::{Address, Domain, MailboxId};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

/// What the sealed octets are, for their context.
const WHAT: &str = "wrapped keys beside a backup";

/// An alias with all that opens its mailbox, as of now.
pub(crate) struct KeptRow {
    pub(crate) address: String,
    pub(crate) sealing_public_key: Vec<u8>,
    pub(crate) wrapped_sealing_key: Vec<u8>,
    pub(crate) credentials: Vec<CredentialRow>,
    /// Empty, `none`, or a store's name.
    pub(crate) store: String,
}

/// Where an alias's backups go; each is empty where it decides nothing, `none`, or a store's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackupStoreRow {
    pub(crate) own: String,
    pub(crate) domain: String,
}

impl BackupStoreRow {
    /// Where they go: the alias's own word goes before its domain's.
    pub(crate) fn name(&self) -> &str {
        if self.own.is_empty() { &self.domain } else { &self.own }
    }
}

/// Says where an alias's backups go.
pub(crate) struct SetBackupStore {
    pub(crate) address: Address,
    /// Empty, `none`, or a store's name.
    pub(crate) store: String,
}

impl Write for SetBackupStore {
    type Answer = BackupStoreRow;

    async fn apply(
        self,
        connection: &mut SqliteConnection,
        subjects: &mut Vec<Subject>,
    ) -> Result<BackupStoreRow, Error> {
        let alias = self.address.alias();
        let set = sqlx::query("UPDATE alias SET backup_store = ? WHERE address = ?")
            .bind(&self.store)
            .bind(&alias)
            .execute(&mut *connection)
            .await?;
        if set.rows_affected() == 0 {
            return Err(Error::UnknownAlias);
        }
        subjects.push(Subject::Alias(alias.clone()));
        stores(connection, &alias).await
    }
}

async fn stores(connection: &mut SqliteConnection, alias: &str) -> Result<BackupStoreRow, Error> {
    let row = sqlx::query("SELECT domain, backup_store FROM alias WHERE address = ?")
        .bind(alias)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(Error::UnknownAlias)?;
    let domain: Domain = row.try_get::<&str, _>("domain")?.parse().map_err(|_| Error::Damaged("a domain's name"))?;
    let domain = setting::of(connection, &domain).await?.value("backup_store").to_owned();
    Ok(BackupStoreRow { own: row.try_get("backup_store")?, domain })
}

impl Catalogue {
    /// Where an alias's backups go.
    pub(crate) async fn backup_store(&self, address: &Address) -> Result<BackupStoreRow, Error> {
        let mut read = self.readers.begin().await?;
        let row = stores(&mut read, &address.alias()).await?;
        read.rollback().await?;
        Ok(row)
    }

    /// What is kept beside a backup of this mailbox, in one state of the catalogue.
    pub(crate) async fn keeping(&self, mailbox: &MailboxId) -> Result<KeptRow, Error> {
        let mut read = self.readers.begin().await?;
        let row = sqlx::query(
            "SELECT a.address, public_key, wrapped_private_key
             FROM alias a JOIN sealing_key s ON s.address = a.address WHERE a.mailbox_id = ?",
        )
        .bind(mailbox.to_string())
        .fetch_optional(&mut *read)
        .await?
        .ok_or(Error::UnknownMailbox)?;
        let address: String = row.try_get("address")?;
        let credentials = rows_of(&mut read, &address).await?;
        let stores = stores(&mut read, &address).await?;
        read.rollback().await?;
        // An alias has one at least until it is closed, and then nothing of it is to be kept any more.
        if credentials.is_empty() {
            return Err(Error::AliasClosed);
        }
        Ok(KeptRow {
            address,
            sealing_public_key: row.try_get("public_key")?,
            wrapped_sealing_key: row.try_get("wrapped_private_key")?,
            credentials,
            store: stores.name().to_owned(),
        })
    }

    /// Seals what is kept beside a backup; it opens for this mailbox only.
    pub(crate) fn seal_kept(&self, mailbox: &MailboxId, plain: &[u8]) -> Result<Vec<u8>, Error> {
        self.sealer().seal(WHAT, &mailbox.to_string(), plain)
    }

    /// Opens it.
    pub(crate) fn open_kept(&self, mailbox: &MailboxId, sealed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, Error> {
        // Unlike what stands in the catalogue itself it may well be another directory's.
        self.sealer().open_sealed(WHAT, &mailbox.to_string(), sealed).map_err(|_| Error::ForeignKept)
    }
}

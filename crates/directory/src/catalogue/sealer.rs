//! The directory's key: what it stores of others' secrets is sealed with it (`docs/formats/node-key.md`), so that a copy of the
//! catalogue alone signs nothing.

use super::Error;
use sqlx::sqlite::SqliteConnection;
use std::path::Path;
use vault::{FileKey, NodeKey, VaultError};
use zeroize::Zeroizing;

/// Seals and opens what stands in the catalogue.
pub(crate) struct Sealer(NodeKey);

impl Sealer {
    /// The key of this file. It is made when it is missing and the catalogue holds nothing that it would have to open.
    pub(super) async fn open(connection: &mut SqliteConnection, path: &Path) -> Result<Self, Error> {
        let failed = |why: &dyn std::fmt::Display| Error::Key { path: path.to_owned(), why: why.to_string() };
        if path.try_exists().map_err(|error| failed(&error))? {
            return NodeKey::from_file(path).map(Self).map_err(|error| failed(&error));
        }
        let sealed: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM dkim_key) OR EXISTS (SELECT 1 FROM srs_secret) OR EXISTS (SELECT 1 FROM webhook)",
        )
        .fetch_one(connection)
        .await?;
        if sealed {
            return Err(Error::KeyLost { path: path.to_owned() });
        }
        let key = NodeKey::generate().map_err(|_| Error::Random)?;
        key.write_new(path).map_err(|error| failed(&error))?;
        tracing::info!("directory key made; keep a copy of {}", path.display());
        Ok(Self(key))
    }

    /// The key of snapshots.
    pub(super) fn snapshot_key(&self) -> Result<FileKey, VaultError> {
        self.0.catalogue_key()
    }

    /// Seals a secret; `what` and `whose` must be given again to open it.
    pub(crate) fn seal(&self, what: &'static str, whose: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.seal(&context(what, whose), plain).map_err(|_| Error::Random)
    }

    /// Opens what [`Self::seal`] made.
    pub(crate) fn open_sealed(
        &self,
        what: &'static str,
        whose: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.0.open(&context(what, whose), sealed).map_err(|_| Error::Sealed(what))
    }
}

fn context(what: &str, whose: &str) -> Vec<u8> {
    [what.as_bytes(), b"\0", whose.as_bytes()].concat()
}

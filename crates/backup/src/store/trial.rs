//! A store tried out by real work: a small object is put, read, listed and removed, and an upload in parts begun and ended.

use super::{Store, StoreError};
use futures_util::StreamExt;

pub use super::s3::Prepared;

/// Where the object lies while it does.
const FOLDER: &str = "check/";
/// Octets of the object: something, and nothing that costs.
const OBJECT_BYTES: usize = 32;

/// What of a store does not work.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {1}")]
pub struct Broken(pub &'static str, pub StoreError);

impl Store {
    /// Tries everything out that a backup needs. What does not keep a backup from being made, but may lose one, is answered as lines.
    ///
    /// # Errors
    /// The first thing that does not work.
    pub async fn try_out(&self) -> Result<Vec<String>, Broken> {
        let step = |what| move |error| Broken(what, error);
        self.check().await.map_err(step("it cannot be reached"))?;
        let random = |_| Broken("nothing is tried", StoreError::Failed("no random bytes".to_owned()));
        let octets: [u8; OBJECT_BYTES] = vault::random().map_err(random)?;
        let id = crate::manifest::hex(octets.get(..8).unwrap_or_default());
        let name = format!("{FOLDER}{id}");
        self.put_small(&name, octets.to_vec()).await.map_err(step("an object cannot be put"))?;
        let looked = self.look_at(&name, &octets).await;
        // Also when it could not be read: nothing is to be left of a check.
        let removed = self.remove(&name).await.map_err(step("an object cannot be removed"));
        looked?;
        removed?;
        match self.get(&name).await {
            Err(StoreError::Missing(_)) => {}
            Err(error) => return Err(Broken("an object that was removed cannot be asked for", error)),
            Ok(octets) => {
                octets.for_each(|_| async {}).await;
                let why = StoreError::Failed("it is there still".to_owned());
                return Err(Broken("an object cannot be removed", why));
            }
        }
        match self {
            Self::Folder(folder) => {
                folder.remove_folder(FOLDER).await.map_err(step("a folder cannot be removed"))?;
                Ok(Vec::new())
            }
            Self::S3(s3) => {
                s3.try_parts(&name).await.map_err(step("an upload in parts cannot be begun and ended"))?;
                Ok(s3.notes().await)
            }
        }
    }

    async fn look_at(&self, name: &str, octets: &[u8]) -> Result<(), Broken> {
        let read = self.get_small(name).await.map_err(|error| Broken("an object cannot be read", error))?;
        if read != octets {
            return Err(Broken("an object cannot be read", StoreError::Differs));
        }
        let listed = self.list(FOLDER).await.map_err(|error| Broken("objects cannot be listed", error))?;
        let there = listed.iter().any(|each| each.name == name && each.bytes == octets.len() as u64);
        there.then_some(()).ok_or_else(|| {
            Broken("objects cannot be listed", StoreError::Failed("what was put is not in the list".to_owned()))
        })
    }

    /// Has the store end uploads by itself that nobody goes on with for so many days.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] where there is nothing to set.
    pub async fn prepare(&self, days: u16) -> Result<Prepared, StoreError> {
        match self {
            Self::S3(s3) => s3.prepare(days).await,
            Self::Folder(_) => Err(StoreError::Unsupported(
                "a folder has nothing to prepare: what uploads leave there the worker removes".to_owned(),
            )),
        }
    }
}

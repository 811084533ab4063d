//! Where backups are kept: a folder, or a bucket of any S3. Knows names and octets, and not what they are.
//!
//! Invariants: an object has its name only when it is whole. A put that was cut off goes on where it stopped, at the next try.

mod folder;
mod s3;

pub use folder::Folder;
pub use s3::S3;

use crate::limits::{LISTED_MAX, SMALL_BYTES_MAX};
use crate::manifest::{MANIFEST, Manifest, folder};
use crate::throttle::Throttle;
use bytes::Bytes;
use daemon::config::{BackupStore, StoreKind};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use std::path::Path;
use tokio::io::AsyncWriteExt;

/// Why a store, or who feeds it, failed. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The credentials are not taken.
    #[error("the store refuses the credentials ({0}): check backup.stores.credentials_file and what its key may do")]
    Refused(String),
    /// The bucket or folder is not there.
    #[error("the store is gone ({0}): check the bucket's or folder's name, or make it again")]
    NoStore(String),
    /// There is no such object.
    #[error("the store has no {0}")]
    Missing(String),
    /// The network, or the store itself; trying again may help.
    #[error("the store failed ({0}): it is tried again")]
    Failed(String),
    /// No room.
    #[error("the store is full: make room, or keep fewer backups")]
    Full,
    /// The snapshot could not be read where it waits.
    #[error("the snapshot cannot be read at its node ({0}): it is tried again")]
    Source(String),
    /// It is there no more.
    #[error("the snapshot is at its node no more: a newer one has taken its place")]
    Superseded,
    /// What was read is not what its node said it is.
    #[error("the snapshot differs from its digest: a disk or a network between here and there is at fault")]
    Differs,
    /// The configuration.
    #[error("{0}")]
    Configuration(String),
}

/// Octets in order.
pub type Octets = BoxStream<'static, Result<Bytes, StoreError>>;

/// What is put: it can be read again, from anywhere in it.
pub trait Source: Send + Sync {
    /// Octets.
    fn bytes(&self) -> u64;
    /// Their SHA-256.
    fn sha256(&self) -> [u8; 32];
    /// The octets from an offset on.
    fn read(&self, offset: u64) -> BoxFuture<'_, Result<Octets, StoreError>>;
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its octets.
    pub bytes: u64,
    /// When it was last written, milliseconds since 1970.
    pub modified_ms: i64,
}

/// A store.
pub enum Store {
    /// A folder.
    Folder(Folder),
    /// A bucket.
    S3(Box<S3>),
}

impl Store {
    /// As it is configured. Nothing is connected yet.
    ///
    /// # Errors
    /// [`StoreError::Configuration`].
    pub fn open(config: &BackupStore) -> Result<Self, StoreError> {
        Ok(match config.kind {
            StoreKind::Folder => Self::Folder(Folder::new(&config.folder)),
            StoreKind::S3 => Self::S3(Box::new(S3::new(config)?)),
        })
    }

    /// Puts an object, whole or not at all.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn put(&self, name: &str, source: &dyn Source, throttle: &Throttle) -> Result<(), StoreError> {
        match self {
            Self::Folder(folder) => folder.put(name, source, throttle).await,
            Self::S3(s3) => s3.put(name, source, throttle).await,
        }
    }

    /// Puts a small object.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn put_small(&self, name: &str, octets: Vec<u8>) -> Result<(), StoreError> {
        match self {
            Self::Folder(folder) => folder.put_small(name, octets).await,
            Self::S3(s3) => s3.put_small(name, octets).await,
        }
    }

    /// An object's octets.
    ///
    /// # Errors
    /// [`StoreError::Missing`] and others.
    pub async fn get(&self, name: &str) -> Result<Octets, StoreError> {
        match self {
            Self::Folder(folder) => folder.get(name).await,
            Self::S3(s3) => s3.get(name).await,
        }
    }

    /// A small object.
    ///
    /// # Errors
    /// [`StoreError::Missing`] and others.
    pub async fn get_small(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let mut octets = self.get(name).await?;
        let mut all = Vec::new();
        while let Some(piece) = octets.next().await {
            all.extend_from_slice(&piece?);
            if all.len() > SMALL_BYTES_MAX {
                return Err(StoreError::Failed(format!("{name} is larger than any manifest")));
            }
        }
        Ok(all)
    }

    /// Every object whose name begins so, sorted by name.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let mut listed = match self {
            Self::Folder(folder) => folder.list(prefix).await?,
            Self::S3(s3) => s3.list(prefix).await?,
        };
        listed.truncate(LISTED_MAX);
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn remove(&self, name: &str) -> Result<(), StoreError> {
        match self {
            Self::Folder(folder) => folder.remove(name).await,
            Self::S3(s3) => s3.remove(name).await,
        }
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Folder(folder) => folder.check().await,
            Self::S3(s3) => s3.check().await,
        }
    }

    /// The backups of a subject, the newest first: what has a manifest, and data as long as that says.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn backups(&self, kind: &str, subject: &str) -> Result<Vec<Manifest>, StoreError> {
        let listed = self.list(&folder(kind, subject)).await?;
        let mut found = Vec::new();
        for each in listed.iter().filter(|each| each.name.ends_with(MANIFEST)) {
            let manifest = match self.get_small(&each.name).await {
                Ok(octets) => Manifest::parse(&octets),
                // Retention may remove one between the list and the look.
                Err(StoreError::Missing(_)) => None,
                Err(error) => return Err(error),
            };
            let Some(manifest) = manifest.filter(|manifest| manifest.name() == each.name) else { continue };
            let data = manifest.data_name();
            if listed.iter().any(|other| other.name == data && other.bytes == manifest.bytes) {
                found.push(manifest);
            }
        }
        found.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| b.id.cmp(&a.id)));
        Ok(found)
    }

    /// Removes a backup: the manifest first, so that what is left at any moment is whole or counts for nothing.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn remove_backup(&self, manifest: &Manifest) -> Result<(), StoreError> {
        self.remove(&manifest.name()).await?;
        self.remove(&manifest.data_name()).await
    }

    /// Removes everything of a mailbox, backups and what uploads left; how many objects that were.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn erase(&self, mailbox: &model::MailboxId) -> Result<usize, StoreError> {
        let id = mailbox.to_string();
        let mut removed = 0;
        for kind in ["mailbox", "waiting"] {
            let mut listed = self.list(&folder(kind, &id)).await?;
            // Manifests first.
            listed.sort_by_key(|each| !each.name.ends_with(MANIFEST));
            for each in listed {
                self.remove(&each.name).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Writes a backup's data to a new file and compares it with its digest. `told`: octets so far.
    ///
    /// # Errors
    /// [`StoreError::Differs`] when it is not what its manifest says.
    pub async fn fetch(
        &self,
        manifest: &Manifest,
        to: &Path,
        told: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), StoreError> {
        let local = |error: std::io::Error| StoreError::Failed(format!("{}: {error}", to.display()));
        let mut octets = self.get(&manifest.data_name()).await?;
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(to).await.map_err(local)?;
        let (mut digest, mut bytes) = (vault::Digest::new(), 0);
        while let Some(piece) = octets.next().await {
            let piece = piece?;
            digest.update(&piece);
            bytes += piece.len() as u64;
            file.write_all(&piece).await.map_err(local)?;
            told(bytes);
        }
        file.flush().await.map_err(local)?;
        let same = bytes == manifest.bytes && crate::manifest::hex(&digest.finish()) == manifest.sha256;
        if same { Ok(()) } else { Err(StoreError::Differs) }
    }
}

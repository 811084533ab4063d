//! Where backups are kept: a folder, or a bucket of any S3. Knows names and octets, and not what they are.
//!
//! Invariants: an object has its name only when it is whole. A put that was cut off goes on where it stopped, at the next try.

mod folder;
mod s3;
mod trial;

pub use folder::Folder;
pub use s3::S3;
pub use trial::{Broken, Prepared};

use crate::limits::{LISTED_MAX, SMALL_BYTES_MAX};
use crate::manifest::{MANIFEST, Manifest, UPLOAD, folder};
use crate::throttle::Throttle;
use bytes::Bytes;
use daemon::config::{BackupStore, StoreKind};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use model::MailboxId;
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
    /// The directory was not to be asked.
    #[error("nobody says where it goes ({0}): it is tried again")]
    Directory(String),
    /// The directory does not know whose it is.
    #[error(
        "it goes nowhere, because the directory says: {0}; it waits at its node, and `brevdue alias erase` ends what an erasure left"
    )]
    Ownerless(String),
    /// It is to go to a store that this configuration does not have.
    #[error(
        "it goes to the store `{0}`, which the worker's configuration does not have: describe it in [[backup.stores]], or choose another with `brevdue alias backup` or `brevdue domain set … backup_store`"
    )]
    Unknown(String),
    /// The store cannot do this.
    #[error("{0}")]
    Unsupported(String),
    /// The configuration.
    #[error("{0}")]
    Configuration(String),
}

impl StoreError {
    /// Whether it is the store that failed, and would fail others too; else it is the snapshot, its node or the directory.
    pub fn is_of_store(&self) -> bool {
        match self {
            Self::Refused(_) | Self::NoStore(_) | Self::Missing(_) | Self::Failed(_) | Self::Full => true,
            Self::Source(_)
            | Self::Superseded
            | Self::Differs
            | Self::Directory(_)
            | Self::Ownerless(_)
            | Self::Unknown(_)
            | Self::Unsupported(_)
            | Self::Configuration(_) => false,
        }
    }
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

/// What there is of a subject, the newest first.
#[derive(Debug, Default)]
pub struct All {
    /// Backups.
    pub whole: Vec<Manifest>,
    /// What counts for nothing: somebody or something removed the data, or a part of it.
    pub lost: Vec<Manifest>,
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

    /// Removes what an upload left; for the note about one in parts that upload is ended first, or its parts would lie there, seen by
    /// nobody and paid for. Whether one was.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn discard(&self, name: &str) -> Result<bool, StoreError> {
        match self {
            Self::S3(s3) if name.ends_with(UPLOAD) => s3.abort(name).await,
            Self::Folder(_) | Self::S3(_) => self.remove(name).await.map(|()| false),
        }
    }

    /// The ids that have a folder in this one (`mailboxes/`), as many as are held in memory at most, in order.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn subjects(&self, folders: &str) -> Result<Vec<String>, StoreError> {
        let names = match self {
            Self::Folder(folder) => folder.folders(folders).await?,
            Self::S3(s3) => s3.folders(folders).await?,
        };
        // Whatever else lies there is none of ours.
        let mut ids: Vec<String> = names.into_iter().filter(|name| name.parse::<MailboxId>().is_ok()).collect();
        ids.sort();
        Ok(ids)
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
        Ok(self.all(kind, subject).await?.whole)
    }

    /// The backups of a subject, and what were some: their manifests are there, and the data is not, or not all of it.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn all(&self, kind: &str, subject: &str) -> Result<All, StoreError> {
        let listed = self.list(&folder(kind, subject)).await?;
        let mut all = All::default();
        for each in listed.iter().filter(|each| each.name.ends_with(MANIFEST)) {
            let Some(manifest) = self.manifest(each).await? else { continue };
            let side = if is_whole(&manifest, &listed) { &mut all.whole } else { &mut all.lost };
            side.push(manifest);
        }
        for side in [&mut all.whole, &mut all.lost] {
            side.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| b.id.cmp(&a.id)));
        }
        Ok(all)
    }

    /// The newest backup of a subject, and how many there are at most: the others are not looked into.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn newest(&self, kind: &str, subject: &str) -> Result<Option<(Manifest, usize)>, StoreError> {
        let listed = self.list(&folder(kind, subject)).await?;
        let manifests: Vec<&Listed> = listed.iter().filter(|each| each.name.ends_with(MANIFEST)).collect();
        for each in manifests.iter().rev() {
            let manifest = self.manifest(each).await?.filter(|manifest| is_whole(manifest, &listed));
            if let Some(manifest) = manifest {
                return Ok(Some((manifest, manifests.len())));
            }
        }
        Ok(None)
    }

    /// The manifest of this name, if it is one of that.
    async fn manifest(&self, each: &Listed) -> Result<Option<Manifest>, StoreError> {
        match self.get_small(&each.name).await {
            Ok(octets) => Ok(Manifest::parse(&octets).filter(|manifest| manifest.name() == each.name)),
            // Retention may remove one between the list and the look.
            Err(StoreError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a backup: the manifest first, so that what is left at any moment is whole or counts for nothing.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn remove_backup(&self, manifest: &Manifest) -> Result<(), StoreError> {
        self.remove(&manifest.name()).await?;
        self.remove(&manifest.data_name()).await
    }

    /// Names of everything of a mailbox, backups and what uploads left.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn objects(&self, mailbox: &MailboxId) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        for kind in ["mailbox", "waiting"] {
            let listed = self.list(&folder(kind, &mailbox.to_string())).await?;
            names.extend(listed.into_iter().map(|each| each.name));
        }
        Ok(names)
    }

    /// Removes everything of a mailbox, backups and what uploads left; the names of what was removed.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn erase(&self, mailbox: &MailboxId) -> Result<Vec<String>, StoreError> {
        let id = mailbox.to_string();
        let mut removed = Vec::new();
        for kind in ["mailbox", "waiting"] {
            let folder_name = folder(kind, &id);
            loop {
                let mut listed = self.list(&folder_name).await?;
                // Manifests first.
                listed.sort_by_key(|each| !each.name.ends_with(MANIFEST));
                let more = listed.len() >= LISTED_MAX;
                for each in listed {
                    self.discard(&each.name).await?;
                    removed.push(each.name);
                }
                if !more {
                    break;
                }
            }
            if let Self::Folder(folder) = self {
                folder.remove_folder(&folder_name).await?;
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

fn is_whole(manifest: &Manifest, listed: &[Listed]) -> bool {
    let data = manifest.data_name();
    listed.iter().any(|other| other.name == data && other.bytes == manifest.bytes)
}

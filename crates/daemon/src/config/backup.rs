//! `[backup]`: how often snapshots are taken, where they go and how long they are kept.

use super::check::within;
use super::error::Wrong;
use model::StoreName;
use serde::Deserialize;
use std::collections::HashSet;
use std::path::PathBuf;

/// Stores of one installation: one for each provider and owner that has its own.
pub const STORES_MAX: usize = 256;
/// Octets of a part at least, but for the last: what S3 takes.
pub const PART_BYTES_MIN: u64 = 5 << 20;
/// Octets of a part at most: each upload holds one in memory.
pub const PART_BYTES_MAX: u64 = 256 << 20;

/// Backups.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    /// Hours between two snapshots of a mailbox that changes.
    pub interval_hours: u32,
    /// Minutes between two snapshots of the catalogue when it changes.
    pub catalogue_minutes: u32,
    /// Days of which a backup is kept.
    pub keep_daily: usize,
    /// Weeks of which a backup is kept.
    pub keep_weekly: usize,
    /// Uploads to a store at once.
    pub uploads_max: usize,
    /// Octets a second of all uploads; 0 is no limit.
    pub bytes_per_second_max: u64,
    /// Where backups are: new ones go to the first, unless the domain or the alias says another.
    pub stores: Vec<BackupStore>,
}

/// One store.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackupStore {
    /// Its name, as lists show it.
    pub name: String,
    /// What it is.
    pub kind: StoreKind,
    /// The folder.
    pub folder: PathBuf,
    /// The S3's address, `https://host`; empty: Amazon's in the region.
    pub endpoint: String,
    /// The S3's region; `auto` for R2.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// What every name in the bucket begins with.
    pub prefix: String,
    /// The file with the access key and the secret.
    pub credentials_file: PathBuf,
    /// Whether the bucket stands in the path.
    pub path_style: bool,
    /// Octets of a part of an upload.
    pub part_bytes: u64,
    /// Whether parts go with their SHA-256.
    pub checksums: bool,
}

/// What a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// A folder.
    Folder,
    /// A bucket.
    S3,
}

impl Default for Backup {
    fn default() -> Self {
        Self {
            interval_hours: 24,
            catalogue_minutes: 60,
            keep_daily: 7,
            keep_weekly: 4,
            uploads_max: 4,
            bytes_per_second_max: 0,
            stores: Vec::new(),
        }
    }
}

impl Default for BackupStore {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            kind: StoreKind::Folder,
            folder: PathBuf::new(),
            endpoint: String::new(),
            region: "auto".to_owned(),
            bucket: String::new(),
            prefix: String::new(),
            credentials_file: PathBuf::new(),
            path_style: true,
            part_bytes: 16 << 20,
            checksums: true,
        }
    }
}

pub(super) fn check(backup: &Backup) -> Result<(), Wrong> {
    within("backup.interval_hours", backup.interval_hours, 1..=24 * 31)?;
    within("backup.catalogue_minutes", backup.catalogue_minutes, 1..=24 * 60)?;
    within("backup.keep_daily", backup.keep_daily, 1..=3660)?;
    within("backup.keep_weekly", backup.keep_weekly, 0..=522)?;
    within("backup.uploads_max", backup.uploads_max, 1..=64)?;
    within("backup.stores", backup.stores.len(), 0..=STORES_MAX)?;
    let names: HashSet<_> = backup.stores.iter().map(|store| &store.name).collect();
    if names.len() != backup.stores.len() {
        return Err(Wrong {
            key: "backup.stores",
            problem: "two stores have one name".into(),
            remedy: "give each [[backup.stores]] a name of its own",
        });
    }
    backup.stores.iter().try_for_each(store)
}

fn store(store: &BackupStore) -> Result<(), Wrong> {
    if let Err(error) = store.name.parse::<StoreName>() {
        return Err(Wrong {
            key: "backup.stores.name",
            problem: format!("`{}` is none: {error}", store.name),
            remedy: "choose a plain name, which domains and aliases can be given as the setting backup_store",
        });
    }
    within("backup.stores.part_bytes", store.part_bytes, PART_BYTES_MIN..=PART_BYTES_MAX)?;
    let missing = |key, remedy| Wrong { key, problem: format!("not set for the store `{}`", store.name), remedy };
    match store.kind {
        StoreKind::Folder if store.folder.as_os_str().is_empty() => {
            Err(missing("backup.stores.folder", "name a folder on another disk"))
        }
        StoreKind::S3 if store.bucket.is_empty() => Err(missing("backup.stores.bucket", "name the bucket")),
        StoreKind::S3 if store.credentials_file.as_os_str().is_empty() => {
            Err(missing("backup.stores.credentials_file", "name a file with the access key and the secret"))
        }
        StoreKind::Folder | StoreKind::S3 => Ok(()),
    }
}

pub(super) fn needs(backup: &Backup) -> Result<(), Wrong> {
    if !backup.stores.is_empty() {
        return Ok(());
    }
    Err(Wrong {
        key: "backup.stores",
        problem: "none".into(),
        remedy: "describe where backups go in [[backup.stores]], such as kind = \"folder\" and folder = \"/mnt/backup\"",
    })
}

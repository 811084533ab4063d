//! Makes a mailbox file: whole and under its name, or not at all.

use crate::disk::{Disk, folder_of};
use crate::engine::{self, Access, Options};
use crate::error::Error;
use crate::schema::{MAILBOX, Schema};
use jiff::Timestamp;
use model::{FolderName, MailboxId, SpecialUse};
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use vault::MailboxKey;

/// The folders that a new mailbox has beside INBOX; every client expects them (RFC 6154).
const FIRST_FOLDERS: [(&str, SpecialUse); 5] = [
    ("Archive", SpecialUse::Archive),
    ("Drafts", SpecialUse::Drafts),
    ("Junk", SpecialUse::Junk),
    ("Sent", SpecialUse::Sent),
    ("Trash", SpecialUse::Trash),
];

/// Makes the file with INBOX, Archive, Drafts, Junk, Sent and Trash, all subscribed, encrypted with the default cipher.
///
/// # Errors
/// [`Error::Exists`] when a file is at the path; nothing is left behind on any error but the temporary file, which the
/// next call removes.
pub fn create(path: &Path, key: &MailboxKey, id: &MailboxId, now: Timestamp) -> Result<(), Error> {
    create_with(path, key, id, now, &Options::default())
}

/// [`create`] with a cipher of choice.
///
/// # Errors
/// As [`create`].
pub fn create_with(
    path: &Path,
    key: &MailboxKey,
    id: &MailboxId,
    now: Timestamp,
    options: &Options,
) -> Result<(), Error> {
    create_file(path, &key.raw_key(), &MAILBOX, options, |connection| first_rows(connection, id, now))
}

/// Makes any file of a schema: written under a temporary name, synced, renamed, and the folder synced.
pub(crate) fn create_file(
    path: &Path,
    raw_key: &str,
    schema: &Schema,
    options: &Options,
    fill: impl FnOnce(&Connection) -> Result<(), Error>,
) -> Result<(), Error> {
    let disk = options.disk;
    if disk.length(path).map_err(|error| Error::io("looking for the file", error))?.is_some() {
        return Err(Error::Exists);
    }
    let temporary = with_suffix(path, ".new");
    // What a crash left; nobody else uses the name, because one process owns the volume.
    for suffix in ["", "-wal", "-shm", "-journal"] {
        remove_if_there(disk, &with_suffix(&temporary, suffix))?;
    }
    disk.create(&temporary).map_err(|error| Error::io("making the file", error))?;
    let mut connection = engine::open(&temporary, raw_key, options, Access::Create)?;
    schema.migrate(&mut connection)?;
    fill(&connection)?;
    engine::require_wal(&connection)?;
    // Closing the only connection moves the log into the file and removes it.
    engine::close(connection)?;
    disk.sync(&temporary).map_err(|error| Error::io("syncing the file", error))?;
    // A log that outlived an earlier file of the name would be taken for this one's. That it is gone must be on stable storage
    // before the new file has the name: a folder's changes may reach the disk in any order.
    let mut left_over = false;
    for suffix in ["-wal", "-shm", "-journal", "-mark"] {
        left_over |= remove_if_there(disk, &with_suffix(path, suffix))?;
    }
    if left_over {
        sync_parent(disk, path)?;
    }
    // The file is whole and on stable storage under its other name: whatever this one means after a power cut is that file
    // or none.
    disk.rename(&temporary, path).map_err(|error| Error::io("naming the new file", error))?;
    // The name itself is durable only once the folder is synced.
    sync_parent(disk, path)
}

fn first_rows(connection: &Connection, id: &MailboxId, now: Timestamp) -> Result<(), Error> {
    let first = now.as_second().clamp(1, i64::from(u32::MAX) / 2);
    let folders =
        std::iter::once((model::folder::INBOX, None)).chain(FIRST_FOLDERS.map(|(name, usage)| (name, Some(usage))));
    let mut uid_validity = first;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for (at, (name, usage)) in folders.enumerate() {
        uid_validity = first + at as i64;
        let Ok(name) = FolderName::parse(name) else { continue };
        crate::folders::insert(connection, &name, usage, true, (uid_validity, at as i64 + 1))?;
        connection.execute("INSERT INTO subscription (name) VALUES (?1)", [name.as_str()])?;
    }
    connection.execute(
        "INSERT INTO mailbox (one, id, created_ms, uid_validity, modseq) VALUES (1, ?1, ?2, ?3, 0)",
        params![id.as_bytes(), now.as_millisecond(), uid_validity],
    )?;
    connection.execute_batch("COMMIT")?;
    Ok(())
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub(crate) fn remove_if_there(disk: &dyn Disk, path: &Path) -> Result<bool, Error> {
    disk.remove(path).map_err(|error| Error::io("removing a file", error))
}

pub(crate) fn sync_parent(disk: &dyn Disk, path: &Path) -> Result<(), Error> {
    disk.sync_folder(folder_of(path)).map_err(|error| Error::io("syncing the folder", error))
}

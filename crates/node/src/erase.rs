//! The end of a mailbox on this node: it is closed, whoever has it open, and every file of it is removed.
//!
//! Invariants: the directory has closed the alias before, so that no front-end can open it again. Who still has it cached is
//! refused here, because every volume's ledger remembers the erasure, on stable storage before the first file goes: no process of
//! this node makes a file for the mailbox again, whether the directory can be asked or not. Done again, it removes what a crash
//! has left.

use crate::beside::{BESIDE, beside, sync_folder_of};
use crate::fault::{Fault, internal};
use crate::primary::Primary;
use crate::shard::Shard;
use crate::volume::Kind;
use model::MailboxId;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use wire::session::FailureCode;

/// Folders of each volume with files whose names begin with a mailbox's id.
const FOLDERS: [&str; 2] = ["restoring", "aside"];

/// A file that was removed.
#[derive(Debug, PartialEq, Eq)]
pub struct Removed {
    /// What it was.
    pub name: String,
    /// Where it was.
    pub path: PathBuf,
    /// Octets.
    pub bytes: u64,
}

/// Closes the mailbox for good and removes its files.
///
/// # Errors
/// UNAVAILABLE when what is under way there does not end in time; of the disk. Then some of it may be left.
pub async fn erase(shard: &Shard, id: MailboxId) -> Result<Vec<Removed>, Fault> {
    if wire::shard_of(&id, shard.primary.shards) != shard.index {
        return Err(Fault::new(FailureCode::WrongNode, "the mailbox belongs to another shard of this node"));
    }
    shard.boxes.erase(&id);
    shard.residents.retire(&id).await?;
    let (waiting, primary) = (shard.boxes.get(&id), shard.primary.clone());
    let removed = waiting.end(move || remove(&primary, &id)).await;
    waiting.rest().await;
    // Who asks for it now is told that it was erased.
    shard.residents.let_in(&id);
    removed
}

fn remove(primary: &Primary, id: &MailboxId) -> Result<Vec<Removed>, Fault> {
    let mut removed = Vec::new();
    let now = primary.now().as_millisecond();
    for stage in primary.staging.all() {
        let staged = stage.ledger().erase(*id.as_bytes(), now)?;
        for snapshot in staged {
            remove_file(&stage.path(&snapshot), "a snapshot on its way", &mut removed)?;
        }
    }
    // An upload may be under way all the same: the worker is told to look through the stores behind it.
    primary.staging.tell();
    for (kind, what) in [(Kind::Mailbox, "mailbox"), (Kind::Waiting, "waiting mail")] {
        if let Some(path) = primary.volumes.find(kind, id)? {
            // The file itself last: while it is there, the same call finds what is beside it.
            for suffix in BESIDE.into_iter().rev().chain([""]) {
                remove_file(&beside(&path, suffix), &format!("{what}{suffix}"), &mut removed)?;
            }
            sync_folder_of(&path).map_err(|error| failed(&error))?;
        }
    }
    for folder in FOLDERS {
        for folder_path in primary.volumes.folders(folder)? {
            remove_named(&folder_path, folder, id, &mut removed)?;
        }
    }
    tracing::info!(mailbox = %id, files = removed.len(), "erased");
    Ok(removed)
}

/// Removes the files of a folder whose names begin with the id.
fn remove_named(folder: &Path, what: &str, id: &MailboxId, removed: &mut Vec<Removed>) -> Result<(), Fault> {
    let prefix = format!("{id}-");
    for entry in fs::read_dir(folder).map_err(|error| failed(&error))? {
        let entry = entry.map_err(|error| failed(&error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&prefix) {
            remove_file(&entry.path(), &format!("{what}/{name}"), removed)?;
        }
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(&error))
}

fn remove_file(path: &Path, name: &str, removed: &mut Vec<Removed>) -> Result<(), Fault> {
    let bytes = match fs::symlink_metadata(path) {
        Ok(there) => there.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(&error)),
    };
    fs::remove_file(path).map_err(|error| failed(&error))?;
    removed.push(Removed { name: name.to_owned(), path: path.to_owned(), bytes });
    Ok(())
}

fn failed(error: &io::Error) -> Fault {
    internal(format!("a file cannot be removed: {error}"))
}

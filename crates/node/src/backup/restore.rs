//! A snapshot becomes the mailbox: it comes in, is checked with the owner's key, and takes the place of the file that is there.
//!
//! Invariants: nothing is touched before the copy is whole, sound and opened by the key. The files change places while nobody has
//! the mailbox open, behind a journal: after a crash the next start ends what the journal says, or there is none and the mailbox
//! is as it was. The file that was the mailbox is moved aside and kept, whatever state it is in. Nothing ever lies open under a
//! name that changes.

use crate::beside::{BESIDE, DAMAGED, beside, sync_folder_of};
use crate::fault::{Fault, internal, malformed};
use crate::primary::Primary;
use crate::volume::{Kind, VolumeError, Volumes};
use bytes::Bytes;
use mailbox::restore::{Floor, adopt};
use mailbox::snapshot::{Subject, inspect};
use model::MailboxId;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use vault::Digest;
use wire::session::FailureCode;

/// Folder of what comes in, and of journals.
const RESTORING_FOLDER: &str = "restoring";
/// Folder of files that were mailboxes.
const ASIDE_FOLDER: &str = "aside";
/// What ends the name of a journal.
const JOURNAL_SUFFIX: &str = ".journal";

/// What is to be restored.
pub struct Wanted {
    /// The mailbox.
    pub id: MailboxId,
    /// Its key, sealed to this boot.
    pub sealed_key: Vec<u8>,
    /// Octets of the snapshot.
    pub bytes: u64,
    /// Their digest.
    pub sha256: [u8; 32],
}

/// A snapshot that comes in. Dropping it removes it.
pub struct Incoming {
    wanted: Wanted,
    file: File,
    part: Part,
    /// Where the mailbox is, or will be.
    target: PathBuf,
    digest: Digest,
    bytes: u64,
}

/// A file that is removed unless it is kept.
struct Part(Option<PathBuf>);

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            remove_with_beside(&path);
        }
    }
}

/// A snapshot that is ready to be the mailbox.
pub struct Ready {
    /// The mailbox.
    pub id: MailboxId,
    /// Messages in it.
    pub messages: u64,
    part: Part,
    target: PathBuf,
}

/// What a journal says: these files change places. Paths are of one volume.
#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    restored: PathBuf,
    target: PathBuf,
    aside: Option<PathBuf>,
}

impl Incoming {
    /// Makes a place for it.
    ///
    /// # Errors
    /// DISK_FULL when it does not fit beside the mailbox.
    pub fn begin(primary: &Primary, wanted: Wanted) -> Result<Self, Fault> {
        let volumes = &primary.volumes;
        let target = match volumes.find(Kind::Mailbox, &wanted.id)? {
            Some(path) => path,
            None => volumes.place(Kind::Mailbox, &wanted.id)?,
        };
        if !volumes.has_room_at(&target, wanted.bytes)? {
            return Err(Fault::from(mailbox::Error::DiskFull));
        }
        let folder = folder_beside(volumes, &target, RESTORING_FOLDER)?;
        let path = folder.join(format!("{}-{}.db", wanted.id, unique()?));
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = opened.map_err(|error| failed("making the restored file", error))?;
        Ok(Self { wanted, file, part: Part(Some(path)), target, digest: Digest::new(), bytes: 0 })
    }

    /// Takes the next octets.
    ///
    /// # Errors
    /// DISK_FULL; more than was said.
    pub fn write(mut self, octets: &Bytes) -> Result<Self, Fault> {
        self.bytes += octets.len() as u64;
        if self.bytes > self.wanted.bytes {
            return Err(malformed("the snapshot is longer than was said"));
        }
        self.digest.update(octets);
        self.file.write_all(octets).map_err(|error| failed("writing the restored file", error))?;
        Ok(self)
    }

    /// Checks what came and makes it a mailbox again, beside the one that is there.
    ///
    /// # Errors
    /// WRONG_KEY, DAMAGED, and what else is wrong with it.
    pub fn prepare(self, primary: &Primary) -> Result<Ready, Fault> {
        let Self { wanted, file, part, target, digest, bytes } = self;
        if bytes != wanted.bytes || digest.finish() != wanted.sha256 {
            return Err(Fault::new(FailureCode::Damaged, "the snapshot differs from its digest: fetch it again"));
        }
        file.sync_all().map_err(|error| failed("syncing the restored file", error))?;
        drop(file);
        let path = part.0.clone().ok_or_else(|| internal("a restored file without a name"))?;
        let key = primary.unseal(&wanted.sealed_key, &wanted.id)?;
        let options = &primary.settings.options;
        let found = inspect(&path, &Subject::Mailbox(&key, &wanted.id), options, &primary.staging.pace())?;
        let floor = floor(primary, &target, &key)?;
        adopt(&path, &key, &wanted.id, options, floor)?;
        Ok(Ready { id: wanted.id, messages: found.messages, part, target })
    }
}

/// What the file that is replaced has given out. One that is damaged cannot say.
fn floor(primary: &Primary, target: &Path, key: &vault::MailboxKey) -> Result<Floor, Fault> {
    match Floor::of(target, key, &primary.settings.options) {
        Ok(floor) => Ok(floor),
        // Not the owner of what is there: whose key it is may not replace it.
        Err(error @ mailbox::Error::WrongKey) if !is_damaged(target) => Err(error.into()),
        Err(_) => Ok(Floor::default()),
    }
}

fn is_damaged(target: &Path) -> bool {
    beside(target, DAMAGED).exists()
}

impl Ready {
    /// Changes the places of the files; nobody has the mailbox open. The name of the file that was moved aside, under the volume.
    ///
    /// # Errors
    /// Of the disk; the next start ends what was begun.
    pub fn replace(mut self, primary: &Primary) -> Result<String, Fault> {
        let restored = self.part.0.take().ok_or_else(|| internal("a restored file without a name"))?;
        let aside = match self.target.exists() {
            true => Some(aside_name(primary, &self.target, &self.id)?),
            false => None,
        };
        let journal = Journal { restored: restored.clone(), target: self.target.clone(), aside: aside.clone() };
        let path = beside(&restored, JOURNAL_SUFFIX);
        let written = write_journal(&path, &journal);
        if let Err(error) = written {
            remove_with_beside(&restored);
            return Err(failed("writing the journal of a restore", error));
        }
        finish(&path, &journal).map_err(|error| failed("changing the places of files", error))?;
        tracing::info!(mailbox = %self.id, messages = self.messages, "restored from a snapshot");
        let name =
            aside.as_deref().and_then(Path::file_name).map(|name| format!("{ASIDE_FOLDER}/{}", name.to_string_lossy()));
        Ok(name.unwrap_or_default())
    }
}

/// Ends what journals say, and removes what came in and was not ready. Before any mailbox is opened.
///
/// # Errors
/// Of the disk.
pub fn recover(volumes: &Volumes) -> Result<(), std::io::Error> {
    let folders = volumes.folders(RESTORING_FOLDER).map_err(|error| std::io::Error::other(error.to_string()))?;
    for folder in folders {
        let names =
            || fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
        for path in names()?.into_iter().filter(|path| path.to_string_lossy().ends_with(JOURNAL_SUFFIX)) {
            // One that is cut short was never acted upon.
            if let Ok(journal) = serde_json::from_slice::<Journal>(&fs::read(&path)?) {
                finish(&path, &journal)?;
                tracing::info!("a restore that was cut off was ended");
            } else {
                fs::remove_file(&path)?;
            }
        }
        for path in names()? {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Every step may have been done before: done again, it changes nothing.
fn finish(path: &Path, journal: &Journal) -> std::io::Result<()> {
    if journal.restored.exists() {
        if let Some(aside) = &journal.aside {
            for suffix in BESIDE.into_iter().chain([""]) {
                rename_if_there(&beside(&journal.target, suffix), &beside(aside, suffix))?;
            }
            sync_folder_of(aside)?;
        }
        // What is left of it must not be taken for the restored file's.
        for suffix in BESIDE {
            remove_if_there(&beside(&journal.target, suffix))?;
        }
        sync_folder_of(&journal.target)?;
        fs::rename(&journal.restored, &journal.target)?;
        sync_folder_of(&journal.target)?;
        sync_folder_of(&journal.restored)?;
    }
    remove_if_there(path)?;
    sync_folder_of(path)
}

fn write_journal(path: &Path, journal: &Journal) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&serde_json::to_vec(journal)?)?;
    file.sync_all()?;
    sync_folder_of(path)
}

fn aside_name(primary: &Primary, target: &Path, id: &MailboxId) -> Result<PathBuf, Fault> {
    let folder = folder_beside(&primary.volumes, target, ASIDE_FOLDER)?;
    let at = primary.now().strftime("%Y%m%dT%H%M%SZ").to_string();
    Ok(folder.join(format!("{id}-{at}-{}.db", unique()?)))
}

/// The folder of that name on the volume of a file.
fn folder_beside(volumes: &Volumes, file: &Path, name: &str) -> Result<PathBuf, Fault> {
    let folders = volumes.folders(name)?;
    let of = folders.into_iter().find(|folder| folder.parent().is_some_and(|root| file.starts_with(root)));
    Ok(of.ok_or(VolumeError::None)?)
}

fn unique() -> Result<String, Fault> {
    let random: [u8; 4] = vault::random()?;
    Ok(format!("{:08x}", u32::from_be_bytes(random)))
}

fn failed(doing: &'static str, source: std::io::Error) -> Fault {
    if source.kind() == std::io::ErrorKind::StorageFull {
        return Fault::from(mailbox::Error::DiskFull);
    }
    Fault::from(mailbox::Error::Io { doing, source })
}

fn remove_with_beside(path: &Path) {
    for suffix in BESIDE.into_iter().chain([""]) {
        let _ = remove_if_there(&beside(path, suffix));
    }
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn rename_if_there(from: &Path, to: &Path) -> std::io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folder after every step of a restore that was cut off there, and the next start.
    #[test]
    fn a_crash_anywhere_ends_with_the_old_mailbox_or_the_new_one() {
        let all = ["before the journal", "journal", "wal aside", "file aside", "restored", "journal removed"];
        for (step, name) in all.into_iter().enumerate() {
            let home = tempfile::tempdir().unwrap();
            let volumes = Volumes::open(&[home.path().join("v")], 0).unwrap();
            let root = fs::canonicalize(home.path().join("v")).unwrap();
            let id = MailboxId::from_bytes([0xab; 12]);
            let target = volumes.place(Kind::Mailbox, &id).unwrap();
            let restoring = volumes.folders(RESTORING_FOLDER).unwrap().remove(0);
            let asides = volumes.folders(ASIDE_FOLDER).unwrap().remove(0);
            let (restored, aside) = (restoring.join("r.db"), asides.join("a.db"));
            fs::write(&target, b"old").unwrap();
            fs::write(beside(&target, "-wal"), b"old log").unwrap();
            fs::write(&restored, b"new").unwrap();
            let journal = Journal { restored: restored.clone(), target: target.clone(), aside: Some(aside.clone()) };
            let path = beside(&restored, JOURNAL_SUFFIX);
            let steps: [&dyn Fn(); 5] = [
                &|| write_journal(&path, &journal).unwrap(),
                &|| fs::rename(beside(&target, "-wal"), beside(&aside, "-wal")).unwrap(),
                &|| fs::rename(&target, &aside).unwrap(),
                &|| fs::rename(&restored, &target).unwrap(),
                &|| fs::remove_file(&path).unwrap(),
            ];
            steps.iter().take(step).for_each(|step| step());
            recover(&volumes).unwrap();

            let expected: &[u8] = if step == 0 { b"old" } else { b"new" };
            assert_eq!(fs::read(&target).unwrap(), expected, "{name}");
            assert_eq!(beside(&target, "-wal").exists(), step == 0, "{name}");
            assert_eq!(fs::read_dir(root.join(RESTORING_FOLDER)).unwrap().count(), 0, "{name}");
            let kept = if step == 0 { 0 } else { 2 };
            assert_eq!(fs::read_dir(root.join(ASIDE_FOLDER)).unwrap().count(), kept, "{name}");
        }
    }
}

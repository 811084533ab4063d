//! A snapshot becomes the mailbox: it comes in, is checked with the owner's key, and takes the place of the file that is there.
//!
//! Invariants: nothing is touched before the copy is whole, sound and opened by the key. The files change places while nobody has
//! the mailbox open, behind a journal: after a crash the next start ends what the journal says, or there is none and the mailbox
//! is as it was. The file that was the mailbox is moved aside and kept, whatever state it is in. Nothing ever lies open under a
//! name that changes.

use crate::aside::{self, Kept};
use crate::beside::{DAMAGED, beside};
use crate::exchange::{self, Exchange};
use crate::fault::{Fault, internal, malformed};
use crate::primary::Primary;
use crate::volume::{Kind, Volumes};
use bytes::Bytes;
use mailbox::Disk;
use mailbox::restore::{Floor, adopt};
use mailbox::snapshot::{Subject, inspect};
use model::MailboxId;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use vault::Digest;
use wire::session::FailureCode;

/// Folder of what comes in or is made, and of journals.
pub const RESTORING_FOLDER: &str = "restoring";

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

/// A snapshot whose octets come in. Dropping it removes it.
pub struct Arrival {
    part: Part,
    /// So many are to come.
    expected: u64,
    sha256: [u8; 32],
    digest: Digest,
    bytes: u64,
}

/// A mailbox's snapshot that comes in. Dropping it removes it.
pub struct Incoming {
    wanted: Wanted,
    /// Where the mailbox is, or will be.
    target: PathBuf,
    arrival: Arrival,
}

/// A file that is removed unless it is kept.
pub struct Part {
    path: Option<PathBuf>,
    disk: &'static dyn Disk,
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // What stays is removed by the next start.
            let _ = exchange::remove_with_beside(self.disk, &path);
        }
    }
}

impl Part {
    /// Where it is.
    ///
    /// # Errors
    /// It is kept under another name by now.
    pub fn path(&self) -> Result<&Path, Fault> {
        self.path.as_deref().ok_or_else(|| internal("a restored file without a name"))
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

impl Arrival {
    /// Makes a place for so many octets with this digest, on the volume of the file whose place they take, or that they come into.
    ///
    /// # Errors
    /// DISK_FULL when they do not fit beside it.
    pub fn begin(
        primary: &Primary,
        target: &Path,
        id: &impl Display,
        (expected, sha256): (u64, [u8; 32]),
    ) -> Result<Self, Fault> {
        if !primary.volumes.has_room_at(target, expected)? {
            return Err(Fault::from(mailbox::Error::DiskFull));
        }
        let path = aside::preparing(&primary.volumes, target, id)?;
        let disk = primary.settings.options.disk;
        disk.create(&path).map_err(|error| failed("making the restored file", error))?;
        Ok(Self { part: Part { path: Some(path), disk }, expected, sha256, digest: Digest::new(), bytes: 0 })
    }

    /// Takes the next octets.
    ///
    /// # Errors
    /// DISK_FULL; more than was said.
    pub fn write(mut self, octets: &Bytes) -> Result<Self, Fault> {
        let at = self.bytes;
        self.bytes += octets.len() as u64;
        if self.bytes > self.expected {
            return Err(malformed("the snapshot is longer than was said"));
        }
        self.digest.update(octets);
        let written = self.part.disk.write_at(self.part.path()?, at, octets);
        written.map_err(|error| failed("writing the restored file", error))?;
        Ok(self)
    }

    /// What came, on stable storage, if it is what was said.
    ///
    /// # Errors
    /// DAMAGED when it is not; of the disk.
    pub fn whole(self) -> Result<Part, Fault> {
        if self.bytes != self.expected || self.digest.finish() != self.sha256 {
            return Err(Fault::new(FailureCode::Damaged, "the snapshot differs from its digest: fetch it again"));
        }
        self.part.disk.sync(self.part.path()?).map_err(|error| failed("syncing the restored file", error))?;
        Ok(self.part)
    }
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
        let arrival = Arrival::begin(primary, &target, &wanted.id, (wanted.bytes, wanted.sha256))?;
        Ok(Self { wanted, target, arrival })
    }

    /// Takes the next octets.
    ///
    /// # Errors
    /// DISK_FULL; more than was said.
    pub fn write(self, octets: &Bytes) -> Result<Self, Fault> {
        Ok(Self { arrival: self.arrival.write(octets)?, ..self })
    }

    /// Checks what came and makes it a mailbox again, beside the one that is there.
    ///
    /// # Errors
    /// WRONG_KEY, DAMAGED, and what else is wrong with it.
    pub fn prepare(self, primary: &Primary) -> Result<Ready, Fault> {
        let Self { wanted, target, arrival } = self;
        let part = arrival.whole()?;
        let path = part.path()?.to_owned();
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
        let prepared = self.part.path()?.to_owned();
        let settled = primary.exchanges.settle(&self.id);
        settled.map_err(|error| failed("ending an earlier change of files", error))?;
        let there = self.part.disk.length(&self.target);
        let aside = match there.map_err(|error| failed("looking for the mailbox", error))? {
            Some(_) => Some(aside::name(primary, &self.target, &self.id, Kept::Mailbox)?),
            None => None,
        };
        let name = aside.as_deref().map(aside::shown).unwrap_or_default();
        // From here on it is the exchange's.
        self.part.path = None;
        let changed = primary.exchanges.run(Exchange { prepared, target: self.target, aside, why: None });
        changed.map_err(|error| failed("changing the places of files", error))?;
        tracing::info!(mailbox = %self.id, messages = self.messages, "restored from a snapshot");
        Ok(name)
    }
}

/// Ends what journals say, and removes what came in and was not ready. Before any mailbox is opened.
///
/// # Errors
/// Of the disk.
pub fn recover(volumes: &Volumes, disk: &dyn Disk) -> Result<(), std::io::Error> {
    let folders = volumes.folders(RESTORING_FOLDER).map_err(|error| std::io::Error::other(error.to_string()))?;
    folders.iter().try_for_each(|folder| exchange::recover(disk, folder))
}

/// A failure of the disk.
pub fn failed(doing: &'static str, source: std::io::Error) -> Fault {
    if source.kind() == std::io::ErrorKind::StorageFull {
        return Fault::from(mailbox::Error::DiskFull);
    }
    Fault::from(mailbox::Error::Io { doing, source })
}

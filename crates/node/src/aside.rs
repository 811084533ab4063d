//! Files that were moved aside: what was damaged or replaced, kept until the operator removes it. What puts a damaged file there is
//! `keyed`'s matter, and `backup::restore`'s.
//!
//! Invariant: nothing here is ever opened again.

use crate::backup::restore::{RESTORING_FOLDER, failed};
use crate::beside::{BESIDE, DAMAGED, beside};
use crate::exchange;
use crate::fault::{Fault, unavailable};
use crate::primary::Primary;
use crate::volume::{VolumeError, Volumes};
use jiff::Timestamp;
use jiff::fmt::strtime;
use mailbox::Disk;
use model::MailboxId;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use wire::session::FailureCode;

/// Folder of each volume.
pub const ASIDE_FOLDER: &str = "aside";
/// Octets of a report that are told: its head, and some of what it names. A list of a thousand is one answer.
const REPORT_BYTES_MAX: usize = 2 * 1024;
/// How the time stands in a name, in UTC.
const TIME_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// What a file that was moved aside was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// A mailbox, which was replaced by a backup.
    Mailbox,
    /// Damaged waiting mail.
    Waiting,
    /// A damaged queue.
    Queue,
}

impl Kept {
    /// In the order in which names are compared with their endings.
    const ALL: [Self; 3] = [Self::Waiting, Self::Queue, Self::Mailbox];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Mailbox => ".db",
            Self::Waiting => ".waiting.db",
            Self::Queue => ".queue.db",
        }
    }
}

/// A file in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsideFile {
    /// Its name there.
    pub name: String,
    /// What it was.
    pub kind: Kept,
    /// The mailbox's id, or the queue's.
    pub id: String,
    /// When it was moved.
    pub at: Timestamp,
    /// Octets, with what stands beside it.
    pub bytes: u64,
    /// Why, with what it held that could not be saved; empty when it was sound and replaced by a restore.
    pub why: String,
}

/// A free name for a file that is moved aside, on its volume.
///
/// # Errors
/// Of the volume; no random octets.
pub fn name(primary: &Primary, target: &Path, id: &impl Display, kind: Kept) -> Result<PathBuf, Fault> {
    let folder = folder_beside(&primary.volumes, target, ASIDE_FOLDER)?;
    let at = primary.now().strftime(TIME_FORMAT).to_string();
    Ok(folder.join(format!("{id}-{at}-{}{}", unique()?, kind.suffix())))
}

/// A free name for what will take the place of a file, on its volume.
///
/// # Errors
/// Of the volume; no random octets.
pub fn preparing(volumes: &Volumes, target: &Path, id: &impl Display) -> Result<PathBuf, Fault> {
    Ok(folder_beside(volumes, target, RESTORING_FOLDER)?.join(format!("{id}-{}.db", unique()?)))
}

/// A file's name under its volume, as people are told it.
pub fn shown(path: &Path) -> String {
    path.file_name().map(|name| format!("{ASIDE_FOLDER}/{}", name.to_string_lossy())).unwrap_or_default()
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

/// Every file that was moved aside, oldest first.
///
/// # Errors
/// A volume cannot be read.
pub fn list(primary: &Primary) -> Result<Vec<AsideFile>, Fault> {
    let disk = primary.settings.options.disk;
    let unreadable = |error: io::Error| unavailable(format!("the folder of files that were moved aside: {error}"));
    let mut all = Vec::new();
    for folder in primary.volumes.folders(ASIDE_FOLDER)? {
        for path in disk.list(&folder).map_err(unreadable)? {
            if let Some(file) = describe(disk, &path).map_err(unreadable)? {
                all.push(file);
            }
        }
    }
    all.sort_by(|a, b| (a.at, &a.name).cmp(&(b.at, &b.name)));
    Ok(all)
}

/// What is told of a file; none of what stands beside one.
fn describe(disk: &dyn Disk, path: &Path) -> io::Result<Option<AsideFile>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
    let Some((kind, stem)) = Kept::ALL.into_iter().find_map(|kind| Some((kind, name.strip_suffix(kind.suffix())?)))
    else {
        return Ok(None);
    };
    let mut parts = stem.splitn(3, '-');
    let (Some(id), Some(at)) = (parts.next(), parts.next()) else { return Ok(None) };
    let Ok(at) = moment(at) else { return Ok(None) };
    let mut bytes = 0;
    for suffix in BESIDE.into_iter().chain([""]) {
        bytes += disk.length(&beside(path, suffix))?.unwrap_or_default();
    }
    let why = match exchange::read(disk, &beside(path, DAMAGED), REPORT_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        why => String::from_utf8_lossy(&why?).trim().to_owned(),
    };
    Ok(Some(AsideFile { name: name.to_owned(), kind, id: id.to_owned(), at, bytes, why }))
}

fn moment(text: &str) -> Result<Timestamp, jiff::Error> {
    let civil = strtime::parse(TIME_FORMAT, text)?.to_datetime()?;
    Ok(civil.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp())
}

/// What could not be saved of a mailbox's waiting mail, one line for each file that is kept because of it.
///
/// # Errors
/// A volume cannot be read.
pub fn of(primary: &Primary, id: &MailboxId) -> Result<Vec<String>, Fault> {
    let id = id.to_string();
    let mine = |file: &AsideFile| file.kind == Kept::Waiting && file.id == id;
    let line = |file: AsideFile| format!("kept as {ASIDE_FOLDER}/{}: {}", file.name, file.why.replace('\n', "; "));
    Ok(list(primary)?.into_iter().filter(mine).map(line).collect())
}

/// Removes a file that was moved aside, for good; its octets.
///
/// # Errors
/// NO_SUCH_MESSAGE when there is none of that name; of the disk.
pub fn discard(primary: &Primary, name: &str) -> Result<u64, Fault> {
    let disk = primary.settings.options.disk;
    let file = list(primary)?.into_iter().find(|file| file.name == name);
    let file = file.ok_or_else(|| Fault::new(FailureCode::NoSuchMessage, "no file of that name was moved aside"))?;
    for folder in primary.volumes.folders(ASIDE_FOLDER)? {
        let path = folder.join(&file.name);
        let removed = exchange::remove_with_beside(disk, &path).and_then(|()| disk.sync_folder(&folder));
        removed.map_err(|error| failed("removing a file that was moved aside", error))?;
    }
    tracing::info!(id = file.id, file = file.name, "a file that was moved aside was removed");
    Ok(file.bytes)
}

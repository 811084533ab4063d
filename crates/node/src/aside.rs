//! Files that were moved aside: what was damaged or replaced, kept until the operator removes it. What puts a damaged waiting-mail
//! file there, with what is whole of it taken into a new one first.
//!
//! Invariants: nothing here is ever opened again. A damaged file is moved only when the new one is whole and on stable storage, and
//! both change places behind one journal (`exchange`), so that each message that can be read is in exactly one waiting-mail file at
//! every moment; the drain takes it from there by its delivery id.

use crate::backup::restore::{RESTORING_FOLDER, failed};
use crate::beside::{BESIDE, DAMAGED, beside};
use crate::exchange::{self, Exchange};
use crate::fault::{Fault, unavailable};
use crate::integrity;
use crate::primary::Primary;
use crate::volume::{VolumeError, Volumes};
use jiff::Timestamp;
use jiff::fmt::strtime;
use mailbox::Disk;
use mailbox::salvage::{self, Salvaged};
use model::MailboxId;
use std::fmt::{Display, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use wire::session::FailureCode;

/// Folder of each volume.
pub const ASIDE_FOLDER: &str = "aside";
/// Lost messages that a report names; further ones are counted.
const LOST_NAMED_MAX: usize = 500;
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
}

impl Kept {
    const ALL: [Self; 2] = [Self::Waiting, Self::Mailbox];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Mailbox => ".db",
            Self::Waiting => ".waiting.db",
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
    /// Whose.
    pub mailbox: String,
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

/// Sets a damaged waiting-mail file aside: a new one with every message that is whole takes its place. Nobody has it open.
///
/// # Errors
/// DISK_FULL when the new one does not fit; of the disk. Then the damaged one is still there, or the next open ends what was begun.
pub fn set_waiting_aside(primary: &Primary, id: &MailboxId, path: &Path, why: &str) -> Result<(), Fault> {
    let disk = primary.settings.options.disk;
    let settled = primary.exchanges.settle(id);
    settled.map_err(|error| failed("ending an earlier change of files", error))?;
    if disk.length(path).map_err(|error| failed("looking for the waiting-mail file", error))?.is_none() {
        return Ok(());
    }
    let prepared = preparing(&primary.volumes, path, id)?;
    let key = primary.node_key.file_key(id)?;
    let named = integrity::first_finding_of_waiting(path, &key, id, disk);
    let why = named.as_deref().unwrap_or(why);
    let salvaged = salvage::waiting(path, &prepared, &key, id, disk).inspect_err(|_| {
        // What stays is removed by the next start.
        let _ = exchange::remove_with_beside(disk, &prepared);
    })?;
    let aside = name(primary, path, id, Kept::Waiting)?;
    let (report, shown) = (report(why, &salvaged), shown(&aside));
    let changed =
        primary.exchanges.run(Exchange { prepared, target: path.to_owned(), aside: Some(aside), why: Some(report) });
    changed.map_err(|error| failed("setting the waiting-mail file aside", error))?;
    tell(id, why, &salvaged, &shown);
    Ok(())
}

/// Whether the file itself is what is wrong. A first page that does not open is taken for damaged: the node's key is the right one,
/// for it opened the ledgers when the node started (`backup::Staging`), and nothing is lost if it is not.
pub fn is_damage(error: &mailbox::Error) -> bool {
    error.is_damage() || matches!(error, mailbox::Error::WrongKey)
}

fn tell(id: &MailboxId, why: &str, salvaged: &Salvaged, shown: &str) {
    tracing::error!(
        mailbox = %id,
        taken = salvaged.taken,
        lost = salvaged.lost.len(),
        may_be_more = salvaged.unnamed,
        "the waiting-mail file is damaged ({why}): what is whole of it waits in a new one, and the damaged one is kept as \
         {shown}; look with `brevdue mailbox aside list`"
    );
    for lost in salvaged.lost.iter().take(LOST_NAMED_MAX) {
        let delivery = lost.delivery.map(|delivery| delivery.to_string()).unwrap_or_default();
        tracing::error!(mailbox = %id, delivery, row = lost.row, "a message that waited cannot be read: {}", lost.what);
    }
    metrics::counter!("brevdue_node_waiting_files_set_aside_total").increment(1);
    metrics::counter!("brevdue_node_waiting_messages_lost_total").increment(salvaged.lost.len() as u64);
}

/// What is noted beside the damaged file.
fn report(why: &str, salvaged: &Salvaged) -> String {
    let Salvaged { taken, lost, unnamed } = salvaged;
    let mut text = format!("{why}\n{taken} messages of it were whole and wait for their owner as before\n");
    // Writing to a String cannot fail.
    let _ = match (lost.len(), unnamed) {
        (0, false) => writeln!(text, "nothing is lost"),
        (count, false) => writeln!(text, "{count} messages cannot be read"),
        (count, true) => writeln!(text, "{count} messages cannot be read, and there may be more that nothing names"),
    };
    for lost in lost.iter().take(LOST_NAMED_MAX) {
        let delivery = lost.delivery.map_or_else(|| "unknown".to_owned(), |delivery| delivery.to_string());
        let _ = writeln!(text, "delivery {delivery}, row {}: {}", lost.row, lost.what);
    }
    text
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
    let (Some(mailbox), Some(at)) = (parts.next(), parts.next()) else { return Ok(None) };
    let Ok(at) = moment(at) else { return Ok(None) };
    let mut bytes = 0;
    for suffix in BESIDE.into_iter().chain([""]) {
        bytes += disk.length(&beside(path, suffix))?.unwrap_or_default();
    }
    let why = match exchange::read(disk, &beside(path, DAMAGED), REPORT_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        why => String::from_utf8_lossy(&why?).trim().to_owned(),
    };
    Ok(Some(AsideFile { name: name.to_owned(), kind, mailbox: mailbox.to_owned(), at, bytes, why }))
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
    let mine = |file: &AsideFile| file.kind == Kept::Waiting && file.mailbox == id;
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
    tracing::info!(mailbox = file.mailbox, file = file.name, "a file that was moved aside was removed");
    Ok(file.bytes)
}

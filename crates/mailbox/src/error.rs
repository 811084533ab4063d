//! What can go wrong with a mailbox file, in the file's own terms; the node translates it to the wire once.

use crate::disk::{Disk, folder_of};
use rusqlite::ffi::{ErrorCode, SQLITE_CANTOPEN, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE};
use std::path::Path;

/// Failures that no room looks like.
const NO_ROOM: [i32; 3] = [SQLITE_CANTOPEN, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE];
/// Octets below which a file system counts as full: a step of the index of a log, and some of what a file system keeps.
const ROOM_BYTES_MIN: u64 = 64 * 1024;

/// Each variant is one line that says what happened and, for an operator, what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Page 1 does not decrypt. A damaged first page looks the same.
    #[error(
        "the key does not open the mailbox file, or the file's first page is damaged: check that the key is this \
         mailbox's, else restore the file from a backup"
    )]
    WrongKey,
    /// There is no file at the path.
    #[error("the mailbox file is missing: check that the volume is mounted, else restore the file from a backup")]
    Missing,
    /// A file is there already.
    #[error("a file is at the mailbox's path already: nothing was created")]
    Exists,
    /// A page other than the first fails its check, or rows contradict each other.
    #[error("the mailbox file is damaged ({0}): take it out of service and restore it from a backup")]
    Damaged(String),
    /// The file was written by a later version.
    #[error("the mailbox file has schema {found}, this version knows up to {known}: run the version that wrote it")]
    NewerSchema {
        /// The file's schema number.
        found: u32,
        /// The highest that this version knows.
        known: u32,
    },
    /// The file's tables are not what its schema number promises.
    #[error("the mailbox file's schema differs from the expected one: {0}; restore the file from a backup")]
    SchemaDiffers(String),
    /// The file holds another mailbox, or is not a mailbox file at all.
    #[error("the file is not this mailbox's ({0}): check that files were not exchanged")]
    WrongMailbox(String),
    /// The cipher is not in this build.
    #[error("this build has no {0} cipher: use the build with the other engine")]
    NoCipher(&'static str),
    /// The engine in use has a known flaw.
    #[error("SQLite {0} is too old (the WAL reset flaw was fixed in 3.51.3): build with the engine in the workspace")]
    EngineTooOld(String),
    /// No room on the volume; nothing of the operation was kept.
    #[error("the volume is full: free space on it and try again")]
    DiskFull,
    /// The disk failed under the engine: a read, a write or a sync. What the file holds is learned by opening it anew.
    #[error(
        "the disk failed under SQLite ({text}): the file is opened anew; look at the volume's disk and its system log"
    )]
    Device {
        /// SQLite's extended result code.
        code: i32,
        /// What it says.
        text: String,
    },
    /// Something in this process asked for a long read to end.
    #[error("a long read was ended, because the log behind it grew too long: try again")]
    Interrupted,
    /// Another connection holds the write lock.
    #[error("the mailbox file is locked by another writer: only its node may open it")]
    Busy,
    /// No folder of that name or id.
    #[error("there is no such folder")]
    NoSuchFolder,
    /// No message of that UID.
    #[error("there is no such message")]
    NoSuchMessage,
    /// The name is taken.
    #[error("a folder of that name exists")]
    FolderExists,
    /// A name that is kept for its children cannot be deleted (RFC 9051 §6.3.5).
    #[error("the folder has children")]
    HasChildren,
    /// The mailbox would hold more than it may (RFC 9208).
    #[error("the mailbox would be over its quota")]
    OverQuota,
    /// An annotation names a special use that there is not, or for what can have none.
    #[error("there is no such special use, or not for this folder")]
    NoSuchSpecialUse,
    /// INBOX cannot be created or deleted, and nothing can be renamed to it (RFC 9051 §6.3).
    #[error("INBOX cannot be created, deleted or replaced")]
    CannotInbox,
    /// A folder cannot become its own child.
    #[error("a folder cannot be moved below itself")]
    BelowItself,
    /// Another folder has that special use.
    #[error("another folder has that special use")]
    SpecialUseTaken,
    /// A named limit of the mailbox is reached.
    #[error("the limit on {0} is reached")]
    LimitReached(&'static str),
    /// Over the size of one message.
    #[error("the message is larger than {} octets", model::limits::MESSAGE_BYTES_MAX)]
    TooBig,
    /// The staged pieces of an upload are not all there: it was discarded, or staged only in part.
    #[error("the upload's pieces are not all staged: send the message again")]
    UploadIncomplete,
    /// The request was given up by who made it, and comes late.
    #[error("the request was given up before it came: nothing was done")]
    GivenUp,
    /// A failure inside a batch made the engine undo all of it.
    #[error("an earlier failure undid the whole batch: nothing of it was kept, send it again")]
    Undone,
    /// A running FETCH outlived what it reads: garbage was collected under it.
    #[error("the message was removed while it was being read")]
    Gone,
    /// Not a search that can be run (too deep, too many keys).
    #[error("the search has {0}")]
    BadSearch(&'static str),
    /// The delivery is not in the waiting-mail file, or not in the state that the call needs.
    #[error("the waiting-mail file has no such delivery in that state")]
    NoSuchDelivery,
    /// A message for the queue goes to nobody.
    #[error("the message has no recipients")]
    NoRecipients,
    /// The queue has no such entry.
    #[error("the queue has no such entry")]
    NoSuchEntry,
    /// A lease ended and another has the recipients, or they were decided or dropped.
    #[error("the lease is gone")]
    NoSuchLease,
    /// A settlement names a recipient that is not under its lease.
    #[error("a settlement names a recipient that is not under the lease")]
    NotLeased,
    /// The waiting-mail file is to be deleted and still holds mail.
    #[error("the waiting-mail file still holds mail: it is deleted only when all of it was drained")]
    StillWaiting,
    /// No randomness, locked memory or digest.
    #[error("a cryptographic primitive failed: {0}")]
    Vault(String),
    /// The file system.
    #[error("the file system failed at {doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The engine, in a way that has no name of its own here.
    #[error("SQLite failed: {0}")]
    Sql(rusqlite::Error),
}

impl Error {
    /// Names a file-system error.
    pub(crate) fn io(doing: &'static str, source: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        if matches!(source.kind(), StorageFull | QuotaExceeded) { Self::DiskFull } else { Self::Io { doing, source } }
    }

    /// Calls a failure by its name where the engine does not: it takes no room for the index of its log, no room for the log's
    /// name, and a disk quota for failures of the device. A sync is never one of them, whatever made it fail.
    pub(crate) fn on(self, disk: &dyn Disk, path: &Path) -> Self {
        let may_be_full = matches!(&self, Self::Device { code, .. } if NO_ROOM.contains(code));
        if may_be_full && disk.room(folder_of(path)).is_ok_and(|room| room < ROOM_BYTES_MIN) {
            return Self::DiskFull;
        }
        self
    }

    /// Whether the connection that it came from is as good as before: what failed was undone and left the files alone. After
    /// anything else it is closed without another word to the files, and they are opened anew.
    pub fn is_harmless(&self) -> bool {
        match self {
            Self::DiskFull
            | Self::Interrupted
            | Self::Busy
            | Self::NoSuchFolder
            | Self::NoSuchMessage
            | Self::FolderExists
            | Self::HasChildren
            | Self::OverQuota
            | Self::NoSuchSpecialUse
            | Self::CannotInbox
            | Self::BelowItself
            | Self::SpecialUseTaken
            | Self::LimitReached(_)
            | Self::TooBig
            | Self::UploadIncomplete
            | Self::GivenUp
            | Self::Undone
            | Self::Gone
            | Self::BadSearch(_)
            | Self::NoSuchDelivery
            | Self::NoRecipients
            | Self::NoSuchEntry
            | Self::NoSuchLease
            | Self::NotLeased
            | Self::StillWaiting
            | Self::Exists
            | Self::NoCipher(_)
            | Self::EngineTooOld(_)
            | Self::Vault(_) => true,
            Self::WrongKey
            | Self::Missing
            | Self::Damaged(_)
            | Self::NewerSchema { .. }
            | Self::SchemaDiffers(_)
            | Self::WrongMailbox(_)
            | Self::Device { .. }
            | Self::Io { .. }
            | Self::Sql(_) => false,
        }
    }

    /// Stored bytes that this crate wrote and cannot read back.
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    /// Whether the file is not what was written: something in it was damaged, or is another's.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::SchemaDiffers(_) | Self::WrongMailbox(_))
    }

    /// Whether the same call may succeed later without anyone mending anything but space or load.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::DiskFull | Self::Busy | Self::Interrupted)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let Some(code) = error.sqlite_error_code() else {
            return match error {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..) => Self::Damaged(error.to_string()),
                other => Self::Sql(other),
            };
        };
        match code {
            // The first page was readable when the file was opened, so this is another page that fails its check.
            ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => Self::Damaged(error.to_string()),
            ErrorCode::DiskFull => Self::DiskFull,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
            ErrorCode::OperationInterrupted => Self::Interrupted,
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => {
                let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
                Self::Device { code: extended, text: error.to_string() }
            }
            _ => Self::Sql(error),
        }
    }
}

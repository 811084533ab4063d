//! A snapshot: a whole copy of a file under the same key, made while its writer goes on, and checked before it counts.
//! When one is made and where it goes is the node's matter.
//!
//! Invariants: a copy has its name only when it is whole, sound and on stable storage; what a crash leaves is a `.part`, which
//! counts for nothing. The copy is of one state of the file, that of the read transaction in which the engine makes it, and
//! holds that state's change counter. It is ciphertext from its first octet: `VACUUM INTO` writes with the file's own key.

use crate::create::{remove_if_there, sync_parent, with_suffix};
use crate::disk::Disk;
use crate::engine::{self, Access, Options};
use crate::error::Error;
use crate::long_read::LongRead;
use crate::schema::{MAILBOX, QUEUE, Schema, WAITING};
use crate::writer;
use model::{MailboxId, QueueId};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vault::{Digest, FileKey, MailboxKey};
use zeroize::Zeroizing;

/// Page cache of the copying connection and of the copy, KiB each: pages are read once and written once.
const CACHE_KIB: u32 = 2048;
/// Steps of the engine between two looks at the clock: some milliseconds where each moves a chunk of a message.
const STEPS_PER_LOOK: i32 = 32;
/// Work after which the copy rests as long as it has worked, so that it takes half of one processor.
const STRETCH: Duration = Duration::from_millis(5);
/// Octets that are read at once for the digest.
const READ_BYTES: usize = 256 * 1024;
/// What is added to a copy's name until it counts.
pub const UNFINISHED: &str = ".part";

/// Whose file is copied, with its key.
pub enum Subject<'a> {
    /// A mailbox file.
    Mailbox(&'a MailboxKey, &'a MailboxId),
    /// A waiting-mail file.
    Waiting(&'a FileKey, &'a MailboxId),
    /// A queue file.
    Queue(&'a FileKey, &'a QueueId),
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Octets of the copy.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// Messages in it.
    pub messages: u64,
    /// The mailbox's change counter; 0 for other files.
    pub changes: u64,
    /// The number of its schema.
    pub schema: u32,
}

/// Keeps a copy from taking a processor for itself, and ends it when it is not wanted any more.
#[derive(Debug, Clone)]
pub struct Pace {
    stop: Arc<AtomicBool>,
    begun: Instant,
    rests: bool,
}

impl Pace {
    /// Rests as long as it works, until `stop` is set.
    pub fn gentle(stop: Arc<AtomicBool>) -> Self {
        Self { stop, begun: Instant::now(), rests: true }
    }

    /// Goes on without a rest: where nobody else is.
    pub fn hurried() -> Self {
        Self { stop: Arc::default(), begun: Instant::now(), rests: false }
    }

    /// Rests if it is time; whether to go on.
    fn step(&mut self) -> bool {
        let worked = self.begun.elapsed();
        if self.rests && worked >= STRETCH {
            #[allow(clippy::disallowed_methods, reason = "runs on a thread of the pool, never on an async worker")]
            std::thread::sleep(worked);
            self.begun = Instant::now();
        }
        !self.stop.load(Ordering::Relaxed)
    }
}

impl Subject<'_> {
    fn raw_key(&self) -> Zeroizing<String> {
        match self {
            Self::Mailbox(key, _) => key.raw_key(),
            Self::Waiting(key, _) | Self::Queue(key, _) => key.raw_key(),
        }
    }

    fn schema(&self) -> &'static Schema {
        match self {
            Self::Mailbox(..) => &MAILBOX,
            Self::Waiting(..) => &WAITING,
            Self::Queue(..) => &QUEUE,
        }
    }

    fn check_id(&self, connection: &Connection) -> Result<(), Error> {
        let (column, id): (_, &[u8]) = match self {
            Self::Mailbox(_, id) => return writer::check_id(connection, id),
            Self::Waiting(_, id) => ("mailbox FROM waiting", id.as_bytes()),
            Self::Queue(_, id) => ("id FROM queue", id.as_bytes()),
        };
        let found: Vec<u8> = connection.query_row(&format!("SELECT {column}"), [], |row| row.get(0))?;
        if found == id { Ok(()) } else { Err(Error::WrongMailbox("the copy is of another file".to_owned())) }
    }

    /// Messages, and the change counter.
    fn count(&self, connection: &Connection) -> Result<(u64, u64), Error> {
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0).map(i64::unsigned_abs));
        Ok(match self {
            Self::Mailbox(..) => (count("SELECT count(*) FROM message")?, count("SELECT changes FROM mailbox")?),
            Self::Waiting(..) => (count("SELECT count(*) FROM delivery WHERE wrap IS NOT NULL")?, 0),
            Self::Queue(..) => (count("SELECT count(*) FROM entry WHERE arrived_ms IS NOT NULL")?, 0),
        })
    }
}

/// Copies the file to `target`, which must not be there. Other connections read and write the file meanwhile.
///
/// # Errors
/// [`Error::DiskFull`]; [`Error::Damaged`] when the file or the copy is; [`Error::GivenUp`] when the pace says so. Nothing is at
/// `target` then.
pub fn take(
    source: &Path,
    subject: &Subject<'_>,
    options: &Options,
    target: &Path,
    pace: &Pace,
) -> Result<Snapshot, Error> {
    let part = with_suffix(target, UNFINISHED);
    let made = make(source, subject, options, &part, pace).and_then(|snapshot| {
        options.disk.rename(&part, target).map_err(|error| Error::io("naming the snapshot", error))?;
        // The name is durable only once the folder is.
        sync_parent(options.disk, target)?;
        Ok(snapshot)
    });
    if made.is_err() {
        // What does not go now is removed by the next start: who asked is told why there is no snapshot.
        let _ = remove_all(options.disk, &part);
        let _ = remove_all(options.disk, target);
    }
    made.map_err(|error| if pace.stop.load(Ordering::Relaxed) { Error::GivenUp } else { error })
}

fn make(source: &Path, subject: &Subject<'_>, options: &Options, part: &Path, pace: &Pace) -> Result<Snapshot, Error> {
    let disk = options.disk;
    remove_all(disk, part)?;
    // With the mode of a file of its kind; the engine keeps it.
    disk.create(part).map_err(|error| Error::io("making the snapshot", error))?;
    let options = Options { cache_kib: CACHE_KIB, ..options.clone() };
    copy(source, subject, &options, part, pace.clone())?;
    disk.sync(part).map_err(|error| Error::io("syncing the snapshot", error))?;
    inspect(part, subject, &options, pace)
}

fn copy(source: &Path, subject: &Subject<'_>, options: &Options, part: &Path, pace: Pace) -> Result<(), Error> {
    let mut connection = engine::open(source, &subject.raw_key(), options, Access::Read)?;
    paced(&mut connection, pace)?;
    // The engine counts writing another file as writing. Of this one it only reads.
    connection.execute_batch("PRAGMA query_only=OFF;")?;
    let name = part.to_str().ok_or(Error::Vault("the volume's path is not UTF-8".to_owned()))?;
    // One read transaction, as long as it takes: ended where the log behind it grows to its bound.
    let _read = LongRead::begin(source, &connection);
    connection.execute("VACUUM INTO ?1", [name])?;
    Ok(())
}

/// Opens a copy with its key, checks every page and what it says of itself, and takes its digest. `path` is not changed.
///
/// # Errors
/// [`Error::WrongKey`], [`Error::WrongMailbox`], [`Error::SchemaDiffers`], [`Error::Damaged`].
pub fn inspect(path: &Path, subject: &Subject<'_>, options: &Options, pace: &Pace) -> Result<Snapshot, Error> {
    let mut connection = engine::open(path, &subject.raw_key(), options, Access::Copy)?;
    paced(&mut connection, pace.clone())?;
    let schema = subject.schema().check_any(&connection)?;
    subject.check_id(&connection)?;
    let answer: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if answer != "ok" {
        return Err(Error::damaged(answer));
    }
    let (messages, changes) = match subject {
        // Before schema 3 there was no counter.
        Subject::Mailbox(..) if schema < MAILBOX.known() => {
            (connection.query_row("SELECT count(*) FROM message", [], |row| row.get::<_, i64>(0))?.unsigned_abs(), 0)
        }
        _ => subject.count(&connection)?,
    };
    drop(connection);
    let (bytes, sha256) = digest(options.disk, path, &mut pace.clone())?;
    Ok(Snapshot { bytes, sha256, messages, changes, schema })
}

fn paced(connection: &mut Connection, mut pace: Pace) -> Result<(), Error> {
    Ok(connection.progress_handler(STEPS_PER_LOOK, Some(move || !pace.step()))?)
}

/// Octets and SHA-256 of a file.
///
/// # Errors
/// [`Error::Io`], [`Error::GivenUp`].
pub fn digest(disk: &dyn Disk, path: &Path, pace: &mut Pace) -> Result<(u64, [u8; 32]), Error> {
    let (mut buffer, mut running, mut bytes) = (vec![0; READ_BYTES], Digest::new(), 0);
    loop {
        let count = disk.read_at(path, bytes, &mut buffer).map_err(|error| Error::io("reading the snapshot", error))?;
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
        running.update(read);
        bytes += count as u64;
        if !pace.step() {
            return Err(Error::GivenUp);
        }
    }
    Ok((bytes, running.finish()))
}

fn remove_all(disk: &dyn Disk, part: &Path) -> Result<(), Error> {
    ["", "-journal", "-wal", "-shm"]
        .iter()
        .try_for_each(|suffix| remove_if_there(disk, &with_suffix(part, suffix)).map(drop))
}

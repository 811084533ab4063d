//! The queue files of this node: found on its volumes, opened, and which of them an entry or a new message belongs to.
//!
//! Invariants: the low octet of an entry's number is that of its file, which is the first octet of the file's id and stands in
//! its name; no two files of a node have the same. Every file that is found is served, wherever it came from; each volume gets
//! one of its own. A message's enqueue id says which file it goes to, so that a retry meets the same one. What is done about a
//! damaged one is `place`'s.

use super::fault;
use super::limits::FILES_MAX;
use super::place::{Found, Place};
use super::writer::{Failed, Writer};
use crate::keyed;
use crate::primary::Primary;
use mailbox::queue::QueueReader;
use model::{EnqueueId, QueueId};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;
use tonic::Status;

/// Every queue file of this node.
pub struct Queues {
    /// By number.
    files: Vec<Arc<File>>,
    primary: Arc<Primary>,
    changed: watch::Sender<()>,
    turns: AtomicUsize,
}

/// One file with its writer and readers.
pub struct File {
    /// Its id.
    pub id: QueueId,
    /// Its one writer.
    pub writer: Writer,
    place: Arc<Place>,
    primary: Arc<Primary>,
}

impl Queues {
    /// Finds the files, makes one where a volume has none, and starts their writers. A file that does not open keeps nobody
    /// from starting: its messages are not served until it does.
    ///
    /// # Errors
    /// A volume cannot be read, or the system gives no thread or no random bytes.
    pub fn start(primary: &Arc<Primary>) -> Result<Arc<Self>, std::io::Error> {
        let (changed, _) = watch::channel(());
        let mut files: Vec<Arc<File>> = Vec::new();
        for (path, id) in find(primary)? {
            if files.iter().any(|file| file.number() == id.as_bytes()[0]) {
                // Two files of one number: their entries cannot be told apart.
                let other = "a queue file with the same first octet is served: move this one to another node's volume";
                tracing::error!(queue = %id, "{other}");
                continue;
            }
            files.push(Arc::new(File::start(path, id, primary, &changed)?));
        }
        files.sort_by_key(|file| file.number());
        Ok(Arc::new(Self { files, primary: primary.clone(), changed, turns: AtomicUsize::new(0) }))
    }

    /// All of them, by number.
    pub fn all(&self) -> &[Arc<File>] {
        &self.files
    }

    /// Every file, another one first each time, so that none is always what is left over for.
    pub fn in_turn(&self) -> impl Iterator<Item = &Arc<File>> {
        let first = self.turns.fetch_add(1, Ordering::Relaxed) % self.files.len().max(1);
        self.files.iter().cycle().skip(first).take(self.files.len())
    }

    /// The time.
    pub fn now_ms(&self) -> i64 {
        self.primary.now().as_millisecond()
    }

    /// Tells of commits that may have made something due.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Where a new message goes.
    pub fn of_message(&self, id: &EnqueueId) -> Option<&Arc<File>> {
        let random = u64::from_be_bytes(*id.as_bytes().first_chunk()?);
        self.files.get((random % self.files.len().max(1) as u64) as usize)
    }

    /// The file of an entry, and its row there.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub fn of_entry(&self, entry: u64) -> Result<(&Arc<File>, i64), Status> {
        let row = i64::try_from(entry >> u8::BITS).unwrap_or_default();
        let file = self.files.iter().find(|file| u64::from(file.number()) == entry & u64::from(u8::MAX));
        file.map(|file| (file, row)).ok_or_else(|| Status::not_found("the queue has no such entry"))
    }

    /// The file that a backup of this queue comes into: its own, or where this node has that no more, the first.
    pub fn for_backup(&self, id: &QueueId) -> Option<&Arc<File>> {
        self.files.iter().find(|file| file.id == *id).or_else(|| self.files.first())
    }

    /// Where that is.
    pub fn path_for(&self, id: &QueueId) -> Option<&Path> {
        self.for_backup(id).map(|file| file.place.path())
    }

    /// How often another file has taken the place of this queue's; `None` when this node does not serve it.
    pub fn replaced(&self, id: &QueueId) -> Option<u64> {
        self.files.iter().find(|file| file.id == *id).map(|file| file.place.replaced())
    }

    /// Damage was found beside the work.
    pub fn found_damage(&self, id: &QueueId, found: Found) {
        if let Some(file) = self.files.iter().find(|file| file.id == *id) {
            file.writer.found_damage(found);
        }
    }

    /// Commits what is queued and closes every file. Not on an async worker.
    pub fn close(&self) {
        for file in &self.files {
            file.place.close_readers();
            file.writer.close();
        }
    }

    /// Whether every file can be written and read; what is wrong, in one line for the operator.
    ///
    /// # Errors
    /// The first file that cannot.
    pub async fn check(&self) -> Result<(), String> {
        for file in &self.files {
            let wrong = |status: Status| format!("queue file {}: {}", file.id, status.message());
            file.run(|tx| tx.admit(0).or(Ok(())), super::writer::After::NOTHING).await.map_err(wrong)?;
            file.read(|reader| reader.show(0).map(drop)).await.map_err(wrong)?;
        }
        Ok(())
    }
}

impl File {
    fn start(path: PathBuf, id: QueueId, primary: &Arc<Primary>, changed: &watch::Sender<()>) -> std::io::Result<Self> {
        let place = Arc::new(Place::new(path, id, primary.clone()));
        let writer = Writer::start(format!("queue-{:02x}", id.as_bytes()[0]), place.clone(), changed.clone())?;
        Ok(Self { id, writer, place, primary: primary.clone() })
    }

    /// Its number on this node.
    pub fn number(&self) -> u8 {
        self.id.as_bytes()[0]
    }

    /// The number by which the outside knows an entry.
    pub fn entry_number(&self, row: i64) -> u64 {
        keyed::entry_number(&self.id, row)
    }

    /// Whether so many octets may still be written on the file's volume.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when not.
    pub async fn has_room(self: &Arc<Self>, octets: u64) -> Result<(), Status> {
        let file = self.clone();
        let asked = self.primary.readers.run(move || file.primary.volumes.has_room_at(file.place.path(), octets));
        match asked.await.map_err(fault::pool)? {
            Ok(true) => Ok(()),
            Ok(false) => Err(Status::resource_exhausted("the queue's volume is full")),
            Err(error) => {
                tracing::error!("{error}");
                Err(Status::unavailable("the queue's volume cannot be used"))
            }
        }
    }

    /// Runs an operation on the writer and waits for its commit.
    ///
    /// # Errors
    /// The operation's, translated.
    pub async fn run<T, F>(&self, operation: F, after: super::writer::After<T>) -> Result<T, Status>
    where
        T: Send + 'static,
        F: FnOnce(&mut mailbox::queue::QueueTx<'_>) -> Result<T, mailbox::Error> + Send + 'static,
    {
        self.writer.run(operation, after).await.map_err(|failed| self.status(&failed))
    }

    /// What a failed job is for its caller.
    pub fn status(&self, failed: &Failed) -> Status {
        match failed {
            Failed::File(error) => fault::status(&self.id, error),
            Failed::Gone => Status::unavailable("the queue is closing"),
        }
    }

    /// Reads beside the writer, on the pool of readers. Damage that it meets is the writer's to act upon.
    ///
    /// # Errors
    /// The read's, translated.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        run: impl FnOnce(&QueueReader) -> Result<T, mailbox::Error> + Send + 'static,
    ) -> Result<T, Status> {
        let place = self.place.clone();
        let done = self.primary.readers.run(move || place.read(run)).await.map_err(fault::pool)?;
        done.map_err(|(error, found)| {
            if let Some(found) = found {
                self.writer.found_damage(found);
            }
            fault::status(&self.id, &error)
        })
    }
}

/// Every queue file there is, and a new name where a volume has none.
fn find(primary: &Primary) -> Result<Vec<(PathBuf, QueueId)>, std::io::Error> {
    let other = |error: crate::volume::VolumeError| std::io::Error::other(error.to_string());
    let folders = primary.volumes.queue_folders().map_err(other)?;
    let mut found = Vec::new();
    let mut without = Vec::new();
    for folder in folders {
        let before = found.len();
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            found.extend(id_of(&path).map(|id| (path, id)));
        }
        if found.len() == before {
            without.push(folder);
        }
    }
    // Oldest name first, so that of two files with one number it is always the same that is served.
    found.sort();
    for folder in without {
        let id = free_id(&found)?;
        found.push((folder.join(format!("{id}.db")), id));
    }
    Ok(found)
}

fn id_of(path: &Path) -> Option<QueueId> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".db")?.parse().ok()
}

fn free_id(taken: &[(PathBuf, QueueId)]) -> Result<QueueId, std::io::Error> {
    let mut bytes: [u8; QueueId::LEN] = vault::random().map_err(std::io::Error::other)?;
    let is_free = |number: u8| taken.iter().all(|(_, id)| id.as_bytes()[0] != number);
    let tries = (0..FILES_MAX).map(|step| bytes[0].wrapping_add(step as u8));
    bytes[0] = tries.clone().find(|number| is_free(*number)).ok_or_else(|| {
        std::io::Error::other(format!("there are {FILES_MAX} queue files: give some volumes to another node"))
    })?;
    Ok(QueueId::from_bytes(bytes))
}

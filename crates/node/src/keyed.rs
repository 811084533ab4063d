//! Files that the node's key opens: waiting mail and queues. What is the same for both where they are looked through, and where a
//! damaged one is set aside with what is whole of it taken into a new one first. When that is done is the matter of who uses them.
//!
//! Invariants: a damaged file is moved only when the new one is whole and on stable storage, and both change places behind one journal
//! (`exchange`), so that each message that can be read is in exactly one file that is used at every moment: the drain takes it from
//! there by its delivery id, and a queue holds it. Nobody has the damaged file open when it is moved.

use crate::aside::{self, Kept};
use crate::backup::restore::failed;
use crate::beside::beside;
use crate::exchange::{self, Exchange};
use crate::fault::Fault;
use crate::integrity;
use crate::primary::Primary;
use mailbox::queue::{Limits, QueueOptions};
use mailbox::salvage::{self, Lost, Salvaged};
use mailbox::{CheckDepth, Checker, Error};
use model::{MailboxId, QueueId};
use std::fmt::{self, Write as _};
use std::path::Path;

/// Lost messages that a report names; further ones are counted.
const LOST_NAMED_MAX: usize = 500;
/// Why what was carried over from a damaged queue is held.
const CARRIED_OVER: &str = "carried over from a damaged queue file: it may have been sent already";

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyed {
    /// A mailbox's waiting mail.
    Waiting(MailboxId),
    /// A queue.
    Queue(QueueId),
}

impl fmt::Display for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting(id) => write!(f, "waiting-mail file {id}"),
            Self::Queue(id) => write!(f, "queue file {id}"),
        }
    }
}

/// Whether the file itself is what is wrong. A first page that does not open is taken for damaged: the node's key is the right one,
/// for it opened the ledgers when the node started (`backup::Staging`), and nothing is lost if it is not.
pub fn is_damage(error: &Error) -> bool {
    error.is_damage() || matches!(error, Error::WrongKey)
}

/// How a queue file is opened on this node.
pub fn queue_options(primary: &Primary) -> QueueOptions {
    let settings = &primary.settings;
    let limits = Limits { entries_max: settings.queue_messages_max, octets_max: settings.queue_bytes_max };
    QueueOptions { limits, clock: settings.clock, disk: settings.options.disk }
}

impl Keyed {
    /// Begins to check it.
    ///
    /// # Errors
    /// As [`Checker::open`].
    pub fn checker(self, primary: &Primary, path: &Path, depth: CheckDepth) -> Result<Checker, Error> {
        let (disk, no_key) =
            (primary.settings.options.disk, |error: vault::VaultError| Error::Vault(error.to_string()));
        match self {
            Self::Waiting(id) => {
                Checker::waiting(path, &primary.node_key.file_key(&id).map_err(no_key)?, &id, disk, depth)
            }
            Self::Queue(id) => {
                Checker::queue(path, &primary.node_key.queue_key(&id).map_err(no_key)?, &id, disk, depth)
            }
        }
    }

    /// The first thing that is wrong with it, as far as that shows soon.
    fn first_finding(self, primary: &Primary, path: &Path) -> Option<String> {
        integrity::first_of(self.checker(primary, path, CheckDepth::Pages).ok()?)
    }

    /// What is wrong with it, looked at from its beginning to its end while nobody else uses it.
    ///
    /// # Errors
    /// Of the disk.
    pub fn confirmed(self, primary: &Primary, path: &Path) -> Result<Option<String>, Error> {
        let mut checker = match self.checker(primary, path, CheckDepth::Everything) {
            Err(error) if is_damage(&error) => return Ok(Some(error.to_string())),
            checker => checker?,
        };
        loop {
            let step = checker.step()?;
            if let Some(finding) = step.findings.first() {
                return Ok(Some(finding.to_string()));
            }
            if step.done {
                return Ok(None);
            }
        }
    }

    fn salvage(self, primary: &Primary, from: &Path, into: &Path) -> Result<Salvaged, Fault> {
        let key = &primary.node_key;
        Ok(match self {
            Self::Waiting(id) => salvage::waiting(from, into, &key.file_key(&id)?, &id, primary.settings.options.disk)?,
            Self::Queue(id) => {
                salvage::queue(from, into, &key.queue_key(&id)?, &id, queue_options(primary), CARRIED_OVER)?
            }
        })
    }

    const fn kept(self) -> Kept {
        match self {
            Self::Waiting(_) => Kept::Waiting,
            Self::Queue(_) => Kept::Queue,
        }
    }

    fn id(&self) -> &dyn fmt::Display {
        match self {
            Self::Waiting(id) => id,
            Self::Queue(id) => id,
        }
    }

    /// Sets a damaged file aside: a new one with every message that is whole takes its place. Nobody else has it open, and `close`
    /// closes it where it is: until it is read, more of its log may be known than can be read again.
    ///
    /// # Errors
    /// DISK_FULL when the new one does not fit; of the disk. Then the damaged one is still there, or the next open ends what was begun.
    pub fn set_aside(self, primary: &Primary, path: &Path, why: &str, close: impl FnOnce()) -> Result<(), Fault> {
        let disk = primary.settings.options.disk;
        let settled = primary.exchanges.settle(&self.id());
        settled.map_err(|error| failed("ending an earlier change of files", error))?;
        let length = |path: &Path| disk.length(path).map_err(|error| failed("looking for a damaged file", error));
        let Some(octets) = length(path)? else { return Ok(()) };
        let log = length(&beside(path, "-wal"))?.unwrap_or_default();
        if !primary.volumes.has_room_at(path, octets.saturating_add(log))? {
            return Err(Fault::from(Error::DiskFull));
        }
        let prepared = aside::preparing(&primary.volumes, path, &self.id())?;
        let named = self.first_finding(primary, path);
        let why = named.as_deref().unwrap_or(why);
        let salvaged = self.salvage(primary, path, &prepared).inspect_err(|_| {
            // What stays is removed by the next start.
            let _ = exchange::remove_with_beside(disk, &prepared);
        })?;
        close();
        let aside = aside::name(primary, path, &self.id(), self.kept())?;
        let (report, shown) = (self.report(primary, why, &salvaged), aside::shown(&aside));
        let changed = primary.exchanges.run(Exchange {
            prepared,
            target: path.to_owned(),
            aside: Some(aside),
            why: Some(report),
        });
        changed.map_err(|error| failed("setting a damaged file aside", error))?;
        self.tell(primary, why, &salvaged, &shown);
        Ok(())
    }

    fn tell(self, primary: &Primary, why: &str, salvaged: &Salvaged, shown: &str) {
        let Salvaged { taken, lost, unnamed } = salvaged;
        let stands = match self {
            Self::Waiting(_) => "waits in a new one",
            Self::Queue(_) => {
                "is held in a new one until `brevdue queue release` or `drop`, for it may have been sent already"
            }
        };
        tracing::error!(
            file = %self,
            taken,
            lost = lost.len(),
            may_be_more = unnamed,
            "the file is damaged ({why}): what is whole of it {stands}, and the damaged one is kept as {shown}; look with \
             `brevdue mailbox aside list`"
        );
        for lost in lost.iter().take(LOST_NAMED_MAX) {
            let name = self.name(primary, lost);
            tracing::error!(file = %self, "{name} cannot be read whole: {}", lost.what);
        }
        let (files, messages) = match self {
            Self::Waiting(_) => {
                ("brevdue_node_waiting_files_set_aside_total", "brevdue_node_waiting_messages_lost_total")
            }
            Self::Queue(_) => ("brevdue_node_queue_files_set_aside_total", "brevdue_node_queue_messages_lost_total"),
        };
        metrics::counter!(files).increment(1);
        metrics::counter!(messages).increment(lost.len() as u64);
    }

    /// A message as operators know it.
    fn name(self, primary: &Primary, lost: &Lost) -> String {
        match (self, &lost.delivery) {
            (Self::Waiting(_), Some(delivery)) => format!("delivery {delivery}, row {}", lost.row),
            (Self::Waiting(_), None) => format!("delivery unknown, row {}", lost.row),
            (Self::Queue(id), _) => format!("entry {}/{}", primary.node, entry_number(&id, lost.row)),
        }
    }

    /// What is noted beside the damaged file.
    fn report(self, primary: &Primary, why: &str, salvaged: &Salvaged) -> String {
        let Salvaged { taken, lost, unnamed } = salvaged;
        let stands = match self {
            Self::Waiting(_) => "wait for their owner as before",
            Self::Queue(_) => "are held: `brevdue queue release` lets them go, `brevdue queue drop` ends them",
        };
        let mut text = format!("{why}\n{taken} messages of it were whole and {stands}\n");
        // Writing to a String cannot fail.
        let _ = match (lost.len(), unnamed) {
            (0, false) => writeln!(text, "nothing is lost"),
            (count, false) => writeln!(text, "{count} messages cannot be read"),
            (count, true) => {
                writeln!(text, "{count} messages cannot be read, and there may be more that nothing names")
            }
        };
        for lost in lost.iter().take(LOST_NAMED_MAX) {
            let _ = writeln!(text, "{}: {}", self.name(primary, lost), lost.what);
        }
        text
    }
}

/// The number by which the outside knows an entry: the low octet is the first one of its file's id.
pub fn entry_number(queue: &QueueId, row: i64) -> u64 {
    row.unsigned_abs() << u8::BITS | u64::from(queue.as_bytes()[0])
}

//! What every shard of this node shares: its name and keys, its volumes, and the pools of threads.

use crate::backup::limits::INTERVAL_HOURS;
use crate::backup::{Staging, restore};
use crate::exchange::Exchanges;
use crate::fault::Fault;
use crate::limits::{
    CACHE_KIB, CHECKS_AT_ONCE, DRAIN_WAIT_MS, INDEXING_AT_ONCE, KEY_WAIT_MS, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX,
    QUOTA_QUIET_MS, SCRUBS_AT_ONCE, SESSIONS_MAX, VOLUME_RESERVE_BYTES, WAITING_BYTES_MAX,
};
use crate::pool::Pool;
use crate::volume::Volumes;
use directory::client::DirectoryClient;
use jiff::Timestamp;
use model::{MailboxId, NodeId};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use vault::transit::BootKey;
use vault::{MailboxKey, NodeKey};

/// Gives the time; handed in so that tests can hold it.
pub type Clock = fn() -> Timestamp;

/// What the operator decides about a node, checked by the configuration.
pub struct Settings {
    /// The node's label, the same in the catalogue.
    pub node: NodeId,
    /// Folders of mailboxes.
    pub volumes: Vec<PathBuf>,
    /// File with the node key.
    pub node_key: PathBuf,
    /// Mailboxes whose files are open at once, over all shards.
    pub open_mailboxes_max: usize,
    /// Threads that commit.
    pub writer_threads: usize,
    /// Threads for long reads, compression and the drain.
    pub reader_threads: usize,
    /// How mailbox files are opened.
    pub options: mailbox::Options,
    /// Octets of mail that may wait for one owner.
    pub waiting_bytes_max: u64,
    /// Octets that stay free on a volume.
    pub free_bytes_min: u64,
    /// Messages in one queue file.
    pub queue_messages_max: u64,
    /// Octets of messages in one queue file.
    pub queue_bytes_max: u64,
    /// Sessions at once, over all shards.
    pub sessions_max: usize,
    /// How often a mailbox is scrubbed; zero is never.
    pub scrub_interval: Duration,
    /// Octets a second that a scrub reads.
    pub scrub_bytes_per_second: u64,
    /// How long a RCPT waits for the key of a mailbox that a front-end may have open.
    pub key_wait: Duration,
    /// How long an Open waits for the drain of waiting mail before it answers and lets the drain go on.
    pub drain_wait: Duration,
    /// Who knows the limits that mailboxes share, and grants room under them; without one, only the node's own hold.
    pub pools: Option<DirectoryClient>,
    /// How long a mailbox keeps what it was granted and does not use.
    pub quota_quiet: Duration,
    /// Between two snapshots of a mailbox that changes.
    pub snapshot_interval: Duration,
    /// The time.
    pub clock: Clock,
}

impl Settings {
    /// Settings with the defaults of everything that is not a name or a path.
    pub fn new(node: NodeId, volumes: Vec<PathBuf>, node_key: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            node,
            volumes,
            node_key,
            open_mailboxes_max: 2000,
            // Commits wait for the disk, not the processor: more of them than cores.
            writer_threads: cores.saturating_mul(2).clamp(4, 32),
            reader_threads: cores.clamp(2, 32),
            options: mailbox::Options { cache_kib: CACHE_KIB, ..mailbox::Options::default() },
            waiting_bytes_max: WAITING_BYTES_MAX,
            free_bytes_min: VOLUME_RESERVE_BYTES,
            queue_messages_max: QUEUE_MESSAGES_MAX,
            queue_bytes_max: QUEUE_BYTES_MAX,
            sessions_max: SESSIONS_MAX,
            scrub_interval: Duration::ZERO,
            scrub_bytes_per_second: 0,
            key_wait: Duration::from_millis(KEY_WAIT_MS),
            drain_wait: Duration::from_millis(DRAIN_WAIT_MS),
            pools: None,
            quota_quiet: Duration::from_millis(QUOTA_QUIET_MS),
            snapshot_interval: Duration::from_secs(u64::from(INTERVAL_HOURS) * 3600),
            clock: Timestamp::now,
        }
    }
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A volume cannot be used.
    #[error(transparent)]
    Volume(#[from] crate::volume::VolumeError),
    /// The node key cannot be used.
    #[error("the node key cannot be used: {0}; put the right file back, or mend node.node_key")]
    NodeKey(#[source] vault::VaultError),
    /// The node key is gone, and there are files under it.
    #[error(
        "the node key {} is missing, and only it opens the waiting mail and the queues on the volumes: put the key back from \
         its copy; only to give that mail up, move the folders named `waiting` and `queue` away",
        .0.display()
    )]
    NodeKeyLost(PathBuf),
    /// No random bytes.
    #[error("no boot key: {0}")]
    BootKey(#[source] vault::VaultError),
    /// No thread, or no file.
    #[error("the operating system refused: {0}")]
    System(#[from] std::io::Error),
}

/// Tells the catalogue that a mailbox's file was made.
pub type ReportBirth = Box<dyn Fn(MailboxId) + Send + Sync>;

/// One node process, as its shards and services see it.
pub struct Primary {
    /// The node's label.
    pub node: NodeId,
    /// What keys are sealed to on their way here; new at every start.
    pub boot: BootKey,
    /// The second layer over waiting mail.
    pub node_key: NodeKey,
    /// Where files are.
    pub volumes: Volumes,
    /// Runs commits, and whatever else waits for the disk.
    pub writers: Pool,
    /// Runs long reads and computation.
    pub readers: Pool,
    /// How many shards there are.
    pub shards: usize,
    /// What the operator decided.
    pub settings: Settings,
    /// Files that change places.
    pub exchanges: Exchanges,
    /// Snapshots that wait to be carried away.
    pub staging: Staging,
    /// Mailboxes that were erased before this process began.
    pub erased: HashSet<MailboxId>,
    /// A place for each session.
    pub sessions: Arc<Semaphore>,
    /// A place for each check that somebody asked for.
    pub checking: Semaphore,
    /// A place for each mailbox that is scrubbed right now.
    pub scrubbing: Semaphore,
    /// A place for each mailbox whose text index is filled right now.
    pub indexing: Semaphore,
    /// Tells the catalogue of births.
    pub report_birth: ReportBirth,
}

impl Primary {
    /// Locks the volumes, reads the node key and starts the pools.
    ///
    /// # Errors
    /// [`StartError`], whose text says what to do.
    pub fn start(settings: Settings, shards: usize, report_birth: ReportBirth) -> Result<Arc<Self>, StartError> {
        let volumes = Volumes::open(&settings.volumes, settings.free_bytes_min, settings.options.disk)?;
        let node_key = node_key(&settings.node_key, &volumes)?;
        // Before anything is opened.
        restore::recover(&volumes, settings.options.disk)?;
        let interval = i64::try_from(settings.snapshot_interval.as_millis()).unwrap_or(i64::MAX);
        let staging = Staging::open(&volumes, &node_key, interval, settings.options.disk)?;
        let erased = staging.erased();
        let erased = erased.map_err(|error| StartError::System(std::io::Error::other(format!("ledger: {error}"))))?;
        Ok(Arc::new(Self {
            erased,
            node: settings.node.clone(),
            boot: BootKey::generate().map_err(StartError::BootKey)?,
            node_key,
            volumes,
            exchanges: Exchanges::new(settings.options.disk),
            staging,
            writers: Pool::new("writer", settings.writer_threads)?,
            readers: Pool::new("reader", settings.reader_threads)?,
            shards: shards.max(1),
            sessions: Arc::new(Semaphore::new(settings.sessions_max.min(Semaphore::MAX_PERMITS))),
            checking: Semaphore::new(CHECKS_AT_ONCE),
            scrubbing: Semaphore::new(SCRUBS_AT_ONCE),
            indexing: Semaphore::new(INDEXING_AT_ONCE),
            settings,
            report_birth,
        }))
    }

    /// The mailbox key that a front-end sealed to this boot of this node.
    ///
    /// # Errors
    /// WRONG_KEY when it was sealed for another boot, node or mailbox.
    pub fn unseal(&self, sealed: &[u8], mailbox: &MailboxId) -> Result<MailboxKey, Fault> {
        Ok(self.boot.open(sealed, mailbox, &self.node)?)
    }

    /// Runs what waits for the disk on the pool for reads.
    ///
    /// # Errors
    /// Its own, and that the node ends.
    pub async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        run: impl FnOnce(&Self) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let primary = self.clone();
        self.readers.run(move || run(&primary)).await?
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.settings.clock)()
    }
}

/// The node's key; made at the first start. A lost key is not replaced while there is mail that it encrypts.
fn node_key(path: &Path, volumes: &Volumes) -> Result<NodeKey, StartError> {
    if path.try_exists()? {
        return NodeKey::from_file(path).map_err(StartError::NodeKey);
    }
    if volumes.has_keyed()? {
        return Err(StartError::NodeKeyLost(path.to_owned()));
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let key = NodeKey::generate().map_err(StartError::NodeKey)?;
    key.write_new(path).map_err(StartError::NodeKey)?;
    tracing::info!("node key made; keep a copy of {}", path.display());
    Ok(key)
}

//! The front-end's one client: its links by node and shard, and which mailboxes it holds sessions for.

use crate::attach::{self, Core};
use crate::connection::Keys;
use crate::dial::{Dial, Locate, TlsDial};
use crate::limits::REOPENS_AT_ONCE;
use crate::link::Link;
use crate::session::Session;
use crate::{ClientError, LocateError};
use directory::client::DirectoryClient;
use model::{MailboxId, NodeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Semaphore;
use vault::MailboxKey;
use wire::directory::Placement;
use wire::session::KeyOffer;

/// What a session is opened with.
pub struct Opening {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Where the directory says it is.
    pub placement: Placement,
    /// Its key; kept for as long as the session lives, to open it again after a break.
    pub key: MailboxKey,
    /// The alias's private sealing key, wrapped with the mailbox key.
    pub wrapped_sealing_key: Vec<u8>,
    /// The catalogue says that the file was never made.
    pub birth: bool,
}

/// Links to every node that this front-end has sessions on. Cheap to clone.
#[derive(Clone)]
pub struct NodeClient(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    links: Mutex<HashMap<(NodeId, usize), Arc<Link>>>,
}

/// What links and sessions share; holds neither.
pub(crate) struct Shared {
    pub(crate) locate: Box<dyn Locate>,
    pub(crate) dial: Box<dyn Dial>,
    pub(crate) front_end: String,
    pub(crate) reopening: Semaphore,
    sessions: Mutex<HashMap<MailboxId, Vec<Weak<Core>>>>,
    next_session: AtomicU64,
}

impl NodeClient {
    /// A client that finds nodes through the directory and speaks mutual TLS. `front_end` names this process in the nodes'
    /// logs. Needs a tokio runtime around it.
    pub fn new(directory: DirectoryClient, tls: Arc<rustls::ClientConfig>, front_end: impl Into<String>) -> Self {
        Self::over(directory, TlsDial::new(tls), front_end)
    }

    /// A client over any way to find and to connect.
    pub fn over(locate: impl Locate, dial: impl Dial, front_end: impl Into<String>) -> Self {
        let shared = Shared {
            locate: Box::new(locate),
            dial: Box::new(dial),
            front_end: front_end.into(),
            reopening: Semaphore::new(REOPENS_AT_ONCE),
            sessions: Mutex::default(),
            next_session: AtomicU64::new(1),
        };
        Self(Arc::new(Inner { shared: Arc::new(shared), links: Mutex::default() }))
    }

    /// Opens a session on a mailbox. It lives until the last clone is dropped, over as many links as that takes.
    ///
    /// # Errors
    /// The node's failure (a wrong key, a damaged file, …), or [`ClientError::Unavailable`].
    pub async fn open(&self, opening: Opening) -> Result<Session, ClientError> {
        attach::open(self.clone(), opening).await.map(Session::new)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// The link that leads to the mailbox.
    pub(crate) async fn link(&self, mailbox: &MailboxId, node: &NodeId) -> Result<Arc<Link>, LocateError> {
        let record = self.shared().locate.locate(node).await?;
        let shards = record.map_or(0, |record| record.session_endpoints.len());
        if shards == 0 {
            return Err(LocateError(format!("node {node} has not registered")));
        }
        let shard = wire::shard_of(mailbox, shards);
        let mut links = self.0.links.lock().unwrap_or_else(PoisonError::into_inner);
        let link = links.entry((node.clone(), shard));
        Ok(Arc::clone(link.or_insert_with(|| Arc::new(Link::new(Arc::clone(&self.0.shared), node.clone(), shard)))))
    }
}

impl Shared {
    /// A session number that no link has seen.
    pub(crate) fn new_session(&self) -> u64 {
        self.next_session.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn register(&self, mailbox: MailboxId, core: &Arc<Core>) {
        self.sessions().entry(mailbox).or_default().push(Arc::downgrade(core));
    }

    /// Forgets sessions of the mailbox that are gone.
    pub(crate) fn unregister(&self, mailbox: &MailboxId, core: &Core) {
        let mut sessions = self.sessions();
        if let Some(of_mailbox) = sessions.get_mut(mailbox) {
            of_mailbox.retain(|other| other.strong_count() > 0 && !std::ptr::eq(other.as_ptr(), core));
            if of_mailbox.is_empty() {
                sessions.remove(mailbox);
            }
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<MailboxId, Vec<Weak<Core>>>> {
        // No invariant of the map spans a panic.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys for Shared {
    fn offer(&self, mailbox: &MailboxId, node: &NodeId, boot_key: &[u8]) -> Option<KeyOffer> {
        let core = self.sessions().get(mailbox)?.iter().find_map(Weak::upgrade)?;
        // A node is given keys of the mailboxes that are placed on it, and no others.
        (core.node() == node).then(|| core.key_offer(boot_key)).flatten()
    }
}

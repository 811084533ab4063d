//! One shard: a thread with its own runtime, its own listener, and the mailboxes whose ids fall to it.
//! Knows no verb; a link's conversation is `link`'s, the gRPC side comes in through a bounded channel.
//!
//! Invariant: everything about a mailbox but its commits and long reads happens on its shard's thread, so that nothing here
//! needs a lock.

use crate::backup::merge::WaitingBackup;
use crate::backup::restore::Ready;
use crate::deliveries::Deliveries;
use crate::erase::{self, Removed};
use crate::fault::{Fault, erased};
use crate::leg::{self, Admitted, Recipient};
use crate::limits::{LINKS_PER_SHARD_MAX, SHARD_REQUESTS_MAX, SHUTDOWN_MS_MAX};
use crate::primary::Primary;
use crate::residents::Residents;
use crate::socket;
use crate::waiting::Boxes;
use crate::wanted::Wanted;
use mailbox::queue::Merged;
use model::{DeliveryId, MailboxId};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use wire::node::Outcome;
use wire::session::FailureCode;

/// How long to wait when accepting fails, as it does when file descriptors have run out (EMFILE).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the gRPC side asks of a shard.
pub enum Request {
    /// A recipient of a delivery.
    Admit(Recipient, oneshot::Sender<Admitted>),
    /// Whether a delivery was committed.
    Status(DeliveryId, MailboxId, oneshot::Sender<Outcome>),
    /// A restored file takes the place of a mailbox; answered with the name of the file that was it.
    Replace(Box<Ready>, oneshot::Sender<Result<String, Fault>>),
    /// What a backup of waiting mail has and the mailbox's file has not comes into that.
    Merge(Box<WaitingBackup>, oneshot::Sender<Result<Merged, Fault>>),
    /// The mailbox's waiting-mail file was found to be damaged.
    WaitingDamaged(MailboxId, String, oneshot::Sender<()>),
    /// The end of a mailbox.
    Erase(MailboxId, oneshot::Sender<Result<Vec<Removed>, Fault>>),
    /// Open mailboxes and links.
    Census(oneshot::Sender<Census>),
}

/// What a shard has open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Mailboxes with open files.
    pub open_mailboxes: usize,
    /// Sessions.
    pub sessions: usize,
}

/// A shard's state, on its thread.
pub struct Shard {
    /// What all shards share.
    pub primary: Arc<Primary>,
    /// Which one this is.
    pub index: usize,
    /// Mailboxes that somebody has open.
    pub residents: Rc<Residents>,
    /// Waiting-mail files.
    pub boxes: Rc<Boxes>,
    /// Keys that deliveries ask for.
    pub wanted: Wanted,
    /// Deliveries under way.
    pub deliveries: Rc<Deliveries>,
    serial: Cell<u64>,
}

impl Shard {
    fn new(primary: Arc<Primary>, index: usize) -> Rc<Self> {
        let boxes = Boxes::new(&primary);
        primary.erased.iter().for_each(|id| boxes.erase(id));
        Rc::new(Self {
            residents: Residents::new(&primary, &boxes),
            boxes,
            primary,
            index,
            wanted: Wanted::new(),
            deliveries: Rc::default(),
            serial: Cell::new(0),
        })
    }

    /// A number that nothing on this shard has had.
    pub fn unique(&self) -> u64 {
        self.serial.set(self.serial.get() + 1);
        self.serial.get()
    }

    /// Refuses mailboxes of other shards, and those that were erased: who asks has an old idea of this node.
    pub fn check_placed(&self, id: &MailboxId) -> Result<(), Fault> {
        if wire::shard_of(id, self.primary.shards) != self.index {
            return Err(Fault::new(FailureCode::WrongNode, "the mailbox belongs to another shard of this node"));
        }
        if self.boxes.is_erased(id) {
            return Err(erased());
        }
        Ok(())
    }

    /// Nobody opens the mailbox between its end and the change of files: an opening waits for the table's entry to go, and this
    /// thread does nothing else meanwhile that could make a new one.
    async fn replace(&self, ready: Ready) -> Result<String, Fault> {
        self.check_placed(&ready.id)?;
        self.residents.retire(&ready.id).await?;
        let primary = self.primary.clone();
        let id = ready.id;
        let replaced = self.primary.writers.run(move || ready.replace(&primary)).await;
        self.residents.let_in(&id);
        replaced?
    }

    /// An owner who is there is handed it at once.
    async fn merge(&self, backup: WaitingBackup) -> Result<Merged, Fault> {
        let id = backup.id;
        self.check_placed(&id)?;
        let waiting = self.boxes.get(&id);
        let merged = waiting.merge(backup).await;
        waiting.rest().await;
        self.residents.mail_waits(&id);
        merged
    }

    fn answer(self: Rc<Self>, request: Request) {
        // Who asked may be gone; then nobody wants the answer, and a leg that was admitted ends at once.
        match request {
            Request::Admit(recipient, answer) => {
                tokio::task::spawn_local(async move {
                    let _ = answer.send(leg::admit(&self, recipient).await);
                });
            }
            Request::Status(delivery, mailbox, answer) => {
                tokio::task::spawn_local(async move {
                    let _ = answer.send(leg::status(&self, delivery, mailbox).await);
                });
            }
            Request::Replace(ready, answer) => {
                tokio::task::spawn_local(async move {
                    let _ = answer.send(self.replace(*ready).await);
                });
            }
            Request::Merge(backup, answer) => {
                tokio::task::spawn_local(async move {
                    let _ = answer.send(self.merge(*backup).await);
                });
            }
            Request::WaitingDamaged(id, what, answer) => {
                tokio::task::spawn_local(async move {
                    let waiting = self.boxes.get(&id);
                    waiting.found_damage(what).await;
                    waiting.rest().await;
                    self.residents.mail_waits(&id);
                    let _ = answer.send(());
                });
            }
            Request::Erase(id, answer) => {
                tokio::task::spawn_local(async move {
                    let _ = answer.send(erase::erase(&self, id).await);
                });
            }
            Request::Census(answer) => {
                let (open_mailboxes, sessions) = (self.residents.open(), self.residents.sessions());
                let _ = answer.send(Census { open_mailboxes, sessions });
            }
        }
    }
}

/// A shard as the rest of the node sees it.
pub struct Handle {
    /// Where requests go.
    pub requests: mpsc::Sender<Request>,
    thread: std::thread::JoinHandle<()>,
}

impl Handle {
    /// Starts a shard. It ends when `stop` is cancelled and everything it had open is closed.
    ///
    /// # Errors
    /// When the system gives no thread or no runtime.
    pub fn start(
        primary: Arc<Primary>,
        index: usize,
        listener: std::net::TcpListener,
        tls: Arc<rustls::ServerConfig>,
        stop: CancellationToken,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        listener.set_nonblocking(true)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (requests, inbox) = mpsc::channel(SHARD_REQUESTS_MAX);
        let thread = std::thread::Builder::new().name(format!("shard-{index}")).spawn(move || {
            let local = LocalSet::new();
            local.block_on(&runtime, run(Shard::new(primary, index), listener, TlsAcceptor::from(tls), inbox, stop));
        })?;
        Ok(Self { requests, thread })
    }

    /// Waits for its end.
    pub fn join(self) {
        drop(self.requests);
        if self.thread.join().is_err() {
            tracing::error!("a shard panicked");
        }
    }
}

async fn run(
    shard: Rc<Shard>,
    listener: TcpListener,
    tls: TlsAcceptor,
    mut inbox: mpsc::Receiver<Request>,
    stop: CancellationToken,
) {
    let sweeping = {
        let boxes = shard.boxes.clone();
        tokio::task::spawn_local(async move { tokio::join!(boxes.rooms.sweep(), boxes.close_lingering()) })
    };
    let mut links = JoinSet::new();
    let mut open = true;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = links.join_next() => {}
            request = inbox.recv(), if open => match request {
                Some(request) => shard.clone().answer(request),
                None => open = false,
            },
            accepted = listener.accept(), if links.len() < LINKS_PER_SHARD_MAX => match accepted {
                Ok((stream, _)) => {
                    links.spawn_local(socket::serve(shard.clone(), stream, tls.clone(), stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a link; trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let finish = async {
        while links.join_next().await.is_some() {}
        // Legs that are committing go on; their mailboxes are held until they are done.
        let requests = async {
            while let Some(request) = inbox.recv().await {
                shard.clone().answer(request);
            }
        };
        tokio::join!(requests, shard.residents.emptied());
        shard.boxes.emptied().await;
        sweeping.abort();
        shard.boxes.rooms.settle_all().await;
    };
    if tokio::time::timeout(Duration::from_millis(SHUTDOWN_MS_MAX), finish).await.is_err() {
        tracing::warn!(shard = shard.index, "not everything could be closed in time; the next start recovers it");
    }
}

//! One mailbox that somebody has open: its key, its connections, its queue of writes and who looks at it.
//! What is asked of it is the requests' business; which mailboxes there are is `residents`'.
//!
//! Invariants, all on the shard's one thread:
//! - The key lives exactly as long as somebody holds the mailbox (a session, a delivery's promise, a running drain); with
//!   the last `Hold` the files are closed and the key is wiped.
//! - The files may be closed while the mailbox is held (the shard keeps few open) but not while a `Use` lives or a write
//!   waits. Opening and closing happen under `turning`, in tasks that nobody cancels, so that a file never has two writing
//!   connections.
//! - Content that no message refers to is collected only while no `Reading` lives, so that a FETCH keeps its bytes.

mod backup;
mod damage;
mod guards;
mod indexing;
mod scrub;
mod upkeep;

pub use backup::asked;
pub use guards::{Hold, Reading, Use};

use crate::checkpoint::Log;
use crate::fault::{Fault, limit, unavailable};
use crate::integrity;
use crate::limits::{QUEUED_WRITES_MAX, WRITES_PER_COMMIT_MAX};
use crate::primary::Primary;
use crate::push;
use crate::quota::{Amount, Room};
use crate::residents::Residents;
use crate::view::View;
use crate::volume::Kind;
use crate::writer::{self, Committed, Group, Queued};
use mailbox::{Checker, Reader, Writer};
use model::MailboxId;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Mutex, Notify, watch};
use vault::MailboxKey;

/// What opens a mailbox besides its key.
pub struct Opening {
    /// The key.
    pub key: MailboxKey,
    /// The alias's private sealing key, wrapped with the mailbox key; empty when the front-end gave none.
    pub wrapped_sealing_key: Vec<u8>,
    /// The file may be made.
    pub birth: bool,
    /// The placement's epoch.
    pub epoch: u64,
}

struct Files {
    path: PathBuf,
    reader: Reader,
    /// Reading connections for the pool: one for each of its threads at most, kept because an open one has warm pages.
    spares: Vec<Reader>,
    /// Not here while it commits.
    writer: Option<Writer>,
    /// A scrub between two steps.
    scrub: Option<Checker>,
    /// What is wrong, where there is no writer because of it.
    damage: Option<String>,
}

/// Where delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Mail that waits is being drained: what comes now waits behind it.
    Draining,
    /// New mail goes straight into the mailbox.
    Open,
    /// Nothing goes into the mailbox, which is damaged: what comes waits.
    Closed,
}

/// The mailbox.
pub struct Resident {
    /// Whose it is.
    pub id: MailboxId,
    primary: Arc<Primary>,
    residents: Weak<Residents>,
    key: MailboxKey,
    /// See [`Opening`].
    pub wrapped_sealing_key: RefCell<Vec<u8>>,
    /// The highest placement epoch that a front-end named.
    pub epoch: Cell<u64>,
    birth: Cell<bool>,
    proven: Cell<bool>,
    dead: RefCell<Option<Fault>>,
    /// What a write is answered while the file is damaged.
    damage: RefCell<Option<Fault>>,
    files: RefCell<Option<Files>>,
    turning: Mutex<()>,
    holders: Cell<usize>,
    uses: Cell<usize>,
    readings: Cell<usize>,
    last_used: Cell<Instant>,
    queue: RefCell<VecDeque<Queued>>,
    committing: Cell<bool>,
    /// A commit is under way whose changes nobody was told of.
    untold: Cell<bool>,
    told: Notify,
    garbage: Cell<bool>,
    collected: Cell<Instant>,
    log: Log,
    /// What the mailbox holds, and whether there is room for more.
    pub room: Rc<Room>,
    uploads: Cell<u64>,
    indexing: indexing::Indexing,
    backup: backup::Backup,
    /// Reading connections that the pool has.
    away: Cell<usize>,
    awake: Notify,
    /// Sessions that are told of changes.
    pub views: RefCell<Vec<Rc<View>>>,
    /// Where delivery stands; a watch, so that an Open can wait for the drain.
    pub delivery: watch::Sender<Delivery>,
    /// Mail came to the waiting file while the mailbox is held.
    pub mail_waits: Notify,
}

impl Resident {
    /// A mailbox that is not open yet, and its task. Nothing is read before the first `enter`.
    pub fn start(primary: &Arc<Primary>, residents: Weak<Residents>, room: Rc<Room>, opening: Opening) -> Rc<Self> {
        let now = Instant::now();
        let resident = Rc::new(Self {
            id: room.id,
            primary: primary.clone(),
            residents,
            key: opening.key,
            wrapped_sealing_key: RefCell::new(opening.wrapped_sealing_key),
            epoch: Cell::new(opening.epoch),
            birth: Cell::new(opening.birth),
            proven: Cell::new(false),
            dead: RefCell::new(None),
            damage: RefCell::new(None),
            files: RefCell::new(None),
            turning: Mutex::new(()),
            holders: Cell::new(0),
            uses: Cell::new(0),
            readings: Cell::new(0),
            last_used: Cell::new(now),
            queue: RefCell::new(VecDeque::new()),
            committing: Cell::new(false),
            untold: Cell::new(false),
            told: Notify::new(),
            // What a crash left over.
            garbage: Cell::new(true),
            collected: Cell::new(now),
            log: Log::default(),
            room,
            uploads: Cell::new(0),
            indexing: indexing::Indexing::new(now),
            backup: backup::Backup::default(),
            away: Cell::new(0),
            awake: Notify::new(),
            views: RefCell::new(Vec::new()),
            delivery: watch::Sender::new(Delivery::Draining),
            mail_waits: Notify::new(),
        });
        let indexing = tokio::task::spawn_local(resident.clone().keep_indexed());
        let backup = tokio::task::spawn_local(resident.clone().keep_backed_up());
        let scrub = tokio::task::spawn_local(resident.clone().keep_scrubbed());
        let (running, running_out) = (resident.clone(), resident.clone());
        tokio::task::spawn_local(async move {
            running.run().await;
            indexing.abort();
            backup.abort();
            scrub.abort();
            running_out.damage_over();
        });
        resident
    }

    /// Holds the key.
    pub fn hold(self: &Rc<Self>) -> Hold {
        Hold::new(self)
    }
    /// Whether anybody does.
    pub fn is_held(&self) -> bool {
        self.holders.get() > 0
    }
    /// Whether this is the key too.
    pub fn has_key(&self, key: &MailboxKey) -> bool {
        // Digests: how far two keys agree must not show in the time that the answer takes.
        vault::digest(self.key.raw_key().as_bytes()) == vault::digest(key.raw_key().as_bytes())
    }
    /// The key, for the drain.
    pub fn key(&self) -> &MailboxKey {
        &self.key
    }
    /// Whether the key has opened the file.
    pub fn is_proven(&self) -> bool {
        self.proven.get()
    }
    /// A front-end says that the file was never made.
    pub fn may_be_born(&self) {
        self.birth.set(true);
    }
    /// Names an upload that no other upload of this mailbox has had while it is open.
    pub fn unique_upload(&self) -> u64 {
        self.uploads.set(self.uploads.get() + 1);
        self.uploads.get()
    }
    /// Whether it is out of the table for good.
    pub fn is_dead(&self) -> bool {
        self.dead.borrow().is_some()
    }
    /// When it was last asked for something.
    pub fn last_used(&self) -> Instant {
        self.last_used.get()
    }
    /// Whether the files could be closed now.
    pub fn is_idle(&self) -> bool {
        let busy = self.committing.get() || self.uses.get() > 0 || !self.queue.borrow().is_empty();
        !busy && self.files.borrow().is_some()
    }
    /// What all shards share.
    pub fn primary(&self) -> &Arc<Primary> {
        &self.primary
    }

    /// Opens the files if they are not, and keeps them open.
    ///
    /// # Errors
    /// What is wrong with the file or the key; LIMIT when every open mailbox is in use.
    pub async fn enter(self: &Rc<Self>) -> Result<Use, Fault> {
        self.last_used.set(Instant::now());
        if self.files.borrow().is_some() {
            return Ok(Use::new(self));
        }
        // In a task of its own: who asked may be cancelled, the opening must not be.
        let resident = self.clone();
        tokio::task::spawn_local(async move { resident.open().await })
            .await
            .map_err(|_| unavailable("the mailbox could not be opened"))?
    }

    async fn open(self: Rc<Self>) -> Result<Use, Fault> {
        let _turn = self.turning.lock().await;
        if let Some(fault) = self.dead.borrow().clone() {
            return Err(fault);
        }
        if self.files.borrow().is_some() {
            return Ok(Use::new(&self));
        }
        match self.open_files().await {
            Ok((files, usage)) => {
                if let Some(usage) = usage {
                    self.room.opened(usage);
                }
                if let Some(what) = &files.damage {
                    self.opened_damaged(what);
                }
                self.log.checkpointed(0);
                self.log.committed(files.writer.as_ref().map_or(0, Writer::log_bytes));
                *self.files.borrow_mut() = Some(files);
                self.proven.set(true);
                self.indexing.look();
                Ok(Use::new(&self))
            }
            Err(fault) => {
                let fault = self.with_proven_key(fault);
                fault.report(&self.id);
                // Whoever brought the wrong key must not keep the right one out.
                if !self.proven.get() {
                    *self.dead.borrow_mut() = Some(fault.clone());
                    if let Some(residents) = self.residents.upgrade() {
                        residents.forget(&self);
                    }
                    self.awake.notify_one();
                }
                Err(fault)
            }
        }
    }

    async fn open_files(&self) -> Result<(Files, Option<Amount>), Fault> {
        let residents = self.residents.upgrade().ok_or_else(|| unavailable("the node is closing"))?;
        residents.make_room().await?;
        let (primary, key, id) = (self.primary.clone(), self.key.try_clone(), self.id);
        let birth = self.birth.get() && !self.proven.get();
        let opened = self.primary.writers.run(move || open_on_disk(&primary, &key, &id, birth)).await;
        let opened = opened.map_err(Fault::from).and_then(|opened| opened);
        match &opened {
            Ok(_) if birth => (self.primary.report_birth)(self.id),
            Ok(_) => {}
            Err(_) => residents.closed(),
        }
        opened
    }

    /// Runs a short read on this thread.
    fn read<T>(&self, read: impl FnOnce(&mut Reader) -> Result<T, mailbox::Error>) -> Result<T, Fault> {
        let result = {
            let mut files = self.files.borrow_mut();
            let files = files.as_mut().ok_or_else(|| unavailable("the mailbox was closed"))?;
            read(&mut files.reader)
        };
        self.noticed(result.map_err(Fault::from))
    }

    fn queue(&self, queued: Queued) -> Result<(), Fault> {
        self.indexing.written();
        self.enqueue(queued)
    }

    /// Queues what nobody waits for: it does not count as a write to keep out of the way of.
    fn enqueue(&self, queued: Queued) -> Result<(), Fault> {
        if let Some(fault) = self.damage() {
            return Err(fault);
        }
        let mut queue = self.queue.borrow_mut();
        if queue.len() >= QUEUED_WRITES_MAX {
            return Err(limit("writes that wait for one mailbox"));
        }
        queue.push_back(queued);
        metrics::gauge!("brevdue_node_queued_writes").increment(1);
        self.awake.notify_one();
        Ok(())
    }

    /// The mailbox's task: commits what is queued, tidies when there is nothing, and closes when nobody is left.
    async fn run(self: Rc<Self>) {
        loop {
            self.awake.notified().await;
            while let Some(group) = self.next_group() {
                self.commit(group).await;
                if self.log.is_long() {
                    self.tidy(false).await;
                }
            }
            if self.dead.borrow().is_some() {
                return;
            }
            let waits = self.backup.take_waits();
            if !waits.is_empty() {
                self.checkpoint_for(waits).await;
            }
            if self.is_held() {
                if self.log.is_due() || self.garbage_is_due() {
                    self.tidy(false).await;
                }
                continue;
            }
            if self.looks_at_sign_out() {
                continue;
            }
            self.close().await;
            if !self.is_held() && self.files.borrow().is_none() && self.queue.borrow().is_empty() {
                if let Some(residents) = self.residents.upgrade() {
                    residents.forget(&self);
                }
                *self.dead.borrow_mut() = Some(unavailable("the mailbox was closed"));
                self.delivery.send_replace(Delivery::Draining);
                self.mail_waits.notify_one();
                self.room.closed();
                return;
            }
        }
    }

    fn next_group(&self) -> Option<(Writer, Group)> {
        let mut queue = self.queue.borrow_mut();
        // While the files are being closed the writing connection is away; what is queued waits.
        if queue.is_empty() || self.committing.get() {
            return None;
        }
        let mut files = self.files.borrow_mut();
        let Some(writer) = files.as_mut().and_then(|files| files.writer.take()) else {
            // The connection was given up with these still waiting: nobody knows them, they may be asked again.
            metrics::gauge!("brevdue_node_queued_writes").decrement(queue.len() as f64);
            for queued in queue.drain(..) {
                self.room.committed(None, queued.promised);
                queued.work.answer(Err(unavailable("the mailbox's writer failed")));
            }
            return None;
        };
        let upto = queue.len().min(WRITES_PER_COMMIT_MAX);
        let queued: Vec<Queued> = queue.drain(..upto).collect();
        let quota = self.room.quota(promised(&queued));
        Some((writer, Group { queued, quota, watched: push::watched(&self.views.borrow()) }))
    }

    async fn commit(&self, (writer, group): (Writer, Group)) {
        let (ops, promised) = (group.queued.len(), promised(&group.queued));
        self.committing.set(true);
        self.untold.set(true);
        let started = Instant::now();
        let committed = self.primary.writers.run(move || writer::commit(writer, group)).await;
        self.committing.set(false);
        metrics::gauge!("brevdue_node_queued_writes").decrement(ops as f64);
        metrics::counter!("brevdue_node_commits_total").increment(1);
        metrics::histogram!("brevdue_node_commit_operations").record(ops as f64);
        metrics::histogram!("brevdue_node_commit_seconds").record(started.elapsed().as_secs_f64());
        match committed {
            Ok(committed) => {
                self.room.committed(committed.usage, promised);
                self.settle(committed);
            }
            // The operations and the connection went with the job; those who wait are told so.
            Err(error) => {
                tracing::error!(mailbox = %self.id, "a commit did not run: {error}");
                self.room.committed(None, promised);
                self.give_up();
            }
        }
        self.untold.set(false);
        self.told.notify_waiters();
    }

    /// Waits until the commit that is under way, if there is one, was told: what a read has seen of it is pushed before what
    /// the read answers.
    pub async fn settled(&self) {
        if self.untold.get() {
            self.told.notified().await;
        }
    }

    /// Tells of the changes and answers, in commit order: an answer never overtakes the changes that it is about.
    fn settle(&self, committed: Committed) {
        self.backup.written();
        let Committed { writer, parts, recent, outcome, log_bytes, usage: _ } = committed;
        self.log.committed(log_bytes);
        if let (Some(writer), Some(files)) = (writer, self.files.borrow_mut().as_mut()) {
            files.writer = Some(writer);
        }
        if let Err(fault) = &outcome {
            fault.report(&self.id);
            let _ = self.noticed(outcome.clone());
        }
        let views = self.views.borrow();
        for part in parts {
            for change in part.changes {
                if matches!(change, mailbox::Change::Vanished { .. } | mailbox::Change::FolderDeleted { .. }) {
                    self.garbage.set(true);
                }
                if matches!(change, mailbox::Change::Appended { .. }) {
                    self.indexing.look();
                }
                push::tell(&views, &change, part.origin, &recent);
            }
            part.work.answer(outcome.clone());
        }
        drop(views);
        if self.files.borrow().as_ref().is_some_and(|files| files.writer.is_none()) {
            self.give_up();
        }
    }

    /// Tells the operator of what happened to the files outside of a request.
    fn report(&self, error: &mailbox::Error) {
        tracing::error!(mailbox = %self.id, "{error}");
    }

    /// Closes the files without a word more to them: what they hold is learned by opening them anew.
    fn give_up(&self) {
        if self.files.borrow_mut().take().is_some()
            && let Some(residents) = self.residents.upgrade()
        {
            residents.closed();
        }
    }
}

impl Files {
    /// The readers first, so that the writer's is the last connection.
    fn close(self) -> Result<(), mailbox::Error> {
        let Self { reader, spares, scrub, writer, .. } = self;
        drop((reader, spares, scrub));
        writer.map_or(Ok(()), Writer::close)
    }
}

/// Room that is promised to these.
fn promised(queued: &[Queued]) -> Amount {
    queued.iter().fold(Amount::default(), |all, each| all.plus(each.promised))
}

/// The files, and what is in the mailbox.
fn open_on_disk(
    primary: &Primary,
    key: &MailboxKey,
    id: &MailboxId,
    birth: bool,
) -> Result<(Files, Option<Amount>), Fault> {
    let settled = primary.exchanges.settle(id);
    settled.map_err(|error| unavailable(format!("the mailbox's files are changing places: {error}")))?;
    let path = match primary.volumes.find(Kind::Mailbox, id)? {
        Some(path) => path,
        None if birth => {
            let path = primary.volumes.place(Kind::Mailbox, id)?;
            mailbox::create_with(&path, key, id, primary.now(), &primary.settings.options)?;
            tracing::info!(mailbox = %id, "mailbox file made");
            path
        }
        None => return Err(mailbox::Error::Missing.into()),
    };
    let options = &primary.settings.options;
    let noted =
        crate::damage::known(&path).map_err(|error| unavailable(format!("the volume cannot be read: {error}")))?;
    let damage = match noted {
        Some(what) => what,
        None => match Writer::open(&path, key, id, options) {
            Ok(writer) => {
                let reader = Reader::beside(&writer, key, options)?;
                let usage = reader.usage()?;
                let writer = Some(writer);
                return Ok((
                    Files { path, reader, spares: Vec::new(), writer, scrub: None, damage: None },
                    Some(usage.into()),
                ));
            }
            Err(error) if error.is_damage() => {
                let what = integrity::first_finding(&path, key, id, options).unwrap_or_else(|| error.to_string());
                if let Err(error) = crate::damage::note(&path, &what) {
                    tracing::error!(mailbox = %id, %error, "the damage cannot be noted beside the mailbox file");
                }
                what
            }
            Err(error) => return Err(error.into()),
        },
    };
    // What does not open for reading either stays shut.
    let reader = Reader::open(&path, key, id, options)?;
    // What cannot be counted is not counted as nothing.
    let usage = reader.usage().ok().map(Amount::from);
    let files = Files { path, reader, spares: Vec::new(), writer: None, scrub: None, damage: Some(damage) };
    Ok((files, usage))
}

//! The waiting-mail files of this shard's mailboxes: sealed messages of owners who are away.
//! How they are read again is `drain`'s.
//!
//! Invariants: a mailbox's waiting file has one connection, used by one operation at a time, on the writer pool. Operations
//! run in tasks that nobody cancels. A file that holds nothing is deleted by whoever used it last; one that holds something
//! stays open a little longer, because mail comes in bursts and opening costs more than a message. Its key is the node's own:
//! nothing of the owner's is in memory for that. A damaged file is set aside as soon as that is noticed (`keyed`), by whoever has it
//! under the lock: what is whole of it waits in the new file, and new mail comes to that one.

use crate::backup::merge::WaitingBackup;
use crate::fault::{Fault, erased, unavailable};
use crate::keyed::{self, Keyed};
use crate::limits::{WAITING_LINGER_FILES_MAX, WAITING_LINGER_MS, WAITING_MESSAGES_MAX};
use crate::primary::Primary;
use crate::quota::{Promise, Room, Rooms};
use crate::volume::Kind;
use bytes::Bytes;
use mailbox::queue::Merged;
use mailbox::waiting::{Closing, WaitingFile};
use model::{DeliveryId, MailboxId};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;
use wire::session::FailureCode;

/// The files that are in use.
pub struct Boxes {
    primary: Arc<Primary>,
    table: RefCell<HashMap<MailboxId, Weak<WaitingBox>>>,
    /// What is counted of each mailbox, here and where it is open.
    pub rooms: Rooms,
    /// Ids of mailboxes that were erased: a front-end or an MX may have them cached.
    erased: RefCell<HashSet<MailboxId>>,
    /// Those that nobody uses, with their files open, and until when; the one to be closed first in front.
    lingering: RefCell<VecDeque<(Instant, Rc<WaitingBox>)>>,
    lingers: Notify,
    /// The node ends: nothing lingers.
    ending: Cell<bool>,
    emptied: Notify,
}

/// One mailbox's waiting file, there or not.
pub struct WaitingBox {
    /// Whose mail waits.
    pub id: MailboxId,
    /// Where it is counted.
    pub room: Rc<Room>,
    boxes: Rc<Boxes>,
    /// Those that were given it and have not said that they are done.
    users: Cell<usize>,
    file: Mutex<Option<WaitingFile>>,
}

/// The end of a message that will wait.
pub struct Last {
    /// Nothing of it was written yet.
    pub begin: bool,
    /// What is left of the sealed body.
    pub data: Vec<Bytes>,
    /// The content key, wrapped for the owner.
    pub wrap: Bytes,
    /// The sealed fields in front of it.
    pub prefix: Bytes,
    /// Found to be junk.
    pub junk: bool,
}

/// What is done when there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    Make,
    LetBe,
}

impl Boxes {
    /// None in use.
    pub fn new(primary: &Arc<Primary>) -> Rc<Self> {
        Rc::new_cyclic(|boxes| Self {
            primary: primary.clone(),
            table: RefCell::default(),
            rooms: Rooms::new(primary, boxes.clone()),
            erased: RefCell::default(),
            lingering: RefCell::default(),
            lingers: Notify::new(),
            ending: Cell::new(false),
            emptied: Notify::new(),
        })
    }

    /// The mailbox was erased: no mail waits for it any more.
    pub fn erase(&self, id: &MailboxId) {
        self.erased.borrow_mut().insert(*id);
    }

    /// Whether it was, in this process or before.
    pub fn is_erased(&self, id: &MailboxId) -> bool {
        self.erased.borrow().contains(id)
    }

    /// The mailbox's box; the same for all who use it at once. Each of them calls `rest` when it is done.
    pub fn get(self: &Rc<Self>, id: &MailboxId) -> Rc<WaitingBox> {
        let mut table = self.table.borrow_mut();
        if let Some(waiting) = table.get(id).and_then(Weak::upgrade) {
            waiting.users.set(waiting.users.get() + 1);
            return waiting;
        }
        let waiting = Rc::new(WaitingBox {
            id: *id,
            room: self.rooms.of(id),
            boxes: self.clone(),
            users: Cell::new(1),
            file: Mutex::new(None),
        });
        table.insert(*id, Rc::downgrade(&waiting));
        waiting
    }

    /// Counts what waits for a mailbox, where that is not known.
    ///
    /// # Errors
    /// Of the file.
    pub async fn count(self: &Rc<Self>, id: &MailboxId) -> Result<(), Fault> {
        let waiting = self.get(id);
        let counted = waiting.count().await;
        waiting.rest().await;
        counted
    }

    /// Closes files that nobody used for a while, for as long as it runs.
    pub async fn close_lingering(&self) {
        loop {
            let first = self.lingering.borrow().front().map(|(until, _)| *until);
            match first {
                None => self.lingers.notified().await,
                Some(until) => {
                    tokio::time::sleep_until(until).await;
                    self.close_until(Instant::now()).await;
                }
            }
        }
    }

    async fn close_until(&self, now: Instant) {
        loop {
            let due = self.lingering.borrow_mut().pop_front_if(|(until, _)| *until <= now);
            let Some((_, waiting)) = due else { return };
            waiting.close_unused().await;
        }
    }

    /// Leaves an unused box's file open for a while; where too many are, the one that was used longest ago is closed.
    async fn linger(&self, waiting: &Rc<WaitingBox>) {
        let until = Instant::now() + Duration::from_millis(WAITING_LINGER_MS);
        let crowded_out = {
            let mut lingering = self.lingering.borrow_mut();
            lingering.retain(|(_, other)| !Rc::ptr_eq(other, waiting));
            lingering.push_back((until, waiting.clone()));
            if lingering.len() > WAITING_LINGER_FILES_MAX { lingering.pop_front() } else { None }
        };
        self.lingers.notify_one();
        if let Some((_, oldest)) = crowded_out {
            oldest.close_unused().await;
        }
    }

    /// Waits until none is in use, and closes them all.
    pub async fn emptied(&self) {
        self.ending.set(true);
        let lingering = std::mem::take(&mut *self.lingering.borrow_mut());
        for (_, waiting) in lingering {
            waiting.close_unused().await;
        }
        while !self.table.borrow().is_empty() {
            self.emptied.notified().await;
        }
    }
}

impl Drop for WaitingBox {
    fn drop(&mut self) {
        let mut table = self.boxes.table.borrow_mut();
        if table.get(&self.id).is_some_and(|there| there.strong_count() == 0) {
            table.remove(&self.id);
        }
        if table.is_empty() {
            self.boxes.emptied.notify_waiters();
        }
    }
}

impl WaitingBox {
    /// Runs an operation on the file; `None` when there is no file.
    async fn with<T: Send + 'static>(
        &self,
        absent: Absent,
        run: impl FnOnce(&mut WaitingFile) -> Result<T, mailbox::Error> + Send + 'static,
    ) -> Result<Option<T>, Fault> {
        let mut place = self.file.lock().await;
        if absent == Absent::Make && self.boxes.is_erased(&self.id) {
            return Err(erased());
        }
        let (open, primary, id) = (place.take(), self.boxes.primary.clone(), self.id);
        let done = self.boxes.primary.writers.run(move || {
            let opened = match open {
                Some(file) => Some(Opened { file, anew: false }),
                None => open_on_disk(&primary, &id, absent)?,
            };
            let Some(opened) = opened else { return Ok((None, None)) };
            let (opened, result) = opened.operate(&primary, &id, run);
            Ok::<_, Fault>((opened, Some(result)))
        });
        let (opened, result) = done.await??;
        *place = opened.map(|opened| self.counted_anew(opened));
        Ok(result.transpose()?)
    }

    /// What waits is what is in the file that took the place of a damaged one.
    fn counted_anew(&self, opened: Opened) -> WaitingFile {
        let Opened { file, anew } = opened;
        if anew {
            self.room.recounted(file.usage().into());
        }
        file
    }

    /// Damage was found beside the operations. If the file is damaged, and not one that was drained and deleted under whoever looked,
    /// it is set aside, and what is whole of it waits in a new one.
    pub async fn found_damage(&self, found: String) {
        let mut place = self.file.lock().await;
        let (open, primary, id) = (place.take(), self.boxes.primary.clone(), self.id);
        let moved = self.boxes.primary.writers.run(move || {
            drop(open);
            let Some(path) = primary.volumes.find(Kind::Waiting, &id)? else { return Ok(None) };
            let Some(what) = Keyed::Waiting(id).confirmed(&primary, &path)? else {
                tracing::info!(mailbox = %id, "the waiting-mail file is sound; what was found was another's ({found})");
                return Ok(None);
            };
            Keyed::Waiting(id).set_aside(&primary, &path, &what, || {})?;
            let file = open_file(&primary, &id, &path)?;
            Ok::<_, Fault>(Some(Opened { file, anew: true }))
        });
        match moved.await.map_err(Fault::from).and_then(|moved| moved) {
            Ok(opened) => *place = opened.map(|opened| self.counted_anew(opened)),
            Err(fault) => {
                tracing::error!(mailbox = %self.id, "a damaged waiting-mail file cannot be set aside: {fault}")
            }
        }
    }

    /// Adds what a backup has and the file has not.
    ///
    /// # Errors
    /// Of the file, or the backup; what was added stays.
    pub async fn merge(&self, backup: WaitingBackup) -> Result<Merged, Fault> {
        let merged = self.with(Absent::Make, move |file| backup.pour(file)).await;
        // Also of what failed half-way.
        if let Some(waits) = self.with(Absent::LetBe, |file| Ok(file.usage())).await? {
            self.room.recounted(waits.into());
        }
        Ok(merged?.unwrap_or_default())
    }

    /// Whether a message may still come; `true` when this delivery has come already.
    ///
    /// # Errors
    /// OVER_QUOTA when too much waits.
    pub async fn admit(&self, delivery: DeliveryId, size: u64) -> Result<bool, Fault> {
        let asked =
            self.with(Absent::LetBe, move |file| Ok((file.known(&delivery)?, file.count(), file.bytes()))).await?;
        let (known, count, bytes) = asked.unwrap_or_default();
        let bytes_max = self.boxes.primary.settings.waiting_bytes_max;
        if !known && (count >= WAITING_MESSAGES_MAX || bytes.saturating_add(size) > bytes_max) {
            return Err(Fault::new(FailureCode::OverQuota, "too much mail waits for this owner"));
        }
        Ok(known)
    }

    /// Counts what waits. Nothing is awaited between the file and the room, so that no message is missed or counted twice.
    pub async fn count(&self) -> Result<(), Fault> {
        let counted = self.with(Absent::LetBe, |file| Ok(file.usage())).await?;
        self.room.counted(counted.unwrap_or_default().into());
        Ok(())
    }

    /// Whether the delivery is there, whole.
    pub async fn known(&self, delivery: DeliveryId) -> Result<bool, Fault> {
        Ok(self.with(Absent::LetBe, move |file| file.known(&delivery)).await?.unwrap_or(false))
    }

    /// Writes a chunk of a message that is not whole yet; `begin` with its first one.
    pub async fn write(&self, delivery: DeliveryId, begin: bool, data: Vec<Bytes>) -> Result<(), Fault> {
        let now = self.boxes.primary.now();
        self.with(Absent::Make, move |file| {
            if begin {
                file.begin(&delivery, now)?;
            }
            file.push(&delivery, &data.concat())
        })
        .await
        .map(|_| ())
    }

    /// Writes what is left and what closes it; durable on return: from here on it waits for its owner.
    pub async fn complete(&self, delivery: DeliveryId, last: Last, promise: Promise) -> Result<(), Fault> {
        let Last { begin, data, wrap, prefix, junk } = last;
        let now = self.boxes.primary.now();
        self.with(Absent::Make, move |file| {
            if begin {
                file.begin(&delivery, now)?;
            }
            if !data.is_empty() {
                file.push(&delivery, &data.concat())?;
            }
            file.complete(&delivery, Closing { wrap: &wrap, prefix: &prefix, junk })
        })
        .await?;
        promise.waits();
        Ok(())
    }

    /// Gives up a message that was begun. One that cannot be discarded now is dropped when the file is next opened.
    pub async fn discard(&self, delivery: DeliveryId) {
        if let Err(fault) = self.with(Absent::LetBe, move |file| file.discard(&delivery)).await {
            fault.report(&self.id);
        }
    }

    /// Runs a step of the drain; `None` when there is no file.
    pub async fn step<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut WaitingFile) -> Result<T, mailbox::Error> + Send + 'static,
    ) -> Result<Option<T>, Fault> {
        self.with(Absent::LetBe, run).await
    }

    /// Closes the file and runs `remove`; nobody opens it meanwhile.
    ///
    /// # Errors
    /// Of `remove`.
    pub async fn end<T: Send + 'static>(
        &self,
        remove: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let mut place = self.file.lock().await;
        let open = place.take();
        let ended = self.boxes.primary.writers.run(move || {
            drop(open);
            remove()
        });
        ended.await?
    }

    /// Called by whoever is done with it. If nobody else uses it, a file with nothing in it is deleted, and another lingers.
    pub async fn rest(self: &Rc<Self>) {
        let mut place = self.file.lock().await;
        self.users.set(self.users.get().saturating_sub(1));
        if self.users.get() > 0 {
            return;
        }
        let Some(file) = place.take() else { return };
        if file.is_empty() || self.boxes.ending.get() {
            self.put_away(file).await;
            return;
        }
        *place = Some(file);
        drop(place);
        self.boxes.linger(self).await;
    }

    /// Closes the file if nobody has come to use it.
    async fn close_unused(&self) {
        let mut place = self.file.lock().await;
        if self.users.get() == 0
            && let Some(file) = place.take()
        {
            self.put_away(file).await;
        }
    }

    /// Closes the file, and deletes it if nothing is in it.
    async fn put_away(&self, file: WaitingFile) {
        let away =
            self.boxes.primary.writers.run(move || if file.is_empty() { file.delete_file() } else { file.close() });
        if let Err(fault) = away.await.map_err(Fault::from).and_then(|done| Ok(done?)) {
            fault.report(&self.id);
        }
    }
}

/// An open file.
struct Opened {
    file: WaitingFile,
    /// It took the place of a damaged one.
    anew: bool,
}

impl Opened {
    /// Runs an operation, and what is due after it. A file that turns out to be damaged is set aside, and the operation fails: what
    /// it was about may be in the new file or not.
    fn operate<T>(
        self,
        primary: &Primary,
        id: &MailboxId,
        run: impl FnOnce(&mut WaitingFile) -> Result<T, mailbox::Error>,
    ) -> (Option<Self>, Result<T, mailbox::Error>) {
        let Self { mut file, anew } = self;
        let result = run(&mut file);
        // After an error of the disk or the engine the file is opened anew: what it holds is not known otherwise.
        let mut keep = result.as_ref().err().is_none_or(mailbox::Error::is_harmless);
        let mut damage = result.as_ref().err().filter(|error| error.is_damage()).map(ToString::to_string);
        if result.is_ok()
            && let Err(error) = file.upkeep()
        {
            // What was done stands, with its log.
            tracing::error!(mailbox = %id, "a waiting-mail file's log could not be moved into it: {error}");
            keep = error.is_harmless();
            damage = Some(error).filter(mailbox::Error::is_damage).map(|error| error.to_string());
        }
        if let Some(what) = damage {
            drop(file);
            return (replace_damaged(primary, id, &what), result);
        }
        (keep.then_some(Self { file, anew }), result)
    }
}

/// The new file, if the damaged one could be set aside; if not, the next open tries again.
fn replace_damaged(primary: &Primary, id: &MailboxId, what: &str) -> Option<Opened> {
    let replaced = primary.volumes.find(Kind::Waiting, id).map_err(Fault::from).and_then(|path| {
        let Some(path) = path else { return Ok(None) };
        Keyed::Waiting(*id).set_aside(primary, &path, what, || {})?;
        Ok(Some(Opened { file: open_file(primary, id, &path)?, anew: true }))
    });
    replaced.unwrap_or_else(|fault| {
        tracing::error!(mailbox = %id, "a damaged waiting-mail file cannot be set aside: {fault}");
        None
    })
}

fn open_on_disk(primary: &Primary, id: &MailboxId, absent: Absent) -> Result<Option<Opened>, Fault> {
    let settled = primary.exchanges.settle(id);
    settled.map_err(|error| unavailable(format!("the waiting-mail file is changing its place: {error}")))?;
    let path = match (primary.volumes.find(Kind::Waiting, id)?, absent) {
        (Some(path), _) => path,
        (None, Absent::Make) => primary.volumes.place(Kind::Waiting, id)?,
        (None, Absent::LetBe) => return Ok(None),
    };
    match open_file(primary, id, &path) {
        Ok(file) => Ok(Some(Opened { file, anew: false })),
        Err(error) if keyed::is_damage(&error) => {
            Keyed::Waiting(*id).set_aside(primary, &path, &error.to_string(), || {})?;
            Ok(Some(Opened { file: open_file(primary, id, &path)?, anew: true }))
        }
        Err(error) => Err(error.into()),
    }
}

fn open_file(primary: &Primary, id: &MailboxId, path: &Path) -> Result<WaitingFile, mailbox::Error> {
    let key = primary.node_key.file_key(id).map_err(|error| mailbox::Error::Vault(error.to_string()))?;
    WaitingFile::open_or_create(path, &key, id, primary.settings.options.disk)
}

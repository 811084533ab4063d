//! The waiting-mail files of this shard's mailboxes: sealed messages of owners who are away.
//! How they are read again is `drain`'s.
//!
//! Invariants: a mailbox's waiting file has one connection, used by one operation at a time, on the writer pool. Operations
//! run in tasks that nobody cancels. A file that holds nothing is deleted by whoever used it last.

use crate::fault::{Fault, erased};
use crate::limits::WAITING_MESSAGES_MAX;
use crate::primary::Primary;
use crate::quota::{Promise, Room, Rooms};
use crate::volume::Kind;
use bytes::Bytes;
use mailbox::waiting::{Closing, WaitingFile};
use model::{DeliveryId, MailboxId};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use tokio::sync::{Mutex, Notify};
use wire::session::FailureCode;

/// The files that are in use.
pub struct Boxes {
    primary: Arc<Primary>,
    table: RefCell<HashMap<MailboxId, Weak<WaitingBox>>>,
    /// What is counted of each mailbox, here and where it is open.
    pub rooms: Rooms,
    /// Ids of mailboxes that were erased: a front-end or an MX may have them cached.
    erased: RefCell<HashSet<MailboxId>>,
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
            emptied: Notify::new(),
        })
    }

    /// The mailbox was erased: no mail waits for it any more.
    pub fn erase(&self, id: &MailboxId) {
        self.erased.borrow_mut().insert(*id);
    }

    /// Whether it was, while this process lives.
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

    /// Waits until none is in use.
    pub async fn emptied(&self) {
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
            let Some(mut file) = open.map_or_else(|| open_on_disk(&primary, &id, absent), |file| Ok(Some(file)))?
            else {
                return Ok((None, None));
            };
            let result = run(&mut file);
            // After an error of the disk or the engine the file is opened anew: what it holds is not known otherwise.
            let mut keep = result.as_ref().err().is_none_or(mailbox::Error::is_harmless);
            if result.is_ok()
                && let Err(error) = file.upkeep()
            {
                // What was done stands, with its log.
                tracing::error!(mailbox = %id, "a waiting-mail file's log could not be moved into it: {error}");
                keep = error.is_harmless();
            }
            Ok::<_, Fault>((keep.then_some(file), Some(result)))
        });
        let (file, result) = done.await??;
        *place = file;
        Ok(result.transpose()?)
    }

    /// Whether a message may still come; `true` when this delivery has come already.
    ///
    /// # Errors
    /// OVER_QUOTA when too much waits.
    pub async fn admit(&self, delivery: DeliveryId, size: u64) -> Result<bool, Fault> {
        let asked =
            self.with(Absent::LetBe, move |file| Ok((file.known(&delivery)?, file.count()?, file.bytes()?))).await?;
        let (known, count, bytes) = asked.unwrap_or_default();
        let bytes_max = self.boxes.primary.settings.waiting_bytes_max;
        if !known && (count >= WAITING_MESSAGES_MAX || bytes.saturating_add(size) > bytes_max) {
            return Err(Fault::new(FailureCode::OverQuota, "too much mail waits for this owner"));
        }
        Ok(known)
    }

    /// Counts what waits. Nothing is awaited between the file and the room, so that no message is missed or counted twice.
    pub async fn count(&self) -> Result<(), Fault> {
        let counted = self.with(Absent::LetBe, |file| file.usage()).await?;
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

    /// Called by whoever is done with it: closes the file if nobody else uses it, and deletes it if nothing is in it.
    pub async fn rest(&self) {
        let mut place = self.file.lock().await;
        self.users.set(self.users.get().saturating_sub(1));
        if self.users.get() > 0 {
            return;
        }
        let Some(file) = place.take() else { return };
        let rested =
            self.boxes.primary.writers.run(move || if file.is_empty()? { file.delete_file() } else { file.close() });
        if let Err(fault) = rested.await.map_err(Fault::from).and_then(|rested| Ok(rested?)) {
            fault.report(&self.id);
        }
    }
}

fn open_on_disk(primary: &Primary, id: &MailboxId, absent: Absent) -> Result<Option<WaitingFile>, Fault> {
    let path = match (primary.volumes.find(Kind::Waiting, id)?, absent) {
        (Some(path), _) => path,
        (None, Absent::Make) => primary.volumes.place(Kind::Waiting, id)?,
        (None, Absent::LetBe) => return Ok(None),
    };
    let key = primary.node_key.file_key(id)?;
    Ok(Some(WaitingFile::open_or_create(&path, &key, id, primary.settings.options.disk)?))
}

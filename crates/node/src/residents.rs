//! The mailboxes that one shard has open: found by id, and few of them with open files at once.
//!
//! Invariant: at most `open_max` mailboxes have open files; who needs one more closes the one that was not used for longest.

use crate::drain;
use crate::fault::{Fault, limit, unavailable};
use crate::limits::{OPEN_ROOM_POLL_MS, OPEN_ROOM_WAIT_MS_MAX, SCRUBS_REMEMBERED_MAX};
use crate::primary::Primary;
use crate::resident::{Hold, Opening, Resident};
use crate::waiting::{Boxes, WaitingBox};
use model::MailboxId;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use wire::session::FailureCode;

/// The table.
pub struct Residents {
    primary: Arc<Primary>,
    boxes: Rc<Boxes>,
    table: RefCell<HashMap<MailboxId, Rc<Resident>>>,
    open: Cell<usize>,
    open_max: usize,
    emptied: Notify,
    /// Mailboxes whose files change places: nobody is let in.
    closed_off: RefCell<HashSet<MailboxId>>,
    /// When mailboxes were last scrubbed.
    scrubbed: RefCell<HashMap<MailboxId, Instant>>,
}

impl Residents {
    /// An empty table.
    pub fn new(primary: &Arc<Primary>, boxes: &Rc<Boxes>) -> Rc<Self> {
        let open_max = (primary.settings.open_mailboxes_max / primary.shards).max(1);
        Rc::new(Self {
            primary: primary.clone(),
            boxes: boxes.clone(),
            table: RefCell::default(),
            open: Cell::new(0),
            open_max,
            emptied: Notify::new(),
            closed_off: RefCell::default(),
            scrubbed: RefCell::default(),
        })
    }

    /// Mailboxes with open files.
    pub fn open(&self) -> usize {
        self.open.get()
    }

    /// Sessions, over all mailboxes.
    pub fn sessions(&self) -> usize {
        self.table.borrow().values().map(|resident| resident.views.borrow().len()).sum()
    }

    /// The mailbox, if somebody holds it.
    pub fn held(&self, id: &MailboxId) -> Option<Hold> {
        self.table.borrow().get(id).filter(|resident| resident.is_held() && resident.is_proven()).map(Resident::hold)
    }

    /// Whether the mailbox was not scrubbed for so long.
    pub fn scrub_is_due(&self, id: &MailboxId, every: Duration) -> bool {
        self.scrubbed.borrow().get(id).is_none_or(|at| at.elapsed() >= every)
    }

    /// The mailbox was scrubbed. Beyond the bound of what is remembered the oldest are forgotten, and scrubbed sooner.
    pub fn scrubbed(&self, id: MailboxId) {
        let mut scrubbed = self.scrubbed.borrow_mut();
        scrubbed.insert(id, Instant::now());
        if scrubbed.len() > SCRUBS_REMEMBERED_MAX
            && let Some(oldest) = scrubbed.iter().min_by_key(|(_, at)| **at).map(|(id, _)| *id)
        {
            scrubbed.remove(&oldest);
        }
    }

    /// The mailbox's waiting file; `rest` is due when it is no more used.
    pub fn waiting(&self, id: &MailboxId) -> Rc<WaitingBox> {
        self.boxes.get(id)
    }

    /// Mail came to the waiting file: the owner may have come in the meantime, and then it goes on into the mailbox at once.
    /// Told also to a mailbox whose files are being opened or closed just now: its drain may have looked before the mail came,
    /// and who opens it next may find it still there, with no reason to look again.
    pub fn mail_waits(&self, id: &MailboxId) {
        if let Some(resident) = self.table.borrow().get(id) {
            resident.mail_waits.notify_one();
        }
    }

    /// Holds the mailbox with this key; opens it when nobody had it open.
    ///
    /// # Errors
    /// WRONG_KEY, WRONG_NODE for an epoch that has passed, and what is wrong with the file.
    pub async fn hold(self: &Rc<Self>, id: MailboxId, opening: Opening) -> Result<Hold, Fault> {
        loop {
            if self.closed_off.borrow().contains(&id) {
                return Err(unavailable("the mailbox is being restored"));
            }
            let there = self.table.borrow().get(&id).cloned();
            let Some(resident) = there else { break };
            if resident.has_key(&opening.key) {
                return self.join(&resident, &opening).await;
            }
            if resident.is_proven() {
                return Err(Fault::new(FailureCode::WrongKey, "the key does not open the mailbox"));
            }
            // Two keys, and neither has opened the file yet. The first is tried first; when it is the wrong one, the
            // mailbox leaves the table.
            let hold = resident.hold();
            let _ = resident.enter().await;
            drop(hold);
        }
        let resident = Resident::start(&self.primary, Rc::downgrade(self), self.boxes.rooms.of(&id), opening);
        self.table.borrow_mut().insert(id, resident.clone());
        let hold = resident.hold();
        tokio::task::spawn_local(drain::run(self.boxes.clone(), resident.clone()));
        resident.enter().await?;
        Ok(hold)
    }

    async fn join(&self, resident: &Rc<Resident>, opening: &Opening) -> Result<Hold, Fault> {
        if opening.epoch < resident.epoch.get() {
            return Err(Fault::new(FailureCode::WrongNode, "the placement has changed since"));
        }
        resident.epoch.set(opening.epoch);
        if opening.birth {
            resident.may_be_born();
        }
        if !opening.wrapped_sealing_key.is_empty() {
            resident.wrapped_sealing_key.borrow_mut().clone_from(&opening.wrapped_sealing_key);
        }
        let hold = resident.hold();
        resident.enter().await?;
        Ok(hold)
    }

    /// Takes a place among the open mailboxes, closing another one's files when all are taken. Waits a little for one that
    /// is in use: a use lasts as long as a request, or a batch of the text index.
    ///
    /// # Errors
    /// LIMIT when every one of them stays in use.
    pub async fn make_room(&self) -> Result<(), Fault> {
        let begun = Instant::now();
        while self.open.get() >= self.open_max {
            let oldest = {
                let table = self.table.borrow();
                table.values().filter(|each| each.is_idle()).min_by_key(|each| each.last_used()).cloned()
            };
            let Some(oldest) = oldest else {
                if begun.elapsed() >= Duration::from_millis(OPEN_ROOM_WAIT_MS_MAX) {
                    return Err(limit("mailboxes that are open at once"));
                }
                tokio::time::sleep(Duration::from_millis(OPEN_ROOM_POLL_MS)).await;
                continue;
            };
            let before = self.open.get();
            oldest.close().await;
            if self.open.get() >= before {
                // Somebody used it just now; let that go on before looking again.
                tokio::task::yield_now().await;
            }
        }
        self.open.set(self.open.get() + 1);
        metrics::gauge!("brevdue_node_open_mailboxes").increment(1);
        Ok(())
    }

    /// A mailbox's files were closed, or not opened after all.
    pub fn closed(&self) {
        self.open.set(self.open.get().saturating_sub(1));
        metrics::gauge!("brevdue_node_open_mailboxes").decrement(1);
    }

    /// Nobody holds it any more, or its key was wrong.
    pub fn forget(&self, resident: &Resident) {
        let mut table = self.table.borrow_mut();
        if table.get(&resident.id).is_some_and(|there| std::ptr::eq(there.as_ref(), resident)) {
            table.remove(&resident.id);
        }
        if table.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Closes the mailbox, whoever has it open, and lets nobody in until [`Residents::let_in`].
    ///
    /// # Errors
    /// UNAVAILABLE when what is under way there does not end in time; then it goes on as it was.
    pub async fn retire(&self, id: &MailboxId) -> Result<(), Fault> {
        if !self.closed_off.borrow_mut().insert(*id) {
            return Err(unavailable("the mailbox is being restored"));
        }
        let there = self.table.borrow().get(id).cloned();
        if let Some(resident) = there
            && let Err(fault) = resident.retire().await
        {
            self.let_in(id);
            return Err(fault);
        }
        Ok(())
    }

    /// Lets people in again.
    pub fn let_in(&self, id: &MailboxId) {
        self.closed_off.borrow_mut().remove(id);
    }

    /// Waits until nothing is held any more.
    pub async fn emptied(&self) {
        while !self.table.borrow().is_empty() {
            self.emptied.notified().await;
        }
    }
}

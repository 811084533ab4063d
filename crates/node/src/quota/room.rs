//! One mailbox's room: what it holds, what waits, what is promised; and promises.
//!
//! Invariants, all on the shard's one thread:
//! - Held, waiting and promised together are within the ceiling when anything is promised; what was there before a limit was
//!   set stays. Whatever is stored was promised before, at its exact size before its commit.
//! - A promise ends, and what became of it is counted, at the same moment: nothing is counted twice or not at all between.
//! - A grant is relied on only as an answer to this process said it. It is given up here before the directory is told.

use super::{Amount, Limits};
use crate::fault::{Fault, unavailable};
use crate::limits::{ALLOWANCE_DEAF_MS, ALLOWANCE_WAIT_MS_MAX, GRANT_ASKS_MAX};
use crate::primary::Primary;
use crate::waiting::Boxes;
use directory::client::Error;
use model::MailboxId;
use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use wire::node::{Outcome, Verdict};
use wire::session::FailureCode;

/// The room of one mailbox.
pub struct Room {
    /// Whose.
    pub id: MailboxId,
    pub(super) primary: Arc<Primary>,
    boxes: Weak<Boxes>,
    /// As last heard.
    limits: Cell<Option<Limits>>,
    /// Until when the directory is not asked for limits again, because it did not answer.
    deaf_until: Cell<Option<Instant>>,
    /// In the mailbox, or an upper bound of it; none while nobody knows.
    held: Cell<Option<Amount>>,
    /// None before it was counted.
    waiting: Cell<Option<Amount>>,
    promised: Cell<Amount>,
    /// What the three may come to; see [`Limits::ceiling`].
    pub(super) granted: Cell<Amount>,
    /// Of the grant, as last heard.
    pub(super) version: Cell<Option<u64>>,
    /// Something changed that the directory was not told.
    pub(super) untold: Cell<bool>,
    touched: Cell<Instant>,
    /// One talk with the directory at a time.
    pub(super) turn: Mutex<()>,
    /// Whether the mailbox is.
    open: Cell<bool>,
}

/// Why there is no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortage {
    /// Not now.
    Full,
    /// Not even if the mailbox, and all it shares a limit with, were empty.
    Never,
    /// Nobody knows.
    Failed(Fault),
}

impl Shortage {
    /// What a delivery is told before its body.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Full => Verdict::NoRoom,
            Self::Never => Verdict::OverLimit,
            Self::Failed(fault) => fault.verdict(),
        }
    }

    /// What a delivery is told after its body.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Full => Outcome::NoRoom,
            Self::Never => Outcome::OverLimit,
            Self::Failed(fault) => fault.outcome(),
        }
    }
}

impl From<Shortage> for Fault {
    fn from(shortage: Shortage) -> Self {
        match shortage {
            Shortage::Full => Self::new(
                FailureCode::OverQuota,
                "there is no room for it: the mailbox, its account or its domain holds as much as it may",
            ),
            Shortage::Never => Self::new(
                FailureCode::OverQuota,
                "it is more than the mailbox, its account or its domain may hold at all",
            ),
            Shortage::Failed(fault) => fault,
        }
    }
}

impl From<Fault> for Shortage {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl From<Error> for Shortage {
    fn from(error: Error) -> Self {
        Self::Failed(unavailable(error.to_string()))
    }
}

/// Room that is kept for a message on its way, until this is dropped or the message is counted.
pub struct Promise {
    room: Rc<Room>,
    amount: Amount,
}

impl Room {
    pub(super) fn new(id: MailboxId, primary: &Arc<Primary>, boxes: Weak<Boxes>) -> Self {
        Self {
            id,
            primary: primary.clone(),
            boxes,
            limits: Cell::new(None),
            deaf_until: Cell::new(None),
            held: Cell::new(None),
            waiting: Cell::new(None),
            promised: Cell::default(),
            granted: Cell::default(),
            version: Cell::new(None),
            untold: Cell::new(false),
            touched: Cell::new(Instant::now()),
            turn: Mutex::new(()),
            open: Cell::new(false),
        }
    }

    /// How long nothing was stored.
    pub(super) fn quiet(&self) -> Duration {
        self.touched.get().elapsed()
    }

    /// The mailbox was opened and counted. Asks what limits it ahead of the first write.
    pub fn opened(self: &Rc<Self>, usage: Amount) {
        self.open.set(true);
        let before = self.held.replace(Some(usage));
        if before.is_some_and(|before| before != usage) {
            self.untold.set(true);
        }
        if self.primary.settings.pools.is_some() && before.is_none() {
            let room = self.clone();
            tokio::task::spawn_local(async move {
                // What was left over of a grant, by a crash, goes back at the latest when the mailbox is closed.
                if room.limits().await.is_ok_and(Limits::are_shared) {
                    room.untold.set(true);
                    if !room.open.get() {
                        // It was closed while the directory was asked.
                        room.closed();
                    }
                }
            });
        }
    }

    /// Nobody has it open any more.
    pub fn closed(self: &Rc<Self>) {
        self.open.set(false);
        if !self.is_settled() {
            let room = self.clone();
            tokio::task::spawn_local(async move {
                // If the directory is away, it is told when the room has been quiet.
                let _ = room.settle().await;
            });
        }
    }

    /// A commit was told: what the mailbox holds now, if that changed, and the promises that it kept.
    pub fn committed(&self, usage: Option<Amount>, promised: Amount) {
        self.promised.set(self.promised.get().less(promised));
        if let Some(usage) = usage {
            self.held.set(Some(usage));
            self.changed();
        }
    }

    /// Messages that waited are being moved into the mailbox: from now on they are promised to be there.
    pub fn drains(self: &Rc<Self>, amount: Amount) -> Promise {
        self.waiting.set(self.waiting.get().map(|waiting| waiting.less(amount)));
        self.keep(amount)
    }

    /// They were not moved.
    pub fn waits_again(&self, amount: Amount) {
        self.waiting.set(self.waiting.get().map(|waiting| waiting.plus(amount)));
    }

    /// What waits was counted in its file.
    pub fn counted(&self, waiting: Amount) {
        if self.waiting.get().is_none() {
            self.waiting.set(Some(waiting));
        }
    }

    /// What waits is in another file now, which has these.
    pub fn recounted(&self, waiting: Amount) {
        self.waiting.set(Some(waiting));
        self.changed();
    }

    /// Held and waiting, as far as is known.
    pub(super) fn parts(&self) -> (Amount, Amount, Amount) {
        (self.held.get().unwrap_or_default(), self.waiting.get().unwrap_or_default(), self.promised.get())
    }

    fn changed(&self) {
        self.touched.set(Instant::now());
        self.untold.set(true);
    }

    fn used(&self) -> Amount {
        let (held, waiting, promised) = self.parts();
        held.plus(waiting).plus(promised)
    }

    /// Whether the directory knows what the mailbox holds, and grants no more than that.
    pub(super) fn is_settled(&self) -> bool {
        !self.untold.get() && self.granted.get().fits(self.used())
    }

    /// The most that the mailbox may hold after the commit that comes next; what waits, and what is promised to other writes
    /// than `within`, is left out.
    pub fn quota(&self, within: Amount) -> mailbox::Quota {
        let Some(limits) = self.limits.get() else { return self.primary.settings.options.quota };
        let others = self.waiting.get().unwrap_or_default().plus(self.promised.get().less(within));
        let ceiling = limits.ceiling(self.granted.get());
        let max = |ceiling: u64, others: u64| match ceiling {
            u64::MAX => 0,
            // 0 would be no limit.
            ceiling => ceiling.saturating_sub(others).max(1),
        };
        mailbox::Quota {
            bytes_max: max(ceiling.bytes, others.bytes),
            messages_max: max(ceiling.messages, others.messages),
        }
    }

    /// What limits the mailbox. The directory's word is heard within a moment of its change; while it is silent, what it said
    /// last holds.
    ///
    /// # Errors
    /// [`Shortage::Failed`] when it never said anything and is silent now.
    pub async fn limits(&self) -> Result<Limits, Shortage> {
        let of_node = Limits::of_node(&self.primary.settings);
        let Some(pools) = &self.primary.settings.pools else {
            self.limits.set(Some(of_node));
            return Ok(of_node);
        };
        let known = self.limits.get();
        if let Some(known) = known
            && self.deaf_until.get().is_some_and(|until| Instant::now() < until)
        {
            return Ok(known);
        }
        let asked = pools.allowance(&self.id);
        let answer = match known {
            Some(_) => tokio::time::timeout(Duration::from_millis(ALLOWANCE_WAIT_MS_MAX), asked)
                .await
                .unwrap_or_else(|_| Err(Error::Unavailable("no answer in time".to_owned()))),
            None => asked.await,
        };
        let limits = match (answer, known) {
            (Ok(allowance), _) => of_node.with(&allowance),
            // No alias has it: it shares nothing with anybody.
            (Err(Error::NotFound(_)), _) => of_node,
            (Err(_), Some(known)) => {
                self.deaf_until.set(Some(Instant::now() + Duration::from_millis(ALLOWANCE_DEAF_MS)));
                return Ok(known);
            }
            (Err(error), None) => return Err(error.into()),
        };
        self.deaf_until.set(None);
        self.limits.set(Some(limits));
        Ok(limits)
    }

    /// Keeps room: for `wish` if there is so much, else for `least`.
    ///
    /// # Errors
    /// Why there is not.
    pub async fn promise(self: &Rc<Self>, least: Amount, wish: Amount) -> Result<Promise, Shortage> {
        self.touched.set(Instant::now());
        let limits = self.limits().await?;
        if limits.are_none() {
            return Ok(self.keep(wish));
        }
        if !least.fits(limits.alone()) {
            return Err(Shortage::Never);
        }
        self.learn().await?;
        if let Some(promise) = self.take(limits, wish) {
            return Ok(promise);
        }
        let _turn = self.turn.lock().await;
        for _ in 0..GRANT_ASKS_MAX {
            let own_room = Limits { own: limits.own, ..Limits::default() }.alone().less(self.used());
            if !least.fits(own_room) {
                return Err(Shortage::Full);
            }
            let wish = if wish.fits(own_room) { wish } else { least };
            // Somebody who had the turn before may have brought enough.
            if let Some(promise) = self.take(limits, wish) {
                return Ok(promise);
            }
            let may_be_enough = limits.are_shared() && self.ask(limits, least, wish).await?;
            if let Some(promise) = self.take(limits, wish).or_else(|| self.take(limits, least)) {
                return Ok(promise);
            }
            if !may_be_enough {
                return Err(Shortage::Full);
            }
            // While the answer was on its way, others took what there was before.
        }
        Err(Shortage::Failed(unavailable("too much is being stored in the mailbox at once: try again")))
    }

    /// Keeps this, if there is room for it.
    fn take(self: &Rc<Self>, limits: Limits, amount: Amount) -> Option<Promise> {
        amount.fits(limits.ceiling(self.granted.get()).less(self.used())).then(|| self.keep(amount))
    }

    /// A promise of nothing, for what will turn out to be stored already.
    pub fn nothing(self: &Rc<Self>) -> Promise {
        self.keep(Amount::default())
    }

    fn keep(self: &Rc<Self>, amount: Amount) -> Promise {
        self.promised.set(self.promised.get().plus(amount));
        Promise { room: self.clone(), amount }
    }

    /// Finds out what the mailbox holds and what waits, where that is not known.
    pub(super) async fn learn(&self) -> Result<(), Shortage> {
        if self.waiting.get().is_none() {
            let boxes = self.boxes.upgrade().ok_or_else(|| unavailable("the node is closing"))?;
            boxes.count(&self.id).await?;
        }
        if self.held.get().is_some() {
            return Ok(());
        }
        let bound = match &self.primary.settings.pools {
            Some(pools) => {
                let grant = pools.grant(self.look()).await?;
                self.version.set(Some(grant.version));
                // What was granted is at least what it holds and what waits; after a crash the word before it may be old.
                let (granted, told) = (Amount::from(grant.granted), Amount::from(grant.held));
                granted.less(self.waiting.get().unwrap_or_default()).max(told)
            }
            None => Amount::default(),
        };
        if self.held.get().is_none() {
            self.held.set(Some(bound));
        }
        Ok(())
    }
}

impl Promise {
    /// What is kept.
    pub const fn amount(&self) -> Amount {
        self.amount
    }

    /// Whether it is of nothing.
    pub fn is_nothing(&self) -> bool {
        self.amount == Amount::default()
    }

    /// The message is known in full: keeps exactly this for it.
    ///
    /// # Errors
    /// It is larger than what was promised, and there is no room for that; the promise is as it was.
    pub async fn settle_on(&mut self, actual: Amount) -> Result<(), Shortage> {
        let more = actual.less(self.amount);
        if more != Amount::default() {
            let limits = self.room.limits().await?;
            if !actual.fits(limits.alone()) {
                return Err(Shortage::Never);
            }
            let mut further = self.room.promise(more, more).await?;
            self.amount = self.amount.plus(std::mem::take(&mut further.amount));
        }
        let spare = self.amount.less(actual);
        self.room.promised.set(self.room.promised.get().less(spare));
        self.amount = actual;
        Ok(())
    }

    /// Gives the promise to the commit that keeps it: from here on [`Room::committed`] ends it.
    pub fn hand_over(mut self) {
        self.amount = Amount::default();
    }

    /// The message waits from now on.
    pub fn waits(mut self) {
        let (room, amount) = (self.room.clone(), std::mem::take(&mut self.amount));
        room.promised.set(room.promised.get().less(amount));
        room.waits_again(amount);
        room.changed();
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.room.promised.set(self.room.promised.get().less(self.amount));
    }
}

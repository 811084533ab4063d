//! A resident's snapshots: asked for by its owner, or due. When one is due is `backup::schedule`'s; the copy is made on a pool of
//! its own, beside the writer.
//!
//! Invariants: one snapshot of a mailbox at a time. The key is there as long as the copy needs it, because the one who asks holds
//! the mailbox. Nothing here opens files that are closed, but when the owner asks.

use super::{Hold, Resident, Use};
use crate::backup::kept;
use crate::backup::limits::{LOOK_MS_MAX, LOOK_MS_MIN, LOOKS_PER_INTERVAL};
use crate::backup::schedule::{Known, Wish, is_due};
use crate::backup::take;
use crate::fault::{Fault, unavailable};
use mailbox::ledger::{Entry, Kind};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Mutex, oneshot};

/// What is known of the mailbox's snapshots while it is open.
#[derive(Default)]
pub(super) struct Backup {
    one: Mutex<()>,
    /// Committed since the last look.
    written: Cell<bool>,
    /// When its turn was last passed over, because nobody keeps its backups; milliseconds since 1970.
    passed_ms: Cell<Option<i64>>,
    /// Those that wait for a checkpoint.
    waits: RefCell<Vec<oneshot::Sender<()>>>,
}

impl Backup {
    /// Something was committed.
    pub(super) fn written(&self) {
        self.written.set(true);
    }

    /// Those who wait for a checkpoint.
    pub(super) fn take_waits(&self) -> Vec<oneshot::Sender<()>> {
        std::mem::take(&mut *self.waits.borrow_mut())
    }
}

impl Resident {
    /// The mailbox's third task: takes a snapshot when its turn has come. Ends when it is aborted.
    pub(super) async fn keep_backed_up(self: Rc<Self>) {
        let interval = self.primary.staging.interval_ms.unsigned_abs();
        let look = Duration::from_millis((interval / LOOKS_PER_INTERVAL).clamp(LOOK_MS_MIN, LOOK_MS_MAX));
        loop {
            tokio::time::sleep(look).await;
            if !self.is_held() || self.files.borrow().is_none() {
                continue;
            }
            let hold = self.hold();
            self.snapshot_if_due(Wish::Turn, Use::new(&self)).await;
            drop(hold);
        }
    }

    /// Nobody is left: whether a look at the snapshots comes first. It holds the key until it is done.
    pub(super) fn looks_at_sign_out(self: &Rc<Self>) -> bool {
        if self.files.borrow().is_none() || !self.backup.written.replace(false) {
            return false;
        }
        let hold = self.hold();
        tokio::task::spawn_local(async move {
            let usage = Use::new(&hold);
            hold.snapshot_if_due(Wish::SignOut, usage).await;
        });
        true
    }

    async fn snapshot_if_due(self: &Rc<Self>, wish: Wish, usage: Use) {
        if let Err(fault) = self.snapshot(wish, usage).await {
            // It stays due, is tried at the next look, and is late when that goes on.
            tracing::warn!(mailbox = %self.id, code = fault.code.as_str_name(), "no snapshot: {}", fault.text);
        }
    }

    /// Takes a snapshot if the wish and what has changed say so; the newest there is, and whether it was taken now.
    ///
    /// # Errors
    /// DISK_FULL, DAMAGED and others: then there is no new one.
    pub async fn snapshot(self: &Rc<Self>, wish: Wish, usage: Use) -> Result<Option<(Entry, bool)>, Fault> {
        if let Some(fault) = self.damage() {
            // What is left of a damaged mailbox must not become its newest backup.
            return if matches!(wish, Wish::Asked) { Err(fault) } else { Ok(None) };
        }
        let _one = self.backup.one.lock().await;
        let changes = usage.read(|reader| reader.changes())?;
        let path = usage.path()?;
        let (primary, id, at, passed_ms) = (self.primary.clone(), self.id, path.clone(), self.backup.passed_ms.get());
        let looked = self.primary.readers.run(move || {
            let now = primary.now().as_millisecond();
            let mut ledger = primary.staging.of(&at)?.ledger();
            let subject = (Kind::Mailbox, *id.as_bytes());
            let newest = ledger.newest(subject)?;
            // One that no store was to have is no backup of this state, for where backups go may be another place by now; but nobody
            // waits for the next.
            let unwanted = newest.as_ref().is_some_and(mailbox::ledger::Entry::is_unwanted);
            let changed = unwanted || newest.as_ref().is_none_or(|entry| entry.snapshot.changes != changes);
            let was_due = ledger.due_since(subject)?.is_some();
            if changed && !unwanted {
                ledger.mark_due(subject, now)?;
            }
            if let (Wish::Asked, Some(waits)) =
                (wish, newest.as_ref().filter(|entry| !entry.uploaded && !entry.why.is_empty()))
            {
                // Who asks again wants to hear of the next try, not of the last one.
                ledger.failed(&waits.id, "")?;
            }
            let since_ms = ledger.due_since(subject)?.unwrap_or(now);
            // One that was damaged on its way is due again, as if there had been none.
            let newest_ms = newest.as_ref().filter(|_| !(unwanted && was_due)).map(|entry| entry.taken_ms);
            let known = Known { changed, newest_ms: newest_ms.max(passed_ms), since_ms };
            Ok::<_, Fault>((is_due(wish, known, &id, primary.staging.interval_ms, now), newest))
        });
        let (due, newest) = looked.await??;
        if !due {
            return Ok(newest.map(|entry| (entry, false)));
        }
        // Its owner is told by who asked for them, and by the worker; that needs a copy which is new.
        if wish != Wish::Asked && !kept::is_kept(&self.primary, &self.id).await {
            self.backup.passed_ms.set(Some(self.primary.now().as_millisecond()));
            return Ok(newest.map(|entry| (entry, false)));
        }
        self.checkpointed().await?;
        let (primary, key) = (self.primary.clone(), self.key.try_clone());
        let copied = self.primary.staging.copies.run(move || take::mailbox(&primary, &path, &key, &id));
        let entry = copied.await??;
        drop(usage);
        Ok(Some((entry, true)))
    }

    /// Waits until the log was moved into the file, in the writer's lane: the copy then reads one file.
    async fn checkpointed(&self) -> Result<(), Fault> {
        let (done, moved) = oneshot::channel();
        self.backup.waits.borrow_mut().push(done);
        self.awake.notify_one();
        moved.await.map_err(|_| unavailable("the mailbox was closed"))
    }
}

/// The mailbox is held while its snapshot is taken for its owner.
pub async fn asked(hold: &Hold) -> Result<(Entry, bool), Fault> {
    let usage = hold.enter().await?;
    let taken = hold.snapshot(Wish::Asked, usage).await?;
    taken.ok_or_else(|| crate::fault::internal("a snapshot that was asked for was not due"))
}

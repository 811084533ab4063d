//! A resident's full-text index, filled behind its back: while somebody has the mailbox open and nobody writes to it.
//! What the index is, and that a search needs none, is the mailbox's matter.
//!
//! Invariants: decoding goes on in the pool of long reads, and the writer is held for one small batch at a time, queued behind
//! every write that came before. Between two batches the files may be closed. A few mailboxes of a node index at once.

use super::{Resident, Use};
use crate::fault::{Fault, unavailable};
use crate::limits::{INDEX_BATCH_MESSAGES, INDEX_QUIET_MS, INDEX_WAIT_MS_MAX};
use crate::quota::Amount;
use crate::writer::{self, Origin, Queued, work};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// When the next batch is worth making.
pub(super) struct Indexing {
    /// Emails may be there that are not indexed.
    behind: Notify,
    /// The last write that somebody asked for.
    written: Cell<Instant>,
}

impl Indexing {
    pub(super) fn new(now: Instant) -> Self {
        Self { behind: Notify::new(), written: Cell::new(now) }
    }

    /// Somebody writes.
    pub(super) fn written(&self) {
        self.written.set(Instant::now());
    }

    /// The files were opened, or mail came.
    pub(super) fn look(&self) {
        self.behind.notify_one();
    }

    /// Waits until nobody has written for a while; under writes that do not end, not for ever.
    async fn quiet(&self) {
        let (quiet, begun) = (Duration::from_millis(INDEX_QUIET_MS), Instant::now());
        loop {
            let left = quiet.saturating_sub(self.written.get().elapsed());
            if left.is_zero() || begun.elapsed() >= Duration::from_millis(INDEX_WAIT_MS_MAX) {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

impl Resident {
    /// The mailbox's second task. Ends when it is aborted, which is when the first one has ended.
    pub(super) async fn keep_indexed(self: Rc<Self>) {
        loop {
            self.indexing.behind.notified().await;
            loop {
                self.indexing.quiet().await;
                let begun = Instant::now();
                match self.index_batch().await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(fault) => {
                        fault.report(&self.id);
                        break;
                    }
                }
                // Half of one processor at most, so that whoever reads is not slowed down for long.
                tokio::time::sleep(begun.elapsed()).await;
            }
        }
    }

    /// Indexes the next emails; whether there may be more.
    async fn index_batch(self: &Rc<Self>) -> Result<bool, Fault> {
        let turn = self.primary.indexing.acquire().await;
        let _turn = turn.map_err(|_| unavailable("the node is closing"))?;
        // Never opens the files: it goes on when somebody else has.
        if !self.is_held() || self.files.borrow().is_none() {
            return Ok(false);
        }
        let usage = Use::new(self);
        if !usage.read(|reader| reader.index_is_behind())? {
            return Ok(false);
        }
        let batch = usage.reading().read_in_pool(|reader| reader.index_batch(INDEX_BATCH_MESSAGES)).await?;
        let (emails, more) = (batch.len(), batch.has_more());
        let (work, answered) = work(move |tx| tx.index(&batch));
        self.enqueue(Queued { origin: Origin::default(), brings: false, promised: Amount::default(), work })?;
        writer::answer(answered).await?;
        metrics::counter!("brevdue_node_indexed_total").increment(emails as u64);
        Ok(more)
    }
}

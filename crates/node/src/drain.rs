//! Moves the mail that waited for its owner into the mailbox, in the order in which it came, exactly once.
//!
//! Invariants: a message is removed from the waiting file only after its append has committed, and the append carries the
//! delivery's id, so that after a crash between the two the next drain finds it there and only removes it. Several messages
//! are appended in one commit and removed in one, in the order in which they came; when that fails they are tried one by one,
//! so that one that cannot be stored holds up only those behind it. While a drain runs, new mail waits behind what is being
//! drained. A message that does not open stays where it is and is reported: mail is never dropped.

use crate::fault::{Fault, internal};
use crate::intake::Intake;
use crate::limits::{DRAIN_HELD_BYTES_HIGH, DRAIN_MESSAGES_PER_COMMIT, DRAIN_RETRY_MS};
use crate::quota::Amount;
use crate::resident::{Delivery, Hold, Resident};
use crate::upload::{self, Letter, Staging};
use crate::waiting::{Boxes, WaitingBox};
use bytes::Bytes;
use mailbox::waiting::WaitingMessage;
use mailbox::{Content, Prefix};
use model::DeliveryId;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use vault::sealing::{Opener, PrivateKey};
use wire::session::FailureCode;

/// Drains the mailbox's waiting mail when it is opened, and again whenever mail came to wait while it is open.
pub async fn run(boxes: Rc<Boxes>, resident: Rc<Resident>) {
    loop {
        if resident.is_dead() {
            return;
        }
        if resident.damage().is_some() {
            // Told when it is over.
            resident.mail_waits.notified().await;
            continue;
        }
        let hold = resident.hold();
        resident.delivery.send_replace(Delivery::Draining);
        let drained = pass(&boxes, &hold).await;
        if resident.damage().is_some() {
            continue;
        }
        if drained.is_ok() {
            resident.delivery.send_replace(Delivery::Open);
        }
        drop(hold);
        let again = resident.mail_waits.notified();
        match drained {
            Ok(()) => again.await,
            Err(fault) => {
                tracing::warn!(mailbox = %resident.id, "the drain of waiting mail stopped and will be tried again: {fault}");
                let _ = tokio::time::timeout(Duration::from_millis(DRAIN_RETRY_MS), again).await;
            }
        }
    }
}

/// One pass over the file.
async fn pass(boxes: &Rc<Boxes>, hold: &Hold) -> Result<(), Fault> {
    let waiting = boxes.get(&hold.id);
    let mut passed = each_message(&waiting, hold, DRAIN_MESSAGES_PER_COMMIT).await;
    if passed.is_err() {
        passed = each_message(&waiting, hold, 1).await;
    }
    waiting.rest().await;
    passed
}

/// Messages that were opened, and wait to be committed together.
#[derive(Default)]
struct Batch {
    whole: Vec<(Staging, Letter, Content)>,
    held_bytes: usize,
    /// All of them, and those that were found in the mailbox.
    deliveries: Vec<DeliveryId>,
    /// What they were counted as while they waited.
    waited: Amount,
}

impl Batch {
    fn is_full(&self, messages_max: usize) -> bool {
        self.deliveries.len() >= messages_max || self.held_bytes >= DRAIN_HELD_BYTES_HIGH
    }

    /// Appends them, and only then removes them: both durably.
    async fn commit(self, waiting: &WaitingBox) -> Result<u64, Fault> {
        let Self { whole, deliveries, waited, .. } = self;
        if deliveries.is_empty() {
            return Ok(0);
        }
        let drained = deliveries.len() as u64;
        let promise = waiting.room.drains(waited);
        if let Err(fault) = upload::append_each(whole, promise).await {
            waiting.room.waits_again(waited);
            return Err(fault);
        }
        waiting.step(move |file| file.remove_all(&deliveries)).await?;
        Ok(drained)
    }
}

/// Drains so many at once.
async fn each_message(waiting: &Rc<WaitingBox>, hold: &Hold, messages_max: usize) -> Result<(), Fault> {
    let mut drained = 0u64;
    let passed = walk(waiting, hold, messages_max, &mut drained).await;
    if drained > 0 {
        metrics::counter!("brevdue_node_drained_total").increment(drained);
        tracing::info!(mailbox = %hold.id, drained, "waiting mail drained");
    }
    passed
}

async fn walk(waiting: &Rc<WaitingBox>, hold: &Hold, messages_max: usize, drained: &mut u64) -> Result<(), Fault> {
    let mut before: Option<WaitingMessage> = None;
    let mut private: Option<Arc<PrivateKey>> = None;
    let mut batch = Batch::default();
    waiting.count().await?;
    loop {
        let from = before.take();
        let Some(message) = waiting.step(move |file| file.next_after(from.as_ref())).await?.flatten() else { break };
        let private = match &private {
            Some(private) => private.clone(),
            None => private.insert(Arc::new(private_key(hold)?)).clone(),
        };
        match one_message(waiting, hold, &private, &message, &mut batch).await {
            Ok(()) => {}
            Err(Trouble::Sealed(reason)) => {
                tracing::error!(
                    mailbox = %hold.id,
                    delivery = %message.delivery,
                    "a waiting message does not open ({reason}); it stays in the waiting file"
                );
            }
            Err(Trouble::Write(fault)) => return Err(fault),
        }
        if batch.is_full(messages_max) {
            *drained += std::mem::take(&mut batch).commit(waiting).await?;
        }
        before = Some(message);
    }
    *drained += batch.commit(waiting).await?;
    Ok(())
}

fn private_key(hold: &Hold) -> Result<PrivateKey, Fault> {
    let wrapped = hold.wrapped_sealing_key.borrow();
    if wrapped.is_empty() {
        return Err(Fault::new(FailureCode::WrongKey, "the front-end gave no sealing key"));
    }
    Ok(PrivateKey::unwrap(&wrapped, hold.key(), &hold.id)?)
}

/// Why a message does not join the others.
enum Trouble {
    /// It does not open; others may.
    Sealed(String),
    /// The mailbox or the file cannot be written or read now.
    Write(Fault),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Write(fault)
    }
}

/// Opens a message and adds it to those that are committed next.
async fn one_message(
    waiting: &Rc<WaitingBox>,
    hold: &Hold,
    private: &Arc<PrivateKey>,
    message: &WaitingMessage,
    batch: &mut Batch,
) -> Result<(), Trouble> {
    let (delivery, waited) = (message.delivery, Amount::message(message.octets()));
    let usage = hold.enter().await?;
    if usage.read(|reader| reader.delivery_known(&delivery))? {
        // A crash came between its commit and its removal.
        batch.waited = batch.waited.plus(waited);
        batch.deliveries.push(delivery);
        return Ok(());
    }
    let primary = usage.resident().primary().clone();
    let (private, wrap, id) = (private.clone(), message.wrap.clone(), hold.id);
    let opened =
        primary.readers.run(move || Opener::new(&private, &wrap, &delivery, &id)).await.map_err(Fault::from)?;
    let mut opener = Some(opened.map_err(|error| Trouble::Sealed(error.to_string()))?);
    let mut intake = Intake::new(&primary);
    let mut staging = Staging::new(usage);
    let mut prefix = Prefix::default();
    for sequence in 0.. {
        let chunk = waiting.step(move |file| file.read(&delivery, sequence)).await?.flatten();
        let taken = opener.take().ok_or_else(|| internal("the message was given up before"))?;
        let last = chunk.is_none();
        if last {
            // By now the body's first octets have shown that both are of one key.
            prefix = open_prefix(&taken, &message.prefix)?;
        }
        let (left, plain) = open_chunk(&primary, taken, chunk).await?;
        opener = left;
        if !plain.is_empty() {
            staging.stage(intake.push(plain).await?).await?;
        }
        if last {
            break;
        }
    }
    let letter = Letter::incoming(delivery, message.received_at, message.junk);
    let content = intake.finish_behind(prefix).await?;
    batch.held_bytes += content.held_bytes();
    batch.whole.push((staging, letter, content));
    batch.waited = batch.waited.plus(waited);
    batch.deliveries.push(delivery);
    Ok(())
}

/// What stands in front of the message; nothing when nothing was sealed.
fn open_prefix(opener: &Opener, sealed: &[u8]) -> Result<Prefix, Trouble> {
    if sealed.is_empty() {
        return Ok(Prefix::default());
    }
    let fields = opener.open_prefix(sealed).map_err(|error| Trouble::Sealed(error.to_string()))?;
    Prefix::new(fields).map_err(|error| Trouble::Sealed(error.to_string()))
}

/// Opens a chunk on the pool; `None` ends the message, which is when it shows whether it is whole.
async fn open_chunk(
    primary: &Arc<crate::primary::Primary>,
    mut opener: Opener,
    chunk: Option<Vec<u8>>,
) -> Result<(Option<Opener>, Bytes), Trouble> {
    let opened = primary.readers.run(move || match chunk {
        Some(chunk) => opener.push(&chunk).map(|plain| (Some(opener), plain)),
        None => opener.finish().map(|plain| (None, plain)),
    });
    let (opener, plain) = opened.await.map_err(Fault::from)?.map_err(|error| Trouble::Sealed(error.to_string()))?;
    Ok((opener, plain.into()))
}

//! Moves the mail that waited for its owner into the mailbox, in the order in which it came, exactly once.
//!
//! Invariants: a message is removed from the waiting file only after its append has committed, and the append carries the
//! delivery's id, so that after a crash between the two the next drain finds it there and only removes it. While a drain
//! runs, new mail waits behind what is being drained. A message that does not open stays where it is and is reported: mail
//! is never dropped.

use crate::fault::{Fault, internal};
use crate::intake::Intake;
use crate::limits::DRAIN_RETRY_MS;
use crate::resident::{Delivery, Hold, Resident};
use crate::upload::{Letter, Staging};
use crate::waiting::{Boxes, WaitingBox};
use crate::writer::Origin;
use bytes::Bytes;
use mailbox::Prefix;
use mailbox::waiting::WaitingMessage;
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
        let hold = resident.hold();
        resident.delivery.send_replace(Delivery::Draining);
        let drained = pass(&boxes, &hold).await;
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
    let passed = each_message(&waiting, hold).await;
    waiting.rest().await;
    passed
}

async fn each_message(waiting: &Rc<WaitingBox>, hold: &Hold) -> Result<(), Fault> {
    let mut before: Option<WaitingMessage> = None;
    let mut private: Option<Arc<PrivateKey>> = None;
    let mut drained = 0u64;
    loop {
        let from = before.take();
        let Some(message) = waiting.step(move |file| file.next_after(from.as_ref())).await?.flatten() else { break };
        let private = match &private {
            Some(private) => private.clone(),
            None => private.insert(Arc::new(private_key(hold)?)).clone(),
        };
        match one_message(waiting, hold, &private, &message).await {
            Ok(()) => drained += 1,
            Err(Trouble::Sealed(reason)) => {
                tracing::error!(
                    mailbox = %hold.id,
                    delivery = %message.delivery,
                    "a waiting message does not open ({reason}); it stays in the waiting file"
                );
            }
            Err(Trouble::Write(fault)) => return Err(fault),
        }
        before = Some(message);
    }
    if drained > 0 {
        metrics::counter!("brevdue_node_drained_total").increment(drained);
        tracing::info!(mailbox = %hold.id, drained, "waiting mail drained");
    }
    Ok(())
}

fn private_key(hold: &Hold) -> Result<PrivateKey, Fault> {
    let wrapped = hold.wrapped_sealing_key.borrow();
    if wrapped.is_empty() {
        return Err(Fault::new(FailureCode::WrongKey, "the front-end gave no sealing key"));
    }
    Ok(PrivateKey::unwrap(&wrapped, hold.key(), &hold.id)?)
}

/// Why a message was not drained.
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

async fn one_message(
    waiting: &Rc<WaitingBox>,
    hold: &Hold,
    private: &Arc<PrivateKey>,
    message: &WaitingMessage,
) -> Result<(), Trouble> {
    let delivery = message.delivery;
    let usage = hold.enter().await?;
    if usage.read(|reader| reader.delivery_known(&delivery))? {
        // A crash came between its commit and its removal.
        waiting.step(move |file| file.remove(&delivery)).await?;
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
    // Durable when this returns; only then may the sealed message go.
    staging.append(Origin::default(), letter, intake.finish_behind(prefix).await?).await?;
    waiting.step(move |file| file.remove(&delivery)).await?;
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

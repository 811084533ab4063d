//! One recipient's leg of a delivery, on the shard that has the mailbox: from the admission to the commit.
//! The stream that it belongs to is `deliver`'s, on the other side of a bounded channel.
//!
//! Invariants: the leg's life is the promise's. A mailbox that was admitted as open is held until the leg ends; when the
//! stream breaks, the channel ends, and what the leg had staged is discarded. `Committed` follows a durable commit. Two legs
//! of the same delivery to the same mailbox never run at once: a retry waits for what is left of the first try. Room in the
//! quota is promised at the admission, for the size that was declared, and settled on the true size before the commit: what
//! is refused then was larger than it was said to be, or what stands in front of it found no room.

use crate::fault::{Fault, internal};
use crate::intake::too_big;
use crate::limits::{LEG_STEPS_MAX, PREFIX_ROOM_BYTES, SEALED_CHUNK_BYTES};
use crate::quota::{Amount, Promise, Room, Shortage};
use crate::resident::{Delivery, Hold, Opening};
use crate::shard::Shard;
use crate::upload::{Letter, Staging};
use crate::volume::Kind;
use crate::waiting::{Last, WaitingBox};
use crate::writer::Origin;
use bytes::Bytes;
use mailbox::{Content, Piece};
use model::limits::MESSAGE_BYTES_MAX;
use model::{DeliveryId, MailboxId};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use wire::node::{Outcome, Verdict};
use wire::session::FailureCode;

/// A recipient to be admitted.
pub struct Recipient {
    /// Whose.
    pub mailbox: MailboxId,
    /// The placement that the MX knows.
    pub epoch: u64,
    /// The delivery.
    pub delivery: DeliveryId,
    /// Octets as declared, 0 when unknown.
    pub size: u64,
}

/// How a recipient was admitted.
pub enum Admitted {
    /// In the clear, into the mailbox.
    Open(mpsc::Sender<Step>),
    /// Sealed, into the waiting-mail file.
    Waiting(mpsc::Sender<Step>),
    /// Not.
    Refused(Verdict),
}

/// What a leg is told.
pub enum Step {
    /// Pieces of a large message for an open mailbox.
    Pieces(Vec<Piece>),
    /// Octets of the sealed body.
    Sealed(Bytes),
    /// The body is whole.
    Commit(Ending, oneshot::Sender<Outcome>),
}

/// How a body ends.
pub struct Ending {
    /// The body, and what stands in front of it.
    pub body: Body,
    /// Found to be junk.
    pub junk: bool,
}

/// A body that is whole.
pub enum Body {
    /// In the clear.
    Plain(Content),
    /// Sealed, with this recipient's wrap of its key, and what stands in front of it under the same key.
    Sealed {
        /// The wrap.
        wrap: Bytes,
        /// Sealed fields.
        prefix: Bytes,
    },
}

/// Admits a recipient, or says why not.
pub async fn admit(shard: &Rc<Shard>, recipient: Recipient) -> Admitted {
    match try_admit(shard, recipient).await {
        Ok(admitted) => admitted,
        Err(fault) => Admitted::Refused(fault.verdict()),
    }
}

async fn try_admit(shard: &Rc<Shard>, recipient: Recipient) -> Result<Admitted, Fault> {
    let Recipient { mailbox: id, epoch, delivery, size } = recipient;
    if size > MESSAGE_BYTES_MAX {
        return Err(too_big());
    }
    shard.check_placed(&id)?;
    let Some(turn) = shard.deliveries.turn(delivery, id).await else {
        return Err(internal("an earlier try of this delivery has not ended"));
    };
    let hold = match shard.residents.held(&id) {
        Some(hold) => Some(hold),
        None => ask_for_key(shard, &id).await,
    };
    if hold.as_ref().is_some_and(|hold| epoch < hold.epoch.get()) {
        return Err(Fault::new(FailureCode::WrongNode, "the placement has changed since"));
    }
    let kind = if hold.is_some() { Kind::Mailbox } else { Kind::Waiting };
    let primary = shard.primary.clone();
    if !shard.primary.readers.run(move || primary.volumes.has_room(kind, &id, size)).await?? {
        return Err(Fault::new(FailureCode::DiskFull, "the volume is full"));
    }
    let (steps, body) = mpsc::channel(LEG_STEPS_MAX);
    let shard = shard.clone();
    if let Some(hold) = hold.filter(|hold| *hold.delivery.borrow() == Delivery::Open) {
        let promise = match promise(&hold.room, size).await {
            Ok(promise) => promise,
            // A retry of what was committed needs no room.
            Err(_) if hold.enter().await?.read(|reader| reader.delivery_known(&delivery))? => hold.room.nothing(),
            Err(shortage) => return Ok(Admitted::Refused(shortage.verdict())),
        };
        tokio::task::spawn_local(async move {
            open_leg(&shard, &hold, OpenLeg { delivery, promise }, body).await;
            drop(turn);
        });
        return Ok(Admitted::Open(steps));
    }
    let waiting = shard.boxes.get(&id);
    let promise = match admit_waiting(&shard, &waiting, delivery, size).await {
        Ok(promise) => promise,
        Err(shortage) => {
            waiting.rest().await;
            return Ok(Admitted::Refused(shortage.verdict()));
        }
    };
    tokio::task::spawn_local(async move {
        waiting_leg(&shard, &waiting, WaitingLeg { delivery, promise }, body).await;
        drop(turn);
    });
    Ok(Admitted::Waiting(steps))
}

/// Room for a message of the declared size, 0 when its sender did not say, and for what comes in front of it.
async fn promise(room: &Rc<Room>, size: u64) -> Result<Promise, Shortage> {
    let (least, wish) = (size.max(1), size.saturating_add(PREFIX_ROOM_BYTES));
    room.promise(Amount::message(least), Amount::message(wish)).await
}

/// Room for a message that will wait; `None` for one that waits or was stored already.
async fn admit_waiting(
    shard: &Shard,
    waiting: &WaitingBox,
    delivery: DeliveryId,
    size: u64,
) -> Result<Option<Promise>, Shortage> {
    if waiting.admit(delivery, size).await? || shard.deliveries.remembers(delivery, waiting.id) {
        return Ok(None);
    }
    promise(&waiting.room, size).await.map(Some)
}

/// What an open mailbox's leg has from the admission.
struct OpenLeg {
    delivery: DeliveryId,
    promise: Promise,
}

/// What a leg into the waiting-mail file has from the admission.
struct WaitingLeg {
    delivery: DeliveryId,
    /// None when there is nothing to do.
    promise: Option<Promise>,
}

/// A mailbox that a front-end has open though this node does not know it yet.
async fn ask_for_key(shard: &Rc<Shard>, id: &MailboxId) -> Option<Hold> {
    let offer = shard.wanted.ask(id, shard.primary.settings.key_wait).await?;
    let opening = Opening {
        key: shard.primary.unseal(&offer.sealed_key, id).ok()?,
        wrapped_sealing_key: offer.wrapped_sealing_key.into(),
        birth: false,
        epoch: 0,
    };
    let hold = shard.residents.hold(*id, opening).await.ok()?;
    let mut delivery = hold.delivery.subscribe();
    let drained = delivery.wait_for(|delivery| *delivery != Delivery::Draining);
    let _ = tokio::time::timeout(shard.primary.settings.key_wait, drained).await;
    Some(hold)
}

async fn open_leg(shard: &Shard, hold: &Hold, leg: OpenLeg, mut body: mpsc::Receiver<Step>) {
    let OpenLeg { delivery, promise } = leg;
    let mut staging: Option<Staging> = None;
    let mut failed: Option<Fault> = None;
    while let Some(step) = body.recv().await {
        match step {
            Step::Pieces(pieces) if failed.is_none() => {
                if let Err(fault) = stage(hold, &mut staging, pieces).await {
                    fault.report(&hold.id);
                    failed = Some(fault);
                }
            }
            // What comes after a failure is only counted out; a sealed body is not for an open mailbox.
            Step::Pieces(_) | Step::Sealed(_) => {}
            Step::Commit(ending, answer) => {
                let letter = Letter::incoming(delivery, shard.primary.now(), ending.junk);
                let outcome = match (ending.body, failed) {
                    (Body::Plain(content), None) => commit_open(hold, staging, promise, letter, content).await,
                    (_, Some(fault)) => Err(fault.into()),
                    (Body::Sealed { .. }, None) => Err(internal("a sealed body came for an open mailbox").into()),
                };
                let outcome = outcome.unwrap_or_else(|shortage| failure(&hold.id, &shortage));
                if outcome == Outcome::Stored {
                    shard.deliveries.remember(delivery, hold.id, outcome);
                }
                let _ = answer.send(outcome);
                return;
            }
        }
    }
}

async fn stage(hold: &Hold, staging: &mut Option<Staging>, pieces: Vec<Piece>) -> Result<(), Fault> {
    let mut here = match staging.take() {
        Some(here) => here,
        None => Staging::new(hold.enter().await?),
    };
    let staged = here.stage(pieces).await;
    *staging = Some(here);
    staged
}

/// What a delivery that was not stored is told; the operator, when it is a fault of ours.
fn failure(mailbox: &MailboxId, shortage: &Shortage) -> Outcome {
    if let Shortage::Failed(fault) = shortage {
        fault.report(mailbox);
    }
    shortage.outcome()
}

async fn commit_open(
    hold: &Hold,
    staging: Option<Staging>,
    mut promise: Promise,
    letter: Letter,
    content: Content,
) -> Result<Outcome, Shortage> {
    let staging = match staging {
        Some(staging) => staging,
        None => Staging::new(hold.enter().await?),
    };
    if !promise.is_nothing() {
        promise.settle_on(Amount::message(content.size())).await?;
    }
    // Durable when this returns: `Staging::append` is answered after the commit.
    let appended = staging.append(promise, letter, content).await?;
    Ok(if appended.already { Outcome::Already } else { Outcome::Stored })
}

async fn waiting_leg(shard: &Shard, waiting: &Rc<WaitingBox>, leg: WaitingLeg, mut body: mpsc::Receiver<Step>) {
    let WaitingLeg { delivery, mut promise } = leg;
    let known = promise.is_none();
    let mut size = 0;
    let mut buffer: Vec<Bytes> = Vec::new();
    let mut buffered = 0;
    let mut begun = false;
    let mut failed: Option<Fault> = None;
    let mut committed = false;
    while let Some(step) = body.recv().await {
        match step {
            Step::Sealed(data) if !known && failed.is_none() => {
                buffered += data.len();
                size += data.len() as u64;
                buffer.push(data);
                if buffered >= SEALED_CHUNK_BYTES {
                    buffered = 0;
                    let begin = !std::mem::replace(&mut begun, true);
                    if let Err(fault) = waiting.write(delivery, begin, std::mem::take(&mut buffer)).await {
                        fault.report(&waiting.id);
                        failed = Some(fault);
                    }
                }
            }
            Step::Sealed(_) | Step::Pieces(_) => {}
            Step::Commit(ending, answer) => {
                let Ending { body, junk } = ending;
                let outcome = match (body, failed.take(), promise.take()) {
                    (_, _, None) => Ok(Outcome::Already),
                    (_, Some(fault), _) => Err(fault.into()),
                    (Body::Plain(_), None, _) => {
                        Err(internal("a body in the clear came for a mailbox that is not open").into())
                    }
                    (Body::Sealed { wrap, prefix }, None, Some(promise)) => {
                        let size = size.saturating_add(prefix.len() as u64);
                        let data = std::mem::take(&mut buffer);
                        let last = Last { begin: !begun, data, wrap, prefix, junk };
                        commit_waiting(waiting, delivery, (promise, size), last).await
                    }
                };
                committed = outcome.is_ok();
                let outcome = outcome.unwrap_or_else(|shortage| failure(&waiting.id, &shortage));
                if outcome == Outcome::Waiting {
                    shard.deliveries.remember(delivery, waiting.id, outcome);
                }
                let _ = answer.send(outcome);
                break;
            }
        }
    }
    if begun && !committed {
        waiting.discard(delivery).await;
    }
    if committed {
        shard.residents.mail_waits(&waiting.id);
    }
    waiting.rest().await;
}

async fn commit_waiting(
    waiting: &WaitingBox,
    delivery: DeliveryId,
    (mut promise, size): (Promise, u64),
    last: Last,
) -> Result<Outcome, Shortage> {
    promise.settle_on(Amount::message(size)).await?;
    // Durable when this returns.
    waiting.complete(delivery, last, promise).await?;
    Ok(Outcome::Waiting)
}

/// Whether the delivery was committed to the mailbox, as far as can be known without its key.
pub async fn status(shard: &Rc<Shard>, delivery: DeliveryId, id: MailboxId) -> Outcome {
    // A commit that is under way decides first.
    let Some(_turn) = shard.deliveries.turn(delivery, id).await else { return Outcome::Failed };
    if let Some(outcome) = shard.deliveries.outcome(delivery, id) {
        return outcome;
    }
    if let Some(hold) = shard.residents.held(&id)
        && let Ok(usage) = hold.enter().await
        && let Ok(true) = usage.write(Origin::default(), false, move |tx| tx.delivery_known(&delivery)).await
    {
        return Outcome::Stored;
    }
    let waiting = shard.boxes.get(&id);
    let known = waiting.known(delivery).await.unwrap_or(false);
    waiting.rest().await;
    if known { Outcome::Waiting } else { Outcome::Failed }
}

/// How long a retry waits for what is left of an earlier try.
pub const TURN_WAIT: Duration = Duration::from_secs(5);

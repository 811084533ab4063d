//! Opens a session: the key from its transit form, the mailbox with it, and what waits for the owner drained first.

use crate::fault::{Fault, limit};
use crate::outbox::Outbox;
use crate::resident::{Delivery, Opening};
use crate::session::Session;
use crate::shard::Shard;
use crate::view::View;
use std::rc::Rc;
use wire::convert::mailbox_id;
use wire::session::Open;

/// Answers once the mail that waited is in the mailbox, or after a bounded wait while the drain goes on.
///
/// # Errors
/// WRONG_NODE for another shard's mailbox, WRONG_KEY, MISSING, and whatever is wrong with the file.
pub async fn open(shard: &Shard, outbox: &Rc<Outbox>, session: u64, open: Open) -> Result<Rc<Session>, Fault> {
    let id = mailbox_id(&open.mailbox_id)?;
    shard.check_placed(&id)?;
    let place = shard.primary.sessions.clone().try_acquire_owned().map_err(|_| limit("sessions of this node"))?;
    let primary = shard.primary.clone();
    // Half a millisecond of computation that other sessions should not wait for.
    let key = shard.primary.readers.run(move || primary.unseal(&open.sealed_key, &id)).await??;
    let opening =
        Opening { key, wrapped_sealing_key: open.wrapped_sealing_key.into(), birth: open.birth, epoch: open.epoch };
    let hold = shard.residents.hold(id, opening).await?;
    let mut delivery = hold.delivery.subscribe();
    let drained = delivery.wait_for(|delivery| *delivery != Delivery::Draining);
    let _ = tokio::time::timeout(shard.primary.settings.drain_wait, drained).await;
    Ok(Session::new(place, hold, View::new(shard.unique(), session, outbox.clone())))
}

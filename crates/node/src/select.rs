//! SELECT and EXAMINE: what the folder holds, what is recent to this session, and from then on its changes.
//!
//! Invariant: the answer and the pushes after it leave no gap. The state is read, the selection made and the answer put on
//! the link without letting anything come between; what committed before and is told later is recognised by its MODSEQ.

use crate::answer;
use crate::fault::Fault;
use crate::session::Call;
use crate::view::Selection;
use mailbox::{FolderId, SelectState, Since};
use model::{Uid, UidSet};
use wire::convert::{folder_name, modseq};
use wire::session::server_frame::Body;
use wire::session::{Changes, Done, Select, VanishedSince, Watch};

/// Frames of one answer that are put on the link at once; a longer answer flows as the link takes it.
const FRAMES_AT_ONCE: usize = 16;

/// Times that a SELECT claims what came while it claimed; beyond it, new mail is recent to the next session.
const CLAIMS_MAX: u32 = 3;

/// SELECT or EXAMINE.
pub async fn select(call: &Call, select: Select) -> Result<(), Fault> {
    let (name, since) = (folder_name(&select.name)?, modseq(select.known_modseq)?);
    // RFC 9051 §6.3.2: a SELECT that fails leaves nothing selected.
    call.session.view.selection.borrow_mut().take();
    let usage = call.enter().await?;
    let mut claimed = UidSet::new();
    let mut claims = 0;
    let state = loop {
        let state = usage.read(|reader| reader.select(&name))?;
        // A damaged mailbox can be looked at: nothing is claimed in it.
        let claims_none = select.read_only || usage.resident().damage().is_some();
        if claims_none || !has_recent(&state) || claims == CLAIMS_MAX {
            break state;
        }
        claims += 1;
        // Durable before it is told: no other session may be told the same (RFC 3501 §2.3.2).
        let folder = state.folder;
        let more = usage.write(call.origin(false), false, move |tx| tx.claim_recent(folder)).await?;
        claimed = claimed.union(&more);
    };
    // From here to the answer nothing is awaited.
    let known = select.known_modseq > 0 && state.uid_validity.get() == select.known_uid_validity;
    let changes = known.then(|| usage.read(|reader| reader.changes_since(state.folder, since))).transpose()?;
    let changes = changes.map(|changes| up_to(changes, &state));
    let recent = if select.read_only { unclaimed(&state) } else { claimed.intersection(&state.uids) };
    let damaged = usage.resident().damage().is_some();
    let bodies = answer::selected(&state, &recent, changes.as_ref(), damaged);
    let long = bodies.len() > FRAMES_AT_ONCE;
    *call.session.view.selection.borrow_mut() = Some(Selection {
        folder: state.folder,
        read_only: select.read_only,
        floor: state.highest_modseq,
        recent,
        // While a long answer flows nothing is pushed between its frames; afterwards the session looks again.
        muted: long,
    });
    if !long {
        let count = bodies.len();
        for (at, body) in bodies.into_iter().enumerate() {
            call.send(body, at + 1 == count);
        }
        return Ok(());
    }
    call.answer(bodies).await;
    let resync = Changes { folder: state.folder.get(), resync: true, ..Changes::default() };
    call.outbox.put(answer::Address { request: 0, ..call.address() }.frame(Body::Changes(resync), false));
    Ok(())
}

/// Leaves out what committed between the two reads: it is pushed after the answer.
fn up_to(changes: Since, state: &SelectState) -> Since {
    let Since { mut changed, vanished } = changes;
    changed.retain(|each| each.modseq <= state.highest_modseq);
    Since { changed, vanished: vanished.difference(&state.uids) }
}

fn has_recent(state: &SelectState) -> bool {
    state.recent_from < state.uid_next
}

/// What EXAMINE shows as recent and does not claim (RFC 9051 §6.3.3).
fn unclaimed(state: &SelectState) -> UidSet {
    let last = Uid::new(state.uid_next.get().saturating_sub(1));
    last.map_or_else(UidSet::new, |last| UidSet::range(state.recent_from, last).intersection(&state.uids))
}

/// What left a folder since.
pub async fn vanished_since(call: &Call, since: VanishedSince) -> Result<(), Fault> {
    let (folder, since) = (FolderId::new(since.folder), modseq(since.modseq)?);
    let vanished = call.enter().await?.read(|reader| reader.vanished_since(folder, since))?;
    call.answer(answer::vanished(&vanished)).await;
    Ok(())
}

/// Begins or ends the watch on all folders. The mailbox is opened, so that a wrong key is noticed here and now.
pub async fn watch(call: &Call, watch: Watch) -> Result<(), Fault> {
    call.enter().await?;
    call.session.view.watches.set(watch.on);
    call.send(Body::Done(Done {}), true);
    Ok(())
}

/// UNSELECT, also for CLOSE: what CLOSE expunges is a request of its own.
pub fn unselect(call: &Call) -> Result<(), Fault> {
    call.session.view.selection.borrow_mut().take();
    call.send(Body::Done(Done {}), true);
    Ok(())
}

//! STORE, COPY, MOVE and EXPUNGE.

use crate::answer;
use crate::fault::Fault;
use crate::quota::{Amount, Promise, Shortage};
use crate::resident::Use;
use crate::session::Call;
use crate::upload::{promised_or_known, require_known};
use mailbox::{FlagEdit, FolderId, StoreMode};
use model::UidSet;
use wire::convert::{flags, folder_name, keywords, modseq, store_mode, token, uid_set};
use wire::session::{self, Copy, Expunge, FailureCode, Store};

/// STORE.
pub async fn store(call: &Call, store: Store) -> Result<(), Fault> {
    let folder = writable(call, store.folder)?;
    let uids = uid_set(store.uids.as_ref())?;
    let mode = match store_mode(store.mode)? {
        session::StoreMode::Replace => StoreMode::Replace,
        session::StoreMode::Add => StoreMode::Add,
        session::StoreMode::Remove => StoreMode::Remove,
    };
    let edit = FlagEdit { mode, flags: flags(store.flags)?, keywords: keywords(&store.keywords)? };
    let unchanged_since = store.conditional.then(|| modseq(store.unchanged_since)).transpose()?;
    let usage = call.enter().await?;
    let op = move |tx: &mut mailbox::Tx<'_>| tx.store(folder, &uids, &edit, unchanged_since);
    let stored = usage.write(call.origin(store.silent), false, op).await?;
    call.answer(answer::stored(&stored)).await;
    Ok(())
}

/// COPY and MOVE.
pub async fn copy(call: &Call, copy: Copy) -> Result<(), Fault> {
    let folder = if copy.r#move { writable(call, copy.folder)? } else { FolderId::new(copy.folder) };
    let (uids, to, token) = (uid_set(copy.uids.as_ref())?, folder_name(&copy.to)?, token(&copy.token)?);
    let usage = call.enter().await?;
    let now = usage.resident().primary().now();
    // What only changes its place takes no room.
    let promise = match copy.r#move {
        true => None,
        false => promised_or_known(room_for_copies(&usage, folder, &uids).await, token)?,
    };
    let has_room = copy.r#move || promise.is_some();
    let op = move |tx: &mut mailbox::Tx<'_>| {
        require_known(tx, has_room, token)?;
        if copy.r#move { tx.move_(folder, &uids, &to, now, token) } else { tx.copy(folder, &uids, &to, now, token) }
    };
    let copied = usage.write_for(promise, call.origin(false), op).await?;
    call.answer(answer::copied(&copied)).await;
    Ok(())
}

/// Room for copies of these messages; those that go meanwhile take less.
async fn room_for_copies(usage: &Use, folder: FolderId, uids: &UidSet) -> Result<Promise, Shortage> {
    let room = &usage.resident().room;
    let more = match room.limits().await?.are_none() {
        true => Amount::default(),
        // There may be many: in the pool, as other long reads.
        false => {
            let uids = uids.clone();
            usage.reading().read_in_pool(move |reader| reader.usage_of(folder, &uids)).await?.into()
        }
    };
    room.promise(more, more).await
}

/// EXPUNGE and UID EXPUNGE.
pub async fn expunge(call: &Call, expunge: Expunge) -> Result<(), Fault> {
    let folder = writable(call, expunge.folder)?;
    let uids = expunge.by_uid.then(|| uid_set(expunge.uids.as_ref())).transpose()?;
    let usage = call.enter().await?;
    let now = usage.resident().primary().now();
    let op = move |tx: &mut mailbox::Tx<'_>| tx.expunge(folder, uids.as_ref(), now);
    let expunged = usage.write(call.origin(false), false, op).await?;
    call.answer(answer::expunged(&expunged)).await;
    Ok(())
}

/// The folder, unless this session only examines it (RFC 9051 §6.3.3: no change through it).
fn writable(call: &Call, folder: u64) -> Result<FolderId, Fault> {
    let folder = FolderId::new(folder);
    if call.session.view.examines(folder) {
        return Err(Fault::new(FailureCode::Cannot, "the folder is selected read-only"));
    }
    Ok(folder)
}

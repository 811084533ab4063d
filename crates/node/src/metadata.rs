//! GETMETADATA and SETMETADATA (RFC 5464), and what GETQUOTA answers (RFC 9208).

use crate::answer;
use crate::fault::{Fault, malformed};
use crate::push;
use crate::session::Call;
use mailbox::{Annotated, Depth};
use model::FolderName;
use model::limits::{ANNOTATION_ENTRY_BYTES_MAX, ANNOTATION_VALUE_BYTES_MAX, ANNOTATIONS_MAX};
use wire::convert::folder_name;
use wire::session::server_frame::Body;
use wire::session::{Done, FailureCode, GetMetadata, MetadataDepth, Quota, SetMetadata};

/// GETMETADATA.
pub async fn get(call: &Call, get: GetMetadata) -> Result<(), Fault> {
    let name = target(&get.folder)?;
    let target = match &name {
        _ if get.every_folder => Annotated::EveryFolder,
        Some(name) => Annotated::Folder(name),
        None => Annotated::Mailbox,
    };
    check_entries(get.entries.iter())?;
    let depth = match MetadataDepth::try_from(get.depth).map_err(|_| malformed("there is no such depth"))? {
        MetadataDepth::Zero => Depth::Zero,
        MetadataDepth::One => Depth::One,
        MetadataDepth::Infinity => Depth::Infinity,
    };
    let found = call.enter().await?.read(|reader| reader.annotations(target, &get.entries, depth))?;
    call.answer(answer::annotations(&found)).await;
    Ok(())
}

/// SETMETADATA.
pub async fn set(call: &Call, set: SetMetadata) -> Result<(), Fault> {
    let name = target(&set.folder)?;
    check_entries(set.annotations.iter().map(|annotation| &annotation.entry))?;
    let changes = set.annotations.into_iter().map(|annotation| {
        if annotation.value.len() > ANNOTATION_VALUE_BYTES_MAX {
            return Err(Fault::new(FailureCode::TooBig, "the annotation's value is too big"));
        }
        Ok((annotation.entry, (!annotation.none).then(|| annotation.value.to_vec())))
    });
    let changes = changes.collect::<Result<Vec<_>, _>>()?;
    let entries = changes.iter().map(|(entry, _)| entry.clone()).collect();
    let usage = call.enter().await?;
    let op = move |tx: &mut mailbox::Tx<'_>| {
        tx.annotate(name.as_ref().map_or(Annotated::Mailbox, Annotated::Folder), &changes)
    };
    let origin = call.origin(false);
    let folder = usage.write(origin, false, op).await?;
    push::tell_annotations(&usage.resident().views.borrow(), folder, entries, origin);
    call.send(Body::Done(Done {}), true);
    Ok(())
}

/// GETQUOTA: what the mailbox holds and may hold.
pub async fn quota(call: &Call) -> Result<(), Fault> {
    let usage = call.enter().await?;
    let held = usage.read(|reader| reader.usage())?;
    let room = &usage.resident().room;
    let limit = room.limits().await.map_err(Fault::from)?.own;
    let (account, account_max) = room.account().await.map_err(Fault::from)?.unwrap_or_default();
    let answer = Quota {
        bytes: held.bytes,
        bytes_max: limit.bytes,
        messages: held.messages,
        messages_max: limit.messages,
        folders: held.folders,
        folders_max: mailbox::Usage::FOLDERS_MAX,
        account_bytes: account.bytes,
        account_bytes_max: account_max.bytes,
        account_messages: account.messages,
        account_messages_max: account_max.messages,
    };
    call.send(Body::Quota(answer), true);
    Ok(())
}

fn target(folder: &str) -> Result<Option<FolderName>, Fault> {
    Ok(if folder.is_empty() { None } else { Some(folder_name(folder)?) })
}

fn check_entries<'a>(mut entries: impl ExactSizeIterator<Item = &'a String>) -> Result<(), Fault> {
    if entries.len() > ANNOTATIONS_MAX || entries.any(|entry| entry.len() > ANNOTATION_ENTRY_BYTES_MAX) {
        return Err(crate::fault::limit("annotations of one request"));
    }
    Ok(())
}

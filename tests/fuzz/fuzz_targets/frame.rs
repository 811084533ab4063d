//! One frame of a session link of any octets, read as either side would: no panic, what is taken can be sent again and is
//! the same, and every field's conversion to the model's types answers.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use wire::convert;
use wire::frame::{self, Frame};
use wire::session::{ClientFrame, ServerFrame, UidRuns, client_frame, server_frame};

fn round<F: Frame + PartialEq>(data: &Bytes) -> Option<F> {
    match frame::decode::<F>(data.clone()) {
        Ok(taken) => {
            let sent = frame::encode(&taken).expect("what is taken is within the limits");
            assert!(frame::decode::<F>(sent).as_ref() == Ok(&taken), "a frame changed on its way");
            Some(taken)
        }
        Err(error) => {
            assert!(!error.failure().text.is_empty());
            None
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let data = Bytes::copy_from_slice(data);
    if let Some(body) = round::<ClientFrame>(&data).and_then(|frame| frame.body) {
        client(&body);
    }
    if let Some(body) = round::<ServerFrame>(&data).and_then(|frame| frame.body) {
        server(&body);
    }
});

fn uids(runs: Option<&UidRuns>) {
    if let Ok(set) = convert::uid_set(runs) {
        let sent = convert::uid_runs(&set).unwrap_or_default();
        assert_eq!(sent.bounds, runs.map(|runs| runs.bounds.clone()).unwrap_or_default());
    }
}

fn client(body: &client_frame::Body) {
    use client_frame::Body;
    match body {
        Body::Open(open) => drop(convert::mailbox_id(&open.mailbox_id)),
        Body::KeyOffer(offer) => drop(convert::mailbox_id(&offer.mailbox_id)),
        Body::Create(create) => {
            let _ = convert::folder_name(&create.name);
            let _ = convert::special_use(create.special_use);
            let _ = convert::token(&create.token);
        }
        Body::Fetch(fetch) => {
            uids(fetch.uids.as_ref());
            fetch.sections.iter().for_each(|section| drop(convert::section_kind(section.kind)));
        }
        Body::Store(store) => {
            uids(store.uids.as_ref());
            let _ = convert::store_mode(store.mode);
            let _ = convert::flags(store.flags);
            let _ = convert::keywords(&store.keywords);
            let _ = convert::modseq(store.unchanged_since);
        }
        Body::Copy(copy) => uids(copy.uids.as_ref()),
        Body::Expunge(expunge) => uids(expunge.uids.as_ref()),
        Body::Append(append) => {
            let _ = convert::flags(append.flags);
            let _ = convert::keywords(&append.keywords);
        }
        Body::Select(select) => drop(convert::uid_validity(select.known_uid_validity)),
        Body::Rename(rename) => drop(convert::folder_name(&rename.to)),
        Body::VanishedSince(since) => drop(convert::modseq(since.modseq)),
        Body::Hello(_)
        | Body::Close(_)
        | Body::Credit(_)
        | Body::Cancel(_)
        | Body::List(_)
        | Body::Delete(_)
        | Body::Subscribe(_)
        | Body::Status(_)
        | Body::Unselect(_)
        | Body::Search(_)
        | Body::Upload(_)
        | Body::AppendStatus(_)
        | Body::GetMetadata(_)
        | Body::SetMetadata(_)
        | Body::GetQuota(_)
        | Body::Snapshot(_)
        | Body::Watch(_)
        | Body::Sort(_)
        | Body::Thread(_)
        | Body::Check(_) => {}
    }
}

fn server(body: &server_frame::Body) {
    use server_frame::Body;
    match body {
        Body::Selected(selected) => {
            uids(selected.uids.as_ref());
            uids(selected.recent.as_ref());
            uids(selected.vanished.as_ref());
        }
        Body::Changes(changes) => {
            uids(changes.vanished.as_ref());
            changes.changed.iter().for_each(|change| drop(convert::keywords(&change.keywords)));
        }
        Body::Stored(stored) => uids(stored.modified.as_ref()),
        Body::Expunged(expunged) => uids(expunged.uids.as_ref()),
        Body::Found(found) => uids(found.uids.as_ref()),
        Body::Vanished(vanished) => uids(vanished.uids.as_ref()),
        Body::Created(created) => drop(convert::uid_validity(created.uid_validity)),
        Body::Welcome(welcome) => drop(convert::node_id(&welcome.node_id)),
        Body::Opened(_)
        | Body::Done(_)
        | Body::Failure(_)
        | Body::Credit(_)
        | Body::KeyWanted(_)
        | Body::Folders(_)
        | Body::FolderStatus(_)
        | Body::Fetched(_)
        | Body::Copied(_)
        | Body::Appended(_)
        | Body::Unknown(_)
        | Body::Metadata(_)
        | Body::Quota(_)
        | Body::Snapshotted(_)
        | Body::FolderChanged(_)
        | Body::Sorted(_)
        | Body::Threaded(_)
        | Body::Checked(_) => {}
    }
}

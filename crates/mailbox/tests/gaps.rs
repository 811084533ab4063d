//! What a folder has after so many expunges that the record of them is cut: SELECT still knows every UID.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

mod common;

use common::{Place, append, clock, name, run, uid};
use mailbox::{FlagEdit, FolderId, StoreMode, Writer};
use model::{Flag, Flags, FolderName, ModSeq, Uid, UidSet};

/// Doubles INBOX by copies until it has that many messages.
fn grow(writer: &mut Writer, folder: FolderId, count: u32) {
    run(writer, |tx| tx.append(append("INBOX", b"Subject: one\r\n\r\n", Flags::NONE)));
    let mut there = 1;
    while there < count {
        let more = UidSet::range(uid(1), uid(there.min(count - there)));
        run(writer, |tx| tx.copy(folder, &more, &FolderName::inbox(), clock(), None));
        there += more.len() as u32;
    }
}

/// Removes every UID that `goes` says, each a run of its own.
fn expunge(writer: &mut Writer, folder: FolderId, goes: &UidSet) {
    let delete = FlagEdit { mode: StoreMode::Add, flags: Flags::NONE.with(Flag::Deleted), keywords: vec![] };
    run(writer, |tx| {
        tx.store(folder, goes, &delete, None)?;
        tx.expunge(folder, None, clock())
    });
}

fn every(step: u32, from: u32, to: u32) -> UidSet {
    (from..=to).step_by(step as usize).filter_map(Uid::new).collect()
}

#[test]
fn a_folder_knows_its_uids_when_the_record_of_what_vanished_is_cut() {
    let place = Place::new();
    let mut writer = place.writer();
    let reader = place.reader();
    let folder = reader.select(&FolderName::inbox()).unwrap().folder;
    grow(&mut writer, folder, 40_000);
    let mut there = UidSet::range(uid(1), uid(40_000));
    let before = reader.select(&FolderName::inbox()).unwrap().highest_modseq;
    // The third cuts the record the first time; the runs of the last one lie between those that are forgotten.
    for goes in [
        every(4, 1, 15_997),
        every(4, 16_001, 31_997),
        every(4, 3, 15_999),
        every(4, 2, 16_000),
        every(2, 32_001, 40_000),
    ] {
        expunge(&mut writer, folder, &goes);
        there = there.difference(&goes);
        let state = reader.select(&FolderName::inbox()).unwrap();
        assert!(state.uids == there, "{} runs instead of {}", state.uids.runs().len(), there.runs().len());
        assert_eq!(state.first_unseen, there.first());
        let since = reader.changes_since(folder, before).unwrap();
        assert!(
            since.vanished.intersection(&there).is_empty()
                && since.vanished.union(&there) == UidSet::range(uid(1), uid(40_000))
        );
    }
    let recent = reader.select(&FolderName::inbox()).unwrap().highest_modseq;
    expunge(&mut writer, folder, &UidSet::range(uid(39_000), uid(40_000)));
    let last = there.intersection(&UidSet::range(uid(39_000), uid(40_000)));
    assert!(reader.changes_since(folder, recent).unwrap().vanished == last);
    reader.check().unwrap();
    // A name that is kept and becomes a folder again begins anew.
    let (old, below) = (name("old"), name("old/below"));
    run(&mut writer, |tx| {
        tx.create_folder(&old, None)?;
        tx.create_folder(&below, None)
    });
    let all = reader.select(&FolderName::inbox()).unwrap().uids;
    run(&mut writer, |tx| tx.move_(folder, &all, &old, clock(), None));
    assert!(reader.select(&FolderName::inbox()).unwrap().uids.is_empty());
    run(&mut writer, |tx| tx.delete_folder(&old));
    let again = run(&mut writer, |tx| tx.create_folder(&old, None));
    run(&mut writer, |tx| tx.append(append("old", b"Subject: new\r\n\r\n", Flags::NONE)));
    let state = reader.select(&old).unwrap();
    assert_eq!((state.folder, state.uids.to_string(), state.first_unseen), (again, "1".to_owned(), Some(uid(1))));
    assert_eq!(reader.changes_since(again, ModSeq::ZERO).unwrap().changed.len(), 1);
    reader.check().unwrap();
}

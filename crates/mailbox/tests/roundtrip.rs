//! One message in and out, and the basics of every operation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

mod common;

use common::Place;
use common::*;
use mailbox::*;
use model::{Flag, Flags, FolderName, Keyword, ModSeq, Uid};

#[test]
fn a_message_comes_back_byte_for_byte() {
    let place = Place::new();
    let mut writer = place.writer();
    let text = b"From: a@example.com\r\nSubject: hello\r\n\r\nWorld\r\n";
    let mut batch = writer.batch().unwrap();
    let appended = batch.run(|tx| tx.append(append("INBOX", text, Flags::NONE))).unwrap();
    let changes = batch.commit().unwrap();
    assert_eq!(appended.uid, uid(1));
    assert_eq!(changes.len(), 1);
    let reader = place.reader();
    let state = reader.select(&FolderName::inbox()).unwrap();
    assert_eq!((state.uids.to_string(), state.first_unseen), ("1".to_owned(), Uid::new(1)));
    assert_eq!(body(&reader, state.folder, uid(1)), text);
    reader.check().unwrap();
}

#[test]
fn flags_are_stored_and_a_store_that_changes_nothing_writes_nothing() {
    let place = Place::new();
    let mut writer = place.writer();
    let folder = place.fill(&mut writer, 3);
    let seen = FlagEdit {
        mode: StoreMode::Add,
        flags: Flags::NONE.with(Flag::Seen),
        keywords: vec![Keyword::parse("$Junk").unwrap()],
    };
    let stored = run(&mut writer, |tx| tx.store(folder, &uids("1:2"), &seen, None));
    assert_eq!(stored.messages.len(), 2);
    assert!(stored.messages.iter().all(|message| message.modseq == stored.highest_modseq));
    let again = run(&mut writer, |tx| tx.store(folder, &uids("1:2"), &seen, None));
    assert_eq!(again, stored);
    let late =
        run(&mut writer, |tx| tx.store(folder, &uids("1:3"), &seen, ModSeq::new(stored.highest_modseq.get() - 1)));
    assert_eq!((late.modified.to_string(), late.messages.len()), ("1:2".to_owned(), 1));
    let status = place.reader().status(&FolderName::inbox()).unwrap();
    assert_eq!((status.messages, status.unseen), (3, 0));
}

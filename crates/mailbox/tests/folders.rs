//! Folders: create, delete, rename, subscriptions, special use, UIDVALIDITY.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

mod common;

use common::Place;
use common::*;
use mailbox::*;
use model::{Flag, Flags, FolderName, SpecialUse};

fn names(place: &Place) -> Vec<String> {
    let folders = place.reader().folders().unwrap().folders;
    folders.iter().map(|row| format!("{}{}", row.name, if row.no_select { " (name)" } else { "" })).collect()
}

fn refused(writer: &mut Writer, operation: impl FnOnce(&mut Tx<'_>) -> Result<(), Error>) -> Error {
    let mut batch = writer.batch().unwrap();
    let Err(error) = batch.run(operation) else { panic!("it was not refused") };
    assert_eq!(batch.commit().unwrap(), []);
    error
}

#[test]
fn a_new_mailbox_has_what_clients_expect() {
    let place = Place::new();
    let folders = place.reader().folders().unwrap();
    let rows: Vec<_> =
        folders.folders.iter().map(|row| (row.name.to_string(), row.special_use, row.subscribed)).collect();
    let expected = [
        ("Archive", Some(SpecialUse::Archive)),
        ("Drafts", Some(SpecialUse::Drafts)),
        ("INBOX", None),
        ("Junk", Some(SpecialUse::Junk)),
        ("Sent", Some(SpecialUse::Sent)),
        ("Trash", Some(SpecialUse::Trash)),
    ];
    assert_eq!(rows, expected.map(|(name, usage)| (name.to_owned(), usage, true)));
    assert_eq!(folders.subscribed_only, []);
}

#[test]
fn create_makes_the_names_above() {
    let place = Place::new();
    let mut writer = place.writer();
    let mut batch = writer.batch().unwrap();
    let id = batch.run(|tx| tx.create_folder(&name("a/b/c"), None)).unwrap();
    assert_eq!(batch.commit().unwrap(), [Change::FolderCreated { folder: id, name: name("a/b/c") }]);
    assert_eq!(names(&place)[6..], ["a (name)", "a/b (name)", "a/b/c"]);
    // A name becomes a folder when it is asked for.
    run(&mut writer, |tx| tx.create_folder(&name("a"), None));
    assert_eq!(names(&place)[6..], ["a", "a/b (name)", "a/b/c"]);
    assert!(matches!(refused(&mut writer, |tx| tx.create_folder(&name("a"), None).map(drop)), Error::FolderExists));
    assert!(matches!(refused(&mut writer, |tx| tx.create_folder(&name("inbox"), None).map(drop)), Error::CannotInbox));
    let taken = refused(&mut writer, |tx| tx.create_folder(&name("More"), Some(SpecialUse::Sent)).map(drop));
    assert!(matches!(taken, Error::SpecialUseTaken));
    let all = run(&mut writer, |tx| tx.create_folder(&name("Everything"), Some(SpecialUse::All)));
    let row = place.reader().folders().unwrap().folders.into_iter().find(|row| row.id == all).unwrap();
    assert_eq!((row.special_use, row.subscribed), (Some(SpecialUse::All), false));
    place.reader().check().unwrap();
}

#[test]
fn delete_keeps_a_name_that_has_children() {
    let place = Place::new();
    let mut writer = place.writer();
    run(&mut writer, |tx| tx.create_folder(&name("a"), None));
    run(&mut writer, |tx| tx.create_folder(&name("a/b"), None));
    run(&mut writer, |tx| tx.append(append("a", b"Subject: x\r\n\r\n", Flags::NONE)));
    let before = place.reader().status(&name("a")).unwrap();
    let mut batch = writer.batch().unwrap();
    batch.run(|tx| tx.delete_folder(&name("a"))).unwrap();
    assert_eq!(batch.commit().unwrap(), [Change::FolderDeleted { folder: before.folder }]);
    assert_eq!(names(&place)[6..], ["a (name)", "a/b"]);
    assert!(matches!(place.reader().select(&name("a")), Err(Error::NoSuchFolder)));
    assert!(matches!(refused(&mut writer, |tx| tx.delete_folder(&name("a"))), Error::HasChildren));
    assert!(matches!(refused(&mut writer, |tx| tx.delete_folder(&name("zzz"))), Error::NoSuchFolder));
    assert!(matches!(refused(&mut writer, |tx| tx.delete_folder(&FolderName::inbox())), Error::CannotInbox));
    // Made again it is another folder: UIDVALIDITY is new, UIDs begin again.
    run(&mut writer, |tx| tx.create_folder(&name("a"), None));
    let after = place.reader().status(&name("a")).unwrap();
    assert!(after.uid_validity > before.uid_validity && after.highest_modseq > before.highest_modseq);
    assert_eq!((after.messages, after.uid_next, after.size), (0, uid(1), 0));
    run(&mut writer, |tx| tx.delete_folder(&name("a/b")));
    run(&mut writer, |tx| tx.delete_folder(&name("a")));
    assert_eq!(names(&place).len(), 6);
    place.reader().check().unwrap();
}

#[test]
fn uid_validity_is_never_used_again() {
    let place = Place::new();
    let mut writer = place.writer();
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..20 {
        run(&mut writer, |tx| tx.create_folder(&name("again"), None));
        let status = place.reader().status(&name("again")).unwrap();
        assert!(seen.insert(status.uid_validity));
        run(&mut writer, |tx| tx.delete_folder(&name("again")));
        if round % 5 == 0 {
            drop(writer);
            writer = place.writer();
        }
    }
}

#[test]
fn rename_takes_what_is_below_along() {
    let place = Place::new();
    let mut writer = place.writer();
    for each in ["a", "a/b", "a/b/c", "ab", "a.b"] {
        run(&mut writer, |tx| tx.create_folder(&name(each), None));
    }
    run(&mut writer, |tx| tx.append(append("a/b", b"Subject: x\r\n\r\n", Flags::NONE)));
    let before = place.reader().status(&name("a/b")).unwrap();
    run(&mut writer, |tx| tx.rename_folder(&name("a"), &name("x/y")));
    assert_eq!(names(&place)[6..], ["a.b", "ab", "x (name)", "x/y", "x/y/b", "x/y/b/c"]);
    assert_eq!(place.reader().status(&name("x/y/b")).unwrap(), before);
    assert!(matches!(refused(&mut writer, |tx| tx.rename_folder(&name("x/y"), &name("x/y/z"))), Error::BelowItself));
    assert!(matches!(refused(&mut writer, |tx| tx.rename_folder(&name("ab"), &name("x/y"))), Error::FolderExists));
    assert!(matches!(refused(&mut writer, |tx| tx.rename_folder(&name("a"), &name("b"))), Error::NoSuchFolder));
    assert!(matches!(refused(&mut writer, |tx| tx.rename_folder(&name("ab"), &name("INBOX"))), Error::CannotInbox));
    let deep = format!("d{}", "/d".repeat(30));
    let too_deep = refused(&mut writer, |tx| tx.rename_folder(&name("x/y"), &name(&deep)));
    assert!(matches!(too_deep, Error::LimitReached(_)));
    place.reader().check().unwrap();
}

#[test]
fn renaming_inbox_moves_its_messages_and_leaves_it() {
    let place = Place::new();
    let mut writer = place.writer();
    let inbox = place.fill(&mut writer, 3);
    run(&mut writer, |tx| tx.create_folder(&name("INBOX/child"), None));
    run(&mut writer, |tx| tx.rename_folder(&FolderName::inbox(), &name("Old")));
    let reader = place.reader();
    let (old, new) = (reader.select(&name("Old")).unwrap(), reader.select(&FolderName::inbox()).unwrap());
    assert_eq!((old.uids.to_string(), new.uids.to_string()), ("1:3".to_owned(), String::new()));
    assert_eq!((new.folder, new.uid_next), (inbox, uid(4)));
    assert!(names(&place).contains(&"INBOX/child".to_owned()));
    reader.check().unwrap();
}

#[test]
fn subscriptions_are_of_names() {
    let place = Place::new();
    let mut writer = place.writer();
    run(&mut writer, |tx| tx.create_folder(&name("Lists"), None));
    run(&mut writer, |tx| tx.set_subscribed(&name("Lists"), true));
    run(&mut writer, |tx| tx.set_subscribed(&name("Nowhere"), true));
    run(&mut writer, |tx| tx.set_subscribed(&name("Junk"), false));
    run(&mut writer, |tx| tx.delete_folder(&name("Lists")));
    let folders = place.reader().folders().unwrap();
    assert_eq!(folders.subscribed_only, [name("Lists"), name("Nowhere")]);
    assert!(!folders.folders.iter().any(|row| row.name == name("Junk") && row.subscribed));
    run(&mut writer, |tx| tx.set_subscribed(&name("Nowhere"), false));
    run(&mut writer, |tx| tx.create_folder(&name("Lists"), None));
    assert_eq!(place.reader().folders().unwrap().subscribed_only, []);
}

#[test]
fn recent_is_claimed_once() {
    let place = Place::new();
    let mut writer = place.writer();
    let folder = place.fill(&mut writer, 2);
    assert_eq!(place.reader().status(&FolderName::inbox()).unwrap().recent, 2);
    assert_eq!(run(&mut writer, |tx| tx.claim_recent(folder)).to_string(), "1:2");
    assert_eq!(run(&mut writer, |tx| tx.claim_recent(folder)).to_string(), "");
    place.fill(&mut writer, 1);
    assert_eq!(place.reader().status(&FolderName::inbox()).unwrap().recent, 1);
    assert_eq!(run(&mut writer, |tx| tx.claim_recent(folder)).to_string(), "3");
    assert_eq!(place.reader().select(&FolderName::inbox()).unwrap().recent_from, uid(4));
}

#[test]
fn retries_are_answered_as_they_were() {
    let place = Place::new();
    let mut writer = place.writer();
    let folder = place.fill(&mut writer, 1);
    let delivery = model::DeliveryId::from_bytes([1; 16]);
    let token = model::Token::from_bytes([2; 16]);
    let deliver = || Append { delivery: Some(delivery), ..append("INBOX", b"Subject: once\r\n\r\n", Flags::NONE) };
    let upload = || Append { token: Some(token), ..append("Drafts", b"Subject: once\r\n\r\n", Flags::NONE) };
    let first = run(&mut writer, |tx| tx.append(deliver()));
    let kept = run(&mut writer, |tx| tx.append(upload()));
    let copy = model::Token::from_bytes([3; 16]);
    let copied = run(&mut writer, |tx| tx.copy(folder, &uids("1:9"), &name("Sent"), clock(), Some(copy)));
    drop(writer);
    let mut writer = place.writer();
    let mut batch = writer.batch().unwrap();
    let again = batch.run(|tx| tx.append(deliver())).unwrap();
    assert_eq!(
        (again.uid, again.uid_validity, again.already, first.already),
        (first.uid, first.uid_validity, true, false)
    );
    assert_eq!(batch.run(|tx| tx.append(upload())).unwrap().uid, kept.uid);
    let repeated = batch.run(|tx| tx.copy(folder, &uids("1:9"), &name("Sent"), clock(), Some(copy))).unwrap();
    assert_eq!(repeated, Copied { already: true, ..copied });
    assert_eq!(batch.commit().unwrap(), []);
    let reader = place.reader();
    assert!(reader.delivery_known(&delivery).unwrap());
    assert!(!reader.delivery_known(&model::DeliveryId::from_bytes([9; 16])).unwrap());
    assert!(
        matches!(reader.token_result(&token).unwrap(), Some(TokenAnswer::Appended(known)) if known.uid == kept.uid)
    );
    let (given_up, other) = (model::Token::from_bytes([9; 16]), model::Token::from_bytes([8; 16]));
    assert_eq!(reader.token_result(&given_up).unwrap(), None);
    // What was committed cannot be given up; what was not is refused from then on.
    let answer = run(&mut writer, |tx| tx.give_up(&token));
    assert!(matches!(answer, Some(TokenAnswer::Appended(known)) if known.uid == kept.uid));
    for _ in 0..2 {
        assert_eq!(run(&mut writer, |tx| tx.give_up(&given_up)), None);
    }
    let mut batch = writer.batch().unwrap();
    let late = batch.run(|tx| tx.append(Append { token: Some(given_up), ..upload() }));
    assert!(matches!(late, Err(Error::GivenUp)), "{late:?}");
    batch.run(|tx| tx.append(Append { token: Some(other), ..upload() })).unwrap();
    batch.commit().unwrap();
}

#[test]
fn the_vanished_log_is_bounded_and_then_answers_more() {
    let place = Place::new();
    let mut writer = place.writer();
    let folder = place.fill(&mut writer, 0);
    let start = place.reader().select(&FolderName::inbox()).unwrap().highest_modseq;
    // Every second message goes, each a run of its own, until the log is over its limit.
    let content = Content::from_bytes(b"Subject: x\r\n\r\n").unwrap();
    let mut middle = start;
    for round in 0..11u32 {
        let mut batch = writer.batch().unwrap();
        for at in 0..2000u32 {
            let flags = if at % 2 == 0 { Flags::NONE.with(Flag::Deleted) } else { Flags::NONE };
            let each = Append { content: content.clone(), ..append("INBOX", b"", flags) };
            batch.run(|tx| tx.append(each)).unwrap();
        }
        let gone = batch.run(|tx| tx.expunge(folder, None, clock())).unwrap();
        batch.commit().unwrap();
        if round == 8 {
            middle = gone.highest_modseq;
        }
    }
    let reader = place.reader();
    reader.check().unwrap();
    let gone: model::UidSet = (0..11_000u32).map(|at| uid(2 * at + 1)).collect();
    assert_eq!(reader.changes_since(folder, start).unwrap().vanished, gone);
    let since = reader.changes_since(folder, middle).unwrap();
    let last: model::UidSet = (9_000..11_000u32).map(|at| uid(2 * at + 1)).collect();
    assert_eq!(since.vanished, last);
    assert_eq!(since.changed.len(), 2000);
}

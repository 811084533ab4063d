//! Annotations and quotas: what is kept, what goes with its folder, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

mod common;

use common::Place;
use common::*;
use mailbox::*;
use model::limits::{ANNOTATION_VALUE_BYTES_MAX, ANNOTATIONS_MAX};
use model::{Flags, FolderName};

fn set(entry: &str, value: &str) -> (String, Option<Vec<u8>>) {
    (entry.to_owned(), Some(value.as_bytes().to_vec()))
}

fn gone(entry: &str) -> (String, Option<Vec<u8>>) {
    (entry.to_owned(), None)
}

/// `entry=value` of everything that is found.
fn found(place: &Place, target: Annotated<'_>, entry: &str, depth: Depth) -> Vec<String> {
    let found = place.reader().annotations(target, &[entry.to_owned()], depth).unwrap();
    found.iter().map(|each| format!("{}={}", each.entry, String::from_utf8_lossy(&each.value))).collect()
}

fn refused<T>(writer: &mut Writer, operation: impl FnOnce(&mut Tx<'_>) -> Result<T, Error>) -> Error {
    let mut batch = writer.batch().unwrap();
    let Err(error) = batch.run(operation) else { panic!("it was not refused") };
    assert_eq!(batch.commit().unwrap(), []);
    error
}

#[test]
fn entries_are_set_replaced_and_removed() {
    let place = Place::new();
    let mut writer = place.writer();
    let (inbox, sent) = (FolderName::inbox(), name("Sent"));
    let changes = [set("/private/Color", "red"), set("/private/vendor/x/a", "1"), set("/shared/comment", "ours")];
    run(&mut writer, |tx| tx.annotate(Annotated::Folder(&inbox), &changes));
    run(&mut writer, |tx| tx.annotate(Annotated::Mailbox, &[set("/private/color", "all")]));
    let of = |entry: &str, depth| found(&place, Annotated::Folder(&inbox), entry, depth);
    assert_eq!(of("/PRIVATE/COLOR", Depth::Zero), ["/private/Color=red"]);
    assert_eq!(of("/private", Depth::Zero), [""; 0]);
    assert_eq!(of("/private", Depth::One), ["/private/Color=red"]);
    assert_eq!(of("/private", Depth::Infinity), ["/private/Color=red", "/private/vendor/x/a=1"]);
    assert_eq!(found(&place, Annotated::Folder(&sent), "/private/color", Depth::Zero), [""; 0]);
    assert_eq!(found(&place, Annotated::Mailbox, "/private/color", Depth::Zero), ["/private/color=all"]);
    let modseq = || place.reader().status(&sent).unwrap().highest_modseq;
    let before = modseq();
    run(&mut writer, |tx| tx.annotate(Annotated::Folder(&sent), &[set("/private/color", "blue")]));
    // RFC 7162 §3.2: a change of the folder, but not where it had that value.
    let after = modseq();
    assert!(after > before);
    let same = [set("/private/color", "blue"), ("/private/none".to_owned(), None)];
    run(&mut writer, |tx| tx.annotate(Annotated::Folder(&sent), &same));
    assert_eq!(modseq(), after);
    assert_eq!(
        found(&place, Annotated::EveryFolder, "/private/color", Depth::Zero),
        ["/private/Color=red", "/private/color=blue"]
    );
    // All or nothing.
    let too_big = (String::from("/private/b"), Some(vec![0; ANNOTATION_VALUE_BYTES_MAX + 1]));
    let changes = [set("/private/color", "green"), gone("/shared/comment"), too_big];
    assert!(matches!(refused(&mut writer, |tx| tx.annotate(Annotated::Folder(&inbox), &changes)), Error::TooBig));
    assert_eq!(of("/shared/comment", Depth::Zero), ["/shared/comment=ours"]);
    run(&mut writer, |tx| tx.annotate(Annotated::Folder(&inbox), &changes[..2]));
    assert_eq!(of("/private", Depth::One), ["/private/Color=green"]);
    assert_eq!(of("/shared/comment", Depth::Zero), [""; 0]);
    // Nothing of it is readable on disk.
    let octets = place.octets();
    assert!(!octets.windows(15).any(|window| window.eq_ignore_ascii_case(b"/private/vendor")));
    place.reader().check().unwrap();
}

#[test]
fn annotations_live_with_their_folder() {
    let place = Place::new();
    let mut writer = place.writer();
    let (a, b) = (name("a"), name("b"));
    run(&mut writer, |tx| tx.create_folder(&name("a/below"), None));
    let none = refused(&mut writer, |tx| tx.annotate(Annotated::Folder(&a), &[set("/private/x", "1")]));
    assert!(matches!(none, Error::NoSuchFolder), "a mere name has none");
    run(&mut writer, |tx| tx.create_folder(&a, None));
    run(&mut writer, |tx| tx.annotate(Annotated::Folder(&a), &[set("/private/x", "1")]));
    run(&mut writer, |tx| tx.rename_folder(&a, &b));
    assert_eq!(found(&place, Annotated::Folder(&b), "/private/x", Depth::Zero), ["/private/x=1"]);
    run(&mut writer, |tx| tx.delete_folder(&b));
    run(&mut writer, |tx| tx.create_folder(&b, None));
    assert_eq!(found(&place, Annotated::Folder(&b), "/private/x", Depth::Zero), [""; 0]);
    place.reader().check().unwrap();
}

#[test]
fn their_number_is_limited_and_replacing_one_is_not() {
    let place = Place::new();
    let mut writer = place.writer();
    let all: Vec<_> = (0..ANNOTATIONS_MAX).map(|n| set(&format!("/private/{n}"), "x")).collect();
    run(&mut writer, |tx| tx.annotate(Annotated::Mailbox, &all));
    let more = refused(&mut writer, |tx| tx.annotate(Annotated::Folder(&name("Sent")), &[set("/private/a", "x")]));
    assert!(matches!(more, Error::LimitReached("annotations")));
    run(&mut writer, |tx| tx.annotate(Annotated::Mailbox, &[set("/private/7", "y")]));
    assert_eq!(found(&place, Annotated::Mailbox, "/private/7", Depth::Zero), ["/private/7=y"]);
}

#[test]
fn the_special_use_is_an_annotation() {
    let place = Place::new();
    let mut writer = place.writer();
    let (sent, work, inbox) = (name("Sent"), name("Work"), FolderName::inbox());
    let entry = "/private/specialuse";
    let of = |folder: &FolderName| found(&place, Annotated::Folder(folder), entry, Depth::Zero);
    assert_eq!(of(&sent), ["/private/specialuse=\\Sent"]);
    run(&mut writer, |tx| tx.create_folder(&work, None));
    let taken = refused(&mut writer, |tx| tx.annotate(Annotated::Folder(&work), &[set(entry, "\\Sent")]));
    assert!(matches!(taken, Error::SpecialUseTaken));
    for (folder, value) in [(&work, "\\Nothing"), (&work, "\\Sent \\Junk"), (&inbox, "\\All")] {
        let refused = refused(&mut writer, |tx| tx.annotate(Annotated::Folder(folder), &[set(entry, value)]));
        assert!(matches!(refused, Error::NoSuchSpecialUse), "{folder} {value}");
    }
    run(&mut writer, |tx| tx.annotate(Annotated::Folder(&sent), &[gone(entry)]));
    run(&mut writer, |tx| tx.annotate(Annotated::Folder(&work), &[set(entry, "\\sent")]));
    assert_eq!((of(&sent).len(), of(&work)), (0, vec!["/private/specialuse=\\Sent".to_owned()]));
    run(&mut writer, |tx| tx.annotate(Annotated::Folder(&work), &[set(entry, "\\Sent")]));
    place.reader().check().unwrap();
}

#[test]
fn a_quota_is_counted_in_the_transaction() {
    let place = Place::new();
    let options = Options { quota: Quota { bytes_max: 100, messages_max: 4 }, ..place.options() };
    let mut writer = Writer::open(&place.path(), &place.key, &place.id, &options).unwrap();
    let message = |octets: usize| append("INBOX", &vec![b'x'; octets], Flags::NONE);
    let over = |error: Error| assert!(matches!(error, Error::OverQuota), "{error}");
    run(&mut writer, |tx| tx.append(message(40)));
    over(refused(&mut writer, |tx| tx.append(message(61)).map(drop)));
    let inbox = place.reader().select(&FolderName::inbox()).unwrap().folder;
    run(&mut writer, |tx| tx.copy(inbox, &uids("1"), &name("Sent"), clock(), None));
    over(refused(&mut writer, |tx| tx.copy(inbox, &uids("1"), &name("Sent"), clock(), None).map(drop)));
    // What only changes its place takes no room.
    run(&mut writer, |tx| tx.move_(inbox, &uids("1"), &name("Archive"), clock(), None));
    // What was accepted for delivery is stored.
    let mut delivered = message(40);
    delivered.delivery = Some(model::DeliveryId::from_bytes([3; 16]));
    run(&mut writer, |tx| tx.append(delivered));
    let usage = place.reader().usage().unwrap();
    assert_eq!(usage, Usage { bytes: 120, messages: 3, folders: 6 });
    over(refused(&mut writer, |tx| tx.append(message(1)).map(drop)));
    place.reader().check().unwrap();
}

#[test]
fn a_folder_that_is_made_again_has_another_id() {
    let place = Place::new();
    let mut writer = place.writer();
    let first = run(&mut writer, |tx| tx.create_folder(&name("a"), None));
    run(&mut writer, |tx| tx.create_folder(&name("a/b"), None));
    run(&mut writer, |tx| tx.delete_folder(&name("a")));
    let second = run(&mut writer, |tx| tx.create_folder(&name("a"), None));
    assert_ne!(first, second);
    place.reader().check().unwrap();
}

//! Snapshots: whole, of one state, checked; the counter that says whether one is needed; and a copy made the mailbox again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

mod common;

use common::*;
use mailbox::ledger::{Entry, Kind, Ledger};
use mailbox::restore::{Floor, adopt};
use mailbox::snapshot::{Pace, Snapshot, Subject, inspect, take};
use mailbox::*;
use model::{Flag, Flags, FolderName, MailboxId, SnapshotId};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vault::{MailboxKey, NodeKey};

fn target(place: &Place) -> PathBuf {
    place.folder.path().join("copy.sqlite")
}

fn copy(place: &Place) -> Snapshot {
    let subject = Subject::Mailbox(&place.key, &place.id);
    take(&place.path(), &subject, &place.options(), &target(place), &Pace::hurried()).unwrap()
}

/// Every message of a file, by folder and UID: its octets, flags and dates.
fn contents(path: &Path, place: &Place) -> Vec<(String, u32, Vec<u8>, String)> {
    let reader = Reader::open(path, &place.key, &place.id, &place.options()).unwrap();
    reader.check().unwrap();
    let mut all = Vec::new();
    for folder in reader.folders().unwrap().folders {
        let Ok(selected) = reader.select(&folder.name) else { continue };
        for uid in selected.uids.iter() {
            let plan = FetchPlan {
                folder: selected.folder,
                uids: model::UidSet::range(uid, uid),
                items: Items::NONE,
                sections: Vec::new(),
                changed_since: model::ModSeq::ZERO,
            };
            let record = fetch(&reader, &plan, 10_000).remove(0);
            let said = format!("{:?} {:?} {}", record.flags, record.keywords, record.internal_date);
            all.push((folder.name.as_str().to_owned(), uid.get(), body(&reader, selected.folder, uid), said));
        }
    }
    all
}

#[test]
fn a_copy_has_everything_of_one_state_and_nothing_else_opens_it() {
    let place = Place::new();
    let mut writer = place.writer();
    place.fill(&mut writer, 20);
    let large = with_attachment("large", &attachment(3, 400_000));
    run(&mut writer, |tx| tx.append(append("Archive", &large, Flags::NONE.with(Flag::Seen))));
    let before = contents(&place.path(), &place);
    writer.checkpoint_passive().unwrap();
    let snapshot = copy(&place);
    // The writer went on: the copy knows nothing of it.
    place.fill(&mut writer, 5);

    assert_eq!((snapshot.messages, snapshot.schema), (21, 3));
    assert_eq!(snapshot.bytes, std::fs::metadata(target(&place)).unwrap().len());
    assert_eq!(snapshot.sha256, vault::digest(&std::fs::read(target(&place)).unwrap()));
    assert_eq!(std::fs::metadata(target(&place)).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<_> = std::fs::read_dir(place.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.iter().filter(|name| name.to_string_lossy().starts_with("copy.sqlite")).count(), 1);
    let other = MailboxKey::generate().unwrap();
    let wrong = inspect(&target(&place), &Subject::Mailbox(&other, &place.id), &place.options(), &Pace::hurried());
    assert!(matches!(wrong, Err(Error::WrongKey)));
    let wrong = MailboxId::from_bytes([9; 12]);
    let wrong = inspect(&target(&place), &Subject::Mailbox(&place.key, &wrong), &place.options(), &Pace::hurried());
    assert!(matches!(wrong, Err(Error::WrongMailbox(_))));
    let again = inspect(&target(&place), &Subject::Mailbox(&place.key, &place.id), &place.options(), &Pace::hurried());
    assert_eq!(again.unwrap(), snapshot);
    assert!(memchr::memmem::find(&std::fs::read(target(&place)).unwrap(), b"See what is attached").is_none());
    assert_eq!(contents(&target(&place), &place), before);
}

#[test]
fn a_flipped_bit_of_a_copy_is_found() {
    let place = Place::new();
    let mut writer = place.writer();
    place.fill(&mut writer, 50);
    let snapshot = copy(&place);
    let file = std::fs::OpenOptions::new().read(true).write(true).open(target(&place)).unwrap();
    for at in (100..snapshot.bytes).step_by(4096) {
        let mut octet = [0];
        file.read_exact_at(&mut octet, at).unwrap();
        file.write_all_at(&[octet[0] ^ 4], at).unwrap();
        let subject = Subject::Mailbox(&place.key, &place.id);
        let found = inspect(&target(&place), &subject, &place.options(), &Pace::hurried());
        assert!(found.is_err(), "octet {at}");
        file.write_all_at(&octet, at).unwrap();
    }
}

#[test]
fn what_is_given_up_leaves_nothing() {
    let place = Place::new();
    let mut writer = place.writer();
    place.fill(&mut writer, 500);
    let stop = Arc::new(AtomicBool::new(false));
    stop.store(true, Ordering::Relaxed);
    let subject = Subject::Mailbox(&place.key, &place.id);
    std::fs::write(place.folder.path().join("copy.sqlite.part"), b"what a crash left").unwrap();
    let taken = take(&place.path(), &subject, &place.options(), &target(&place), &Pace::gentle(stop));
    assert!(matches!(taken, Err(Error::GivenUp)), "{taken:?}");
    let left = std::fs::read_dir(place.folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.starts_with("copy")).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn the_counter_moves_with_what_the_owner_has_and_with_nothing_else() {
    let place = Place::new();
    let mut writer = place.writer();
    let reader = place.reader();
    let mut last = reader.changes().unwrap();
    let mut moved = |by: u64, what: &str| {
        let now = reader.changes().unwrap();
        assert_eq!(now - last, by, "{what}");
        last = now;
    };
    place.fill(&mut writer, 3);
    moved(1, "one commit of three appends");
    run(&mut writer, |tx| tx.create_folder(&name("Other"), None));
    moved(1, "a folder");
    run(&mut writer, |tx| tx.set_subscribed(&name("Other"), true));
    moved(1, "a subscription");
    let entries = [("/private/comment".to_owned(), Some(b"x".to_vec()))];
    run(&mut writer, |tx| tx.annotate(Annotated::Mailbox, &entries));
    moved(1, "an annotation");
    let inbox = place.reader().select(&FolderName::inbox()).unwrap().folder;
    let edit = FlagEdit { mode: StoreMode::Add, flags: Flags::NONE.with(Flag::Seen), keywords: Vec::new() };
    run(&mut writer, |tx| tx.store(inbox, &uids("1"), &edit, None));
    moved(1, "a flag");
    run(&mut writer, |tx| tx.store(inbox, &uids("1"), &edit, None));
    moved(0, "the flag once more");
    let batch = place.reader().index_batch(100).unwrap();
    run(&mut writer, |tx| tx.index(&batch));
    moved(0, "the text index");
    writer.collect_garbage().unwrap();
    writer.checkpoint().unwrap();
    moved(0, "upkeep");
    let batch = writer.batch().unwrap();
    batch.commit().unwrap();
    moved(0, "an empty batch");
    assert_eq!(copy(&place).changes, last);
}

#[test]
fn a_file_of_schema_2_is_brought_up_to_date() {
    let place = Place::new();
    std::fs::remove_file(place.path()).unwrap();
    std::fs::write(place.path(), b"").unwrap();
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    let key = match Options::default().cipher {
        Cipher::ChaCha20 => format!("PRAGMA cipher='chacha20'; PRAGMA key='raw:{}'", *place.key.raw_key()),
        Cipher::SqlCipher4 => format!("PRAGMA key=\"x'{}'\"", *place.key.raw_key()),
    };
    connection.execute_batch(&key).unwrap();
    connection.execute_batch("PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL;").unwrap();
    // As that version made it.
    for (number, file) in [(1, include_str!("../schema/0001.sql")), (2, include_str!("../schema/0002.sql"))] {
        connection.execute_batch(file).unwrap();
        connection.execute_batch(&format!("PRAGMA application_id=0x4272766d; PRAGMA user_version={number};")).unwrap();
    }
    connection
        .execute(
            "INSERT INTO mailbox (one, id, created_ms, uid_validity, modseq) VALUES (1, ?1, 0, 5, 0)",
            [&place.id.as_bytes()[..]],
        )
        .unwrap();
    connection
        .execute_batch(
            "INSERT INTO folder (name, selectable, uid_validity, uid_next, highest_modseq, recent_from, vanished_floor, \
             vanished_runs, messages, unseen, deleted, size, deleted_size) VALUES ('INBOX', 1, 5, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0)",
        )
        .unwrap();
    connection.close().unwrap();
    // A backup of that time says so, and is no less whole.
    let subject = Subject::Mailbox(&place.key, &place.id);
    let old = inspect(&place.path(), &subject, &place.options(), &Pace::hurried()).unwrap();
    assert_eq!((old.schema, old.changes, old.messages), (2, 0, 0));

    let mut writer = place.writer();
    assert_eq!(place.reader().changes().unwrap(), 0);
    place.fill(&mut writer, 1);
    assert_eq!(place.reader().changes().unwrap(), 1);
    place.reader().check().unwrap();
}

#[test]
fn a_copy_becomes_the_mailbox_with_counters_above_all_that_was_given_out() {
    let place = Place::new();
    let mut writer = place.writer();
    place.fill(&mut writer, 5);
    copy(&place);
    let kept = contents(&place.path(), &place);
    // What happens after the snapshot is gone with the restore, but not what was given out for it.
    place.fill(&mut writer, 7);
    run(&mut writer, |tx| tx.create_folder(&name("Later"), None));
    let later = place.reader().select(&name("Later")).unwrap();
    let inbox = place.reader().select(&FolderName::inbox()).unwrap();
    let floor = Floor::of(&place.path(), &place.key, &place.options()).unwrap();
    drop(writer);

    adopt(&target(&place), &place.key, &place.id, &place.options(), floor).unwrap();
    let mut changed: Vec<_> = std::fs::read_dir(place.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    changed.retain(|name| name.to_string_lossy().starts_with("copy.sqlite"));
    assert_eq!(changed.len(), 1, "{changed:?}");
    std::fs::rename(target(&place), place.path()).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(place.folder.path().join(format!("mailbox.db{suffix}")));
    }
    assert_eq!(contents(&place.path(), &place), kept);
    let restored = place.reader().select(&FolderName::inbox()).unwrap();
    assert!(restored.uid_validity > inbox.uid_validity && restored.uid_validity > later.uid_validity);
    let mut writer = place.writer();
    let appended = run(&mut writer, |tx| tx.append(append("INBOX", b"Subject: new\r\n\r\n", Flags::NONE)));
    assert!(appended.modseq > inbox.highest_modseq);
    let created = run(&mut writer, |tx| tx.create_folder(&name("Later"), None));
    assert!(created > later.folder);
    assert!(place.reader().changes().unwrap() > floor.changes);
    place.reader().check().unwrap();
}

#[test]
fn waiting_mail_and_queues_are_copied_under_their_own_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (node, id) = (NodeKey::generate().unwrap(), MailboxId::from_bytes([3; 12]));
    let key = node.file_key(&id).unwrap();
    let (path, target) = (folder.path().join("w.db"), folder.path().join("w.sqlite"));
    let mut file = waiting::WaitingFile::open_or_create(&path, &key, &id, &SYSTEM_DISK).unwrap();
    let delivery = model::DeliveryId::from_bytes([1; 16]);
    file.begin(&delivery, clock()).unwrap();
    file.push(&delivery, b"ciphertext").unwrap();
    let closing = waiting::Closing { wrap: b"wrap", prefix: b"", junk: false };
    file.complete(&delivery, closing).unwrap();
    let taken = take(&path, &Subject::Waiting(&key, &id), &Options::default(), &target, &Pace::hurried()).unwrap();
    assert_eq!(taken.messages, 1);

    // It is put where the file was, as it is: what it holds is drained from it, and new mail comes to it.
    let mut restored = waiting::WaitingFile::open_or_create(&target, &key, &id, &SYSTEM_DISK).unwrap();
    assert_eq!(restored.read(&delivery, 0).unwrap().unwrap(), b"ciphertext");
    let later = model::DeliveryId::from_bytes([2; 16]);
    restored.begin(&later, clock()).unwrap();
    restored.push(&later, b"more").unwrap();
    restored.complete(&later, closing).unwrap();
    assert_eq!(restored.oldest().unwrap().unwrap().delivery, delivery);
    restored.remove(&delivery).unwrap();
    assert_eq!((restored.count(), restored.bytes()), (1, 4));
}

#[test]
fn the_ledger_keeps_what_waits_and_what_is_due() {
    let folder = tempfile::tempdir().unwrap();
    let (path, key) = (folder.path().join("ledger.db"), NodeKey::generate().unwrap().ledger_key().unwrap());
    let subject = (Kind::Mailbox, [5; 12]);
    let entry = |n: u8, changes| Entry {
        id: SnapshotId::from_bytes([n; 12]),
        subject,
        snapshot: Snapshot { bytes: 10, sha256: [n; 32], messages: 1, changes, schema: 3 },
        taken_ms: i64::from(n) * 1000,
        uploaded: false,
        why: String::new(),
    };
    {
        let mut ledger = Ledger::open_or_create(&path, &key, &SYSTEM_DISK).unwrap();
        ledger.mark_due(subject, 500).unwrap();
        ledger.mark_due(subject, 700).unwrap();
        assert_eq!(ledger.due_since(subject).unwrap(), Some(500));
        assert_eq!(ledger.stage(&entry(1, 4)).unwrap(), []);
        assert_eq!(ledger.due_since(subject).unwrap(), None);
        ledger.failed(&entry(1, 4).id, "no such bucket").unwrap();
    }
    let mut ledger = Ledger::open_or_create(&path, &key, &SYSTEM_DISK).unwrap();
    assert_eq!(ledger.staged(10).unwrap(), [Entry { why: "no such bucket".to_owned(), ..entry(1, 4) }]);
    assert_eq!((ledger.late(1000, 9).unwrap(), ledger.late(1001, 9).unwrap()), (vec![], vec![subject]));
    // A newer one has all that the one before had.
    assert_eq!(ledger.stage(&entry(2, 5)).unwrap(), [entry(1, 4).id]);
    assert!(!ledger.settled(&entry(1, 4).id, "").unwrap() && ledger.settled(&entry(2, 5).id, "").unwrap());
    assert_eq!(ledger.staged(10).unwrap(), []);
    assert_eq!(ledger.newest(subject).unwrap(), Some(Entry { uploaded: true, ..entry(2, 5) }));
    // One that no store is to have waits no more either, and says why.
    assert_eq!(ledger.stage(&entry(3, 6)).unwrap(), []);
    assert!(ledger.settled(&entry(3, 6).id, "not wanted").unwrap());
    let unwanted = ledger.newest(subject).unwrap().unwrap();
    assert_eq!(
        (unwanted.is_unwanted(), &unwanted),
        (true, &Entry { uploaded: true, why: "not wanted".to_owned(), ..entry(3, 6) })
    );
    assert_eq!((ledger.staged(10).unwrap(), ledger.late(i64::MAX, 9).unwrap()), (vec![], vec![]));
    ledger.mark_due(subject, 6).unwrap();
    ledger.not_due(subject).unwrap();
    assert_eq!(ledger.due_since(subject).unwrap(), None);
    assert!(Ledger::open_or_create(&path, &NodeKey::generate().unwrap().ledger_key().unwrap(), &SYSTEM_DISK).is_err());
}

#[test]
fn the_ledger_remembers_what_was_erased() {
    let folder = tempfile::tempdir().unwrap();
    let (path, key) = (folder.path().join("ledger.db"), NodeKey::generate().unwrap().ledger_key().unwrap());
    let entry = |n: u8, kind: Kind, of: u8| Entry {
        id: SnapshotId::from_bytes([n; 12]),
        subject: (kind, [of; 12]),
        snapshot: Snapshot { bytes: 1, sha256: [n; 32], messages: 0, changes: 0, schema: 3 },
        taken_ms: 1000,
        uploaded: false,
        why: String::new(),
    };
    let all = [entry(1, Kind::Mailbox, 7), entry(2, Kind::Waiting, 7), entry(3, Kind::Mailbox, 8)];
    let mut ledger = Ledger::open_or_create(&path, &key, &SYSTEM_DISK).unwrap();
    all.iter().for_each(|entry| assert_eq!(ledger.stage(entry).unwrap(), []));
    ledger.mark_due((Kind::Mailbox, [7; 12]), 1).unwrap();
    assert_eq!(ledger.erase([7; 12], 5).unwrap(), [all[0].id, all[1].id]);
    drop(ledger);
    let mut ledger = Ledger::open_or_create(&path, &key, &SYSTEM_DISK).unwrap();
    assert_eq!((ledger.erased().unwrap(), ledger.unswept_after(&[], 10).unwrap()), (vec![[7; 12]], vec![[7; 12]]));
    assert_eq!(ledger.staged(10).unwrap(), [all[2].clone()]);
    assert_eq!(ledger.due_since((Kind::Mailbox, [7; 12])).unwrap(), None);
    // What was under way meanwhile comes too late.
    assert!(matches!(ledger.stage(&entry(4, Kind::Waiting, 7)), Err(mailbox::Error::Missing)));
    ledger.mark_due((Kind::Waiting, [7; 12]), 9).unwrap();
    assert_eq!(ledger.due_since((Kind::Waiting, [7; 12])).unwrap(), None);
    ledger.stage(&entry(5, Kind::Queue, 7)).unwrap();
    ledger.swept([7; 12]).unwrap();
    assert_eq!((ledger.erased().unwrap(), ledger.unswept_after(&[], 10).unwrap()), (vec![[7; 12]], vec![]));
    // Again: whoever carries backups looks again, too.
    assert_eq!(ledger.erase([7; 12], 6).unwrap(), []);
    assert_eq!(ledger.unswept_after(&[], 10).unwrap(), [[7; 12]]);
}

#[test]
fn what_waits_is_listed_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let (path, key) = (folder.path().join("ledger.db"), NodeKey::generate().unwrap().ledger_key().unwrap());
    let mut ledger = Ledger::open_or_create(&path, &key, &SYSTEM_DISK).unwrap();
    let entry = |n: u8, taken_ms: i64| Entry {
        id: SnapshotId::from_bytes([n; 12]),
        subject: (Kind::Mailbox, [n; 12]),
        snapshot: Snapshot { bytes: 1, sha256: [n; 32], messages: 0, changes: 0, schema: 3 },
        taken_ms,
        uploaded: false,
        why: String::new(),
    };
    // Two of one moment, and ids that are in another order than the moments.
    let all = [entry(9, 1), entry(2, 5), entry(4, 5), entry(1, 7)];
    all.iter().rev().for_each(|entry| assert_eq!(ledger.stage(entry).unwrap(), []));
    let (mut found, mut last) = (Vec::new(), (i64::MIN, Vec::new()));
    while let Some(next) = ledger.staged_after(last.0, &last.1, 1).unwrap().pop() {
        last = (next.taken_ms, next.id.as_bytes().to_vec());
        // One that went meanwhile is a mark like any other.
        ledger.settled(&next.id, "").unwrap();
        found.push(next);
    }
    assert_eq!(found, all);
    (1..=3).for_each(|n| assert_eq!(ledger.erase([n; 12], i64::from(10 - n)).unwrap(), []));
    assert_eq!(ledger.unswept_after(&[], 2).unwrap(), [[1; 12], [2; 12]]);
    assert_eq!(ledger.unswept_after(&[2; 12], 2).unwrap(), [[3; 12]]);
}

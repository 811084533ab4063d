//! A backup of a queue: what is not there comes once, held, as it was.

use crate::place::*;
use mailbox::queue::*;
use model::QueueId;

const WHY: &str = "restored from a backup of then";

/// A copy of the file as it is.
fn backup(place: &Place, file: QueueFile, is_same: bool) -> QueueBackup {
    file.close().unwrap();
    let copy = place.folder.path().join("copy.db");
    std::fs::copy(place.path(), &copy).unwrap();
    let reader = QueueReader::open(&copy, &place.key(), &ID, place.options()).unwrap();
    QueueBackup { reader, id: ID, is_same, why: WHY.to_owned() }
}

fn restore(file: &mut QueueFile, backup: &QueueBackup) -> Merged {
    let (mut all, mut after) = (Merged::default(), Some(0));
    while let Some(from) = after {
        let (merged, next) = one(file, |tx| tx.restore(backup, from)).unwrap();
        (all.taken, all.there, after) = (all.taken + merged.taken, all.there + merged.there, next);
    }
    all
}

/// A large message, one that was put off, one for two destinations, and some more.
fn fill(file: &mut QueueFile) {
    let large = message(1, &["a@one.example"], &vec![7; 300_000]);
    one(file, |tx| tx.take(&large)).unwrap();
    take(file, 2, &["b@two.example"]);
    let leased = lease(file, 2);
    let put_off = leased.iter().find(|one| one.destination == "two.example").unwrap();
    let later = [settled("b@two.example", Outcome::Deferred { next_ms: now() + 1_000 })];
    one(file, |tx| tx.settle(put_off.entry, put_off.lease, &later, &[])).unwrap();
    take(file, 3, &["c@one.example", "c@two.example"]);
    for number in 4..200 {
        take(file, number, &["d@many.example"]);
    }
}

#[test]
fn what_left_since_comes_back_held_and_what_is_there_does_not() {
    let place = Place::new();
    let mut file = place.open();
    fill(&mut file);
    let before = place.reader().list(None, 0, 1000).unwrap().0;
    let backup = backup(&place, file, true);
    let mut file = place.open();
    one(&mut file, |tx| tx.change(&Selection::Destination("two.example".to_owned()), Action::Drop, None)).unwrap();
    assert_eq!(restore(&mut file, &backup), Merged { taken: 1, there: 198 });
    assert_eq!(restore(&mut file, &backup), Merged { taken: 0, there: 199 });
    // Of the one that was for two destinations the other is left: it is there.
    let listed = place.reader().list(None, 0, 1000).unwrap().0;
    let back = listed.last().unwrap();
    let was = before.iter().find(|one| one.recipients[0].state.address == "b@two.example").unwrap();
    assert_eq!((&back.envelope, back.size, back.arrived_ms), (&was.envelope, was.size, was.arrived_ms));
    let (now, then) = (&back.recipients[0], &was.recipients[0]);
    assert_eq!((&now.state, now.held, now.held_why.as_str()), (&then.state, true, WHY));
    assert_eq!((now.state.attempts, file.totals().entries), (1, 199));
    pass(2_000);
    one(&mut file, |tx| tx.change(&Selection::Entry(back.entry), Action::Release, None)).unwrap();
    let leased = lease(&mut file, 500);
    let of = leased.iter().find(|one| one.entry == back.entry).unwrap();
    assert_eq!(read(&place.reader(), of).unwrap(), b"Received: here\r\nSubject: x\r\n\r\ntext\r\n");
}

#[test]
fn another_queue_takes_all_of_it_once_and_no_more_than_it_may_hold() {
    let place = Place::new();
    let mut file = place.open();
    fill(&mut file);
    let backup = QueueBackup { id: QueueId::from_bytes([8; 12]), ..backup(&place, file, false) };
    let (other, mut room) = (Place::new(), Place::new());
    let mut file = other.open();
    assert_eq!(restore(&mut file, &backup), Merged { taken: 199, there: 0 });
    assert_eq!(restore(&mut file, &backup), Merged { taken: 0, there: 199 });
    assert_eq!((lease(&mut file, 500), file.totals().entries), (vec![], 199));
    assert_eq!(other.reader().held().unwrap(), 200);
    one(&mut file, |tx| tx.change(&Selection::All, Action::Release, None)).unwrap();
    let leased = lease(&mut file, 500);
    let large = leased.iter().find(|one| one.size > 300_000).unwrap();
    assert_eq!(read(&other.reader(), large).unwrap(), [b"Received: here\r\n", &vec![7; 300_000][..]].concat());
    room.limits.entries_max = 10;
    let mut full = room.open();
    let refused = one(&mut full, |tx| tx.restore(&backup, 0));
    assert!(matches!(refused, Err(mailbox::Error::LimitReached(_))), "{refused:?}");
}

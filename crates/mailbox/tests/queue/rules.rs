//! One rule each.

use crate::place::*;
use mailbox::Error;
use mailbox::queue::*;

#[test]
fn a_message_comes_back_exactly_with_its_envelope() {
    let place = Place::new();
    let mut file = place.open();
    let long: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    let mut incoming = Incoming::default();
    for chunk in long.chunks(CHUNK_BYTES).take(5) {
        let mut behind = file.write_behind().unwrap();
        incoming = behind.push(incoming, chunk).unwrap();
        behind.commit().unwrap();
    }
    let mut whole = message(1, &["a@one.example", "b@two.example", "c@one.example", "a@one.example"], &[]);
    whole.incoming = incoming;
    whole.rest = long[5 * CHUNK_BYTES..].to_vec();
    let Taken::New(row) = one(&mut file, |tx| tx.take(&whole)).unwrap() else { panic!("taken before") };
    let size = (whole.prefix.len() + long.len()) as u64;
    assert_eq!(file.totals(), Totals { entries: 1, octets: size, recipients: 3 });

    let leased = lease(&mut file, 10);
    assert_eq!(leased.len(), 2);
    let expected = [&whole.prefix[..], &long].concat();
    for one in &leased {
        assert_eq!((one.entry, one.size, one.arrived_ms), (row, size, START_MS));
        assert_eq!(one.envelope, whole.envelope);
        assert!(read(&place.reader(), one).unwrap() == expected);
    }
    let addresses = |leased: &Leased| leased.recipients.iter().map(|one| one.address.clone()).collect::<Vec<_>>();
    assert_eq!(
        (leased[0].destination.as_str(), addresses(&leased[0])),
        ("one.example", vec!["a@one.example".into(), "c@one.example".into()])
    );
    assert_eq!((leased[1].destination.as_str(), addresses(&leased[1])), ("two.example", vec!["b@two.example".into()]));
    assert_eq!(
        (leased[1].recipients[0].notify, leased[1].recipients[0].original.as_str()),
        (6, "rfc822;b@two.example")
    );
}

#[test]
fn an_id_is_taken_once_and_remembered_after_the_message_is_gone() {
    let place = Place::new();
    let mut file = place.open();
    assert!(matches!(take(&mut file, 1, &["a@b.example"]), Taken::New(_)));
    assert_eq!(take(&mut file, 1, &["a@b.example"]), Taken::Before);
    let leased = lease(&mut file, 1).remove(0);
    let delivered = [settled("a@b.example", Outcome::Delivered)];
    assert!(!one(&mut file, |tx| tx.settle(leased.entry, leased.lease, &delivered, &[])).unwrap());
    assert_eq!(file.totals(), Totals::default());
    drop(file);
    let mut file = place.open();
    assert_eq!(take(&mut file, 1, &["a@b.example"]), Taken::Before);
    assert!(place.reader().is_taken(&id(1)).unwrap() && !place.reader().is_taken(&id(2)).unwrap());
    pass(24 * 3600 * 1000);
    assert_eq!(take(&mut file, 1, &["a@b.example"]), Taken::Before);
    pass(REMEMBERED_MS);
    one(&mut file, |_| Ok(())).unwrap();
    assert!(!place.reader().is_taken(&id(1)).unwrap());
}

#[test]
fn a_retry_whose_text_came_again_leaves_no_second_text() {
    let place = Place::new();
    let mut file = place.open();
    take(&mut file, 1, &["a@b.example"]);
    let incoming = one(&mut file, |tx| tx.push(Incoming::default(), &[1; 1000])).unwrap();
    let mut again = message(1, &["a@b.example"], b"");
    again.incoming = incoming;
    assert_eq!(one(&mut file, |tx| tx.take(&again)).unwrap(), Taken::Before);
    drop(file);
    assert_eq!(place.open().totals().entries, 1);
}

#[test]
fn text_that_was_dropped_when_the_file_was_opened_anew_is_not_gone_on_with() {
    let place = Place::new();
    let mut file = place.open();
    let incoming = one(&mut file, |tx| tx.push(Incoming::default(), &[1; 1000])).unwrap();
    drop(file);
    let mut file = place.open();
    let pushed = one(&mut file, |tx| tx.push(incoming, &[1; 1000]));
    assert!(matches!(pushed, Err(Error::UploadIncomplete)), "{pushed:?}");
    let mut whole = message(1, &["a@b.example"], b"");
    whole.incoming = incoming;
    let taken = one(&mut file, |tx| tx.take(&whole));
    assert!(matches!(taken, Err(Error::UploadIncomplete)), "{taken:?}");
    assert_eq!(file.totals(), Totals::default());
    // Its id was not noted: sent again, it is taken.
    assert!(matches!(take(&mut file, 1, &["a@b.example"]), Taken::New(_)));
}

#[test]
fn a_lease_keeps_others_away_until_it_ends() {
    let place = Place::new();
    let mut file = place.open();
    take(&mut file, 1, &["a@b.example"]);
    let first = lease(&mut file, 10).remove(0);
    assert_eq!(lease(&mut file, 10), []);
    pass(59_000);
    one(&mut file, |tx| tx.renew(first.entry, first.lease, 60_000)).unwrap();
    pass(59_999);
    let handed = one(&mut file, |tx| tx.lease(&wanted(10))).unwrap();
    assert_eq!((handed.leased.len(), handed.next_due_ms), (0, Some(now() + 1)));
    pass(1);
    // It ended, and nobody took it over: its worker may still settle. Here somebody does.
    let second = lease(&mut file, 10).remove(0);
    assert!(second.lease > first.lease);
    let delivered = [settled("a@b.example", Outcome::Delivered)];
    let late = one(&mut file, |tx| tx.settle(first.entry, first.lease, &delivered, &[]));
    assert!(matches!(late, Err(Error::NoSuchLease)), "{late:?}");
    assert!(matches!(one(&mut file, |tx| tx.renew(first.entry, first.lease, 1)), Err(Error::NoSuchLease)));
    assert!(matches!(read(&place.reader(), &first), Err(Error::NoSuchLease)));
    one(&mut file, |tx| tx.settle(second.entry, second.lease, &delivered, &[])).unwrap();
    assert_eq!(file.totals(), Totals::default());
}

#[test]
fn each_recipient_is_decided_by_itself() {
    let place = Place::new();
    let mut file = place.open();
    let all = ["a@b.example", "b@b.example", "c@b.example", "d@b.example"];
    take(&mut file, 1, &all);
    let first = lease(&mut file, 1).remove(0);
    let later = Outcome::Deferred { next_ms: now() + 1000 };
    let mixed = [settled(all[0], Outcome::Delivered), settled(all[1], later), settled(all[2], Outcome::Failed)];
    assert!(one(&mut file, |tx| tx.settle(first.entry, first.lease, &mixed, &[])).unwrap());
    assert_eq!(file.totals().recipients, 2);
    // The one that nothing was said of is due at once, and the deferred one is not under its lease.
    let second = lease(&mut file, 1).remove(0);
    assert_eq!(second.recipients.len(), 1);
    assert_eq!((second.recipients[0].address.as_str(), second.recipients[0].attempts), (all[3], 0));
    let foreign = [settled(all[1], Outcome::Delivered)];
    let refused = one(&mut file, |tx| tx.settle(second.entry, second.lease, &foreign, &[]));
    assert!(matches!(refused, Err(Error::NotLeased)), "{refused:?}");
    let mut told = settled(all[3], Outcome::Deferred { next_ms: now() + 5000 });
    told.delay_notified = true;
    one(&mut file, |tx| tx.settle(second.entry, second.lease, &[told], &[])).unwrap();
    pass(1000);
    let third = lease(&mut file, 1).remove(0);
    let state = &third.recipients[0];
    assert_eq!((state.address.as_str(), state.attempts, state.status.as_str()), (all[1], 1, "4.0.0 later"));
    assert!(!state.delay_notified);
    pass(60_000);
    // Its lease ended, the other is due: now they go together.
    let fourth = lease(&mut file, 1).remove(0);
    assert_eq!(fourth.recipients.iter().map(|one| one.delay_notified).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn notices_come_in_the_same_commit_and_over_the_limit() {
    let mut place = Place::new();
    place.limits.entries_max = 1;
    let mut file = place.open();
    take(&mut file, 1, &["a@b.example"]);
    let second = message(2, &["a@b.example"], b"x");
    assert!(matches!(one(&mut file, |tx| tx.take(&second)), Err(Error::LimitReached("messages in the queue"))));
    // Refused, its id was not taken.
    assert!(!place.reader().is_taken(&id(2)).unwrap());
    let leased = lease(&mut file, 1).remove(0);
    let mut notice = message(0, &["sender@example.org"], b"DSN");
    notice.id = None;
    let failed = [settled("a@b.example", Outcome::Failed)];
    let twice = [notice.clone(), notice];
    assert!(one(&mut file, |tx| tx.settle(leased.entry, leased.lease, &failed, &twice)).unwrap());
    assert_eq!(file.totals().entries, 2);
    let late = one(&mut file, |tx| tx.settle(leased.entry, leased.lease, &failed, &twice));
    assert!(matches!(late, Err(Error::NoSuchLease)));
    assert_eq!(lease(&mut file, 10).len(), 2);
}

#[test]
fn octets_have_a_limit_and_large_messages_are_refused() {
    let mut place = Place::new();
    place.limits.octets_max = 100;
    let mut file = place.open();
    let large = message(1, &["a@b.example"], &[b'x'; 100]);
    assert!(matches!(one(&mut file, |tx| tx.take(&large)), Err(Error::LimitReached("octets in the queue"))));
    assert!(matches!(one(&mut file, |tx| tx.admit(101)), Err(Error::LimitReached(_))));
    one(&mut file, |tx| tx.admit(100)).unwrap();
    let nobody = message(2, &[], b"x");
    assert!(matches!(one(&mut file, |tx| tx.take(&nobody)), Err(Error::NoRecipients)));
    let mut long = message(3, &["a@b.example"], b"x");
    long.prefix = vec![b'x'; PREFIX_BYTES_MAX + 1];
    assert!(matches!(one(&mut file, |tx| tx.take(&long)), Err(Error::LimitReached(_) | Error::TooBig)));
    assert!(matches!(one(&mut file, |tx| tx.push(Incoming::default(), &[0; CHUNK_BYTES + 1])), Err(Error::TooBig)));
    assert_eq!(file.totals(), Totals::default());
}

#[test]
fn what_is_held_stays_until_it_is_released() {
    let place = Place::new();
    let mut file = place.open();
    let Taken::New(first) = take(&mut file, 1, &["a@b.example", "a@c.example"]) else { panic!() };
    take(&mut file, 2, &["a@b.example"]);
    let change = |file: &mut QueueFile, selection: Selection, action| {
        let progress = one(file, |tx| tx.change(&selection, action, None)).unwrap();
        assert_eq!(progress.next, None);
        progress.recipients
    };
    assert_eq!(change(&mut file, Selection::Entry(first), Action::Hold), 2);
    assert_eq!(change(&mut file, Selection::Entry(first), Action::Hold), 0);
    let leased = lease(&mut file, 10);
    assert_eq!(leased.iter().map(|one| one.entry == first).collect::<Vec<_>>(), [false]);
    // Held while it is leased: the lease goes on, and what is left is held after it.
    assert_eq!(change(&mut file, Selection::Destination("b.example".into()), Action::Hold), 1);
    let later = [settled("a@b.example", Outcome::Deferred { next_ms: now() })];
    one(&mut file, |tx| tx.settle(leased[0].entry, leased[0].lease, &later, &[])).unwrap();
    assert_eq!(lease(&mut file, 10), []);
    let reader = place.reader();
    assert!(reader.show(first).unwrap().unwrap().recipients.iter().all(|one| one.held));
    assert_eq!(change(&mut file, Selection::All, Action::Release), 3);
    assert_eq!(lease(&mut file, 10).len(), 3);
    assert_eq!(change(&mut file, Selection::Destination("b.example".into()), Action::Drop), 2);
    assert_eq!(file.totals(), Totals { entries: 1, recipients: 1, ..file.totals() });
    assert_eq!(change(&mut file, Selection::Entry(first), Action::Drop), 1);
    assert_eq!(file.totals(), Totals::default());
    let none = one(&mut file, |tx| tx.change(&Selection::Entry(first), Action::Drop, None));
    assert!(matches!(none, Err(Error::NoSuchEntry)));
}

#[test]
fn a_pause_keeps_a_destination_from_every_worker_until_it_ends() {
    let place = Place::new();
    let mut file = place.open();
    take(&mut file, 1, &["a@dead.example"]);
    take(&mut file, 2, &["a@live.example"]);
    one(&mut file, |tx| tx.pause("dead.example", now() + 1000, "connection refused")).unwrap();
    one(&mut file, |tx| tx.pause("nowhere.example", now() + 1000, "")).unwrap();
    let handed = one(&mut file, |tx| tx.lease(&wanted(10))).unwrap();
    assert_eq!((handed.leased.len(), handed.next_due_ms), (1, Some(now() + 1000)));
    let (destinations, total) = place.reader().destinations(10).unwrap();
    assert_eq!((destinations.len(), total), (2, 2));
    let dead = destinations.iter().find(|one| one.name == "dead.example").unwrap();
    assert_eq!((dead.paused_until_ms, dead.paused_status.as_str()), (now() + 1000, "connection refused"));
    pass(1000);
    assert_eq!(lease(&mut file, 10)[0].destination, "dead.example");
    // Nobody pauses for longer than some hours, and a retry ends it.
    one(&mut file, |tx| tx.pause("dead.example", i64::MAX, "")).unwrap();
    let paused = place.reader().destinations(10).unwrap().0;
    assert_eq!(paused.iter().map(|one| one.paused_until_ms).max(), Some(now() + PAUSE_MS_MAX));
    one(&mut file, |tx| tx.change(&Selection::Destination("dead.example".into()), Action::Retry, None)).unwrap();
    assert!(place.reader().destinations(10).unwrap().0.iter().all(|one| one.paused_until_ms == 0));
}

#[test]
fn a_retry_makes_deferred_recipients_due_and_leaves_leases_alone() {
    let place = Place::new();
    let mut file = place.open();
    take(&mut file, 1, &["a@b.example", "b@b.example"]);
    let leased = lease(&mut file, 1).remove(0);
    let later = [settled("a@b.example", Outcome::Deferred { next_ms: now() + 10_000 })];
    one(&mut file, |tx| tx.settle(leased.entry, leased.lease, &later, &[])).unwrap();
    let second = lease(&mut file, 1).remove(0);
    assert_eq!(second.recipients[0].address, "b@b.example");
    assert_eq!(one(&mut file, |tx| tx.change(&Selection::All, Action::Retry, None)).unwrap().recipients, 1);
    assert_eq!(lease(&mut file, 1), []);
    let delivered = [settled("b@b.example", Outcome::Delivered)];
    one(&mut file, |tx| tx.settle(second.entry, second.lease, &delivered, &[])).unwrap();
    pass(1);
    assert_eq!(lease(&mut file, 1)[0].recipients[0].address, "a@b.example");
}

#[test]
fn long_changes_come_in_steps_and_leave_newcomers_alone() {
    let place = Place::new();
    let mut file = place.open();
    let mut batch = file.batch().unwrap();
    for number in 0..1200 {
        batch.run(|tx| tx.take(&message(number, &["a@b.example"], b"x"))).unwrap();
    }
    batch.commit().unwrap();
    let (mut cursor, mut steps, mut touched) = (None, 0, 0);
    loop {
        let progress = one(&mut file, |tx| tx.change(&Selection::All, Action::Hold, cursor)).unwrap();
        if steps == 0 {
            take(&mut file, 5000, &["a@b.example"]);
        }
        (cursor, steps, touched) = (progress.next, steps + 1, touched + progress.recipients);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((steps, touched), (3, 1200));
    assert_eq!(lease(&mut file, 10).len(), 1);
}

#[test]
fn lists_go_on_where_they_ended() {
    let place = Place::new();
    let mut file = place.open();
    for number in 0..7 {
        take(
            &mut file,
            number,
            if number % 2 == 0 { &["a@even.example", "b@even.example"] } else { &["a@odd.example"] },
        );
    }
    let reader = place.reader();
    let (first, total) = reader.list(None, 0, 4).unwrap();
    let (rest, _) = reader.list(None, first[3].entry, 100).unwrap();
    assert_eq!((first.len(), rest.len(), total), (4, 3, 7));
    let (odd, total) = reader.list(Some("odd.example"), 0, 100).unwrap();
    assert_eq!((odd.len(), total), (3, 3));
    assert_eq!(reader.list(Some("none.example"), 0, 100).unwrap(), (Vec::new(), 0));
    lease(&mut file, 1);
    let shown = reader.show(first[0].entry).unwrap().unwrap();
    assert_eq!(shown.recipients.iter().map(|one| one.leased_by.as_str()).collect::<Vec<_>>(), ["worker", "worker"]);
    assert_eq!(reader.show(i64::MAX).unwrap(), None);
    let destinations = reader.destinations(1).unwrap();
    assert_eq!(
        (destinations.0[0].name.as_str(), destinations.0[0].recipients, destinations.0[0].leased),
        ("even.example", 8, 2)
    );
    assert_eq!(destinations.1, 2);
    let expected = [("even.example".to_owned(), 8), ("odd.example".to_owned(), 3)];
    assert_eq!(reader.recipients_by_destination(10).unwrap(), expected);
}

#[test]
fn other_keys_and_other_files_are_refused() {
    let place = Place::new();
    drop(place.open());
    let options = place.options();
    let other = model::QueueId::from_bytes([8; 12]);
    let wrong = QueueFile::open_or_create(&place.path(), &place.key(), &other, options).err().unwrap();
    assert!(matches!(wrong, Error::WrongMailbox(_)), "{wrong}");
    let key = vault::NodeKey::generate().unwrap().queue_key(&ID).unwrap();
    assert!(matches!(QueueFile::open_or_create(&place.path(), &key, &ID, options).err().unwrap(), Error::WrongKey));
}

#[test]
fn a_clock_that_was_wrong_hides_nothing_for_years() {
    let place = Place::new();
    let mut file = place.open();
    set_now(START_MS + 10 * 365 * 24 * 3600 * 1000);
    take(&mut file, 1, &["a@b.example"]);
    let leased = lease(&mut file, 1).remove(0);
    let later = [settled("a@b.example", Outcome::Deferred { next_ms: i64::MAX })];
    one(&mut file, |tx| tx.settle(leased.entry, leased.lease, &later, &[])).unwrap();
    take(&mut file, 2, &["a@b.example"]);
    assert_eq!(lease(&mut file, 1).len(), 1);
    set_now(START_MS);
    let leased = lease(&mut file, 10);
    assert_eq!(leased.len(), 2);
}

#[test]
fn what_is_settled_while_it_is_read_does_not_look_like_damage() {
    let place = Place::new();
    let mut file = place.open();
    std::thread::scope(|scope| {
        let (leases, begun) = std::sync::mpsc::sync_channel::<Leased>(1);
        let (reader, begin) = (place.reader(), std::sync::mpsc::sync_channel(0));
        let (begins, began) = begin;
        scope.spawn(move || {
            for leased in begun {
                begins.send(()).unwrap();
                let ended = loop {
                    if let Err(error) = read(&reader, &leased) {
                        break error;
                    }
                };
                assert!(matches!(ended, Error::NoSuchLease), "{ended}");
            }
        });
        for number in 0..100 {
            take(&mut file, number, &["a@b.example"]);
            let leased = lease(&mut file, 1).remove(0);
            leases.send(leased.clone()).unwrap();
            began.recv().unwrap();
            let delivered = [settled("a@b.example", Outcome::Delivered)];
            one(&mut file, |tx| tx.settle(leased.entry, leased.lease, &delivered, &[])).unwrap();
        }
        drop(leases);
    });
}

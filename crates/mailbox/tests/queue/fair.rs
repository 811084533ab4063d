//! Whose turn it is.

use crate::place::*;
use mailbox::queue::*;

fn fill(file: &mut QueueFile, from: u64, count: u64, to: &str) {
    let mut batch = file.batch().unwrap();
    for number in from..from + count {
        batch.run(|tx| tx.take(&message(number, &[to], b"x"))).unwrap();
    }
    batch.commit().unwrap();
}

fn names(leased: &[Leased]) -> Vec<&str> {
    leased.iter().map(|one| one.destination.as_str()).collect()
}

#[test]
fn one_destination_with_thousands_starves_nobody() {
    let place = Place::new();
    let mut file = place.open();
    fill(&mut file, 0, 5000, "a@dead.example");
    pass(1);
    fill(&mut file, 5000, 1, "a@one.example");
    fill(&mut file, 5001, 1, "a@two.example");
    pass(1);
    // Three take turns; what the small ones leave over goes to the large one.
    let leased = lease(&mut file, 12);
    assert_eq!(names(&leased)[..], [vec!["dead.example"; 10], vec!["one.example", "two.example"]].concat()[..]);
    pass(1);
    fill(&mut file, 6000, 1, "a@three.example");
    pass(1);
    // It was served before the newcomer came, so it has its turn; then it is the newcomer's.
    assert_eq!(names(&lease(&mut file, 1)), ["dead.example"]);
    assert_eq!(names(&lease(&mut file, 1)), ["three.example"]);
    assert_eq!(names(&lease(&mut file, 1)), ["dead.example"]);
}

#[test]
fn more_destinations_than_places_take_turns() {
    let place = Place::new();
    let mut file = place.open();
    for number in 0..10 {
        fill(&mut file, number * 100, 100, &format!("a@d{number}.example"));
    }
    let mut served = std::collections::BTreeMap::new();
    for _ in 0..25 {
        pass(1);
        for one in lease(&mut file, 4) {
            *served.entry(one.destination).or_insert(0) += 1;
        }
    }
    assert_eq!(served.values().copied().collect::<Vec<_>>(), [10; 10]);
}

#[test]
fn a_worker_that_has_enough_of_one_gets_others() {
    let place = Place::new();
    let mut file = place.open();
    fill(&mut file, 0, 100, "a@full.example");
    pass(1);
    fill(&mut file, 100, 10, "a@free.example");
    let mut wanted = wanted(20);
    wanted.not.insert("full.example".to_owned());
    let handed = one(&mut file, |tx| tx.lease(&wanted)).unwrap();
    // None of what it asked for is left but what is leased, and that is due when the leases end.
    assert_eq!((names(&handed.leased), handed.next_due_ms), (vec!["free.example"; 10], Some(now() + 60_000)));
    wanted.not.clear();
    wanted.per_destination_max = 3;
    let handed = one(&mut file, |tx| tx.lease(&wanted)).unwrap();
    assert_eq!((names(&handed.leased), handed.next_due_ms), (vec!["full.example"; 3], Some(now())));
}

#[test]
fn within_a_destination_what_is_due_longest_comes_first() {
    let place = Place::new();
    let mut file = place.open();
    fill(&mut file, 0, 3, "a@b.example");
    let order: Vec<i64> = lease(&mut file, 3).iter().map(|one| one.entry).collect();
    assert!(order.is_sorted());
    pass(60_000);
    fill(&mut file, 3, 1, "a@b.example");
    pass(1);
    let again: Vec<i64> = lease(&mut file, 4).iter().map(|one| one.entry).collect();
    assert_eq!((&again[..3], again.len()), (&order[..], 4));
}

//! Copies of the files as a killed process and a power cut leave them.

use crate::place::*;
use mailbox::queue::*;
use std::path::{Path, PathBuf};

/// The file and its log as they are now, the log cut to `log_bytes`.
pub fn copy(place: &Place, name: &str, log_bytes: u64) -> PathBuf {
    let folder = place.folder.path().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("queue.db");
    std::fs::copy(place.path(), &path).unwrap();
    let log = std::fs::read(log_of(&place.path())).unwrap_or_default();
    std::fs::write(log_of(&path), &log[..log.len().min(log_bytes as usize)]).unwrap();
    path
}

fn log_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", path.display()))
}

pub fn log_bytes(place: &Place) -> u64 {
    std::fs::metadata(log_of(&place.path())).map_or(0, |meta| meta.len())
}

#[test]
fn a_power_cut_anywhere_keeps_what_was_acknowledged_and_nothing_half() {
    let place = Place::new();
    let mut file = place.open();
    // After each step: octets of log that were synced, and how many messages that makes.
    let (mut synced, mut taken) = (vec![(log_bytes(&place), 0)], 0);
    for number in 0..6u64 {
        let mut incoming = Incoming::default();
        for chunk in 0..number {
            let mut behind = file.write_behind().unwrap();
            incoming = behind.push(incoming, &vec![chunk as u8; 20_000]).unwrap();
            behind.commit().unwrap();
        }
        let mut message = message(number, &["a@b.example"], &[b'r'; 5000]);
        message.incoming = incoming;
        one(&mut file, |tx| tx.take(&message)).unwrap();
        taken += 1;
        synced.push((log_bytes(&place), taken));
    }
    let mut behind = file.write_behind().unwrap();
    behind.push(Incoming::default(), &[1; 50_000]).unwrap();
    behind.commit().unwrap();
    let end = log_bytes(&place);
    for (at, cut) in (synced[0].0..=end).step_by(1999).chain([end]).enumerate() {
        let kept = synced.iter().rev().find(|(bytes, _)| *bytes <= cut).unwrap().1;
        let path = copy(&place, &format!("cut-{at}"), cut);
        let mut after = place.open_at(&path);
        assert_eq!(after.totals().entries, kept, "cut at {cut}");
        let leased = lease(&mut after, 10);
        let reader = QueueReader::open(&path, &place.key(), &ID, place.options()).unwrap();
        for (number, one) in leased.iter().enumerate() {
            let text: Vec<u8> = (0..number).flat_map(|chunk| vec![chunk as u8; 20_000]).collect();
            let whole = [b"Received: here\r\n", &text[..], &[b'r'; 5000]].concat();
            assert!(read(&reader, one).unwrap() == whole, "cut at {cut}, message {number}");
        }
        drop(reader);
        drop(after);
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}

#[test]
fn leases_outlive_a_crash_and_their_numbers_are_never_given_out_again() {
    let place = Place::new();
    let mut file = place.open();
    take(&mut file, 1, &["a@b.example", "a@c.example"]);
    let before = lease(&mut file, 1).remove(0);
    let crashed = place.open_at(&copy(&place, "crashed", u64::MAX));
    drop(file);
    let mut file = crashed;
    let after = lease(&mut file, 10);
    assert_eq!(after.len(), 1);
    assert!(after[0].lease > before.lease && after[0].destination != before.destination);
    let delivered = [settled(&before.recipients[0].address, Outcome::Delivered)];
    one(&mut file, |tx| tx.settle(before.entry, before.lease, &delivered, &[])).unwrap();
}

#[test]
fn a_batch_that_is_not_committed_never_was() {
    let place = Place::new();
    let mut file = place.open();
    take(&mut file, 1, &["a@b.example"]);
    let totals = file.totals();
    let mut batch = file.batch().unwrap();
    batch.run(|tx| tx.take(&message(2, &["a@b.example"], b"x"))).unwrap();
    let leased = batch.run(|tx| tx.lease(&wanted(10))).unwrap().leased;
    assert_eq!(leased.len(), 2);
    drop(batch);
    assert_eq!(file.totals(), totals);
    let again = lease(&mut file, 10);
    assert_eq!(again.len(), 1);
    assert!(matches!(take(&mut file, 2, &["a@b.example"]), Taken::New(_)));
}

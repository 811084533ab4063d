//! What is whole of a damaged queue file is taken into a new one, held, with its numbers and leases; what is not is named; and who has
//! a lease of the damaged file settles it.

use crate::common::noise;
use crate::state::{Dice, State, places};
use jiff::Timestamp;
use mailbox::queue::*;
use mailbox::salvage::{self, Salvaged};
use mailbox::{CheckDepth, Checker, Error, SYSTEM_DISK};
use model::{EnqueueId, QueueId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use vault::{FileKey, NodeKey};

const QUEUE: QueueId = QueueId::from_bytes([7; 12]);
const NOW_MS: i64 = 1_800_000_000_000;
const WHY: &str = "the file was damaged";
/// Octets of each message's text; some are of several chunks.
const TEXTS: [usize; 12] = [300, 9_000, 1, 280_000, 1_000, 140_000, 90, 5_000, 20_000, 3_000, 600, 70];

fn clock() -> Timestamp {
    Timestamp::from_millisecond(NOW_MS).unwrap()
}

fn id(number: usize) -> EnqueueId {
    // In another order than that of arrival.
    EnqueueId::from_bytes([(number as u8).wrapping_mul(101); 16])
}

/// Messages go to one, two or three destinations, one of which is everybody's.
fn recipients(number: usize) -> Vec<Recipient> {
    let all = ["common.example".to_owned(), format!("d{}.example", number % 3), format!("e{number}.example")];
    let to = |(at, domain): (usize, String)| Recipient {
        address: format!("to-{at}@{domain}"),
        destination: domain,
        notify: 6,
        original: format!("rfc822;to-{at}"),
    };
    all.into_iter().take(1 + number % 3).enumerate().map(to).collect()
}

fn message(number: usize) -> Message {
    let envelope = Envelope {
        reverse_path: format!("from-{number}@example.org"),
        ret: Ret::Headers,
        envelope_id: "QQ314159".to_owned(),
        smtputf8: true,
        eight_bit: false,
        require_tls: true,
        mailbox: "mailbox".to_owned(),
        origin: Origin::Forward,
        expires_ms: 5,
    };
    let (recipients, rest) = (recipients(number), noise(number as u64, TEXTS[number]));
    Message { id: Some(id(number)), envelope, recipients, prefix: prefix(number), incoming: Incoming::default(), rest }
}

/// Some have none.
fn prefix(number: usize) -> Vec<u8> {
    noise(500 + number as u64, 40 * (number % 4))
}

struct Place {
    folder: tempfile::TempDir,
    /// Where new files are made.
    other: tempfile::TempDir,
    node: NodeKey,
}

/// By entry: which message it is, and what of it is listed.
type Held = BTreeMap<i64, (usize, Listed)>;

impl Place {
    fn new() -> Self {
        let new = || tempfile::tempdir().unwrap();
        Self { folder: new(), other: new(), node: NodeKey::generate().unwrap() }
    }

    fn key(&self) -> FileKey {
        self.node.queue_key(&QUEUE).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("queue.db")
    }

    fn new_path(&self) -> PathBuf {
        self.other.path().join("new.db")
    }

    fn options() -> QueueOptions {
        let limits = Limits { entries_max: 1_000, octets_max: 1 << 40 };
        QueueOptions { clock, ..QueueOptions::new(limits) }
    }

    fn open(&self, path: &Path) -> Result<QueueFile, Error> {
        QueueFile::open_or_create(path, &self.key(), &QUEUE, Self::options())
    }

    fn reader(&self, path: &Path) -> QueueReader {
        QueueReader::open(path, &self.key(), &QUEUE, Self::options()).unwrap()
    }

    /// Messages that were tried, are being tried, are held and are new; one that came in part.
    fn fill(&self) -> QueueFile {
        let mut file = self.open(&self.path()).unwrap();
        for number in 0..TEXTS.len() {
            assert!(matches!(one(&mut file, |tx| tx.take(&message(number))).unwrap(), Taken::New(_)));
        }
        for (at, leased) in lease(&mut file, 9).into_iter().enumerate() {
            let address = leased.recipients[0].address.clone();
            let outcome = match at % 3 {
                0 => Outcome::Delivered,
                1 => Outcome::Deferred { next_ms: NOW_MS + 77_000 },
                _ => continue,
            };
            one(&mut file, |tx| tx.settle(leased.entry, leased.lease, &[settled(&address, outcome)], &[])).unwrap();
        }
        let all = Selection::Destination("e11.example".to_owned());
        one(&mut file, |tx| tx.change(&all, Action::Hold, None)).unwrap();
        one(&mut file, |tx| tx.push(Incoming::default(), &noise(90, 100_000))).unwrap();
        file
    }

    fn held(&self, path: &Path) -> Held {
        let listed = self.reader(path).list(None, 0, 1_000).unwrap().0;
        let number = |listed: &Listed| {
            let from = listed.envelope.reverse_path.strip_prefix("from-").unwrap();
            from.split('@').next().unwrap().parse::<usize>().unwrap()
        };
        listed.into_iter().map(|listed| (listed.entry, (number(&listed), listed))).collect()
    }

    fn salvage(&self) -> Salvaged {
        for suffix in ["", "-wal", "-shm", "-mark"] {
            let _ = std::fs::remove_file(self.other.path().join(format!("new.db{suffix}")));
        }
        let key = self.key();
        let salvaged = salvage::queue(&self.path(), &self.new_path(), &key, &QUEUE, Self::options(), WHY).unwrap();
        self.open(&self.new_path()).unwrap().close().unwrap();
        let mut checker = Checker::queue(&self.new_path(), &key, &QUEUE, &SYSTEM_DISK, CheckDepth::Everything).unwrap();
        loop {
            let step = checker.step().unwrap();
            assert_eq!(step.findings, []);
            if step.done {
                return salvaged;
            }
        }
    }

    /// Every message is held as it was, with all of its text, or is named, unless it is said that some may be missing.
    fn accounts_for(&self, all: &Held, salvaged: &Salvaged, at: &str) -> usize {
        let (taken, reader) = (self.held(&self.new_path()), self.reader(&self.new_path()));
        assert_eq!(taken.len() as u64, salvaged.taken, "{at}");
        let named: BTreeSet<_> = salvaged.lost.iter().map(|lost| lost.row).collect();
        for (entry, (number, listed)) in &taken {
            let mut expected = all.get(entry).expect("a number that was given out").1.clone();
            assert!(!listed.recipients.is_empty(), "{at}");
            if named.contains(entry) {
                expected.recipients.retain(|one| listed.recipients.iter().any(|other| other.state == one.state));
            }
            for one in &mut expected.recipients {
                (one.held, one.held_why, one.paused_until_ms) = (true, WHY.to_owned(), 0);
            }
            assert_eq!(listed, &expected, "{at}");
            let text = (0..).map_while(|at| reader.read(*entry, i64::from(u32::MAX), at).unwrap()).flatten();
            assert!(text.eq([prefix(*number), noise(*number as u64, TEXTS[*number])].concat()), "{at}: {number}");
        }
        let missing = all.keys().filter(|entry| !taken.contains_key(entry) && !named.contains(entry)).count();
        assert!(missing == 0 || salvaged.unnamed, "{at}: {missing} missing of {salvaged:?}");
        taken.len()
    }
}

fn one<T>(file: &mut QueueFile, run: impl FnOnce(&mut QueueTx<'_>) -> Result<T, Error>) -> Result<T, Error> {
    let mut batch = file.batch()?;
    let result = batch.run(run);
    batch.commit()?;
    result
}

fn lease(file: &mut QueueFile, shares_max: usize) -> Vec<Leased> {
    let wanted = Wanted {
        worker: "worker".to_owned(),
        shares_max,
        per_destination_max: shares_max,
        lease_ms: 60_000,
        ..Wanted::default()
    };
    one(file, |tx| tx.lease(&wanted)).unwrap().leased
}

fn settled(address: &str, outcome: Outcome) -> Settlement {
    Settlement {
        address: address.to_owned(),
        outcome,
        status: "4.0.0 later".to_owned(),
        remote: "mx.example".to_owned(),
        delay_notified: false,
    }
}

#[test]
fn a_sound_queue_is_taken_whole_and_held() {
    let place = Place::new();
    let file = place.fill();
    let (all, totals) = (place.held(&place.path()), file.totals());
    let salvaged = place.salvage();
    assert_eq!(salvaged, Salvaged { taken: all.len() as u64, ..Salvaged::default() });
    assert_eq!(place.accounts_for(&all, &salvaged, "sound"), all.len());
    let mut new = place.open(&place.new_path()).unwrap();
    assert_eq!(new.totals(), totals);
    assert_eq!(place.reader(&place.new_path()).held().unwrap(), 21);
    assert_eq!(lease(&mut new, 100), []);
    // Ids are known, of what left too; a new message goes at once, under numbers that nobody was ever given.
    for number in 0..TEXTS.len() {
        assert_eq!(one(&mut new, |tx| tx.take(&message(number))).unwrap(), Taken::Before);
    }
    let fresh = Message { id: Some(EnqueueId::from_bytes([255; 16])), ..message(2) };
    let Taken::New(row) = one(&mut new, |tx| tx.take(&fresh)).unwrap() else { panic!("taken before") };
    let handed = lease(&mut new, 100);
    assert!(row > 1 << 32 && handed.iter().all(|one| one.entry == row && one.lease > 1 << 32), "{handed:?}");
    assert_eq!(handed.len(), 3);
    // By the operator's word the rest goes, what was deferred when it is due.
    let released = one(&mut new, |tx| tx.change(&Selection::All, Action::Release, None)).unwrap();
    assert_eq!((released.recipients, place.reader(&place.new_path()).held().unwrap()), (21, 0));
    let because: BTreeSet<_> = place
        .held(&place.new_path())
        .into_values()
        .flat_map(|(_, one)| one.recipients)
        .map(|one| one.held_why)
        .collect();
    assert_eq!(because, BTreeSet::from([String::new()]));
}

#[test]
fn any_page_of_a_queue_may_be_damaged() {
    let place = Place::new();
    let file = place.fill();
    let all = place.held(&place.path());
    file.close().unwrap();
    let state = State::of(place.folder.path());
    let pages = state.octets(".db").len() / 4096;
    let mut dice = Dice::new(21);
    // The roots of all tables and indexes, and some of the rest, of which nearly each is of one message's text.
    let rest = (0..places(6)).map(|_| 20 + dice.below(pages - 20)).collect::<Vec<_>>();
    let (mut whole, mut nothing) = (0, 0);
    for page in (0..20).chain(rest.iter().copied()) {
        state.clone().flipped(".db", page * 4096 * 8 + dice.below(4096 * 8)).put(place.folder.path());
        let before = std::fs::read(place.path()).unwrap();
        let taken = place.accounts_for(&all, &place.salvage(), &format!("page {}", page + 1));
        whole += usize::from(page >= 20 && taken + 1 >= all.len());
        nothing += usize::from(taken == 0);
        assert_eq!(std::fs::read(place.path()).unwrap(), before, "page {}: it was written to", page + 1);
    }
    // The first page, and the roots of the five tables that a message is in.
    assert!(whole * 4 >= rest.len() * 3 && nothing <= 6, "{whole} of {}, {nothing}", rest.len());
}

#[test]
fn several_pages_of_a_queue_may_be_damaged() {
    let place = Place::new();
    let file = place.fill();
    let all = place.held(&place.path());
    file.close().unwrap();
    let state = State::of(place.folder.path());
    let size = state.octets(".db").len();
    let mut dice = Dice::new(23);
    for round in 0..places(5) {
        let mut damaged = state.clone();
        for _ in 0..1 + dice.below(8) {
            damaged = damaged.flipped(".db", 4096 * 8 + dice.below((size - 4096) * 8));
        }
        damaged.put(place.folder.path());
        place.accounts_for(&all, &place.salvage(), &format!("round {round}"));
    }
}

#[test]
fn a_log_of_a_queue_may_be_damaged() {
    let place = Place::new();
    let mut file = place.open(&place.path()).unwrap();
    for number in 0..TEXTS.len() {
        one(&mut file, |tx| tx.take(&message(number))).unwrap();
    }
    let all = place.held(&place.path());
    let state = State::of(place.folder.path());
    drop(file);
    let size = state.octets("-wal").len();
    let mut dice = Dice::new(22);
    for _ in 0..places(6) {
        let bit = dice.below(size * 8);
        state.clone().flipped("-wal", bit).put(place.folder.path());
        assert!(place.open(&place.path()).is_err(), "bit {bit}");
        let salvaged = place.salvage();
        place.accounts_for(&all, &salvaged, &format!("bit {bit}"));
        assert!(salvaged.unnamed, "bit {bit}: the log's end may have had any message");
    }
}

/// A queue file that lost what came since `before` with its log.
fn short_of(place: &Place, before: &State) {
    let mark = State::of(place.folder.path()).octets("-mark").to_vec();
    before.clone().with("-mark", mark).put(place.folder.path());
    assert!(matches!(place.open(&place.path()), Err(Error::Damaged(_))));
    assert!(place.salvage().unnamed);
}

#[test]
fn leases_that_can_be_read_are_settled_and_what_they_defer_stays_held() {
    let place = Place::new();
    let mut file = place.open(&place.path()).unwrap();
    for number in [2, 5] {
        one(&mut file, |tx| tx.take(&message(number))).unwrap();
    }
    let leased = lease(&mut file, 100);
    assert_eq!(leased.len(), 6);
    drop(file);
    place.salvage();
    let mut new = place.open(&place.new_path()).unwrap();
    for (at, leased) in leased.iter().enumerate() {
        one(&mut new, |tx| tx.renew(leased.entry, leased.lease, 60_000)).unwrap();
        let outcome = if at == 0 { Outcome::Deferred { next_ms: NOW_MS } } else { Outcome::Delivered };
        let said = [settled(&leased.recipients[0].address, outcome)];
        one(&mut new, |tx| tx.settle(leased.entry, leased.lease, &said, &[])).unwrap();
        let again = one(&mut new, |tx| tx.settle(leased.entry, leased.lease, &said, &[]));
        assert!(matches!(again, Err(Error::NoSuchLease)), "{again:?}");
    }
    assert_eq!((new.totals().recipients, lease(&mut new, 100)), (1, vec![]));
    let (_, left) = place.held(&place.new_path()).remove(&leased[0].entry).unwrap();
    assert_eq!((left.recipients[0].state.attempts, left.recipients[0].held_why.as_str()), (1, WHY));
    one(&mut new, |tx| tx.change(&Selection::All, Action::Release, None)).unwrap();
    assert_eq!(lease(&mut new, 100).len(), 1);
}

#[test]
fn a_lease_that_was_lost_with_the_log_is_settled_once() {
    let place = Place::new();
    let mut file = place.open(&place.path()).unwrap();
    one(&mut file, |tx| tx.take(&message(5))).unwrap();
    let before = State::of(place.folder.path());
    let leased = lease(&mut file, 100);
    assert_eq!(leased.len(), 3);
    drop(file);
    short_of(&place, &before);
    let mut new = place.open(&place.new_path()).unwrap();
    let reader = place.reader(&place.new_path());
    let (first, second, third) = (&leased[0], &leased[1], &leased[2]);
    let said = |leased: &Leased, outcome| [settled(&leased.recipients[0].address, outcome)];
    // Who has it goes on with it, to its end.
    one(&mut new, |tx| tx.renew(first.entry, first.lease, 60_000)).unwrap();
    assert_eq!(reader.read(first.entry, first.lease, 0).unwrap(), Some(prefix(5)));
    let delivered = said(first, Outcome::Delivered);
    one(&mut new, |tx| tx.settle(first.entry, first.lease, &delivered, &[])).unwrap();
    let again = one(&mut new, |tx| tx.settle(first.entry, first.lease, &delivered, &[]));
    assert!(matches!(again, Err(Error::NoSuchLease)), "{again:?}");
    let deferred = said(second, Outcome::Deferred { next_ms: NOW_MS });
    one(&mut new, |tx| tx.settle(second.entry, second.lease, &deferred, &[])).unwrap();
    let again = one(&mut new, |tx| tx.settle(second.entry, second.lease, &deferred, &[]));
    assert!(matches!(again, Err(Error::NoSuchLease)), "{again:?}");
    assert_eq!((new.totals().recipients, lease(&mut new, 100)), (2, vec![]));
    // What the operator let go may be handed out, so that the worker is to let go of it; that it has delivered still counts.
    one(&mut new, |tx| tx.change(&Selection::All, Action::Release, None)).unwrap();
    let renewed = one(&mut new, |tx| tx.renew(third.entry, third.lease, 60_000));
    assert!(matches!(renewed, Err(Error::NoSuchLease)), "{renewed:?}");
    one(&mut new, |tx| tx.settle(third.entry, third.lease, &said(third, Outcome::Delivered), &[])).unwrap();
    let left = lease(&mut new, 100);
    assert_eq!((new.totals().recipients, left.len(), &left[0].destination), (1, 1, &second.destination));
}

#[test]
fn who_comes_after_another_lease_is_too_late() {
    let place = Place::new();
    let mut file = place.open(&place.path()).unwrap();
    one(&mut file, |tx| tx.take(&message(3))).unwrap();
    let before = State::of(place.folder.path());
    let lost = lease(&mut file, 100).remove(0);
    drop(file);
    short_of(&place, &before);
    let mut new = place.open(&place.new_path()).unwrap();
    // A number that was never given out, and the entry of nobody.
    let said = [settled(&lost.recipients[0].address, Outcome::Delivered)];
    for (entry, number) in [(lost.entry, i64::MAX), (lost.entry, 0), (lost.entry + 1, lost.lease)] {
        let settled = one(&mut new, |tx| tx.settle(entry, number, &said, &[]));
        assert!(matches!(settled, Err(Error::NoSuchLease)), "{entry} {number}: {settled:?}");
    }
    one(&mut new, |tx| tx.change(&Selection::All, Action::Release, None)).unwrap();
    let taken_over = lease(&mut new, 100).remove(0);
    let settled = one(&mut new, |tx| tx.settle(lost.entry, lost.lease, &said, &[]));
    assert!(matches!(settled, Err(Error::NoSuchLease)), "{settled:?}");
    one(&mut new, |tx| tx.settle(taken_over.entry, taken_over.lease, &said, &[])).unwrap();
    assert_eq!(new.totals(), Totals::default());
}

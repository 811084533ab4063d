//! What is whole of a damaged waiting-mail file is taken into a new one, byte for byte and once; what is not is named.

use crate::common::{clock, noise};
use crate::state::{Dice, State, places};
use mailbox::salvage::{self, Salvaged};
use mailbox::waiting::{Closing, WaitingFile};
use mailbox::{Error, SYSTEM_DISK};
use model::{DeliveryId, MailboxId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use vault::{FileKey, NodeKey};

const MAILBOX: MailboxId = MailboxId::from_bytes([3; 12]);
/// Octets of each message's body; some are of several chunks.
const BODIES: [usize; 9] = [300, 9_000, 0, 280_000, 1_000, 140_000, 90, 5_000, 20_000];

/// A message as it waits: when it came, its wrap, its prefix, whether it is junk, its body.
type Held = (i64, Vec<u8>, Vec<u8>, bool, Vec<u8>);

struct Place {
    folder: tempfile::TempDir,
    /// Where new files are made.
    other: tempfile::TempDir,
    node: NodeKey,
}

fn id(number: usize) -> DeliveryId {
    // In another order than that of arrival.
    DeliveryId::from_bytes([(number as u8).wrapping_mul(101); 16])
}

impl Place {
    fn new() -> Self {
        let new = || tempfile::tempdir().unwrap();
        Self { folder: new(), other: new(), node: NodeKey::generate().unwrap() }
    }

    fn key(&self) -> FileKey {
        self.node.file_key(&MAILBOX).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("waiting.db")
    }

    fn into(&self) -> PathBuf {
        self.other.path().join("new.db")
    }

    fn open(&self, path: &std::path::Path) -> Result<WaitingFile, Error> {
        WaitingFile::open_or_create(path, &self.key(), &MAILBOX, &SYSTEM_DISK)
    }

    fn fill(&self) -> WaitingFile {
        let mut file = self.open(&self.path()).unwrap();
        for (number, octets) in BODIES.into_iter().enumerate() {
            file.begin(&id(number), clock()).unwrap();
            file.push(&id(number), &noise(number as u64, octets)).unwrap();
            let (wrap, prefix) = (noise(900 + number as u64, 1_200), noise(950 + number as u64, 100 * number));
            file.complete(&id(number), Closing { wrap: &wrap, prefix: &prefix, junk: number % 3 == 0 }).unwrap();
        }
        // Came in part; drained before.
        file.begin(&id(90), clock()).unwrap();
        file.push(&id(90), &noise(90, 200_000)).unwrap();
        file
    }

    fn salvage(&self) -> (Salvaged, BTreeMap<DeliveryId, Held>) {
        for suffix in ["", "-wal", "-shm", "-mark"] {
            let _ = std::fs::remove_file(self.other.path().join(format!("new.db{suffix}")));
        }
        let salvaged = salvage::waiting(&self.path(), &self.into(), &self.key(), &MAILBOX, &SYSTEM_DISK).unwrap();
        let file = self.open(&self.into()).unwrap();
        let held = held(&file);
        assert_eq!((file.count(), salvaged.taken), (held.len() as u64, held.len() as u64));
        file.close().unwrap();
        (salvaged, held)
    }
}

fn held(file: &WaitingFile) -> BTreeMap<DeliveryId, Held> {
    let (mut all, mut before) = (BTreeMap::new(), None);
    while let Some(message) = file.next_after(before.as_ref()).unwrap() {
        let mut body = Vec::new();
        for sequence in 0..message.chunks {
            body.extend(file.read(&message.delivery, sequence).unwrap().unwrap());
        }
        let at = message.received_at.as_millisecond();
        all.insert(message.delivery, (at, message.wrap.clone(), message.prefix.clone(), message.junk, body));
        before = Some(message);
    }
    all
}

/// Every message is taken as it was, or named, unless it is said that some may be missing.
fn accounts_for(all: &BTreeMap<DeliveryId, Held>, salvaged: &Salvaged, taken: &BTreeMap<DeliveryId, Held>, at: &str) {
    for (delivery, message) in taken {
        assert!(all.get(delivery) == Some(message), "{at}: {delivery} is not what it was");
    }
    let named: BTreeSet<_> = salvaged.lost.iter().filter_map(|lost| lost.delivery).collect();
    assert!(named.iter().all(|lost| !taken.contains_key(lost)), "{at}: taken and lost: {salvaged:?}");
    let missing = all.keys().filter(|delivery| !taken.contains_key(delivery) && !named.contains(delivery)).count();
    assert!(missing == 0 || salvaged.unnamed, "{at}: {missing} missing of {salvaged:?}");
}

#[test]
fn a_sound_file_is_taken_whole() {
    let place = Place::new();
    let all = held(&place.fill());
    let (salvaged, taken) = place.salvage();
    assert_eq!(salvaged, Salvaged { taken: BODIES.len() as u64, ..Salvaged::default() });
    assert!(taken == all);
}

#[test]
fn any_page_may_be_damaged() {
    let place = Place::new();
    let file = place.fill();
    let all = held(&file);
    file.close().unwrap();
    let state = State::of(place.folder.path());
    let size = state.octets(".db").len();
    let mut dice = Dice::new(11);
    let (mut whole, mut nothing) = (0, 0);
    let pages = size / 4096;
    // The roots of all tables and indexes, and some of the rest.
    let rest = (0..places(16)).map(|_| 12 + dice.below(pages - 12)).collect::<Vec<_>>();
    for page in (0..12).chain(rest.iter().copied()) {
        state.clone().flipped(".db", page * 4096 * 8 + dice.below(4096 * 8)).put(place.folder.path());
        let before = std::fs::read(place.path()).unwrap();
        let (salvaged, taken) = place.salvage();
        accounts_for(&all, &salvaged, &taken, &format!("page {}", page + 1));
        whole += usize::from(page >= 12 && taken.len() + 1 >= all.len());
        nothing += usize::from(taken.is_empty());
        assert_eq!(std::fs::read(place.path()).unwrap(), before, "page {}: it was written to", page + 1);
    }
    // Nearly every page is of one message alone; the first one and the roots of tables are of all.
    assert!(whole == rest.len() && nothing <= 3, "{whole} of {}, {nothing}", rest.len());
}

#[test]
fn a_log_may_be_damaged() {
    let place = Place::new();
    let file = place.fill();
    let all = held(&file);
    let state = State::of(place.folder.path());
    drop(file);
    let size = state.octets("-wal").len();
    let mut dice = Dice::new(12);
    for _ in 0..places(12) {
        let bit = dice.below(size * 8);
        state.clone().flipped("-wal", bit).put(place.folder.path());
        let (mut salvaged, taken) = place.salvage();
        // At its end is a message that was not whole.
        let opens = place.open(&place.path()).is_ok();
        assert!(!opens || taken == all, "bit {bit}");
        // What the log lost is named by nothing in the file: that the file is short of it is why it is set aside.
        salvaged.unnamed = true;
        accounts_for(&all, &salvaged, &taken, &format!("bit {bit}"));
    }
}

#[test]
fn several_pages_may_be_damaged() {
    let place = Place::new();
    let file = place.fill();
    let all = held(&file);
    file.close().unwrap();
    let state = State::of(place.folder.path());
    let size = state.octets(".db").len();
    let mut dice = Dice::new(13);
    for round in 0..places(8) {
        let mut damaged = state.clone();
        for _ in 0..1 + dice.below(8) {
            damaged = damaged.flipped(".db", 4096 * 8 + dice.below((size - 4096) * 8));
        }
        damaged.put(place.folder.path());
        let (salvaged, taken) = place.salvage();
        accounts_for(&all, &salvaged, &taken, &format!("round {round}"));
    }
}

//! The waiting-mail file: order, durability, leftovers, deletion.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

mod common;

use common::{attachment, clock, noise};
use mailbox::waiting::{Begun, Closing, WaitingFile};
use mailbox::{Error, SYSTEM_DISK};
use model::{DeliveryId, MailboxId};
use std::path::PathBuf;
use vault::{FileKey, NodeKey};

struct Place {
    folder: tempfile::TempDir,
    node: NodeKey,
    mailbox: MailboxId,
}

impl Place {
    fn new() -> Self {
        let mailbox = MailboxId::from_bytes([3; 12]);
        Self { folder: tempfile::tempdir().unwrap(), node: NodeKey::generate().unwrap(), mailbox }
    }
    fn path(&self) -> PathBuf {
        self.folder.path().join("waiting.db")
    }
    fn key(&self) -> FileKey {
        self.node.file_key(&self.mailbox).unwrap()
    }
    fn open(&self) -> WaitingFile {
        WaitingFile::open_or_create(&self.path(), &self.key(), &self.mailbox, &SYSTEM_DISK).unwrap()
    }
}

fn id(number: u8) -> DeliveryId {
    DeliveryId::from_bytes([number; 16])
}

fn deliver(file: &mut WaitingFile, number: u8, body: &[u8]) {
    assert_eq!(file.begin(&id(number), clock()).unwrap(), Begun::New);
    body.chunks(50_000).for_each(|piece| file.push(&id(number), piece).unwrap());
    file.complete(&id(number), Closing { wrap: &[number; 100], prefix: &[], junk: false }).unwrap();
}

fn read(file: &WaitingFile, number: u8) -> Vec<u8> {
    (0..).map_while(|at| file.read(&id(number), at).unwrap()).flatten().collect()
}

#[test]
fn mail_waits_in_order_and_comes_back_exactly() {
    let place = Place::new();
    let mut file = place.open();
    let bodies = [noise(1, 10), noise(2, 400_000), vec![], noise(3, 131_072)];
    for (at, body) in bodies.iter().enumerate() {
        deliver(&mut file, at as u8, body);
    }
    assert_eq!(file.begin(&id(1), clock()).unwrap(), Begun::Already);
    drop(file);
    let mut file = place.open();
    assert_eq!((file.count(), file.bytes()), (4, 400_010 + 131_072));
    for (at, body) in bodies.iter().enumerate() {
        let oldest = file.oldest().unwrap().unwrap();
        let chunks = body.len().div_ceil(128 * 1024) as u32;
        assert_eq!((oldest.delivery, oldest.size, oldest.chunks), (id(at as u8), body.len() as u64, chunks));
        assert_eq!(oldest.wrap, [at as u8; 100]);
        assert!(read(&file, at as u8) == *body);
        assert!(file.known(&oldest.delivery).unwrap());
        file.remove(&oldest.delivery).unwrap();
        assert!(!file.known(&oldest.delivery).unwrap());
    }
    assert!(file.is_empty());
    file.delete_file().unwrap();
    assert_eq!(std::fs::read_dir(place.folder.path()).unwrap().count(), 0);
}

#[test]
fn what_was_not_completed_is_not_there() {
    let place = Place::new();
    let mut file = place.open();
    file.begin(&id(1), clock()).unwrap();
    file.push(&id(1), &noise(1, 300_000)).unwrap();
    assert_eq!((file.oldest().unwrap(), file.known(&id(1)).unwrap(), file.is_empty()), (None, false, false));
    assert_eq!(file.read(&id(1), 0).unwrap(), None);
    // Its sender begins again, and this time it is another body.
    file.begin(&id(1), clock()).unwrap();
    file.push(&id(1), b"second").unwrap();
    file.complete(&id(1), Closing { wrap: b"wrap", prefix: b"sealed", junk: true }).unwrap();
    assert_eq!(read(&file, 1), b"second");
    file.begin(&id(2), clock()).unwrap();
    file.push(&id(2), &noise(2, 300_000)).unwrap();
    drop(file);
    let mut file = place.open();
    assert_eq!(file.count(), 1);
    assert!(matches!(file.push(&id(2), b"x"), Err(Error::NoSuchDelivery)));
    assert!(matches!(
        file.complete(&id(2), Closing { wrap: b"x", prefix: &[], junk: false }),
        Err(Error::NoSuchDelivery)
    ));
    file.discard(&id(2)).unwrap();
    file.remove(&id(1)).unwrap();
    assert!(file.is_empty());
}

#[test]
fn a_completed_message_outlives_a_power_cut() {
    let place = Place::new();
    let mut file = place.open();
    let body = noise(5, 1_000_000);
    deliver(&mut file, 5, &body);
    file.begin(&id(6), clock()).unwrap();
    file.push(&id(6), &noise(6, 200_000)).unwrap();
    let after =
        Place { folder: tempfile::tempdir().unwrap(), node: NodeKey::generate().unwrap(), mailbox: place.mailbox };
    for name in ["waiting.db", "waiting.db-wal"] {
        std::fs::copy(place.folder.path().join(name), after.folder.path().join(name)).unwrap();
    }
    let file = WaitingFile::open_or_create(&after.path(), &place.key(), &place.mailbox, &SYSTEM_DISK).unwrap();
    assert_eq!(file.count(), 1);
    assert!(read(&file, 5) == body);
}

#[test]
fn it_is_not_deleted_with_mail_in_it_and_opens_for_its_mailbox_only() {
    let place = Place::new();
    let mut file = place.open();
    deliver(&mut file, 1, b"body");
    assert!(matches!(file.delete_file(), Err(Error::StillWaiting)));
    assert_eq!(place.open().count(), 1);
    let other = MailboxId::from_bytes([4; 12]);
    let error = WaitingFile::open_or_create(&place.path(), &place.key(), &other, &SYSTEM_DISK).err().unwrap();
    assert!(matches!(error, Error::WrongMailbox(_)));
    let key = place.node.file_key(&other).unwrap();
    let error = WaitingFile::open_or_create(&place.path(), &key, &place.mailbox, &SYSTEM_DISK).err().unwrap();
    assert!(matches!(error, Error::WrongKey));
}

#[test]
fn limits_have_names() {
    let place = Place::new();
    let mut file = place.open();
    for number in 0..64 {
        file.begin(&id(number), clock()).unwrap();
    }
    assert!(matches!(file.begin(&id(64), clock()), Err(Error::LimitReached("deliveries under way"))));
    let piece = attachment(1, 1_000_000);
    let error = (0..70).find_map(|_| file.push(&id(0), &piece).err()).unwrap();
    assert!(matches!(error, Error::TooBig));
}

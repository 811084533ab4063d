//! The waiting-mail file through power cuts: what was completed waits, in order, and once.

use super::common::{clock, noise};
use super::cuts::{Acknowledged, Trial, disk};
use super::migration::first;
use faulty_disk::FaultyDisk;
use mailbox::Error;
use mailbox::waiting::{Begun, Closing, WaitingFile};
use model::{DeliveryId, MailboxId};
use rusqlite::params;
use std::path::PathBuf;
use vault::{FileKey, NodeKey};

pub const OWNER: MailboxId = MailboxId::from_bytes([7; 12]);

pub struct Waiting {
    pub disk: &'static FaultyDisk,
    node: NodeKey,
}

/// Ways in which each change of the longest history here is cut.
const WAYS: usize = 4;

/// A message that waits.
pub type Held = (u8, Vec<u8>, Vec<u8>, bool);

impl Waiting {
    pub fn new(disk: &'static FaultyDisk) -> Self {
        Self { disk, node: NodeKey::generate().unwrap() }
    }

    pub fn path(&self) -> PathBuf {
        self.disk.root().join("waiting.db")
    }

    fn key(&self) -> FileKey {
        self.node.file_key(&OWNER).unwrap()
    }

    pub fn open(&self) -> Result<WaitingFile, Error> {
        WaitingFile::open_or_create(&self.path(), &self.key(), &OWNER, self.disk)
    }

    /// What waits, in order. A file that is not there holds nothing.
    pub fn look(&self) -> Vec<Held> {
        if mailbox::Disk::length(self.disk, &self.path()).unwrap().is_none() {
            return Vec::new();
        }
        held(&self.open().unwrap())
    }

    /// One more message, the log moved, and the file closed.
    fn go_on(&self, acknowledged: &mut Acknowledged<Vec<Held>>) {
        let mut file = self.open().unwrap();
        put(&mut file, 90, 1000).unwrap();
        acknowledged.push(self.disk, held(&file));
        file.close().unwrap();
    }
}

pub fn held(file: &WaitingFile) -> Vec<Held> {
    let (mut all, mut before) = (Vec::new(), None);
    while let Some(message) = file.next_after(before.as_ref()).unwrap() {
        let mut body = Vec::new();
        for sequence in 0..message.chunks {
            body.extend(file.read(&message.delivery, sequence).unwrap().unwrap());
        }
        assert_eq!(body.len() as u64, message.size);
        all.push((message.delivery.as_bytes()[0], message.wrap.clone(), body, message.junk));
        before = Some(message);
    }
    assert_eq!(file.count(), all.len() as u64);
    all
}

pub fn delivery(number: u8) -> DeliveryId {
    DeliveryId::from_bytes([number; 16])
}

pub fn put(file: &mut WaitingFile, number: u8, octets: usize) -> Result<(), Error> {
    if file.begin(&delivery(number), clock())? == Begun::Already {
        return Ok(());
    }
    for part in noise(number.into(), octets).chunks(70_000) {
        file.push(&delivery(number), part)?;
    }
    file.complete(&delivery(number), Closing { wrap: &[number; 40], prefix: b"sealed", junk: number % 2 == 1 })
}

#[test]
fn mail_that_waits() {
    let waiting = Waiting::new(disk("waiting"));
    let mut acknowledged = Acknowledged::new(Vec::new());
    waiting.disk.record();
    let mut file = waiting.open().unwrap();
    for (number, octets) in [(1, 500), (2, 140_000), (3, 0), (4, 2000)] {
        put(&mut file, number, octets).unwrap();
        acknowledged.push(waiting.disk, held(&file));
    }
    // One that never comes whole is in nobody's way.
    file.begin(&delivery(5), clock()).unwrap();
    file.push(&delivery(5), &noise(5, 135_000)).unwrap();
    file.remove(&delivery(1)).unwrap();
    acknowledged.push(waiting.disk, held(&file));
    file.discard(&delivery(5)).unwrap();
    file.remove_all(&[delivery(2), delivery(3), delivery(4)]).unwrap();
    acknowledged.push(waiting.disk, Vec::new());
    file.delete_file().unwrap();
    // And again, under the name of the file that is gone.
    let mut file = waiting.open().unwrap();
    put(&mut file, 6, 100).unwrap();
    acknowledged.push(waiting.disk, held(&file));
    file.close().unwrap();
    let mut file = waiting.open().unwrap();
    put(&mut file, 7, 100).unwrap();
    acknowledged.push(waiting.disk, held(&file));
    drop(file);
    let look = |_: &'static FaultyDisk| waiting.look();
    let go_on = |acknowledged: &mut Acknowledged<Vec<Held>>| waiting.go_on(acknowledged);
    let history = waiting.disk.history();
    Trial { name: "waiting", disk: waiting.disk, history, acknowledged, look: &look, go_on: &go_on }.run_in(WAYS);
}

/// The released schema that an old file is of.
const FIRST: &str = include_str!("../../schema/waiting-0001.sql");
/// `Brvw`.
const MARK: i32 = 0x4272_7677;

#[test]
fn waiting_files_of_the_first_schema() {
    let waiting = Waiting::new(disk("waiting-migration"));
    let connection = first(waiting.disk, &waiting.path(), &waiting.key().raw_key(), (FIRST, MARK));
    connection.execute("INSERT INTO waiting (one, mailbox) VALUES (1, ?1)", [&OWNER.as_bytes()[..]]).unwrap();
    let mut expected: Vec<Held> = Vec::new();
    for number in 1..=3u8 {
        let body = noise(number.into(), 3_000);
        let row = i64::from(number);
        connection
            .execute(
                "INSERT INTO delivery (id, delivery, received_ms, size, chunks, wrap) VALUES (?1, ?2, ?3, 3000, 1, ?4)",
                params![row, &delivery(number).as_bytes()[..], clock().as_millisecond(), &[number; 40][..]],
            )
            .unwrap();
        connection
            .execute("INSERT INTO chunk (delivery, sequence, bytes) VALUES (?1, 0, ?2)", params![row, body])
            .unwrap();
        expected.push((number, vec![number; 40], body, false));
    }
    connection.execute_batch("COMMIT; PRAGMA journal_mode=WAL;").unwrap();
    connection.close().unwrap();
    waiting.disk.record();
    let mut file = waiting.open().unwrap();
    let mut acknowledged = Acknowledged::new(expected.clone());
    assert_eq!(held(&file), expected);
    put(&mut file, 4, 700).unwrap();
    acknowledged.push(waiting.disk, held(&file));
    drop(file);
    let look = |_: &'static FaultyDisk| waiting.look();
    let go_on = |acknowledged: &mut Acknowledged<Vec<Held>>| waiting.go_on(acknowledged);
    let history = waiting.disk.history();
    Trial { name: "waiting-migration", disk: waiting.disk, history, acknowledged, look: &look, go_on: &go_on }.run();
}

//! A queue file in a folder of its own, under a clock that stands still until it is turned.

use jiff::Timestamp;
use mailbox::queue::*;
use model::{EnqueueId, QueueId};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use vault::{FileKey, NodeKey};

pub const START_MS: i64 = 1_800_000_000_000;
pub const ID: QueueId = QueueId::from_bytes([7; 12]);

thread_local! {
    static NOW_MS: Cell<i64> = const { Cell::new(START_MS) };
}

pub fn now() -> i64 {
    NOW_MS.get()
}

pub fn set_now(ms: i64) {
    NOW_MS.set(ms);
}

pub fn pass(ms: i64) {
    set_now(now() + ms);
}

pub fn clock() -> Timestamp {
    Timestamp::from_millisecond(now()).unwrap()
}

pub struct Place {
    pub folder: TempDir,
    node: NodeKey,
    pub limits: Limits,
}

impl Place {
    pub fn new() -> Self {
        set_now(START_MS);
        let limits = Limits { entries_max: 1_000_000, octets_max: 1 << 40 };
        Self { folder: tempfile::tempdir().unwrap(), node: NodeKey::generate().unwrap(), limits }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("queue.db")
    }

    pub fn key(&self) -> FileKey {
        self.node.queue_key(&ID).unwrap()
    }

    pub fn options(&self) -> QueueOptions {
        QueueOptions { clock, ..QueueOptions::new(self.limits) }
    }

    pub fn open(&self) -> QueueFile {
        self.open_at(&self.path())
    }

    pub fn open_at(&self, path: &Path) -> QueueFile {
        QueueFile::open_or_create(path, &self.key(), &ID, self.options()).unwrap()
    }

    pub fn reader(&self) -> QueueReader {
        QueueReader::open(&self.path(), &self.key(), &ID, self.options()).unwrap()
    }
}

/// One operation in a batch of its own.
pub fn one<T>(
    file: &mut QueueFile,
    run: impl FnOnce(&mut QueueTx<'_>) -> Result<T, mailbox::Error>,
) -> Result<T, mailbox::Error> {
    let mut batch = file.batch()?;
    let result = batch.run(run);
    batch.commit()?;
    result
}

pub fn id(number: u64) -> EnqueueId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    EnqueueId::from_bytes(bytes)
}

pub fn envelope(from: &str) -> Envelope {
    Envelope {
        reverse_path: from.to_owned(),
        ret: Ret::Headers,
        envelope_id: "QQ314159".to_owned(),
        smtputf8: true,
        eight_bit: false,
        require_tls: true,
        mailbox: "mailbox".to_owned(),
        origin: Origin::Forward,
        expires_ms: 5,
    }
}

pub fn recipient(address: &str) -> Recipient {
    let (_, destination) = address.rsplit_once('@').unwrap();
    Recipient {
        address: address.to_owned(),
        destination: destination.to_owned(),
        notify: 6,
        original: format!("rfc822;{address}"),
    }
}

pub fn message(number: u64, to: &[&str], text: &[u8]) -> Message {
    Message {
        id: Some(id(number)),
        envelope: envelope("sender@example.org"),
        recipients: to.iter().map(|address| recipient(address)).collect(),
        prefix: b"Received: here\r\n".to_vec(),
        incoming: Incoming::default(),
        rest: text.to_vec(),
    }
}

pub fn take(file: &mut QueueFile, number: u64, to: &[&str]) -> Taken {
    let message = message(number, to, b"Subject: x\r\n\r\ntext\r\n");
    one(file, |tx| tx.take(&message)).unwrap()
}

pub fn wanted(shares_max: usize) -> Wanted {
    Wanted {
        worker: "worker".to_owned(),
        shares_max,
        per_destination_max: shares_max,
        lease_ms: 60_000,
        ..Wanted::default()
    }
}

pub fn lease(file: &mut QueueFile, shares_max: usize) -> Vec<Leased> {
    let wanted = wanted(shares_max);
    one(file, |tx| tx.lease(&wanted)).unwrap().leased
}

pub fn settled(address: &str, outcome: Outcome) -> Settlement {
    Settlement {
        address: address.to_owned(),
        outcome,
        status: "4.0.0 later".to_owned(),
        remote: "mx.example".to_owned(),
        delay_notified: false,
    }
}

/// The whole message as a worker reads it.
pub fn read(reader: &QueueReader, leased: &Leased) -> Result<Vec<u8>, mailbox::Error> {
    let mut whole = Vec::new();
    for number in 0.. {
        match reader.read(leased.entry, leased.lease, number)? {
            Some(chunk) => whole.extend(chunk),
            None => break,
        }
    }
    Ok(whole)
}

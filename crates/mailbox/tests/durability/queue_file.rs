//! The queue file through power cuts: what was taken leaves, what was settled is not sent again, and no lease is given twice.

use super::cuts::{Acknowledged, Trial, disk};
use super::migration::first;
use faulty_disk::FaultyDisk;
use jiff::Timestamp;
use mailbox::Error;
use mailbox::queue::*;
use model::{EnqueueId, QueueId};
use std::path::PathBuf;
use vault::{FileKey, NodeKey};

const ID: QueueId = QueueId::from_bytes([9; 12]);
const NOW_MS: i64 = 1_800_000_000_000;

fn clock() -> Timestamp {
    Timestamp::from_millisecond(NOW_MS).unwrap()
}

struct Queue {
    disk: &'static FaultyDisk,
    node: NodeKey,
}

/// What an operator sees, and whether each message's id is known.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    listed: Vec<Listed>,
    totals: Totals,
    taken: Vec<bool>,
}

impl Queue {
    fn path(&self) -> PathBuf {
        self.disk.root().join("queue.db")
    }

    fn key(&self) -> FileKey {
        self.node.queue_key(&ID).unwrap()
    }

    fn options(&self) -> QueueOptions {
        let limits = Limits { entries_max: 1000, octets_max: 1 << 30 };
        QueueOptions { limits, clock, disk: self.disk }
    }

    fn open(&self) -> QueueFile {
        QueueFile::open_or_create(&self.path(), &self.key(), &ID, self.options()).unwrap()
    }

    fn seen(&self, file: &QueueFile) -> Seen {
        let reader = self.reader();
        let (listed, _) = reader.list(None, 0, 100).unwrap();
        let taken = (0..8).map(|number| reader.is_taken(&id(number)).unwrap()).collect();
        Seen { listed, totals: file.totals(), taken }
    }

    fn reader(&self) -> QueueReader {
        QueueReader::open(&self.path(), &self.key(), &ID, self.options()).unwrap()
    }

    fn look(&self) -> Seen {
        let file = self.open();
        self.seen(&file)
    }

    /// Something new is taken, and all that is due is leased and read.
    fn go_on(&self, acknowledged: &mut Acknowledged<Seen>) {
        let mut file = self.open();
        one(&mut file, |tx| tx.take(&message(7, b"later"))).unwrap();
        acknowledged.push(self.disk, self.seen(&file));
        while file.upkeep(true).unwrap() {}
        let all = Wanted { shares_max: 100, per_destination_max: 100, ..wanted() };
        let handed = one(&mut file, |tx| tx.lease(&all)).unwrap();
        acknowledged.push(self.disk, self.seen(&file));
        let reader = self.reader();
        for leased in &handed.leased {
            let mut text = Vec::new();
            for number in 0.. {
                let Some(chunk) = reader.read(leased.entry, leased.lease, number).unwrap() else { break };
                text.extend(chunk);
            }
            assert!(text == text_of(&leased.envelope.reverse_path), "the text of {leased:?}");
        }
        drop(reader);
        file.close().unwrap();
    }
}

/// What each message is, by its sender.
fn text_of(sender: &str) -> Vec<u8> {
    let body = match sender {
        "sender-1@example.com" => b"small".to_vec(),
        "sender-2@example.com" => {
            let chunks = (0..3u8).flat_map(|chunk| super::common::noise(chunk.into(), 30_000));
            chunks.chain(*b"end").collect()
        }
        "sender-3@example.com" => b"it failed".to_vec(),
        "sender-7@example.com" => b"later".to_vec(),
        other => panic!("nobody sent as {other}"),
    };
    [b"Received: here\r\n".as_slice(), &body].concat()
}

fn id(number: u8) -> EnqueueId {
    EnqueueId::from_bytes([number; EnqueueId::LEN])
}

fn one<T>(file: &mut QueueFile, run: impl FnOnce(&mut QueueTx<'_>) -> Result<T, Error>) -> Result<T, Error> {
    let mut batch = file.batch()?;
    let result = batch.run(run)?;
    batch.commit()?;
    Ok(result)
}

fn message(number: u8, rest: &[u8]) -> Message {
    let recipient = |address: &str, destination: &str| Recipient {
        address: address.to_owned(),
        destination: destination.to_owned(),
        notify: 0,
        original: String::new(),
    };
    Message {
        id: Some(id(number)),
        envelope: Envelope {
            reverse_path: format!("sender-{number}@example.com"),
            ret: Ret::Unspecified,
            envelope_id: String::new(),
            smtputf8: false,
            eight_bit: false,
            require_tls: false,
            mailbox: String::new(),
            origin: Origin::Submission,
            expires_ms: 0,
        },
        recipients: vec![recipient("a@one.example", "one.example"), recipient("b@two.example", "two.example")],
        prefix: b"Received: here\r\n".to_vec(),
        incoming: Incoming::default(),
        rest: rest.to_vec(),
    }
}

fn wanted() -> Wanted {
    Wanted { worker: "worker".to_owned(), shares_max: 1, per_destination_max: 1, lease_ms: 60_000, ..Wanted::default() }
}

fn settlement(address: &str, outcome: Outcome) -> Settlement {
    Settlement {
        address: address.to_owned(),
        outcome,
        status: "2.0.0 so".to_owned(),
        remote: "mx.example".to_owned(),
        delay_notified: false,
    }
}

#[test]
fn mail_that_leaves() {
    let queue = Queue { disk: disk("queue"), node: NodeKey::generate().unwrap() };
    let mut file = queue.open();
    let mut acknowledged = Acknowledged::new(queue.seen(&file));
    queue.disk.record();
    let told = |acknowledged: &mut Acknowledged<Seen>, file: &QueueFile| {
        let seen = queue.seen(file);
        acknowledged.push(queue.disk, seen);
    };
    // Small, and in chunks that are written behind.
    one(&mut file, |tx| tx.take(&message(1, b"small"))).unwrap();
    told(&mut acknowledged, &file);
    let mut incoming = Incoming::default();
    for chunk in 0..3u8 {
        let mut behind = file.write_behind().unwrap();
        incoming = behind.push(incoming, &super::common::noise(chunk.into(), 30_000)).unwrap();
        behind.commit().unwrap();
    }
    let large = Message { incoming, ..message(2, b"end") };
    one(&mut file, |tx| tx.take(&large)).unwrap();
    told(&mut acknowledged, &file);
    assert_eq!(one(&mut file, |tx| tx.take(&message(1, b"small"))).unwrap(), Taken::Before);
    // Leased, put off, leased again, delivered, and what fails told to its sender.
    for outcome in [Outcome::Deferred { next_ms: NOW_MS + 1000 }, Outcome::Delivered, Outcome::Failed] {
        let handed = one(&mut file, |tx| tx.lease(&wanted())).unwrap();
        told(&mut acknowledged, &file);
        let leased = &handed.leased[0];
        let settled = [settlement(&leased.recipients[0].address, outcome)];
        let notices = if outcome == Outcome::Failed { vec![message(3, b"it failed")] } else { vec![] };
        one(&mut file, |tx| tx.settle(leased.entry, leased.lease, &settled, &notices)).unwrap();
        told(&mut acknowledged, &file);
    }
    let mut behind = file.write_behind().unwrap();
    behind.push(Incoming::default(), b"never whole").unwrap();
    behind.commit().unwrap();
    file.close().unwrap();
    let look = |_: &'static FaultyDisk| queue.look();
    let go_on = |acknowledged: &mut Acknowledged<Seen>| queue.go_on(acknowledged);
    let history = queue.disk.history();
    Trial { name: "queue", disk: queue.disk, history, acknowledged, look: &look, go_on: &go_on }.run();
}

/// The released schema that an old file is of.
const FIRST: &str = include_str!("../../schema/queue-0001.sql");
/// `Brvq`.
const MARK: i32 = 0x4272_7671;

#[test]
fn queue_files_of_the_first_schema() {
    let queue = Queue { disk: disk("queue-migration"), node: NodeKey::generate().unwrap() };
    let connection = first(queue.disk, &queue.path(), &queue.key().raw_key(), (FIRST, MARK));
    connection.execute("INSERT INTO queue (one, id, lease) VALUES (1, ?1, 4)", [&ID.as_bytes()[..]]).unwrap();
    connection
        .execute_batch(&format!(
            "INSERT INTO taken (enqueue, taken_ms) VALUES (x'{}', {NOW_MS}); \
             INSERT INTO entry VALUES (1, {NOW_MS}, 21, 1, 'sender-1@example.com', 0, '', 0, 'mailbox', 2, {}); \
             INSERT INTO chunk VALUES (1, 0, CAST('Received: here' || char(13, 10) AS BLOB)), (1, 1, CAST('small' AS BLOB)); \
             INSERT INTO destination (id, name, recipients, due_ms) VALUES (1, 'example.net', 1, {NOW_MS}); \
             INSERT INTO share (id, entry, destination, due_ms) VALUES (1, 1, 1, {NOW_MS}); \
             INSERT INTO recipient (share, address, notify, original, next_ms) VALUES (1, 'to@example.net', 0, '', {NOW_MS}); \
             COMMIT; PRAGMA journal_mode=WAL;",
            "01".repeat(16),
            NOW_MS + 1_000_000,
        ))
        .unwrap();
    connection.close().unwrap();
    queue.disk.record();
    let mut file = queue.open();
    let seen = queue.seen(&file);
    assert_eq!((seen.listed.len(), seen.totals.octets, seen.taken[1]), (1, 21, true));
    let mut acknowledged = Acknowledged::new(seen);
    one(&mut file, |tx| tx.take(&message(3, b"it failed"))).unwrap();
    acknowledged.push(queue.disk, queue.seen(&file));
    drop(file);
    let look = |_: &'static FaultyDisk| queue.look();
    let go_on = |acknowledged: &mut Acknowledged<Seen>| queue.go_on(acknowledged);
    let history = queue.disk.history();
    Trial { name: "queue-migration", disk: queue.disk, history, acknowledged, look: &look, go_on: &go_on }.run();
}

//! Waiting-mail files and queue files, which only the node's key opens.

use crate::common::{clock, noise};
use crate::state::{Dice, State, places};
use mailbox::queue::{Envelope, Incoming, Limits, Message, Origin, QueueFile, QueueOptions, Recipient, Ret};
use mailbox::waiting::{Closing, WaitingFile};
use mailbox::{CheckDepth, Checker, Error, Finding, SYSTEM_DISK};
use model::{DeliveryId, EnqueueId, MailboxId, QueueId};
use std::path::PathBuf;
use vault::NodeKey;

const MAILBOX: MailboxId = MailboxId::from_bytes([3; 12]);
const QUEUE: QueueId = QueueId::from_bytes([7; 12]);

struct Place {
    folder: tempfile::TempDir,
    node: NodeKey,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), node: NodeKey::generate().unwrap() }
    }
    fn path(&self) -> PathBuf {
        self.folder.path().join("sealed.db")
    }
    fn waiting(&self) -> Result<WaitingFile, Error> {
        WaitingFile::open_or_create(&self.path(), &self.node.file_key(&MAILBOX).unwrap(), &MAILBOX, &SYSTEM_DISK)
    }
    fn queue(&self) -> Result<QueueFile, Error> {
        let options = QueueOptions::new(Limits { entries_max: 1_000, octets_max: 1 << 40 });
        QueueFile::open_or_create(&self.path(), &self.node.queue_key(&QUEUE).unwrap(), &QUEUE, options)
    }
    fn check_waiting(&self) -> Result<Vec<Finding>, Error> {
        let key = self.node.file_key(&MAILBOX).unwrap();
        all(Checker::waiting(&self.path(), &key, &MAILBOX, &SYSTEM_DISK, CheckDepth::Everything)?)
    }
    fn check_queue(&self) -> Result<Vec<Finding>, Error> {
        let key = self.node.queue_key(&QUEUE).unwrap();
        all(Checker::queue(&self.path(), &key, &QUEUE, &SYSTEM_DISK, CheckDepth::Everything)?)
    }
}

fn all(mut checker: Checker) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    loop {
        let step = checker.step()?;
        findings.extend(step.findings);
        if step.done {
            return Ok(findings);
        }
    }
}

fn deliver(file: &mut WaitingFile, number: u8, body: &[u8]) {
    let id = DeliveryId::from_bytes([number; 16]);
    file.begin(&id, clock()).unwrap();
    file.push(&id, body).unwrap();
    file.complete(&id, Closing { wrap: &[number; 100], prefix: &[], junk: false }).unwrap();
}

fn enqueue(file: &mut QueueFile, number: u8) {
    let envelope = Envelope {
        reverse_path: "sender@example.org".to_owned(),
        ret: Ret::Headers,
        envelope_id: String::new(),
        smtputf8: false,
        eight_bit: false,
        require_tls: false,
        mailbox: "mailbox".to_owned(),
        origin: Origin::Forward,
        expires_ms: i64::MAX,
    };
    let recipient = Recipient {
        address: format!("to-{number}@example.net"),
        destination: "example.net".to_owned(),
        notify: 0,
        original: String::new(),
    };
    let message = Message {
        id: Some(EnqueueId::from_bytes([number; 16])),
        envelope,
        recipients: vec![recipient],
        prefix: b"Received: here\r\n".to_vec(),
        incoming: Incoming::default(),
        rest: noise(u64::from(number), 20_000),
    };
    let mut batch = file.batch().unwrap();
    batch.run(|tx| tx.take(&message)).unwrap();
    batch.commit().unwrap();
}

/// A bit in every page, and many more at random.
fn pages(place: &Place, state: &State, check: impl Fn(&Place) -> Result<Vec<Finding>, Error>) {
    assert_eq!(check(place).unwrap(), []);
    let size = state.octets(".db").len();
    let mut dice = Dice::new(7);
    let each = (0..size / 4096).map(|page| page * 4096 * 8 + dice.below(4096 * 8)).collect::<Vec<_>>();
    let sampled = (0..places(100)).map(|_| dice.below(size * 8)).collect::<Vec<_>>();
    for bit in each.into_iter().chain(sampled) {
        state.clone().flipped(".db", bit).put(place.folder.path());
        let page = (bit / 8 / 4096) as u64 + 1;
        match check(place) {
            Ok(findings) => {
                assert!(findings.iter().any(|finding| finding.page == Some(page)), "bit {bit}: {findings:?}")
            }
            Err(error) => assert!(matches!(error, Error::WrongKey) && page == 1, "bit {bit}: {error}"),
        }
    }
}

/// Any bit of the log.
fn log(place: &Place, state: &State, open: impl Fn(&Place) -> Result<(), Error>) {
    let size = state.octets("-wal").len();
    let mut dice = Dice::new(8);
    for bit in (0..32 * 8).chain((0..places(100)).map(|_| dice.below(size * 8)).collect::<Vec<_>>()) {
        state.clone().flipped("-wal", bit).put(place.folder.path());
        let opened = open(place);
        assert!(matches!(opened, Err(Error::Damaged(_))), "bit {bit}: {opened:?}");
    }
    state.put(place.folder.path());
    open(place).unwrap();
}

#[test]
fn a_flipped_bit_in_waiting_mail_is_named() {
    let place = Place::new();
    let mut file = place.waiting().unwrap();
    (0..6).for_each(|at| deliver(&mut file, at, &noise(u64::from(at), 30_000)));
    let killed = State::of(place.folder.path());
    file.close().unwrap();
    pages(&place, &State::of(place.folder.path()), Place::check_waiting);
    log(&place, &killed, |place| place.waiting().map(drop));
}

#[test]
fn mail_that_was_drained_leaves_no_mark() {
    let place = Place::new();
    let mut file = place.waiting().unwrap();
    deliver(&mut file, 1, b"sealed");
    file.remove(&DeliveryId::from_bytes([1; 16])).unwrap();
    file.delete_file().unwrap();
    assert_eq!(std::fs::read_dir(place.folder.path()).unwrap().count(), 0);
    deliver(&mut place.waiting().unwrap(), 2, b"sealed");
    assert_eq!(place.waiting().unwrap().count(), 1);
}

#[test]
fn a_flipped_bit_in_a_queue_is_named() {
    let place = Place::new();
    let mut file = place.queue().unwrap();
    for at in 0..6u8 {
        enqueue(&mut file, at);
    }
    let killed = State::of(place.folder.path());
    file.close().unwrap();
    pages(&place, &State::of(place.folder.path()), Place::check_queue);
    log(&place, &killed, |place| place.queue().map(drop));
}

//! A damaged queue file is set aside, cut at every change: what is whole of it is in one file at every moment, held, and is what it was.

use super::Home;
use crate::backup::restore;
use crate::keyed::{Keyed, queue_options};
use crate::queue::Found;
use crate::queue::place::Place;
use crate::queue::writer::{After, Writer};
use faulty_disk::{Acknowledged, FaultyDisk, Trial};
use mailbox::Disk;
use mailbox::queue::{
    Envelope, Incoming, Leased, Listed, Message, Origin, QueueFile, QueueTx, Recipient, Ret, Taken, Wanted,
};
use model::{EnqueueId, QueueId};
use std::path::PathBuf;

/// Ways in which each change is cut when nothing else is asked for: a look reads a file of many pages through.
const WAYS: usize = 1;
const QUEUE: QueueId = QueueId::from_bytes([9; 12]);

fn message(number: u8) -> Message {
    let envelope = Envelope {
        reverse_path: format!("from-{number}@example.org"),
        ret: Ret::Unspecified,
        envelope_id: String::new(),
        smtputf8: false,
        eight_bit: true,
        require_tls: false,
        mailbox: "mailbox".to_owned(),
        origin: Origin::Forward,
        expires_ms: 0,
    };
    let to = |domain: &str| Recipient {
        address: format!("to-{number}@{domain}"),
        destination: domain.to_owned(),
        notify: 0,
        original: String::new(),
    };
    Message {
        id: Some(EnqueueId::from_bytes([number; 16])),
        envelope,
        recipients: vec![to("one.example"), to("two.example")],
        prefix: Vec::new(),
        incoming: Incoming::default(),
        rest: super::message(number),
    }
}

fn one<T>(file: &mut QueueFile, run: impl FnOnce(&mut QueueTx<'_>) -> Result<T, mailbox::Error>) -> T {
    let mut batch = file.batch().unwrap();
    let result = batch.run(run).unwrap();
    batch.commit().unwrap();
    result
}

/// What a file holds: what is listed, and texts.
type Held = Vec<(Listed, Vec<u8>)>;

impl Home {
    fn queue_path(&self) -> PathBuf {
        let folders = self.primary.volumes.queue_folders().unwrap();
        folders[0].join(format!("{QUEUE}.db"))
    }

    fn place(&self) -> Place {
        restore::recover(&self.primary.volumes, self.disk).unwrap();
        Place::new(self.queue_path(), QUEUE, self.primary.clone())
    }

    /// What is in the file, by whoever looks for damage first and finds it.
    fn look_at_queue(&self, leased: &[Leased]) -> Held {
        let place = self.place();
        let mut file = place.open().unwrap();
        if let Some(what) = Keyed::Queue(QUEUE).confirmed(&self.primary, place.path()).unwrap() {
            file = place.replace(&what, Some(file)).unwrap();
        }
        let text = |entry| {
            let Some(of) = leased.iter().find(|one| one.entry == entry) else { return Vec::new() };
            let chunk = |at| place.read(|reader| reader.read(entry, of.lease, at)).unwrap();
            (0..).map_while(chunk).flatten().collect()
        };
        let listed = place.read(|reader| reader.list(None, 0, 100)).unwrap().0;
        let held = listed.into_iter().map(|one| (one.clone(), text(one.entry))).collect();
        place.close_readers();
        file.close().unwrap();
        held
    }
}

#[test]
fn a_damaged_queue_is_set_aside() {
    let home = Home::new();
    let (path, key) = (home.queue_path(), home.primary.node_key.queue_key(&QUEUE).unwrap());
    let open = || QueueFile::open_or_create(&path, &key, &QUEUE, queue_options(&home.primary)).unwrap();
    let mut file = open();
    (1..=3).for_each(|number| assert!(matches!(one(&mut file, |tx| tx.take(&message(number))), Taken::New(_))));
    let wanted = Wanted {
        worker: "w".to_owned(),
        shares_max: 6,
        per_destination_max: 6,
        lease_ms: 1000 * 3600,
        ..Wanted::default()
    };
    let leased = one(&mut file, |tx| tx.lease(&Wanted { not: ["two.example".to_owned()].into(), ..wanted })).leased;
    assert_eq!(leased.len(), 3);
    file.close().unwrap();
    let mut octets = home.disk.image().read(&path).unwrap();
    let page = octets.len() / 4096 - 2;
    octets[page * 4096 + 99] ^= 8;
    home.disk.overwrite(&path, &octets).unwrap();
    home.disk.sync(&path).unwrap();
    home.disk.sync_folder(path.parent().unwrap()).unwrap();
    home.disk.record();
    let whole = home.look_at_queue(&leased);
    assert!(!whole.is_empty() && whole.len() < 3, "{} of 3", whole.len());
    assert!(whole.iter().all(|(listed, text)| {
        let number = listed.envelope.reverse_path.as_bytes()["from-".len()] - b'0';
        *text == message(number).rest && listed.recipients.len() == 2 && listed.recipients.iter().all(|one| one.held)
    }));
    let history = home.disk.history();
    let look = |_: &'static FaultyDisk| {
        let found = home.look_at_queue(&leased);
        assert!(home.aside(".queue.db") == [octets.clone()], "it is kept once, as it was");
        found
    };
    let go_on = |acknowledged: &mut Acknowledged<Held>| {
        let mut file = open();
        one(&mut file, |tx| tx.take(&message(4)));
        drop(file);
        let all = home.look_at_queue(&leased);
        acknowledged.push(home.disk, all);
    };
    let acknowledged = Acknowledged::new(whole);
    Trial { name: "queue set aside", disk: home.disk, history, acknowledged, look: &look, go_on: &go_on }.run_in(WAYS);
}

#[test]
fn what_was_found_in_a_file_that_was_replaced_since_is_passed_over() {
    let home = Home::new();
    let place = std::sync::Arc::new(home.place());
    let (changed, _) = tokio::sync::watch::channel(());
    let writer = Writer::start("queue-test".to_owned(), place.clone(), changed).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let put = |number| {
        let message = message(number);
        runtime.block_on(writer.run(move |tx| tx.take(&message), After::NOTHING)).unwrap()
    };
    assert!(matches!(put(1), Taken::New(_)));
    for (replaced, aside) in [(0, 1), (0, 1), (1, 2), (7, 2)] {
        writer.found_damage(Found { what: "a page".to_owned(), replaced });
        // Known, wherever it is by now.
        assert_eq!(put(1), Taken::Before);
        assert_eq!((place.replaced(), home.aside(".queue.db").len()), (aside as u64, aside));
    }
    let listed = place.read(|reader| reader.list(None, 0, 100)).unwrap().0;
    assert_eq!((listed.len(), listed[0].recipients[1].held), (1, true));
    place.close_readers();
    writer.close();
}

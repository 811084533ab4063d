//! Power cuts and kills under the node's own code: the drain over both files, a damaged waiting-mail file that is set aside, and
//! snapshots that are staged and that come back. Nothing but sockets and front-ends is left out. Which cuts there are is `faulty_disk::Trial`'s.

mod backups;
mod queue;

use crate::backup::restore;
use crate::primary::{Primary, Settings};
use crate::resident::{Delivery, Opening};
use crate::residents::Residents;
use crate::volume::Kind;
use crate::waiting::{Boxes, WaitingBox};
use faulty_disk::{Acknowledged, FaultyDisk, Trial};
use mailbox::waiting::{Closing, WaitingFile};
use mailbox::{CheckDepth, Checker, Disk, FetchCursor, FetchPlan, Items, Reader, Section};
use model::{DeliveryId, FolderName, MailboxId, ModSeq};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::LocalSet;
use vault::MailboxKey;
use vault::sealing::{PrivateKey, PublicKey, Sealer};

/// Ways in which each change is cut when nothing else is asked for: a look takes as long as ten of those at one file.
const WAYS: usize = 2;
/// Octets of a fetched message at most.
const FETCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What takes longer has gone wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node with one volume in memory, and somebody with a mailbox there.
struct Home {
    disk: &'static FaultyDisk,
    primary: Arc<Primary>,
    id: MailboxId,
    key: MailboxKey,
    public: PublicKey,
    wrapped_sealing_key: Vec<u8>,
    _dir: TempDir,
}

fn delivery(number: u8) -> DeliveryId {
    DeliveryId::from_bytes([number; 16])
}

/// A message of some pages, which do not compress.
fn message(number: u8) -> Vec<u8> {
    let mut text = format!("Subject: letter {number}\r\n\r\n").into_bytes();
    let mut state = u64::from(number) + 1;
    for _ in 0..60 * usize::from(number) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.extend(format!("{state:016x}{:016x}\r\n", state.rotate_left(17)).bytes());
    }
    text
}

/// A node on the volume in this folder, with few threads.
fn start(folder: &Path, disk: &'static FaultyDisk) -> Arc<Primary> {
    let root = std::fs::canonicalize(folder.join("v")).unwrap();
    let mut settings = Settings::new("node-1".parse().unwrap(), vec![root], folder.join("node.key"));
    (settings.options.disk, settings.writer_threads, settings.reader_threads) = (disk, 1, 1);
    settings.free_bytes_min = 0;
    Primary::start(settings, 1, Box::new(|_| {})).unwrap()
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("v")).unwrap();
        let disk = FaultyDisk::new(&std::fs::canonicalize(dir.path().join("v")).unwrap());
        let primary = start(dir.path(), disk);
        let (id, key) = (MailboxId::from_bytes([7; 12]), MailboxKey::generate().unwrap());
        let (private, public) = PrivateKey::generate().unwrap();
        let wrapped_sealing_key = private.wrap(&key, &id).unwrap();
        let path = primary.volumes.place(Kind::Mailbox, &id).unwrap();
        mailbox::create_with(&path, &key, &id, primary.now(), &primary.settings.options).unwrap();
        Self { disk, primary, id, key, public, wrapped_sealing_key, _dir: dir }
    }

    fn path(&self, kind: Kind) -> PathBuf {
        self.primary.volumes.place(kind, &self.id).unwrap()
    }

    fn waiting(&self) -> WaitingFile {
        let key = self.primary.node_key.file_key(&self.id).unwrap();
        WaitingFile::open_or_create(&self.path(Kind::Waiting), &key, &self.id, self.disk).unwrap()
    }

    /// A message comes to wait.
    fn wait(&self, file: &mut WaitingFile, number: u8) {
        let mut sealer = Sealer::new(&delivery(number)).unwrap();
        let wrap = sealer.wrap_for(&self.public, &self.id).unwrap();
        let mut body = sealer.push(&message(number)).unwrap();
        let (rest, prefix) = sealer.finish_with_prefix(b"").unwrap();
        body.extend(rest);
        file.begin(&delivery(number), self.primary.now()).unwrap();
        file.push(&delivery(number), &body).unwrap();
        file.complete(&delivery(number), Closing { wrap: &wrap, prefix: &prefix, junk: false }).unwrap();
    }

    /// Runs what a shard does, from a start to an end in order.
    fn on_shard<T>(&self, work: impl AsyncFnOnce(&Rc<Boxes>, &Rc<Residents>) -> T) -> T {
        restore::recover(&self.primary.volumes, self.disk).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let work = async {
            let boxes = Boxes::new(&self.primary);
            let residents = Residents::new(&self.primary, &boxes);
            let done = work(&boxes, &residents).await;
            residents.emptied().await;
            boxes.emptied().await;
            done
        };
        LocalSet::new().block_on(&runtime, async { tokio::time::timeout(PATIENCE, work).await }).unwrap()
    }

    /// The owner signs in, and what waited is drained.
    fn drain(&self) {
        self.on_shard(async |_, residents| {
            let opening = Opening {
                key: self.key.try_clone(),
                wrapped_sealing_key: self.wrapped_sealing_key.clone(),
                birth: false,
                epoch: 0,
            };
            let hold = residents.hold(self.id, opening).await.unwrap();
            let mut standing = hold.delivery.subscribe();
            standing.wait_for(|standing| *standing == Delivery::Open).await.unwrap();
        });
        assert_eq!(self.disk.length(&self.path(Kind::Waiting)).unwrap(), None, "what waited was drained");
    }

    /// The messages of the INBOX in order, in a mailbox in which everything is sound.
    fn inbox(&self) -> Vec<Vec<u8>> {
        let (path, options) = (self.path(Kind::Mailbox), &self.primary.settings.options);
        let reader = Reader::open(&path, &self.key, &self.id, options).unwrap();
        let selected = reader.select(&FolderName::inbox()).unwrap();
        let plan = FetchPlan {
            folder: selected.folder,
            uids: selected.uids,
            items: Items::NONE,
            sections: vec![Section::whole()],
            changed_since: ModSeq::ZERO,
        };
        let step = reader.fetch(&plan, &mut FetchCursor::default(), FETCH_BYTES_MAX).unwrap();
        let mut checker = Checker::open(&path, &self.key, &self.id, options, CheckDepth::Everything).unwrap();
        loop {
            let step = checker.step().unwrap();
            assert_eq!(step.findings, []);
            if step.done {
                break;
            }
        }
        step.records.into_iter().flat_map(|record| record.sections).map(|section| section.data.to_vec()).collect()
    }
}

#[test]
fn the_drain() {
    let home = Home::new();
    let mut file = home.waiting();
    (1..=4).for_each(|number| home.wait(&mut file, number));
    drop(file);
    let all: Vec<_> = (1..=4).map(message).collect();
    home.disk.record();
    home.drain();
    assert!(home.inbox() == all);
    let history = home.disk.history();
    let look = |_: &'static FaultyDisk| {
        home.drain();
        home.inbox()
    };
    let go_on = |acknowledged: &mut Acknowledged<Vec<Vec<u8>>>| {
        let mut all = home.inbox();
        let mut file = home.waiting();
        home.wait(&mut file, 9);
        all.push(message(9));
        acknowledged.push(home.disk, all);
        drop(file);
        home.drain();
    };
    let acknowledged = Acknowledged::new(all);
    Trial { name: "node's drain", disk: home.disk, history, acknowledged, look: &look, go_on: &go_on }.run_in(WAYS);
}

/// What waits: deliveries and sealed bodies.
type Held = Vec<(DeliveryId, Vec<u8>)>;

/// Reads all that waits, as the drain does.
async fn held(waiting: &WaitingBox) -> Result<Held, crate::fault::Fault> {
    let (mut all, mut before) = (Vec::new(), None);
    while let Some(message) = waiting.step(move |file| file.next_after(before.as_ref())).await?.flatten() {
        let (delivery, mut body) = (message.delivery, Vec::new());
        for sequence in 0..message.chunks {
            body.extend(waiting.step(move |file| file.read(&delivery, sequence)).await?.flatten().unwrap());
        }
        all.push((delivery, body));
        before = Some(message);
    }
    Ok(all)
}

impl Home {
    /// What is found waiting by whoever looks, and again where the first look met damage.
    fn look_at_waiting(&self) -> Held {
        self.on_shard(async |boxes, _| {
            let waiting = boxes.get(&self.id);
            let found = match held(&waiting).await {
                Ok(found) => found,
                Err(_) => held(&waiting).await.unwrap(),
            };
            waiting.rest().await;
            found
        })
    }

    /// The octets of files of a kind that were set aside.
    fn aside(&self, kind: &str) -> Vec<Vec<u8>> {
        let image = self.disk.image();
        let names = image.names().filter(|path| path.to_str().is_some_and(|name| name.ends_with(kind)));
        names.map(|path| image.read(path).unwrap()).collect()
    }
}

#[test]
fn a_damaged_waiting_file_is_set_aside() {
    let home = Home::new();
    let mut file = home.waiting();
    (1..=6).for_each(|number| home.wait(&mut file, number));
    file.close().unwrap();
    let path = home.path(Kind::Waiting);
    let mut octets = home.disk.image().read(&path).unwrap();
    let page = octets.len() / 4096 - 2;
    octets[page * 4096 + 99] ^= 8;
    home.disk.overwrite(&path, &octets).unwrap();
    home.disk.sync(&path).unwrap();
    home.disk.sync_folder(path.parent().unwrap()).unwrap();
    home.disk.record();
    let whole = home.look_at_waiting();
    assert!(!whole.is_empty() && whole.len() < 6, "{} of 6", whole.len());
    let history = home.disk.history();
    let look = |_: &'static FaultyDisk| {
        let found = home.look_at_waiting();
        assert!(home.aside(".waiting.db") == [octets.clone()], "it is kept once, as it was");
        found
    };
    let go_on = |acknowledged: &mut Acknowledged<Held>| {
        let mut file = home.waiting();
        home.wait(&mut file, 9);
        drop(file);
        let all = home.look_at_waiting();
        acknowledged.push(home.disk, all);
    };
    let acknowledged = Acknowledged::new(whole);
    Trial { name: "set aside", disk: home.disk, history, acknowledged, look: &look, go_on: &go_on }.run_in(WAYS);
}

#[test]
fn a_sound_waiting_file_stays_whatever_is_said_of_it() {
    let home = Home::new();
    let mut file = home.waiting();
    (1..=3).for_each(|number| home.wait(&mut file, number));
    drop(file);
    let waits = home.look_at_waiting();
    home.on_shard(async |boxes, _| {
        let waiting = boxes.get(&home.id);
        waiting.found_damage("what a file had that is gone".to_owned()).await;
        waiting.rest().await;
    });
    assert_eq!((home.look_at_waiting(), home.aside(".waiting.db")), (waits, vec![]));
}

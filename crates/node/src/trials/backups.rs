//! Snapshots: one that is taken, named and staged, and one that comes in and takes the place of the mailbox. What a worker is told of
//! is there, whole; what comes in is the mailbox, or nothing was touched; and nothing else is left.

use super::*;
use crate::backup::restore::{Incoming, Wanted};
use crate::backup::take;
use crate::fault::Fault as Refusal;
use faulty_disk::{Call, Dice, Fate, Fault, Trouble};
use mailbox::ledger::Entry;
use mailbox::{Writer, snapshot};
use std::cell::RefCell;

/// Octets that come in at once: several pieces of a snapshot.
const PIECE_BYTES: usize = 40_000;
/// The calls that change something, each of which fails in turn.
const CALLS: [Call; 7] =
    [Call::Open, Call::Write, Call::Truncate, Call::Sync, Call::Rename, Call::Unlink, Call::SyncFolder];

/// More of a kind than there are.
const CALLS_MAX: u64 = 80;

/// What waits for a worker: messages in each snapshot, and its digest.
type Staged = Vec<(u64, [u8; 32])>;

/// A node that is started again and again, and the mailbox on it.
struct Node {
    disk: &'static FaultyDisk,
    folder: TempDir,
    id: MailboxId,
    key: MailboxKey,
    path: PathBuf,
    running: RefCell<Option<Arc<Primary>>>,
}

impl Node {
    /// With two messages in the mailbox.
    fn new() -> Self {
        let home = Home::new();
        let mut file = home.waiting();
        (1..=2).for_each(|number| home.wait(&mut file, number));
        drop(file);
        home.drain();
        let path = home.path(Kind::Mailbox);
        let Home { disk, id, key, _dir: folder, .. } = home;
        Self { disk, folder, id, key, path, running: RefCell::default() }
    }

    /// Starts the node, which ends before where it runs: its volume is locked.
    fn started(&self) -> Arc<Primary> {
        drop(self.running.take());
        let primary = start(self.folder.path(), self.disk);
        self.running.replace(Some(primary.clone()));
        primary
    }

    fn take(&self, primary: &Primary) -> Result<Entry, Refusal> {
        take::mailbox(primary, &self.path, &self.key, &self.id)
    }

    /// What a node that starts tells a worker of: all that is in the folder.
    fn staged(&self) -> Staged {
        let primary = self.started();
        let stage = &primary.staging.all()[0];
        let entries = stage.ledger().staged(10).unwrap();
        for entry in &entries {
            let found = snapshot::digest(self.disk, &stage.path(&entry.id), &mut primary.staging.pace()).unwrap();
            assert_eq!(found, (entry.snapshot.bytes, entry.snapshot.sha256));
        }
        let known: Vec<_> = entries.iter().map(|entry| stage.path(&entry.id)).collect();
        assert_eq!(self.copies(), known);
        entries.iter().map(row).collect()
    }

    /// Files of the staging folder but the ledger's.
    fn copies(&self) -> Vec<PathBuf> {
        let image = self.disk.image();
        let is_copy = |path: &&Path| {
            let path = path.to_string_lossy();
            path.contains("/staging/") && !path.contains("ledger.db")
        };
        image.names().filter(is_copy).map(Path::to_owned).collect()
    }
}

fn row(entry: &Entry) -> (u64, [u8; 32]) {
    (entry.snapshot.messages, entry.snapshot.sha256)
}

#[test]
fn a_snapshot_is_staged() {
    let node = Node::new();
    let primary = node.started();
    node.disk.record();
    let mut acknowledged = Acknowledged::new(vec![]);
    // The second takes the first's place, and is then kept elsewhere.
    let first = node.take(&primary).unwrap();
    acknowledged.push(node.disk, vec![row(&first)]);
    let second = node.take(&primary).unwrap();
    acknowledged.push(node.disk, vec![row(&second)]);
    let stage = &primary.staging.all()[0];
    assert!(stage.ledger().settled(&second.id, "").unwrap());
    stage.remove(&second.id);
    acknowledged.push(node.disk, vec![]);
    drop(primary);
    let history = node.disk.history();
    let look = |_: &'static FaultyDisk| node.staged();
    let go_on = |acknowledged: &mut Acknowledged<Staged>| {
        let primary = node.started();
        let next = node.take(&primary).unwrap();
        acknowledged.push(node.disk, vec![row(&next)]);
    };
    Trial { name: "staged", disk: node.disk, history, acknowledged, look: &look, go_on: &go_on }.run_in(WAYS);
}

/// What becomes of a node whose disk has refused something.
#[derive(Debug, Clone, Copy)]
enum End {
    GoesOn,
    Killed,
    PowerCut,
}

#[test]
fn a_snapshot_that_a_disk_refuses_leaves_nothing_and_the_next_is_staged() {
    let node = Node::new();
    drop(node.started());
    let image = node.disk.image();
    let mut struck = 0;
    for (call, at) in failing() {
        let ends = [End::GoesOn, End::Killed, End::PowerCut];
        // Writes are many: one end for some of them.
        let ends = match call {
            Call::Write if at % 4 > 0 => continue,
            Call::Write => &ends[at as usize / 4 % 3..][..1],
            _ => &ends[..],
        };
        for end in ends {
            node.disk.set_image(image.clone());
            let primary = node.started();
            node.disk.set_fault(Some(Fault { trouble: Trouble::Device, call: Some(call), at, lasting: false }));
            let taken = node.take(&primary);
            let failed = node.disk.struck();
            node.disk.set_fault(None);
            if failed == 0 {
                break;
            }
            struck += 1;
            node.ends_well(primary, taken.ok(), *end, at);
            let staged = node.take(&node.started()).map(|entry| vec![row(&entry)]).unwrap();
            node.disk.cut(Fate::Lost, &mut Dice::new(at));
            assert_eq!(node.staged(), staged, "{call:?} {at} {end:?}");
        }
    }
    assert!(struck > 30, "{struck} calls failed");
}

impl Node {
    /// What is there then is what was staged, or nothing.
    fn ends_well(&self, primary: Arc<Primary>, taken: Option<Entry>, end: End, at: u64) {
        if taken.is_none() {
            assert_eq!(self.copies(), [] as [PathBuf; 0]);
        }
        match end {
            End::GoesOn => {
                let next = self.take(&primary).unwrap();
                assert_eq!(self.copies(), [primary.staging.all()[0].path(&next.id)]);
                return;
            }
            End::Killed => self.disk.kill(),
            End::PowerCut => self.disk.cut(Fate::ALL[at as usize % Fate::ALL.len()], &mut Dice::new(at)),
        }
        drop(primary);
        let staged = self.staged();
        assert!(staged.is_empty() || taken.is_some_and(|entry| staged == [row(&entry)]), "{end:?}");
    }
}

/// Every call of those, by its number.
fn failing() -> impl Iterator<Item = (Call, u64)> {
    CALLS.into_iter().flat_map(|call| (0..CALLS_MAX).map(move |at| (call, at)))
}

impl Home {
    /// The snapshot's octets come in and become the mailbox.
    fn restore(&self, octets: &[u8]) -> Result<u64, Refusal> {
        let boot = self.primary.boot.public_bytes();
        let sealed_key = vault::transit::seal(boot, &self.key, &self.id, &self.primary.node).unwrap();
        let sha256 = vault::digest(octets);
        let wanted = Wanted { id: self.id, sealed_key, bytes: octets.len() as u64, sha256 };
        let mut incoming = Incoming::begin(&self.primary, wanted)?;
        for piece in octets.chunks(PIECE_BYTES) {
            incoming = incoming.write(&piece.to_vec().into())?;
        }
        let ready = incoming.prepare(&self.primary)?;
        let messages = ready.messages;
        ready.replace(&self.primary)?;
        Ok(messages)
    }

    /// What a node that starts finds, as one that opens the mailbox: its messages, and the UIDVALIDITY of the INBOX.
    fn found(&self) -> (Vec<Vec<u8>>, u32) {
        restore::recover(&self.primary.volumes, self.disk).unwrap();
        let left: Vec<_> = self.names("/restoring/");
        assert_eq!(left, [] as [PathBuf; 0]);
        let options = &self.primary.settings.options;
        Writer::open(&self.path(Kind::Mailbox), &self.key, &self.id, options).unwrap().close().unwrap();
        let reader = Reader::open(&self.path(Kind::Mailbox), &self.key, &self.id, options).unwrap();
        let validity = reader.select(&FolderName::inbox()).unwrap().uid_validity;
        (self.inbox(), validity.get())
    }

    fn names(&self, folder: &str) -> Vec<PathBuf> {
        let image = self.disk.image();
        image.names().filter(|path| path.to_string_lossy().contains(folder)).map(Path::to_owned).collect()
    }

    /// A mailbox with three messages, and a snapshot of when it had two.
    fn with_snapshot() -> (Self, Vec<u8>) {
        let home = Self::new();
        let receive = |numbers: std::ops::RangeInclusive<u8>| {
            let mut file = home.waiting();
            numbers.for_each(|number| home.wait(&mut file, number));
            drop(file);
            home.drain();
        };
        receive(1..=2);
        let entry = take::mailbox(&home.primary, &home.path(Kind::Mailbox), &home.key, &home.id).unwrap();
        let octets = home.disk.image().read(&home.primary.staging.all()[0].path(&entry.id)).unwrap();
        receive(3..=3);
        (home, octets)
    }
}

#[test]
fn a_snapshot_that_comes_back() {
    let (home, octets) = Home::with_snapshot();
    let before = home.found();
    assert!(before.0 == (1..=3).map(message).collect::<Vec<_>>());
    home.disk.record();
    let mut acknowledged = Acknowledged::new(before.clone());
    assert_eq!(home.restore(&octets).unwrap(), 2);
    let history = home.disk.history();
    let after = home.found();
    assert!(after.0 == before.0[..2] && after.1 > before.1, "UIDs that were given out since mean nothing any more");
    acknowledged.push_at(history.ops.len(), after);
    let look = |_: &'static FaultyDisk| {
        let found = home.found();
        let aside = home.names("/aside/").len();
        assert_eq!(aside > 0, found.1 != before.1, "what was the mailbox is kept, once it is no more");
        found
    };
    let go_on = |acknowledged: &mut Acknowledged<(Vec<Vec<u8>>, u32)>| {
        let (mut all, validity) = home.found();
        let mut file = home.waiting();
        home.wait(&mut file, 9);
        drop(file);
        home.drain();
        all.push(message(9));
        acknowledged.push(home.disk, (all, validity));
    };
    Trial { name: "restored", disk: home.disk, history, acknowledged, look: &look, go_on: &go_on }.run_in(WAYS);
}

#[test]
fn a_restore_that_a_disk_refuses_touches_nothing_and_the_next_is_done() {
    let (home, octets) = Home::with_snapshot();
    let before = home.found();
    let image = home.disk.image();
    let mut struck = 0;
    for (call, at) in failing() {
        home.disk.set_image(image.clone());
        home.disk.set_fault(Some(Fault { trouble: Trouble::Device, call: Some(call), at, lasting: false }));
        let restored = home.restore(&octets);
        let failed = home.disk.struck();
        home.disk.set_fault(None);
        // Whoever opens the mailbox next asks for this first.
        home.primary.exchanges.settle(&home.id).unwrap();
        if failed == 0 {
            restored.unwrap();
            continue;
        }
        struck += 1;
        let found = home.found();
        assert!(found.0 == before.0 || found.0 == before.0[..2], "{call:?} {at}");
        assert_eq!(home.restore(&octets).unwrap(), 2, "{call:?} {at}");
        home.disk.cut(Fate::Lost, &mut Dice::new(at));
        assert!(home.found().0 == before.0[..2], "{call:?} {at}");
    }
    assert!(struck > 40, "{struck} calls failed");
}

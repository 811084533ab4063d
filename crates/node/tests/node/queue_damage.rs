//! A damaged queue file is replaced, wherever that shows: what is whole of it is held until somebody lets it go, new mail is taken on
//! at once, and who is at a message settles it.

use crate::queue::{begin, commit, data, lease, put, read, send, settle, settlement, to};
use crate::world::{World, eventually, flip};
use model::Role;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tonic::Code;
use wire::node::{AsideKind, DiscardAsideRequest, ListAsideRequest};
use wire::queue::{
    Action, ChangeRequest, EnqueueStatusRequest, Entry, LeasedEntry, ListRequest, ReadRequest, RenewRequest,
    Result as Fate,
};

/// Octets of a page.
const PAGE: u64 = 4096;
/// Messages in the queue.
const MESSAGES: u64 = 40;
const WHY: &str = "carried over from a damaged queue file: it may have been sent already";

fn queue_file(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir.join("volume/queue")).unwrap().map(|file| file.unwrap().path());
    let mut files = files.filter(|path| path.extension().is_some_and(|extension| extension == "db"));
    files.next().unwrap()
}

fn report(world: &World) -> String {
    fs::read_to_string(world.set_aside(".queue.db")[0].with_extension("db-damaged")).unwrap()
}

async fn listed(world: &World) -> Vec<Entry> {
    let request = ListRequest { limit: 1000, ..ListRequest::default() };
    world.queue(Role::Admin).list(request).await.unwrap().into_inner().entries
}

async fn change(world: &World, action: Action) -> u64 {
    let request = ChangeRequest { all: true, action: action.into(), ..ChangeRequest::default() };
    world.queue(Role::Admin).change(request).await.unwrap().into_inner().recipients
}

/// A queue of many messages, of which a worker has eight, on a node that was stopped: file and log are one.
async fn stopped() -> (TempDir, PathBuf, Vec<LeasedEntry>) {
    let world = World::new().await;
    for number in 1..=MESSAGES {
        let text = vec![number as u8; if number % 2 == 0 { 9_000 } else { 9 }];
        let to = to(&[&format!("to-{number}@d{}.example", number % 4)]);
        let steps = vec![begin(number, to), data(&text), commit(text.len())];
        assert!(!send(&mut world.queue(Role::Mx), steps).await.unwrap());
    }
    let leased = lease(&world, 8, 0).await;
    assert_eq!(leased.len(), 8);
    let path = queue_file(world.path());
    let dir = world.stop().await;
    assert!(!path.with_extension("db-wal").exists());
    (dir, path, leased)
}

fn address(leased: &LeasedEntry) -> &str {
    &leased.envelope.as_ref().unwrap().recipients[0].address
}

#[tokio::test]
async fn pages_are_damaged_and_mail_is_taken_on() {
    let (dir, path, leased) = stopped().await;
    let sound = fs::read(&path).unwrap();
    let mut dir = Some(dir);
    // The first one, of a table, and of an index; met when the file is opened, by what is done with it, or by the scrub.
    for page in [0, 4, 11] {
        fs::write(&path, &sound).unwrap();
        flip(&path, page * PAGE + 1000);
        let world = World::start(dir.take().unwrap(), |settings| {
            settings.scrub_interval = Duration::from_secs(3600);
            settings.scrub_bytes_per_second = 1 << 30;
        })
        .await;
        eventually("the file is set aside", || world.set_aside(".queue.db").len() == 1).await;
        assert!(!put(&world, 100, &["new@one.example"]).await, "page {page}");
        let handed = lease(&world, 100, 0).await;
        assert_eq!(handed.iter().map(address).collect::<Vec<_>>(), ["new@one.example"], "page {page}");
        // Each is held, in the words of the report, or named.
        let (found, report) = (listed(&world).await, report(&world));
        let held: Vec<_> = found.iter().filter(|entry| entry.entry != handed[0].entry).collect();
        let each = held.iter().flat_map(|entry| &entry.recipients);
        assert!(each.clone().all(|one| one.held && one.held_why == WHY), "page {page}: {found:?}");
        let line = format!("{} messages of it were whole and are held: ", held.len());
        let named = report.lines().filter(|line| line.starts_with("entry node-1/")).count();
        assert!(report.lines().nth(1).unwrap().starts_with(&line), "page {page}: {report}");
        assert!(
            held.len() + named == MESSAGES as usize || report.contains("there may be more"),
            "page {page}: {report}"
        );
        // Who is at a message goes on, and settles it: it is gone for good.
        let there: BTreeSet<_> = found.iter().map(|entry| entry.entry).collect();
        for one in &leased {
            let gone = !there.contains(&one.entry);
            let said = settle(&world, one, vec![settlement(address(one), Fate::Delivered)]).await;
            assert_eq!(said.map_err(|status| status.code()), if gone { Err(Code::NotFound) } else { Ok(()) });
        }
        let left = held.len() - leased.iter().filter(|one| there.contains(&one.entry)).count();
        assert_eq!(change(&world, Action::Release).await, left as u64, "page {page}");
        assert_eq!(lease(&world, 100, 0).await.len(), left, "page {page}");
        let name = world.set_aside(".queue.db")[0].file_name().unwrap().to_str().unwrap().to_owned();
        let mut admin = world.grpc(Role::Admin);
        let aside = admin.list_aside(ListAsideRequest {}).await.unwrap().into_inner().files;
        let id = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!((aside.len(), aside[0].kind(), aside[0].id.as_str()), (1, AsideKind::Queue, id));
        admin.discard_aside(DiscardAsideRequest { name }).await.unwrap();
        dir = Some(world.stop().await);
    }
}

#[tokio::test]
async fn a_file_that_is_damaged_under_a_running_node_is_replaced_by_who_reads_it() {
    let (dir, path, leased) = stopped().await;
    let world = World::start(dir, |_| {}).await;
    // Texts are on the pages behind the first ones, and nobody has read them yet.
    let pages = fs::metadata(&path).unwrap().len() / PAGE;
    (20..pages).for_each(|page| flip(&path, page * PAGE + 1000));
    let mut unread = 0;
    for one in &leased {
        unread += usize::from(read(&world, one).await.is_err());
    }
    assert!(unread > 0, "nobody met it");
    eventually("the file is set aside", || world.set_aside(".queue.db").len() == 1).await;
    assert!(!put(&world, 100, &["new@one.example"]).await);
    let handed = lease(&world, 100, 0).await;
    assert_eq!(handed.iter().map(address).collect::<Vec<_>>(), ["new@one.example"]);
    assert_eq!(listed(&world).await.len() + report(&world).lines().count() - 3, MESSAGES as usize + 1);
    // Ids of what was taken are known, also of what cannot be read any more.
    let id = |number: u64| [&[0; 8][..], &number.to_be_bytes()].concat();
    for number in 1..=MESSAGES {
        let asked = EnqueueStatusRequest { enqueue_id: id(number).into() };
        assert!(world.queue(Role::Mx).enqueue_status(asked).await.unwrap().into_inner().taken, "{number}");
    }
}

/// The files of the queue as a kill would leave them.
fn copy(from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-mark"] {
        let name = format!("queue.db{suffix}");
        let from = PathBuf::from(format!("{}{suffix}", from.display()));
        fs::copy(from, to.join(name)).unwrap();
    }
}

fn put_back(from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-mark"] {
        let _ = fs::remove_file(format!("{}-shm", to.display()));
        fs::copy(from.join(format!("queue.db{suffix}")), format!("{}{suffix}", to.display())).unwrap();
    }
}

#[tokio::test]
async fn who_has_a_lease_that_the_log_lost_settles_it_all_the_same() {
    let world = World::new().await;
    for number in 1..=4 {
        put(&world, number, &[&format!("to-{number}@one.example")]).await;
    }
    let (path, copies) = (queue_file(world.path()), tempfile::tempdir().unwrap());
    let before = fs::metadata(path.with_extension("db-wal")).unwrap().len();
    let leased = lease(&world, 3, 0).await;
    copy(&path, copies.path());
    let dir = world.stop().await;
    put_back(copies.path(), &path);
    // A frame behind the messages: the log ends there, before the leases.
    flip(&path.with_extension("db-wal"), before + 24 + 1000);
    let world = World::start(dir, |_| {}).await;
    assert_eq!((world.set_aside(".queue.db").len(), listed(&world).await.len()), (1, 4));
    assert!(report(&world).contains("there may be more that nothing names"));
    let leases = leased.iter().map(|one| ReadRequest { entry: one.entry, lease: one.lease }).collect();
    let renewed = world.queue(Role::Outbound).renew(RenewRequest { leases, seconds: 60 }).await.unwrap();
    assert_eq!(renewed.into_inner().lost, Vec::<u64>::new());
    assert_eq!(lease(&world, 100, 0).await, []);
    for (one, fate) in leased.iter().zip([Fate::Delivered, Fate::Failed, Fate::Deferred]) {
        assert!(!read(&world, one).await.unwrap().is_empty());
        settle(&world, one, vec![settlement(address(one), fate)]).await.unwrap();
        let again = settle(&world, one, vec![settlement(address(one), fate)]).await;
        assert_eq!(again.unwrap_err().code(), Code::NotFound);
    }
    let left = listed(&world).await;
    let state: Vec<_> = left.iter().map(|entry| (entry.recipients[0].attempts, entry.recipients[0].held)).collect();
    assert_eq!(state, [(1, true), (0, true)]);
    // The file is sound, and stays as it is over a restart.
    let world = world.restart().await;
    assert_eq!((world.set_aside(".queue.db").len(), listed(&world).await), (1, left));
    assert_eq!(change(&world, Action::Drop).await, 2);
}

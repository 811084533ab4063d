//! A damaged mailbox: read as far as it goes, not written, its mail waits; and nothing of it concerns any other.

use crate::client::{Client, INBOX, store_flags, uids};
use crate::delivery::{MESSAGE, deliver_waiting};
use crate::world::{Owner, World, eventually, flip};
use mailbox::{CheckDepth, Checker, Finding, Options};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use wire::node::Outcome;
use wire::session::client_frame::Body;
use wire::session::server_frame::Body as Answer;
use wire::session::{Append, Check, CheckFinding, FailureCode, Fetch, SectionWanted};

/// Octets of a page.
const PAGE: u64 = 4096;

fn message(number: u8) -> Vec<u8> {
    let mut text = format!("Subject: letter {number}\r\n\r\n").into_bytes();
    let mut state = u64::from(number) + 1;
    for _ in 0..400 {
        // What does not compress has pages of its own.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.extend(format!("{state:016x}{:016x}\r\n", state.rotate_left(17)).bytes());
    }
    text
}

/// Two owners with mail each, and their node stopped.
async fn stopped() -> (TempDir, Owner, Owner) {
    let (world, owner, other) = (World::new().await, Owner::new(1), Owner::new(2));
    for owner in [&owner, &other] {
        let mut client = world.session(owner).await;
        for number in 0..8 {
            client.append_inbox(1, &message(number)).await;
        }
    }
    (world.stop().await, owner, other)
}

fn findings(path: &Path, owner: &Owner) -> Vec<Finding> {
    let options = Options::default();
    let mut checker = Checker::open(path, &owner.key, &owner.mailbox, &options, CheckDepth::Everything).unwrap();
    let mut findings = Vec::new();
    loop {
        let step = checker.step().unwrap();
        findings.extend(step.findings);
        if step.done {
            return findings;
        }
    }
}

/// Damages a page that only one message's octets are on; the message and the offset.
fn damage_a_message(path: &Path, owner: &Owner) -> (u32, u64) {
    let pages = fs::metadata(path).unwrap().len() / PAGE;
    for page in (2..pages).rev() {
        let offset = page * PAGE + 1000;
        flip(path, offset);
        let found = findings(path, owner);
        let messages: Vec<_> = found.iter().filter_map(|finding| finding.uid).collect();
        if let [uid] = messages[..] {
            return (uid, offset);
        }
        flip(path, offset);
    }
    panic!("no page is one message's");
}

fn file(dir: &TempDir, owner: &Owner) -> PathBuf {
    let name = owner.mailbox.to_string();
    dir.path().join("volume/mailboxes").join(&name[..2]).join(&name[2..4]).join(format!("{name}.db"))
}

fn fetch(folder: u64, uid: u32) -> Fetch {
    Fetch { folder, uids: uids(&[uid]), sections: vec![SectionWanted::default()], ..Fetch::default() }
}

async fn check(client: &mut Client) -> Vec<CheckFinding> {
    let request = client.ask(1, Body::Check(Check { deep: true })).await;
    let mut found = Vec::new();
    for answer in client.answer(request).await {
        match answer {
            Answer::Checked(checked) => found.extend(checked.findings),
            Answer::Done(_) => return found,
            other => panic!("{other:?}"),
        }
    }
    panic!("the check did not end");
}

async fn can_write(client: &mut Client, folder: u64) -> bool {
    match client.call(1, Body::Store(store_flags(folder, &[1], 1))).await {
        Answer::Stored(_) => true,
        Answer::Failure(failure) if failure.code() == FailureCode::Damaged => false,
        Answer::Failure(failure) if failure.code() == FailureCode::Unavailable => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_intact_is_read_and_nothing_is_written() {
    let (dir, owner, other) = stopped().await;
    let path = file(&dir, &owner);
    let (damaged, offset) = damage_a_message(&path, &owner);
    let untouched = fs::read(file(&dir, &other)).unwrap();
    let world = World::start(dir, |_| {}).await;
    let mut client = world.session(&owner).await;
    let folder = client.select(1, INBOX).await.folder;
    assert_eq!(client.refused(1, Body::Fetch(fetch(folder, damaged))).await, FailureCode::Damaged);
    for uid in (1..=8).filter(|uid| *uid != damaged) {
        assert_eq!(client.body(1, folder, uid).await, message(uid as u8 - 1), "UID {uid}");
    }
    assert_eq!(client.refused(1, Body::Store(store_flags(folder, &[1], 1))).await, FailureCode::Damaged);
    let append = Append { folder: INBOX.to_owned(), ..Append::default() };
    let Answer::Failure(refused) = client.append(1, append, MESSAGE).await else { panic!("appended") };
    assert_eq!(refused.code(), FailureCode::Damaged);
    // Its mail waits, though its owner is there.
    assert_eq!(deliver_waiting(&world, &owner, 9, MESSAGE).await, Outcome::Waiting);
    // Another owner notices nothing.
    assert_eq!(fs::read(world.file("mailboxes", &other)).unwrap(), untouched);
    let mut second = world.session(&other).await;
    let folder = second.select(1, INBOX).await.folder;
    assert!(can_write(&mut second, folder).await);
    eventually("the damage is noted", || path.with_extension("db-damaged").exists()).await;

    // After a restart too, and before anything of it was read.
    let world = world.restart().await;
    let mut client = world.session(&owner).await;
    let folder = client.select(1, INBOX).await.folder;
    assert_eq!(client.refused(1, Body::Store(store_flags(folder, &[1], 1))).await, FailureCode::Damaged);
    let found = check(&mut client).await;
    assert!(found.iter().any(|finding| finding.page == Some(offset / PAGE + 1)), "{found:?}");
    assert!(found.iter().any(|finding| finding.uid == Some(damaged)), "{found:?}");
    assert!(!can_write(&mut client, folder).await);

    // Mended from outside: a check that finds nothing opens it again, and what waited comes in.
    flip(&path, offset);
    assert_eq!(check(&mut client).await, []);
    assert!(!path.with_extension("db-damaged").exists());
    assert!(can_write(&mut client, folder).await);
    eventually("what waited was drained", || !world.file("waiting", &owner).exists()).await;
    let Answer::Appended(appended) =
        client.append(1, Append { folder: INBOX.to_owned(), ..Append::default() }, MESSAGE).await
    else {
        panic!("not appended")
    };
    assert_eq!(appended.uid, 10);
}

#[tokio::test]
async fn a_log_that_was_damaged_after_a_crash_is_not_taken_for_its_end() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let mut third = 0;
    for number in 0..6 {
        client.append_inbox(1, &message(number)).await;
        if number == 2 {
            third = fs::metadata(world.file("mailboxes", &owner).with_extension("db-wal")).unwrap().len();
        }
    }
    // What a process leaves that is killed now: of the mailbox, for others' files may be tidied meanwhile.
    let crashed = tempfile::tempdir().unwrap();
    for folder in ["ca", "volume/mailboxes"] {
        copy(&world.path().join(folder), &crashed.path().join(folder));
    }
    fs::copy(world.path().join("node.key"), crashed.path().join("node.key")).unwrap();
    world.stop().await;
    let path = file(&crashed, &owner);
    let log = path.with_extension("db-wal");
    // Before what came last, also where the text index was written in between.
    let offset = third - PAGE / 2;
    flip(&log, offset);
    let before = fs::read(&log).unwrap();

    let world = World::start(crashed, |_| {}).await;
    let mut client = world.session(&owner).await;
    let selected = client.select(1, INBOX).await;
    assert!(selected.uid_next < 7, "{selected:?}");
    assert!(!can_write(&mut client, selected.folder).await);
    let found = check(&mut client).await;
    assert!(found.iter().any(|finding| finding.in_log && finding.page.is_some()), "{found:?}");
    assert_eq!(deliver_waiting(&world, &owner, 9, MESSAGE).await, Outcome::Waiting);
    let world = world.restart().await;
    assert_eq!(fs::read(&log).unwrap(), before);
    // Mended, all of it is there again.
    flip(&log, offset);
    let mut client = world.session(&owner).await;
    let folder = client.select(1, INBOX).await.folder;
    assert!(!can_write(&mut client, folder).await);
    let world = world.restart().await;
    let mut client = world.session(&owner).await;
    assert_eq!(check(&mut client).await, []);
    let selected = client.select(1, INBOX).await;
    assert!(selected.uid_next >= 7, "{selected:?}");
    assert!(can_write(&mut client, selected.folder).await);
}

#[tokio::test]
async fn the_scrub_finds_what_nobody_reads() {
    let (dir, owner, _) = stopped().await;
    let path = file(&dir, &owner);
    damage_a_message(&path, &owner);
    let world = World::start(dir, |settings| {
        settings.scrub_interval = Duration::from_secs(3600);
        settings.scrub_bytes_per_second = 64 << 20;
    })
    .await;
    let mut client = world.session(&owner).await;
    let folder = client.select(1, INBOX).await.folder;
    eventually("the damage is noted", || path.with_extension("db-damaged").exists()).await;
    assert!(!can_write(&mut client, folder).await);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

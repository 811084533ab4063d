//! Waiting mail that is damaged is set aside, wherever that shows: what is whole of it comes to its owner, in order and once, new
//! mail is taken all the while, and what is lost is named.

use crate::client::{Client, INBOX};
use crate::delivery::deliver_waiting;
use crate::world::{Owner, World, eventually, flip};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use wire::node::{AsideKind, DiscardAsideRequest, ListAsideRequest, Outcome};
use wire::session::{Fetch, SectionWanted};

/// Octets of a page.
const PAGE: u64 = 4096;
/// Messages that wait.
const MESSAGES: u8 = 6;

/// A message of some pages.
fn message(number: u8) -> Vec<u8> {
    let mut text = format!("Subject: letter {number}\r\n\r\n").into_bytes();
    text.extend(std::iter::repeat_n(*b"0123456789abcdef\r\n", 800).flatten());
    text
}

async fn bodies(client: &mut Client) -> Vec<Vec<u8>> {
    let inbox = client.select(1, INBOX).await;
    let sections = vec![SectionWanted::default()];
    let messages =
        client.fetch(1, Fetch { folder: inbox.folder, uids: inbox.uids, sections, ..Fetch::default() }).await;
    messages.into_iter().map(|message| message.sections[0].data.to_vec()).collect()
}

/// A stopped node with mail that waits in a file without a log.
async fn stopped(owner: &Owner) -> (TempDir, PathBuf) {
    let world = World::new().await;
    for number in 1..=MESSAGES {
        assert_eq!(deliver_waiting(&world, owner, number, &message(number)).await, Outcome::Waiting);
    }
    let path = world.file("waiting", owner);
    let dir = world.stop().await;
    assert!(!path.with_extension("db-wal").exists());
    (dir, path)
}

#[tokio::test]
async fn the_scrub_finds_waiting_mail_that_nobody_reads() {
    let owner = Owner::new(1);
    let (dir, path) = stopped(&owner).await;
    let pages = fs::metadata(&path).unwrap().len() / PAGE;
    flip(&path, (pages - 5) * PAGE + 1000);
    let world = World::start(dir, |settings| {
        settings.scrub_interval = Duration::from_secs(3600);
        settings.scrub_bytes_per_second = 64 << 20;
    })
    .await;
    eventually("the file is set aside", || world.set_aside(".waiting.db").len() == 1).await;
    assert_eq!(deliver_waiting(&world, &owner, 9, &message(9)).await, Outcome::Waiting);
    let mut client = world.session(&owner).await;
    let found = bodies(&mut client).await;
    let all: Vec<_> = (1..=MESSAGES).chain([9]).map(message).collect();
    let mut rest = all.iter();
    assert!(found.iter().all(|body| rest.any(|message| message == body)), "in order");
    let report = fs::read_to_string(world.set_aside(".waiting.db")[0].with_extension("db-damaged")).unwrap();
    let lines: Vec<_> = report.lines().collect();
    let count = |line: usize, ending: &str| lines[line].strip_suffix(ending).and_then(|count| count.parse().ok());
    let taken: usize = count(1, " messages of it were whole and wait for their owner as before").unwrap();
    let lost: usize = count(2, " messages cannot be read").unwrap();
    // A page of the tree of parts is of several small messages.
    assert!(lines[0].contains("page ") && (1..=3).contains(&lost), "{report}");
    assert_eq!((taken, lines.len()), (found.len() - 1, 3 + lost), "{report}");
    assert_eq!(found.len() + lost, all.len(), "{report}");
}

#[tokio::test]
async fn a_file_of_which_nothing_can_be_read_keeps_no_mail_away() {
    let owner = Owner::new(1);
    let (dir, path) = stopped(&owner).await;
    flip(&path, 1000);
    let octets = fs::read(&path).unwrap();
    let world = World::start(dir, |_| {}).await;
    assert_eq!(deliver_waiting(&world, &owner, 9, &message(9)).await, Outcome::Waiting);
    let mut client = world.session(&owner).await;
    assert_eq!(bodies(&mut client).await, [message(9)]);
    // It is kept as it was, named, and goes when the operator says so.
    let mut admin = world.grpc(model::Role::Admin);
    let listed = admin.list_aside(ListAsideRequest {}).await.unwrap().into_inner();
    assert_eq!((listed.total, listed.files.len()), (1, 1));
    let file = &listed.files[0];
    assert_eq!((file.kind(), &file.id), (AsideKind::Waiting, &owner.mailbox.to_string()));
    assert!(file.bytes > octets.len() as u64 && file.at_ms > 0, "{file:?}");
    assert!(file.why.contains("there may be more that nothing names"), "{}", file.why);
    assert_eq!(fs::read(&world.set_aside(".waiting.db")[0]).unwrap(), octets);
    let named = |name: &str| DiscardAsideRequest { name: name.to_owned() };
    let refused = admin.discard_aside(named("../node-key")).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
    let removed = admin.discard_aside(named(&file.name)).await.unwrap().into_inner();
    assert_eq!(removed.bytes, file.bytes);
    assert_eq!(fs::read_dir(world.path().join("volume/aside")).unwrap().count(), 0);
    let refused = world.grpc(model::Role::Mx).list_aside(ListAsideRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
}

//! Lists with counts, annotations and quotas, over the session link.

use crate::client::{Client, INBOX, code, copy_to};
use crate::delivery::{MESSAGE, Stream};
use crate::world::{Owner, World, delivery_id};
use model::limits::{ANNOTATION_ENTRY_BYTES_MAX, ANNOTATION_VALUE_BYTES_MAX};
use wire::node::Verdict;
use wire::session::client_frame::Body;
use wire::session::server_frame::Body as Answer;
use wire::session::*;

async fn folders(client: &mut Client, list: List) -> Vec<Folder> {
    let request = client.ask(1, Body::List(list)).await;
    let frames = client.answer(request).await;
    let folders = frames.into_iter().map(|frame| match frame {
        Answer::Folders(folders) => folders.folders,
        other => panic!("{other:?}"),
    });
    folders.flatten().collect()
}

async fn found(client: &mut Client, get: GetMetadata) -> Vec<(u64, String, Vec<u8>)> {
    let request = client.ask(1, Body::GetMetadata(get)).await;
    let frames = client.answer(request).await;
    let annotations = frames.into_iter().map(|frame| match frame {
        Answer::Metadata(metadata) => metadata.annotations,
        other => panic!("{other:?}"),
    });
    annotations.flatten().map(|each| (each.folder, each.entry, each.value.to_vec())).collect()
}

fn set(folder: &str, entry: &str, value: Option<&[u8]>) -> Body {
    let value_or_none = value.map(<[u8]>::to_vec).unwrap_or_default().into();
    let annotation = Annotation { folder: 0, entry: entry.into(), value: value_or_none, none: value.is_none() };
    Body::SetMetadata(SetMetadata { folder: folder.into(), annotations: vec![annotation] })
}

#[tokio::test]
async fn counts_of_many_folders_come_with_one_list() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    client.append_inbox(1, MESSAGE).await;
    let long = "x".repeat(900);
    for at in 0..400 {
        let create = Create { name: format!("Many/{at}-{long}"), ..Create::default() };
        assert!(matches!(client.call(1, Body::Create(create)).await, Answer::Created(_)));
    }
    let bare = folders(&mut client, List::default()).await;
    assert_eq!(bare.len(), 6 + 1 + 400);
    assert!(bare.iter().all(|folder| folder.status.is_none()));
    let counted = folders(&mut client, List { status: true, recent: false }).await;
    for (folder, plain) in counted.iter().zip(&bare) {
        let status = folder.status.as_ref();
        assert_eq!((&folder.name, status.is_none()), (&plain.name, folder.no_select));
        assert_eq!(status.map_or(folder.id, |status| status.folder), folder.id);
    }
    let inbox = |all: &[Folder]| all.iter().find(|folder| folder.name == INBOX).unwrap().status.unwrap();
    let (messages, size) = (inbox(&counted).messages, inbox(&counted).size);
    assert_eq!((messages, size, inbox(&counted).recent), (1, MESSAGE.len() as u64, 0));
    let recent = folders(&mut client, List { status: true, recent: true }).await;
    assert_eq!(inbox(&recent).recent, 1);
}

#[tokio::test]
async fn annotations() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let big = vec![b'v'; ANNOTATION_VALUE_BYTES_MAX];
    for (folder, entry) in [("", "/private/a"), (INBOX, "/private/a"), (INBOX, "/private/a/b"), ("Sent", "/private/a")]
    {
        assert!(matches!(client.call(1, set(folder, entry, Some(&big))).await, Answer::Done(_)));
    }
    let get = |folder: &str, every_folder, depth: MetadataDepth| GetMetadata {
        folder: folder.into(),
        every_folder,
        entries: vec!["/private/A".into()],
        depth: depth.into(),
    };
    let own = found(&mut client, get("", false, MetadataDepth::Infinity)).await;
    assert_eq!(own, [(0, "/private/a".to_owned(), big.clone())]);
    let inbox = found(&mut client, get(INBOX, false, MetadataDepth::One)).await;
    assert_eq!(inbox.iter().map(|(_, entry, _)| entry.as_str()).collect::<Vec<_>>(), ["/private/a", "/private/a/b"]);
    let every = found(&mut client, get("", true, MetadataDepth::Zero)).await;
    assert_eq!(every.len(), 2);
    assert!(every.iter().all(|(folder, ..)| *folder != 0));
    assert!(matches!(client.call(1, set(INBOX, "/private/a", None)).await, Answer::Done(_)));
    assert_eq!(found(&mut client, get(INBOX, false, MetadataDepth::Zero)).await, []);

    let bigger = vec![0; ANNOTATION_VALUE_BYTES_MAX + 1];
    assert_eq!(client.refused(1, set("", "/private/a", Some(&bigger))).await, FailureCode::TooBig);
    let long = format!("/private/{}", "a".repeat(ANNOTATION_ENTRY_BYTES_MAX));
    assert_eq!(client.refused(1, set("", &long, Some(b"x"))).await, FailureCode::Limit);
    assert_eq!(client.refused(1, set("none", "/private/a", Some(b"x"))).await, FailureCode::NoSuchFolder);
    assert_eq!(client.refused(1, set("a//b", "/private/a", Some(b"x"))).await, FailureCode::BadName);
    let odd = GetMetadata { depth: 9, ..GetMetadata::default() };
    assert_eq!(client.refused(1, Body::GetMetadata(odd)).await, FailureCode::Malformed);
}

#[tokio::test]
async fn a_quota_refuses_what_is_over_it_and_keeps_what_it_promised() {
    let room = 4 * MESSAGE.len() as u64;
    let quota = mailbox::Quota { bytes_max: room, messages_max: 0 };
    let (world, owner) = (World::with(|settings| settings.options.quota = quota).await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let mut first = Stream::begin_sized(&world, delivery_id(1), MESSAGE.len() as u64).await;
    assert_eq!(first.admit(&owner).await, Verdict::Open);
    let uid = client.append_inbox(1, MESSAGE).await;
    client.append_inbox(1, MESSAGE).await;
    let inbox = client.select(1, INBOX).await.folder;
    let Answer::Copied(_) = client.call(1, Body::Copy(copy_to(inbox, &[uid], "Sent", false))).await else { panic!() };
    assert_eq!(client.refused(1, Body::Copy(copy_to(inbox, &[uid], "Sent", false))).await, FailureCode::OverQuota);
    let append = Append { folder: INBOX.into(), size: MESSAGE.len() as u64, ..Append::default() };
    assert_eq!(code(client.append(1, append, MESSAGE).await), FailureCode::OverQuota);
    // A delivery is refused before its body, for now or for ever.
    let mut second = Stream::begin(&world, 2).await;
    assert_eq!(second.admit(&owner).await, Verdict::NoRoom);
    let mut large = Stream::begin_sized(&world, delivery_id(3), room + 1).await;
    assert_eq!(large.admit(&owner).await, Verdict::OverLimit);
    // The one that was admitted before has its place.
    first.plain(MESSAGE).await;
    let outcomes = first.commit(MESSAGE.len() as u64, 0).await;
    assert_eq!(outcomes, [(owner.mailbox.to_string(), wire::node::Outcome::Stored)]);
    let Answer::Quota(answer) = client.call(1, Body::GetQuota(GetQuota {})).await else { panic!() };
    let held = 4 * MESSAGE.len() as u64;
    let expected =
        Quota { bytes: held, bytes_max: room, messages: 4, folders: 6, folders_max: 10_000, ..Quota::default() };
    assert_eq!(answer, expected);
}

//! Watching every folder, and what vanished since.

use crate::client::{INBOX, copy_to, uids};
use crate::world::{Owner, World};
use wire::session::client_frame::Body;
use wire::session::server_frame::Body as Answer;
use wire::session::*;

const MESSAGE: &[u8] = b"Subject: x\r\n\r\ny\r\n";

#[tokio::test]
async fn a_session_that_watches_hears_of_every_folder_until_it_does_not() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let (mut watcher, mut other) = (world.session(&owner).await, world.session(&owner).await);
    let answer = watcher.call(1, Body::Watch(Watch { on: true })).await;
    assert!(matches!(answer, Answer::Done(_)), "{answer:?}");

    let uid = other.append_inbox(1, MESSAGE).await;
    let inbox = other.select(1, INBOX).await;
    let Some(Answer::FolderChanged(came)) = watcher.next().await.unwrap().body else { panic!() };
    assert_eq!((came.folder, came.events), (inbox.folder, FolderEvent::Came as u32));

    other.call(1, Body::Copy(copy_to(inbox.folder, &[uid], "Archive", true))).await;
    let mut events = 0;
    for _ in 0..2 {
        let Some(Answer::FolderChanged(moved)) = watcher.next().await.unwrap().body else { panic!() };
        events |= if moved.folder == inbox.folder { moved.events } else { moved.events << 8 };
    }
    assert_eq!(events, FolderEvent::Vanished as u32 | (FolderEvent::Came as u32) << 8);

    other.call(1, Body::Subscribe(Subscribe { name: "x".into(), subscribed: true })).await;
    let Some(Answer::FolderChanged(subscribed)) = watcher.next().await.unwrap().body else { panic!() };
    assert_eq!((subscribed.folder, subscribed.events), (0, FolderEvent::Subscriptions as u32));
    other.call(1, Body::Create(Create { name: "x".into(), ..Create::default() })).await;
    let Some(Answer::FolderChanged(made)) = watcher.next().await.unwrap().body else { panic!() };
    assert_eq!((made.folder, made.events), (0, FolderEvent::Names as u32));

    let annotation = Annotation { entry: "/private/a".into(), value: "1".into(), ..Annotation::default() };
    let set = |folder: &str| SetMetadata { folder: folder.into(), annotations: vec![annotation.clone()] };
    for (folder, number) in [("INBOX", inbox.folder), ("", 0)] {
        other.call(1, Body::SetMetadata(set(folder))).await;
        let Some(Answer::FolderChanged(annotated)) = watcher.next().await.unwrap().body else { panic!() };
        let expected = FolderChanged {
            folder: number,
            events: FolderEvent::Annotations as u32,
            entries: vec!["/private/a".into()],
        };
        assert_eq!(annotated, expected);
    }
    // What it does itself it does not hear of, but names.
    watcher.append_inbox(1, MESSAGE).await;
    watcher.call(1, Body::SetMetadata(set("Archive"))).await;
    let delete = watcher.ask(1, Body::Delete(Delete { name: "x".into() })).await;
    let Some(Answer::FolderChanged(gone)) = watcher.next().await.unwrap().body else { panic!() };
    assert_eq!((gone.folder, gone.events), (0, FolderEvent::Names as u32));
    assert_eq!(watcher.next().await.unwrap().request, delete);

    watcher.call(1, Body::Watch(Watch { on: false })).await;
    other.append_inbox(1, MESSAGE).await;
    // The next frame is the answer, and no event before it.
    let list = watcher.ask(1, Body::List(List::default())).await;
    assert_eq!(watcher.next().await.unwrap().request, list);
}

#[tokio::test]
async fn what_vanished_since() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut session = world.session(&owner).await;
    for _ in 0..3 {
        session.append_inbox(1, MESSAGE).await;
    }
    let inbox = session.select(1, INBOX).await;
    session.call(1, Body::Copy(copy_to(inbox.folder, &[1, 3], "Archive", true))).await;
    let ask = |modseq| Body::VanishedSince(VanishedSince { folder: inbox.folder, modseq });
    let since = session.call(1, ask(inbox.highest_modseq)).await;
    let Answer::Vanished(vanished) = since else { panic!() };
    assert_eq!(vanished.uids, uids(&[1, 3]));
    let nothing = session.call(1, ask(u64::MAX >> 1)).await;
    assert!(matches!(nothing, Answer::Vanished(Vanished { uids: None })), "{nothing:?}");
}

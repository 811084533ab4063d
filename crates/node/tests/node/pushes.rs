//! Who hears of what, in which order.

use crate::client::{Client, INBOX, code, copy_to, store_flags, uids};
use crate::world::{Owner, World};
use wire::session::client_frame::Body;
use wire::session::server_frame::Body as Answer;
use wire::session::*;

const MESSAGE: &[u8] = b"Subject: x\r\n\r\ny\r\n";
/// Changes that nobody reads: several times what the sockets' buffers and the queue of one session hold.
const ROUNDS: usize = 80;

#[tokio::test]
async fn the_asker_hears_of_its_change_before_its_answer_and_others_hear_too() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let (mut one, mut two) = (world.session(&owner).await, world.session(&owner).await);
    let uid = one.append_inbox(1, MESSAGE).await;
    let (inbox, _) = (one.select(1, INBOX).await, two.select(1, INBOX).await);

    let request = one.ask(1, Body::Store(store_flags(inbox.folder, &[uid], 1))).await;
    let first = one.next().await.unwrap();
    let Some(Answer::Changes(own)) = first.body else { panic!("{first:?}") };
    assert_eq!((first.request, own.by_request, own.changed[0].flags), (0, request, 1));
    let Answer::Stored(stored) = one.answer(request).await.remove(0) else { panic!() };
    let other = two.push(1).await;
    assert_eq!((other.by_request, other.changed[0].uid, other.changed[0].flags), (0, uid, 1));
    assert_eq!(other.highest_modseq, stored.highest_modseq);

    // Silent: not to the asker, but to the others.
    let silent = Store { silent: true, ..store_flags(inbox.folder, &[uid], 2) };
    one.call(1, Body::Store(silent)).await;
    assert!(one.pushes.is_empty(), "{:?}", one.pushes);
    assert_eq!(two.push(1).await.changed[0].flags, 3);

    one.call(1, Body::Copy(copy_to(inbox.folder, &[uid], "Archive", true))).await;
    assert_eq!(two.push(1).await.vanished.unwrap().bounds, [uid, uid]);
}

#[tokio::test]
async fn a_new_message_is_recent_to_one_session_only() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut writer = world.session(&owner).await;
    let (mut one, mut two, mut looker) =
        (world.session(&owner).await, world.session(&owner).await, world.session(&owner).await);
    let examine = Select { name: INBOX.into(), read_only: true, ..Select::default() };
    looker.call(1, Body::Select(examine)).await;
    one.select(1, INBOX).await;
    two.select(1, INBOX).await;
    let uid = writer.append_inbox(1, MESSAGE).await;
    let (first, second, third) = (one.push(1).await, two.push(1).await, looker.push(1).await);
    assert_eq!(first.appended[0].uid, uid);
    assert_eq!(first.recent.unwrap().bounds, [uid, uid]);
    assert_eq!((second.appended[0].uid, second.recent), (uid, None));
    assert_eq!((third.appended[0].uid, third.recent), (uid, None));
    // Claimed durably: nobody gets it a second time.
    assert_eq!(writer.select(1, INBOX).await.recent, None);
}

#[tokio::test]
async fn what_a_search_does_not_find_any_more_was_told() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let (mut one, mut two) = (world.session(&owner).await, world.session(&owner).await);
    for _ in 0..40 {
        one.append_inbox(1, MESSAGE).await;
    }
    let (inbox, _) = (one.select(1, INBOX).await, two.select(1, INBOX).await);
    let all = SearchKey { key: Some(search_key::Key::All(true)) };
    let search = Body::Search(Search { folder: inbox.folder, key: Some(all) });
    for uid in 1..=40 {
        let moved = one.ask(1, Body::Copy(copy_to(inbox.folder, &[uid], "Archive", true))).await;
        for _ in 0..2 {
            // As many as may be under way.
            let mut asked = Vec::new();
            for _ in 0..node::limits::REQUESTS_PER_SESSION_MAX {
                asked.push(two.ask(1, search.clone()).await);
            }
            for request in asked {
                let is_it = |answer| match answer {
                    Answer::Found(found) => found.uids.is_some_and(|runs| runs.bounds[0] == uid),
                    other => panic!("{other:?}"),
                };
                let found = two.answer(request).await.into_iter().any(is_it);
                let told =
                    |(_, changes): &(u64, Changes)| changes.vanished.as_ref().is_some_and(|runs| runs.bounds[0] == uid);
                assert!(found || two.pushes.iter().any(told), "{uid} was not found and not told");
            }
        }
        one.answer(moved).await;
    }
}

#[tokio::test]
async fn changes_come_in_commit_order_and_answers_after_them() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let (mut one, mut two) = (world.session(&owner).await, world.session(&owner).await);
    let inbox = one.select(1, INBOX).await;
    two.select(1, INBOX).await;
    let mut asked = Vec::new();
    for _ in 0..20 {
        let append = Append { folder: INBOX.into(), size: MESSAGE.len() as u64, ..Append::default() };
        let request = one.ask(1, Body::Append(append)).await;
        let upload = Upload { data: MESSAGE.into(), last: true, ..Upload::default() };
        one.send(request, 1, Body::Upload(upload)).await;
        asked.push(request);
    }
    let mut told = Vec::new();
    while told.len() < 20 {
        let frame = one.next().await.unwrap();
        match frame.body.unwrap() {
            Answer::Changes(changes) => told.push(changes),
            Answer::Appended(appended) => {
                let known = told.iter().any(|changes| changes.appended.iter().any(|each| each.uid == appended.uid));
                assert!(known, "the answer came before the change: {appended:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    let order: Vec<u32> = told.iter().flat_map(|changes| changes.appended.iter().map(|each| each.uid)).collect();
    assert_eq!(order, (1..=20).collect::<Vec<_>>());
    assert_eq!(told.iter().map(|changes| changes.by_request).collect::<Vec<_>>(), asked);
    let modseqs: Vec<u64> = told.iter().map(|changes| changes.highest_modseq).collect();
    assert!(modseqs.is_sorted() && modseqs[0] > inbox.highest_modseq, "{modseqs:?}");
    for uid in 1..=20 {
        assert_eq!(two.push(1).await.appended[0].uid, uid);
    }
}

#[tokio::test]
async fn one_that_fails_in_a_group_fails_alone() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let (mut client, mut other) = (world.session(&owner).await, world.session(&owner).await);
    let uid = client.append_inbox(1, MESSAGE).await;
    let inbox = client.select(1, INBOX).await;
    other.select(1, INBOX).await;
    // Sent at once, so that they wait for the writer together.
    let mut asked = Vec::new();
    for flag in [1, 2, 4, 8, 16] {
        asked.push(client.ask(1, Body::Store(store_flags(inbox.folder, &[uid], flag))).await);
        asked.push(client.ask(1, Body::Copy(copy_to(inbox.folder, &[uid], "none", false))).await);
    }
    for (at, request) in asked.into_iter().enumerate() {
        match client.answer(request).await.remove(0) {
            Answer::Stored(stored) => assert_eq!((at % 2, stored.messages[0].flags), (0, (2 << (at / 2)) - 1)),
            failure => assert_eq!((at % 2, code(failure)), (1, FailureCode::NoSuchFolder)),
        }
    }
    let mut told = Vec::new();
    while told.last() != Some(&31) {
        told.push(other.push(1).await.changed[0].flags);
    }
    assert_eq!(told, [1, 3, 7, 15, 31]);
}

#[tokio::test]
async fn unchanged_since_is_kept() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let (one, two) = (client.append_inbox(1, MESSAGE).await, client.append_inbox(1, MESSAGE).await);
    let inbox = client.select(1, INBOX).await;
    client.call(1, Body::Store(store_flags(inbox.folder, &[one], 1))).await;
    let conditional =
        Store { conditional: true, unchanged_since: inbox.highest_modseq, ..store_flags(inbox.folder, &[one, two], 2) };
    let Answer::Stored(stored) = client.call(1, Body::Store(conditional)).await else { panic!() };
    assert_eq!(stored.modified.unwrap().bounds, [one, one]);
    assert_eq!(stored.messages.iter().map(|each| (each.uid, each.flags)).collect::<Vec<_>>(), [(two, 2)]);
}

#[tokio::test]
async fn a_store_that_changes_nothing_is_answered_after_what_is_pending() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let uid = client.append_inbox(1, MESSAGE).await;
    let inbox = client.select(1, INBOX).await;
    let first = client.ask(1, Body::Store(store_flags(inbox.folder, &[uid], 1))).await;
    let second = client.ask(1, Body::Store(store_flags(inbox.folder, &[uid], 1))).await;
    let mut order = Vec::new();
    while order.len() < 2 {
        let frame = client.next().await.unwrap();
        if let Some(Answer::Stored(stored)) = frame.body {
            assert_eq!(stored.messages[0].flags, 1);
            order.push((frame.request, stored.highest_modseq));
        }
    }
    assert_eq!((order[0].0, order[1].0, order[0].1), (first, second, order[1].1));
}

#[tokio::test]
async fn a_session_is_brought_up_to_date_from_what_it_knew() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let (one, two) = (client.append_inbox(1, MESSAGE).await, client.append_inbox(1, MESSAGE).await);
    let known = client.select(1, INBOX).await;
    client.call(1, Body::Unselect(Unselect {})).await;
    client.call(1, Body::Store(store_flags(known.folder, &[one], 1))).await;
    client.call(1, Body::Store(store_flags(known.folder, &[two], 8))).await;
    client.call(1, Body::Expunge(Expunge { folder: known.folder, ..Expunge::default() })).await;
    let three = client.append_inbox(1, MESSAGE).await;
    assert!(client.pushes.is_empty(), "nothing was selected: {:?}", client.pushes);
    let select = Select {
        name: INBOX.into(),
        known_uid_validity: known.uid_validity,
        known_modseq: known.highest_modseq,
        ..Select::default()
    };
    let Answer::Selected(now) = client.call(1, Body::Select(select.clone())).await else { panic!() };
    assert_eq!(now.changed.iter().map(|each| (each.uid, each.flags)).collect::<Vec<_>>(), [(one, 1), (three, 0)]);
    assert_eq!(now.vanished.unwrap().bounds, [two, two]);
    let other = Select { known_uid_validity: known.uid_validity + 1, ..select };
    let Answer::Selected(now) = client.call(1, Body::Select(other)).await else { panic!() };
    assert!(now.changed.is_empty() && now.vanished.is_none());
}

/// Stores, and every UID of the answer, however many frames it has.
async fn store(client: &mut Client, store: Store) -> Vec<u32> {
    let request = client.ask(1, Body::Store(store)).await;
    let frames = client.answer(request).await.into_iter().map(|frame| match frame {
        Answer::Stored(stored) => stored.messages,
        other => panic!("{other:?}"),
    });
    frames.flatten().map(|message| message.uid).collect()
}

#[tokio::test]
async fn who_does_not_keep_up_is_told_to_select_again() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let (mut slow, mut busy) = (world.session(&owner).await, world.session(&owner).await);
    // Twenty messages with two hundred keywords of 60 octets each fill a frame of each push, and nobody reads them. It takes
    // less than the minute after which a link that says nothing is given up.
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(busy.append_inbox(1, MESSAGE).await);
    }
    let uid = all[0];
    let known = slow.select(1, INBOX).await;
    let keywords: Vec<String> = (0..200).map(|n| format!("{n:060}")).collect();
    let set = Store { keywords, ..store_flags(known.folder, &all, 0) };
    store(&mut busy, set).await;
    for round in 0..ROUNDS {
        let mode = if round % 2 == 0 { StoreMode::Add } else { StoreMode::Remove }.into();
        store(&mut busy, Store { mode, ..store_flags(known.folder, &all, 2) }).await;
    }
    let mut pushed = 0;
    loop {
        let changes = slow.push(1).await;
        if changes.resync {
            break;
        }
        pushed += 1;
    }
    assert!(pushed < ROUNDS, "nothing was dropped");
    // From here on silence, until it selects again and learns what it missed.
    busy.call(1, Body::Store(store_flags(known.folder, &[uid], 4))).await;
    let select = Select {
        name: INBOX.into(),
        known_uid_validity: known.uid_validity,
        known_modseq: known.highest_modseq,
        ..Select::default()
    };
    let Answer::Selected(now) = slow.call(1, Body::Select(select)).await else { panic!() };
    assert!(slow.pushes.is_empty(), "{:?}", slow.pushes);
    assert_eq!((now.changed.len(), now.changed[0].flags), (all.len(), 4));
    busy.call(1, Body::Store(store_flags(known.folder, &[uid], 1))).await;
    assert_eq!(slow.push(1).await.changed[0].flags, 5);
}

#[tokio::test]
async fn flags_with_more_keywords_than_a_frame_has_room_for_come_in_several() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let mut all = Vec::new();
    for _ in 0..100 {
        all.push(client.append_inbox(1, MESSAGE).await);
    }
    let known = client.select(1, INBOX).await;
    // A megabyte and more.
    let keywords: Vec<String> = (0..200).map(|n| format!("{n:060}")).collect();
    let set = Store { keywords, ..store_flags(known.folder, &all, 1) };
    assert_eq!(store(&mut client, set).await, all);
    let select = Select {
        name: INBOX.into(),
        known_uid_validity: known.uid_validity,
        known_modseq: known.highest_modseq,
        ..Select::default()
    };
    let again = client.ask(1, Body::Select(select)).await;
    let frames = client.answer(again).await.into_iter().map(|frame| match frame {
        Answer::Selected(selected) => selected.changed,
        other => panic!("{other:?}"),
    });
    let changed: Vec<_> = frames.flatten().map(|message| (message.uid, message.keywords.len())).collect();
    assert_eq!(changed, all.iter().map(|uid| (*uid, 200)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_folder_that_goes_is_told_once() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let (mut one, mut two) = (world.session(&owner).await, world.session(&owner).await);
    one.call(1, Body::Create(Create { name: "Gone".into(), ..Create::default() })).await;
    two.select(1, "Gone").await;
    one.call(1, Body::Delete(Delete { name: "Gone".into() })).await;
    assert!(two.push(1).await.gone);
}

#[tokio::test]
async fn marking_seen_is_told_before_the_body() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let uid = client.append_inbox(1, MESSAGE).await;
    let inbox = client.select(1, INBOX).await;
    let fetch = Fetch {
        folder: inbox.folder,
        uids: uids(&[uid]),
        items: 1,
        sections: vec![SectionWanted::default()],
        mark_seen: true,
        ..Fetch::default()
    };
    let request = client.ask(1, Body::Fetch(fetch)).await;
    let first = client.next().await.unwrap();
    let Some(Answer::Changes(changes)) = first.body else { panic!("{first:?}") };
    assert_eq!((changes.by_request, changes.changed[0].flags), (request, 1));
    let [Answer::Fetched(fetched)] = &client.answer(request).await[..] else { panic!() };
    assert_eq!((fetched.messages[0].flags, &fetched.messages[0].sections[0].data[..]), (1, MESSAGE));
}

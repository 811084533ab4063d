//! Requests over a link that breaks at chosen places: what is sent again, what is not, and what the caller hears.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may take the short way too")]

mod peer;

use bytes::Bytes;
use node_client::ClientError;
use peer::*;
use wire::session::client_frame::Body as Ask;
use wire::session::server_frame::Body as Answer;
use wire::session::*;

fn folder(id: u64) -> Folder {
    Folder { id, name: id.to_string(), ..Folder::default() }
}

#[tokio::test]
async fn a_session_brings_its_key_sealed_to_the_boot() {
    let (peer, client) = Peer::start().await;
    let script = async {
        let mut script = peer.accept().await;
        let (_, open) = script.open().await;
        (script, open)
    };
    let (session, (mut script, open)) = tokio::join!(client.open(opening()), script);
    let session = session.unwrap();
    assert!(peer.boot.open(&open.sealed_key, &MAILBOX, &peer.node).unwrap().same(&key()));
    assert_eq!((open.mailbox_id.as_str(), open.epoch, open.birth), (MAILBOX.to_string().as_str(), 3, true));
    assert_eq!(open.wrapped_sealing_key, [1, 2, 3].as_slice());

    let clone = session.clone();
    drop(session);
    drop(clone);
    assert_eq!(script.ask().await, (0, Ask::Close(Close {})));
}

#[tokio::test]
async fn an_answer_in_several_frames_is_one() {
    let (_peer, _client, mut script, session, number) = opened().await;
    let script = async {
        let (request, _) = script.ask().await;
        for (id, last) in [(1, false), (2, true)] {
            let folders = Folders { folders: vec![folder(id)], subscribed_only: vec![id.to_string()] };
            script.send(request, number, Answer::Folders(folders), last).await;
        }
    };
    let (folders, ()) = tokio::join!(session.list(), script);
    let want = Folders { folders: vec![folder(1), folder(2)], subscribed_only: vec!["1".to_owned(), "2".to_owned()] };
    assert_eq!(folders, Ok(want));
}

#[tokio::test]
async fn a_refused_opening_is_told_and_not_repeated() {
    let (peer, client) = Peer::start().await;
    let script = async {
        let mut script = peer.accept().await;
        let (request, _) = script.ask().await;
        script.fail(request, FailureCode::WrongKey).await;
        script
    };
    let (session, mut script) = tokio::join!(client.open(opening()), script);
    assert_eq!(session.err(), Some(failure(FailureCode::WrongKey)));
    // A session that was refused is not closed: the next frame is the next opening.
    let (session, (_, open)) = tokio::join!(client.open(opening()), script.open());
    assert!(session.is_ok() && open.birth);
}

#[tokio::test]
async fn an_opening_goes_on_over_breaks_and_drains() {
    let (peer, client) = Peer::start().await;
    let script = async {
        drop(peer.accept_silently().await);
        let mut script = peer.accept().await;
        script.next().await;
        drop(script);
        let mut script = peer.accept().await;
        let (request, _) = script.ask().await;
        script.fail(request, FailureCode::Unavailable).await;
        let (_, open) = script.open().await;
        assert!(open.birth);
        script
    };
    let (session, _script) = tokio::join!(client.open(opening()), script);
    assert!(session.is_ok());
}

#[tokio::test]
async fn another_node_than_asked_for_gets_no_key() {
    let (peer, client) = Peer::start().await;
    let script = async {
        for wrong in [
            Welcome { node_id: "node-2".to_owned(), protocol: 1, shards: 1, ..Welcome::default() },
            Welcome { node_id: NODE.to_owned(), protocol: 1, shard: 1, shards: 2, ..Welcome::default() },
            Welcome { node_id: NODE.to_owned(), protocol: 99, shards: 1, ..Welcome::default() },
        ] {
            let mut script = peer.accept_silently().await;
            script.send(0, 0, Answer::Welcome(wrong), true).await;
            script.ended().await;
        }
        peer.accept_session().await
    };
    let (session, _script) = tokio::join!(client.open(opening()), script);
    assert!(session.is_ok());
}

#[tokio::test]
async fn a_read_is_repeated_over_a_new_link() {
    let (peer, _client, mut script, session, _) = opened().await;
    let script = async {
        script.next().await;
        drop(script);
        let mut script = peer.accept().await;
        let (number, open) = script.open().await;
        // The file was there: if it is missing now, a new one must not take its place.
        assert!(!open.birth);
        let (request, body) = script.ask().await;
        assert_eq!(body, Ask::List(List::default()));
        script.send(request, number, Answer::Folders(Folders::default()), true).await;
        script
    };
    let (folders, _script) = tokio::join!(session.list(), script);
    assert_eq!(folders, Ok(Folders::default()));
}

#[tokio::test]
async fn what_could_be_done_twice_is_not_repeated() {
    let (peer, _client, mut script, session, _) = opened().await;
    let store = Store { conditional: true, unchanged_since: 5, ..Store::default() };
    let (stored, ()) = tokio::join!(session.store(store), async {
        script.next().await;
        drop(script);
    });
    assert_eq!(stored, Err(ClientError::Interrupted));
    let mut script = peer.accept_session().await.0;
    let (expunged, ()) = tokio::join!(session.expunge(Expunge::default()), async {
        script.next().await;
        drop(script);
    });
    assert_eq!(expunged, Err(ClientError::Interrupted));
    let _script = peer.accept_session().await;
}

#[tokio::test]
async fn what_is_harmless_is_repeated_as_it_was() {
    let (peer, _client, mut script, session, _) = opened().await;
    let store = Store { folder: 1, uids: runs(&[1, 2]), flags: 1, ..Store::default() };
    let expunge = Expunge { folder: 1, by_uid: true, uids: runs(&[1, 1]) };
    let copy = Copy { folder: 1, uids: runs(&[2, 2]), to: "x".to_owned(), ..Copy::default() };
    let script = async {
        for answer in [
            Answer::Stored(Stored { highest_modseq: 7, ..Stored::default() }),
            Answer::Expunged(Expunged { highest_modseq: 8, ..Expunged::default() }),
            Answer::Copied(Copied { uid_validity: 9, ..Copied::default() }),
            Answer::Done(Done {}),
        ] {
            let (_, first) = script.ask().await;
            drop(script);
            script = peer.accept_session().await.0;
            let (request, second) = script.ask().await;
            assert_eq!(first, second);
            if let Ask::Copy(Copy { token, .. }) | Ask::Create(Create { token, .. }) = second {
                assert_eq!(token.len(), 16);
            }
            script.send(request, 0, answer, true).await;
        }
        script
    };
    let verbs = async {
        assert_eq!(session.store(store).await.unwrap().highest_modseq, 7);
        assert_eq!(session.expunge(expunge).await.unwrap().highest_modseq, 8);
        assert_eq!(session.copy(copy).await.unwrap().uid_validity, 9);
        session.create(Create { name: "y".to_owned(), ..Create::default() }).await.unwrap();
    };
    let ((), _script) = tokio::join!(verbs, script);
}

#[tokio::test]
async fn a_folder_that_the_lost_try_deleted_is_deleted() {
    let (peer, _client, mut script, session, _) = opened().await;
    let delete = || Delete { name: "x".to_owned() };
    let script = async {
        script.next().await;
        drop(script);
        let mut script = peer.accept_session().await.0;
        let (request, _) = script.ask().await;
        script.fail(request, FailureCode::NoSuchFolder).await;
        script
    };
    let (deleted, mut script) = tokio::join!(session.delete(delete()), script);
    assert_eq!(deleted, Ok(()));
    let script = async {
        let (request, _) = script.ask().await;
        script.fail(request, FailureCode::NoSuchFolder).await;
    };
    let (deleted, ()) = tokio::join!(session.delete(delete()), script);
    assert_eq!(deleted, Err(failure(FailureCode::NoSuchFolder)));
}

#[tokio::test]
async fn a_request_that_brings_its_node_down_is_given_up() {
    let (peer, _client, mut script, session, _) = opened().await;
    let script = async {
        for _ in 0..=node_client::limits::REPEATS_MAX {
            script.next().await;
            drop(script);
            script = peer.accept_session().await.0;
        }
        script
    };
    let (folders, _script) = tokio::join!(session.list(), script);
    assert_eq!(folders, Err(ClientError::Interrupted));
}

#[tokio::test]
async fn a_session_that_the_node_forgot_is_opened_again_on_the_same_link() {
    let (_peer, _client, mut script, session, first) = opened().await;
    let script = async {
        let (request, _) = script.ask().await;
        script.fail(request, FailureCode::NoSession).await;
        // The old number is given up and the new one opened, in either order.
        let mut opened = None;
        let mut closed = None;
        while opened.is_none() || closed.is_none() {
            let frame = script.next().await;
            match frame.body {
                Some(Ask::Open(_)) => {
                    script.send(frame.request, frame.session, Answer::Opened(Opened {}), true).await;
                    opened = Some(frame.session);
                }
                Some(Ask::Close(_)) => closed = Some(frame.session),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(closed, Some(first));
        assert_ne!(opened, Some(first));
        let (request, _) = script.ask().await;
        script.done(request).await;
    };
    let (subscribed, ()) = tokio::join!(session.subscribe(Subscribe::default()), script);
    assert_eq!(subscribed, Ok(()));
}

#[tokio::test]
async fn a_session_that_cannot_be_opened_again_says_why_and_its_folder_is_gone() {
    let (peer, _client, mut script, session, number) = opened().await;
    let selected = Selected { folder: 1, uid_validity: 2, uids: runs(&[1, 3]), ..Selected::default() };
    let select = Select { name: "INBOX".to_owned(), ..Select::default() };
    let (answer, ()) = tokio::join!(session.select(select), async {
        let (request, _) = script.ask().await;
        script.send(request, number, Answer::Selected(selected.clone()), true).await;
    });
    assert_eq!(answer, Ok(selected));
    drop(script);
    let mut script = peer.accept().await;
    let (request, _) = script.ask().await;
    script.fail(request, FailureCode::Missing).await;
    soon(session.changed()).await;
    assert_eq!(session.take_changes(), [Changes { folder: 1, gone: true, ..Changes::default() }]);
    assert_eq!(session.list().await, Err(failure(FailureCode::Missing)));
}

#[tokio::test]
async fn a_dropped_request_is_cancelled_and_its_late_answer_is_nothing() {
    let (_peer, _client, mut script, session, number) = opened().await;
    let request = tokio::select! {
        _ = session.list() => panic!("nobody answered"),
        (request, _) = script.ask() => request,
    };
    assert_eq!(script.ask().await, (request, Ask::Cancel(Cancel {})));
    script.send(request, number, Answer::Folders(Folders::default()), true).await;
    let (status, ()) = tokio::join!(session.status(Status::default()), async {
        let (later, _) = script.ask().await;
        assert_ne!(later, request);
        script
            .send(later, number, Answer::FolderStatus(FolderStatus { messages: 4, ..FolderStatus::default() }), true)
            .await;
    });
    assert_eq!(status.unwrap().messages, 4);
}

#[tokio::test]
async fn a_frame_of_a_later_version_ends_its_request_only() {
    let (_peer, _client, mut script, session, _) = opened().await;
    let (list, ()) = tokio::join!(session.list(), async {
        let (request, _) = script.ask().await;
        // Field 1, the request, and field 99, which no version has yet.
        let unknown = [&[8, request as u8][..], &[0x9a, 0x06, 0]].concat();
        script.send_bytes(Bytes::from(unknown)).await;
    });
    assert_eq!(list, Err(ClientError::Protocol("a frame that this version cannot read")));
    let (done, ()) = tokio::join!(session.unselect(), async {
        let (request, _) = script.ask().await;
        script.done(request).await;
    });
    assert_eq!(done, Ok(()));
}

#[tokio::test]
async fn bytes_that_are_no_frame_break_the_link() {
    let (peer, _client, mut script, _session, _) = opened().await;
    script.send_bytes(Bytes::from_static(&[0xff; 40])).await;
    script.ended().await;
    let _script = peer.accept_session().await;
}

#[tokio::test]
async fn keys_are_offered_for_open_sessions_only() {
    let (peer, client, mut script, session, _) = opened().await;
    let wanted = |mailbox: &str| Answer::KeyWanted(KeyWanted { mailbox_id: mailbox.to_owned() });
    script.send(0, 0, wanted("080808080808080808080808"), false).await;
    script.send(0, 0, wanted("nonsense"), false).await;
    script.send(0, 0, wanted(&MAILBOX.to_string()), false).await;
    let (request, body) = script.ask().await;
    let Ask::KeyOffer(offer) = body else { panic!("{body:?}") };
    assert_eq!((request, offer.mailbox_id.as_str()), (0, MAILBOX.to_string().as_str()));
    assert_eq!(offer.wrapped_sealing_key, [1, 2, 3].as_slice());
    assert!(peer.boot.open(&offer.sealed_key, &MAILBOX, &peer.node).unwrap().same(&key()));

    drop(session);
    assert_eq!(script.ask().await, (0, Ask::Close(Close {})));
    script.send(0, 0, wanted(&MAILBOX.to_string()), false).await;
    // No offer: the link's next frame is the ping that a test cannot wait for, or a new session's.
    let (session, (_, open)) = tokio::join!(client.open(opening()), script.open());
    assert!(session.is_ok() && open.birth);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stays_away_is_unavailable_in_the_end() {
    let (_port, client) = nobody();
    let mut elsewhere = opening();
    elsewhere.placement.node_id = "node-9".to_owned();
    assert_eq!(client.open(elsewhere).await.err(), Some(ClientError::Unavailable));
    assert_eq!(client.open(opening()).await.err(), Some(ClientError::Unavailable));
}

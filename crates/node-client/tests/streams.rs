//! FETCH, SEARCH and APPEND: credit, cancelling, and going on after a break.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may take the short way too")]

mod peer;

use bytes::Bytes;
use model::limits::{CREDIT_BYTES, MESSAGE_BYTES_MAX};
use node_client::limits::{CREDIT_RETURN_BYTES, REPLAY_BYTES_MAX, UPLOAD_FRAME_BYTES};
use node_client::{ClientError, Stream};
use peer::*;
use wire::session::client_frame::Body as Ask;
use wire::session::server_frame::Body as Answer;
use wire::session::*;

fn section(total: u64, data: &'static [u8]) -> SectionData {
    SectionData { total, data: Bytes::from_static(data), ..SectionData::default() }
}

fn record(uid: u32, sections: Vec<SectionData>) -> FetchedMessage {
    FetchedMessage { uid, sections, ..FetchedMessage::default() }
}

fn fetched(messages: Vec<FetchedMessage>) -> Answer {
    Answer::Fetched(Fetched { messages, columns: None })
}

fn chunk(uid: u32, continues: bool) -> Answer {
    let data = vec![SectionData { data: Bytes::from(vec![7; 200_000]), total: 100, ..SectionData::default() }];
    fetched(vec![FetchedMessage { continues, unfinished: true, ..record(uid, data) }])
}

async fn rest(stream: &mut Stream) -> Vec<Result<Vec<FetchedMessage>, ClientError>> {
    let mut all = Vec::new();
    while let Some(next) = soon(stream.next()).await {
        all.push(next.map(|fetched| fetched.messages));
    }
    all
}

#[tokio::test]
async fn a_stalled_fetch_stalls_nobody_else_and_credit_follows_the_caller() {
    let (_peer, _client, mut script, session, number) = opened().await;
    let want = Fetch { folder: 1, uids: runs(&[1, 9]), items: 1, ..Fetch::default() };
    let (stream, request) = tokio::join!(session.fetch(want.clone()), async {
        let (request, body) = script.ask().await;
        assert_eq!(body, Ask::Fetch(want.clone()));
        request
    });
    let mut stream = stream.unwrap();
    // All the credit there is, and nobody takes it.
    let mut frames: Vec<u64> = Vec::new();
    while frames.iter().sum::<u64>() <= CREDIT_BYTES {
        frames.push(script.send(request, number, chunk(1, !frames.is_empty()), false).await as u64);
    }
    let (status, ()) = tokio::join!(session.status(Status::default()), async {
        let (other, _) = script.ask().await;
        script.send(other, number, Answer::FolderStatus(FolderStatus::default()), true).await;
    });
    assert_eq!(status, Ok(FolderStatus::default()));

    let (mut taken, mut given) = (0, 0);
    for octets in frames {
        stream.next().await.unwrap().unwrap();
        taken += octets;
        if taken - given >= CREDIT_RETURN_BYTES {
            assert_eq!(script.ask().await, (request, Ask::Credit(Credit { bytes: taken - given })));
            given = taken;
        }
    }
    assert!(given > 0);
    drop(stream);
    assert_eq!(script.ask().await, (request, Ask::Cancel(Cancel {})));
}

#[tokio::test]
async fn a_node_that_sends_without_credit_loses_the_link() {
    let (peer, _client, mut script, session, number) = opened().await;
    let (stream, request) = tokio::join!(session.fetch(Fetch::default()), async { script.ask().await.0 });
    let _stream = stream.unwrap();
    let flood = async {
        for frames in 0..40 {
            let bytes = wire::frame::encode(&ServerFrame {
                request,
                session: number,
                last: false,
                body: Some(chunk(1, frames > 0)),
            });
            if !script.try_send(bytes.unwrap()).await {
                return;
            }
        }
        script.ended().await;
    };
    soon(flood).await;
    let _script = peer.accept_session().await;
}

#[tokio::test]
async fn a_fetch_goes_on_in_the_middle_of_a_message() {
    let (peer, _client, mut script, session, number) = opened().await;
    let want = Fetch { folder: 1, uids: runs(&[2, 9]), items: 2, changed_since: 3, ..Fetch::default() };
    let script = async {
        let (request, _) = script.ask().await;
        let whole = FetchedMessage { modseq: 5, ..record(2, vec![section(3, b"abc")]) };
        let begun = FetchedMessage { modseq: 6, unfinished: true, ..record(4, vec![section(10, b"0123")]) };
        script.send(request, number, fetched(vec![whole, begun]), false).await;
        drop(script);
        let (mut script, number) = peer.accept_session().await;
        let (request, body) = script.ask().await;
        let again = Fetch { uids: runs(&[4, 9]), ..want.clone() };
        assert_eq!(body, Ask::Fetch(again));
        let begun = FetchedMessage { modseq: 7, unfinished: true, ..record(4, vec![section(10, b"01")]) };
        script.send(request, number, fetched(vec![begun]), false).await;
        let rest = FetchedMessage { continues: true, ..record(4, vec![section(0, b"23456789")]) };
        script.send(request, number, fetched(vec![rest, record(9, vec![])]), true).await;
        script
    };
    let all = async {
        let mut stream = session.fetch(want.clone()).await.unwrap();
        rest(&mut stream).await
    };
    let (all, _script) = tokio::join!(all, script);
    let first = vec![
        FetchedMessage { modseq: 5, ..record(2, vec![section(3, b"abc")]) },
        FetchedMessage { modseq: 6, unfinished: true, ..record(4, vec![section(10, b"0123")]) },
    ];
    let second = vec![FetchedMessage { continues: true, ..record(4, vec![section(0, b"456789")]) }, record(9, vec![])];
    assert_eq!(all, [Ok(first), Ok(second)]);
}

#[tokio::test]
async fn a_message_that_vanished_during_the_break_ends_the_fetch() {
    let (peer, _client, mut script, session, number) = opened().await;
    let script = async {
        let (request, _) = script.ask().await;
        let begun = FetchedMessage { unfinished: true, ..record(4, vec![section(10, b"0123")]) };
        script.send(request, number, fetched(vec![begun]), false).await;
        drop(script);
        let (mut script, number) = peer.accept_session().await;
        let (request, _) = script.ask().await;
        script.send(request, number, Answer::Fetched(Fetched::default()), true).await;
        script
    };
    let all = async {
        let mut stream = session.fetch(Fetch { uids: runs(&[1, 9]), ..Fetch::default() }).await.unwrap();
        rest(&mut stream).await
    };
    let (all, _script) = tokio::join!(all, script);
    assert_eq!(all.len(), 2);
    assert_eq!(all[1], Err(ClientError::Interrupted));
}

#[tokio::test]
async fn a_fetch_that_lacks_only_its_end_has_ended() {
    let (peer, _client, mut script, session, number) = opened().await;
    let script = async {
        let (request, _) = script.ask().await;
        script.send(request, number, fetched(vec![record(1, vec![])]), false).await;
        drop(script);
        peer.accept_session().await
    };
    let all = async {
        let mut stream = session.fetch(Fetch { uids: runs(&[1, 1]), ..Fetch::default() }).await.unwrap();
        rest(&mut stream).await
    };
    let (all, _script) = tokio::join!(all, script);
    assert_eq!(all, [Ok(vec![record(1, vec![])])]);
}

#[tokio::test]
async fn a_failure_ends_a_fetch() {
    let (_peer, _client, mut script, session, _) = opened().await;
    let all = async {
        let mut stream = session.fetch(Fetch::default()).await.unwrap();
        rest(&mut stream).await
    };
    let (all, ()) = tokio::join!(all, async {
        let (request, _) = script.ask().await;
        script.fail(request, FailureCode::Damaged).await;
    });
    assert_eq!(all, [Err(failure(FailureCode::Damaged))]);
}

#[tokio::test]
async fn a_search_starts_anew_and_tells_nothing_twice() {
    let (peer, _client, mut script, session, number) = opened().await;
    let search = Search { folder: 1, key: Some(SearchKey { key: Some(search_key::Key::All(true)) }) };
    let found = |bounds: &[u32], highest_modseq| Answer::Found(Found { uids: runs(bounds), highest_modseq });
    let script = async {
        let (request, _) = script.ask().await;
        script.send(request, number, found(&[1, 4], 3), false).await;
        drop(script);
        let (mut script, number) = peer.accept_session().await;
        let (request, _) = script.ask().await;
        script.send(request, number, found(&[1, 2], 3), false).await;
        script.send(request, number, found(&[3, 3, 9, 9], 5), true).await;
        script
    };
    let parts = async {
        let mut stream = session.search(search.clone()).await.unwrap();
        let mut parts = Vec::new();
        while let Some(part) = soon(stream.next()).await {
            parts.push(part.unwrap().uids);
        }
        parts
    };
    let (parts, mut script) = tokio::join!(parts, script);
    assert_eq!(parts, [runs(&[1, 4]), None, runs(&[9, 9])]);

    let all = async { session.search(search.clone()).await.unwrap().all().await };
    let (all, ()) = tokio::join!(all, async {
        let (request, _) = script.ask().await;
        script.send(request, number, found(&[1, 2], 3), false).await;
        script.send(request, number, found(&[5, 5], 9), true).await;
    });
    assert_eq!(all, Ok(Found { uids: runs(&[1, 2, 5, 5]), highest_modseq: 9 }));
}

const STORED: Appended = Appended { uid_validity: 7, uid: 8, count: 0 };

fn letter(octets: usize) -> Append {
    Append { folder: "INBOX".to_owned(), size: octets as u64, ..Append::default() }
}

/// Takes an APPEND up to its last frame: its request, what was asked, its body.
async fn take_append(script: &mut Script) -> (u64, Append, Vec<u8>) {
    let (request, body) = script.ask().await;
    let Ask::Append(append) = body else { panic!("{body:?}") };
    let mut octets = Vec::new();
    loop {
        let (frame, size) = script.next_sized().await;
        let Some(Ask::Upload(upload)) = frame.body else { panic!("{frame:?}") };
        assert!(upload.data.len() <= UPLOAD_FRAME_BYTES);
        assert_eq!(frame.request, request);
        octets.extend_from_slice(&upload.data);
        if upload.last {
            return (request, append, octets);
        }
        script.send(request, 0, Answer::Credit(Credit { bytes: size as u64 }), false).await;
    }
}

#[tokio::test]
async fn small_pieces_become_few_frames() {
    let (_peer, _client, mut script, session, _) = opened().await;
    let upload = async {
        let mut upload = session.append(letter(1000)).await.unwrap();
        for _ in 0..100 {
            upload.send(Bytes::from_static(b"0123456789")).await.unwrap();
        }
        upload.finish().await
    };
    let script = async {
        let (request, append) = script.ask().await;
        let Ask::Append(append) = append else { panic!("{append:?}") };
        assert_eq!((append.folder.as_str(), append.size, append.token.len()), ("INBOX", 1000, 16));
        let (_, body) = script.ask().await;
        assert_eq!(
            body,
            Ask::Upload(Upload { data: Bytes::from(b"0123456789".repeat(100)), last: true, ..Upload::default() })
        );
        script.send(request, 0, Answer::Appended(STORED), true).await;
    };
    assert_eq!(tokio::join!(upload, script).0, Ok(STORED));
}

#[tokio::test]
async fn a_long_body_waits_for_credit_and_arrives_whole() {
    let (_peer, _client, mut script, session, _) = opened().await;
    let body: Vec<u8> = (0..5 * CREDIT_BYTES as usize + 12_345).map(|at| (at % 253) as u8).collect();
    let upload = async {
        let mut upload = session.append(letter(body.len())).await.unwrap();
        for piece in body.chunks(100_001) {
            upload.send(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        upload.finish().await
    };
    let script = async {
        let (request, _, octets) = take_append(&mut script).await;
        script.send(request, 0, Answer::Appended(STORED), true).await;
        octets
    };
    let (appended, octets) = tokio::join!(upload, script);
    assert_eq!(appended, Ok(STORED));
    assert!(octets == body);
}

#[tokio::test]
async fn without_credit_no_more_than_a_window_comes() {
    let (_peer, _client, mut script, session, _) = opened().await;
    let mut upload = session.append(letter(MESSAGE_BYTES_MAX as usize)).await.unwrap();
    let script = async {
        let (request, _) = script.ask().await;
        let mut came = 0;
        while came <= CREDIT_BYTES as usize - UPLOAD_FRAME_BYTES {
            came += script.next_sized().await.1;
        }
        // One frame may take the balance below zero. A List behind it says that no other has come.
        script.fail(request, FailureCode::OverQuota).await;
        loop {
            match script.ask().await {
                (_, Ask::Upload(upload)) => came += upload.data.len(),
                (list, Ask::List(_)) => {
                    script.send(list, 0, Answer::Folders(Folders::default()), true).await;
                    break;
                }
                (_, other) => panic!("{other:?}"),
            }
        }
        assert!(came <= CREDIT_BYTES as usize + 2 * UPLOAD_FRAME_BYTES, "{came}");
    };
    let sending = async {
        let error = loop {
            if let Err(error) = upload.send(Bytes::from(vec![0; 100_000])).await {
                break error;
            }
        };
        assert_eq!(error, failure(FailureCode::OverQuota));
        assert_eq!(upload.finish().await, Err(failure(FailureCode::OverQuota)));
        session.list().await.unwrap();
    };
    tokio::join!(sending, script);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_by_its_token() {
    let (peer, _client, mut script, session, _) = opened().await;
    let upload = async {
        let mut upload = session.append(letter(5)).await.unwrap();
        upload.send(Bytes::from_static(b"hello")).await.unwrap();
        upload.finish().await
    };
    let script = async {
        let (_, append, _) = take_append(&mut script).await;
        drop(script);
        let mut script = peer.accept_session().await.0;
        let (request, body) = script.ask().await;
        assert_eq!(body, Ask::AppendStatus(AppendStatus { token: append.token, give_up: false }));
        script.send(request, 0, Answer::Appended(STORED), true).await;
        script
    };
    assert_eq!(tokio::join!(upload, script).0, Ok(STORED));
}

#[tokio::test]
async fn a_long_body_whose_answer_was_lost_is_given_up_or_was_stored() {
    for (known, outcome) in [
        (Answer::Appended(STORED), Ok(STORED)),
        // Its last frame may come yet, over the link that broke: the node will not store it.
        (Answer::Unknown(Unknown {}), Err(ClientError::Unavailable)),
    ] {
        let (peer, _client, mut script, session, _) = opened().await;
        let body = vec![3; REPLAY_BYTES_MAX + 1];
        let upload = async {
            let mut upload = session.append(letter(body.len())).await.unwrap();
            upload.send(Bytes::from(body.clone())).await.unwrap();
            upload.finish().await
        };
        let script = async {
            let (_, append, octets) = take_append(&mut script).await;
            assert!(octets == body);
            drop(script);
            let mut script = peer.accept_session().await.0;
            let (request, asked) = script.ask().await;
            assert_eq!(asked, Ask::AppendStatus(AppendStatus { token: append.token, give_up: true }));
            script.send(request, 0, known, true).await;
            script
        };
        assert_eq!(tokio::join!(upload, script).0, outcome);
    }
}

#[tokio::test]
async fn a_body_is_given_up_when_its_second_try_is_refused() {
    let (peer, _client, mut script, session, _) = opened().await;
    let upload = async {
        let mut upload = session.append(letter(5)).await.unwrap();
        upload.send(Bytes::from_static(b"hello")).await.unwrap();
        upload.finish().await
    };
    let script = async {
        let (_, append, _) = take_append(&mut script).await;
        drop(script);
        let mut script = peer.accept_session().await.0;
        let (request, _) = script.ask().await;
        script.send(request, 0, Answer::Unknown(Unknown {}), true).await;
        let (request, _, _) = take_append(&mut script).await;
        script.fail(request, FailureCode::OverQuota).await;
        // The first try could still be stored.
        let (request, asked) = script.ask().await;
        assert_eq!(asked, Ask::AppendStatus(AppendStatus { token: append.token, give_up: true }));
        script.send(request, 0, Answer::Unknown(Unknown {}), true).await;
        script
    };
    assert_eq!(tokio::join!(upload, script).0, Err(failure(FailureCode::OverQuota)));
}

#[tokio::test]
async fn a_short_body_that_was_not_committed_is_sent_again() {
    let (peer, _client, mut script, session, _) = opened().await;
    let body = vec![3; REPLAY_BYTES_MAX];
    let broken = tokio::sync::Notify::new();
    let upload = async {
        let mut upload = session.append(letter(body.len())).await.unwrap();
        upload.send(Bytes::from(body[..UPLOAD_FRAME_BYTES].to_vec())).await.unwrap();
        broken.notified().await;
        upload.send(Bytes::from(body[UPLOAD_FRAME_BYTES..].to_vec())).await.unwrap();
        upload.finish().await
    };
    let script = async {
        // Broken in the middle of the body: nothing can have been committed, so nobody is asked.
        let (_, first) = script.ask().await;
        script.next().await;
        drop(script);
        let mut script = peer.accept_session().await.0;
        broken.notify_one();
        let (_, second, octets) = take_append(&mut script).await;
        assert!(octets == body);
        assert_eq!(Ask::Append(second.clone()), first);
        // Broken after the body.
        drop(script);
        let mut script = peer.accept_session().await.0;
        let (request, _) = script.ask().await;
        script.send(request, 0, Answer::Unknown(Unknown {}), true).await;
        let (request, third, octets) = take_append(&mut script).await;
        assert!(octets == body);
        assert_eq!(third, second);
        script.send(request, 0, Answer::Appended(STORED), true).await;
        script
    };
    assert_eq!(tokio::join!(upload, script).0, Ok(STORED));
}

#[tokio::test]
async fn a_long_body_that_broke_is_refused_with_nothing_stored() {
    let (peer, _client, mut script, session, _) = opened().await;
    let mut upload = session.append(letter(CREDIT_BYTES as usize)).await.unwrap();
    let script = async {
        for _ in 0..=REPLAY_BYTES_MAX / UPLOAD_FRAME_BYTES + 1 {
            script.next().await;
        }
        drop(script);
        peer.accept_session().await
    };
    let sending = async {
        loop {
            if let Err(error) = upload.send(Bytes::from(vec![0; UPLOAD_FRAME_BYTES])).await {
                return error;
            }
        }
    };
    let (error, _script) = tokio::join!(sending, script);
    assert_eq!(error, ClientError::Unavailable);
    assert_eq!(upload.finish().await, Err(ClientError::Unavailable));
}

#[tokio::test]
async fn a_dropped_upload_is_cancelled() {
    let (_peer, _client, mut script, session, _) = opened().await;
    let mut upload = session.append(letter(UPLOAD_FRAME_BYTES * 2)).await.unwrap();
    upload.send(Bytes::from(vec![0; UPLOAD_FRAME_BYTES])).await.unwrap();
    let (request, _) = script.ask().await;
    script.next().await;
    drop(upload);
    assert_eq!(script.ask().await, (request, Ask::Cancel(Cancel {})));
}

//! Large messages in and out, credit, cancelling.

use crate::client::{Client, INBOX, code, uids};
use crate::world::{Gate, Owner, PATIENCE, World, eventually};
use bytes::Bytes;
use model::limits::CREDIT_BYTES;
use wire::session::client_frame::Body;
use wire::session::server_frame::Body as Answer;
use wire::session::*;

/// Text that does not compress to nothing, and is not the same anywhere.
fn large(octets: usize) -> Vec<u8> {
    let mut message = b"Subject: large\r\n\r\n".to_vec();
    let mut state = 1u32;
    while message.len() < octets {
        for _ in 0..76 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            message.push(b'a' + (state >> 27) as u8 % 26);
        }
        message.extend(b"\r\n");
    }
    message
}

/// Sends a frame of an upload as credit allows; what came instead of credit, if anything did.
async fn feed(client: &mut Client, request: u64, balance: &mut i64, upload: Upload) -> Option<Answer> {
    while *balance <= 0 {
        match client.next().await.unwrap().body.unwrap() {
            Answer::Credit(credit) => *balance += credit.bytes as i64,
            other => return Some(other),
        }
    }
    let frame = ClientFrame { request, session: 1, body: Some(Body::Upload(upload)) };
    let bytes = wire::frame::encode(&frame).unwrap();
    *balance -= bytes.len() as i64;
    client.send_bytes(bytes.to_vec()).await;
    None
}

/// Uploads as credit allows.
async fn upload(client: &mut Client, message: &[u8], token: Vec<u8>) -> Answer {
    let append = Append { folder: INBOX.into(), size: message.len() as u64, token: token.into(), ..Append::default() };
    let request = client.ask(1, Body::Append(append)).await;
    let mut balance = CREDIT_BYTES as i64;
    let mut chunks = message.chunks(64 * 1024).peekable();
    while let Some(chunk) = chunks.next() {
        let upload = Upload { data: chunk.to_vec().into(), last: chunks.peek().is_none(), ..Upload::default() };
        if let Some(other) = feed(client, request, &mut balance, upload).await {
            return other;
        }
    }
    client.answer(request).await.remove(0)
}

#[tokio::test]
async fn an_upload_that_does_not_wait_for_credit_is_refused() {
    static GATE: Gate = Gate::open();
    let world = World::with(|settings| settings.options.clock = || GATE.time()).await;
    let owner = Owner::new(1);
    let mut client = world.session(&owner).await;
    let last = |data: &[u8], last| Body::Upload(Upload { data: data.to_vec().into(), last, ..Upload::default() });
    // The writer is busy, so that little of the upload is taken from what waits.
    GATE.set_closed(true);
    let small = client.ask(1, Body::Append(Append { folder: INBOX.into(), ..Append::default() })).await;
    client.send(small, 1, last(b"Subject: x\r\n\r\ny\r\n", true)).await;
    eventually("the writer is busy", || GATE.waiting() == 1).await;
    let greedy = client.ask(1, Body::Append(Append { folder: INBOX.into(), ..Append::default() })).await;
    for piece in large(3 * CREDIT_BYTES as usize).chunks(250_000) {
        client.send(greedy, 1, last(piece, false)).await;
    }
    let refused = tokio::time::timeout(PATIENCE / 2, client.answer(greedy)).await;
    // Before anything can fail: the node does not end while its writer stands before the gate.
    GATE.set_closed(false);
    assert_eq!(code(refused.expect("the upload was taken").remove(0)), FailureCode::Malformed);
    assert!(matches!(client.answer(small).await[..], [Answer::Appended(_)]));
    assert_eq!(client.select(1, INBOX).await.uids.unwrap().bounds, [1, 1]);
}

#[tokio::test]
async fn a_large_message_comes_back_byte_for_byte() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let message = large(9 * 1024 * 1024);
    let Answer::Appended(appended) = upload(&mut client, &message, Vec::new()).await else { panic!() };
    let inbox = client.select(1, INBOX).await;
    assert!(client.body(1, inbox.folder, appended.uid).await == message, "the octets differ");
}

#[tokio::test]
async fn an_append_with_a_known_token_is_not_done_again() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let token = vec![9; 16];
    let status = || Body::AppendStatus(AppendStatus { token: vec![9; 16].into(), give_up: false });
    assert!(matches!(client.call(1, status()).await, Answer::Unknown(_)));
    let message = large(2 * 1024 * 1024);
    let Answer::Appended(first) = upload(&mut client, &message, token.clone()).await else { panic!() };
    let Answer::Appended(again) = upload(&mut client, &message, token).await else { panic!() };
    let Answer::Appended(known) = client.call(1, status()).await else { panic!() };
    assert_eq!((first.uid, again.uid, known.uid), (1, 1, 1));
    assert_eq!(client.select(1, INBOX).await.uids.unwrap().bounds, [1, 1]);
}

#[tokio::test]
async fn an_append_that_was_given_up_is_not_done_when_it_comes_late() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut slow = world.session(&owner).await;
    let token = Bytes::from(vec![9; 16]);
    let append = Append { folder: INBOX.into(), token: token.clone(), ..Append::default() };
    let late = slow.ask(1, Body::Append(append)).await;
    let upload =
        |last| Body::Upload(Upload { data: Bytes::from_static(b"Subject: x\r\n\r\n"), last, ..Upload::default() });
    slow.send(late, 1, upload(false)).await;
    let mut client = world.session(&owner).await;
    let status = |give_up| Body::AppendStatus(AppendStatus { token: token.clone(), give_up });
    for give_up in [true, true, false] {
        assert!(matches!(client.call(1, status(give_up)).await, Answer::Unknown(_)));
    }
    slow.send(late, 1, upload(true)).await;
    assert_eq!(code(slow.answer(late).await.remove(0)), FailureCode::Unavailable);
    assert_eq!(client.select(1, INBOX).await.uids, None);
}

#[tokio::test]
async fn several_messages_are_one_append() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let messages = [large(900_000), b"Subject: two\r\n\r\n2".to_vec(), large(1_500_000), large(300_000)];
    let upload = |data: &[u8], last, next| Upload { data: data.to_vec().into(), last, next };
    for (at, whole) in [(0u32, false), (0, true)] {
        let request = client.ask(1, Body::Append(Append { folder: INBOX.into(), ..Append::default() })).await;
        let mut balance = CREDIT_BYTES as i64;
        for (n, message) in messages.iter().enumerate() {
            for (piece, data) in message.chunks(250_000).enumerate() {
                let begins = n > 0 && piece == 0;
                let next = begins.then(|| NextMessage { size: message.len() as u64, ..NextMessage::default() });
                assert_eq!(feed(&mut client, request, &mut balance, upload(data, false, next)).await, None);
            }
        }
        if whole {
            assert_eq!(feed(&mut client, request, &mut balance, upload(b"", true, None)).await, None);
            let Answer::Appended(appended) = client.answer(request).await.remove(0) else { panic!() };
            assert_eq!((appended.uid, appended.count), (at + 1, 4));
        } else {
            // The last one is not whole: none of them is there.
            let next = NextMessage { size: 5, ..NextMessage::default() };
            assert_eq!(feed(&mut client, request, &mut balance, upload(b"four", true, Some(next))).await, None);
            assert_eq!(code(client.answer(request).await.remove(0)), FailureCode::Malformed);
            assert_eq!(client.select(1, INBOX).await.uids, None);
        }
    }
    let inbox = client.select(1, INBOX).await;
    assert_eq!(inbox.uids.unwrap().bounds, [1, 4]);
    for (uid, message) in (1..).zip(&messages) {
        assert!(client.body(1, inbox.folder, uid).await == *message, "the octets of {uid} differ");
    }
}

#[tokio::test]
async fn uploads_that_lie_or_stop_leave_nothing() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let append = |size| Append { folder: INBOX.into(), size, ..Append::default() };
    let data =
        |octets: usize, last| Body::Upload(Upload { data: vec![b'x'; octets].into(), last, ..Upload::default() });

    // Too long, too short, to nowhere, too big.
    let request = client.ask(1, Body::Append(append(5))).await;
    client.send(request, 1, data(6, true)).await;
    assert_eq!(code(client.answer(request).await.remove(0)), FailureCode::Malformed);
    let request = client.ask(1, Body::Append(append(5))).await;
    client.send(request, 1, data(4, true)).await;
    assert_eq!(code(client.answer(request).await.remove(0)), FailureCode::Malformed);
    let nowhere = Append { folder: "none".into(), ..append(5) };
    let request = client.ask(1, Body::Append(nowhere)).await;
    assert_eq!(code(client.answer(request).await.remove(0)), FailureCode::NoSuchFolder);
    assert_eq!(client.refused(1, Body::Append(append(u64::MAX))).await, FailureCode::TooBig);

    // Cancelled after much was staged; then the link breaks in the middle of another.
    let request = client.ask(1, Body::Append(append(8 * 1024 * 1024))).await;
    for _ in 0..4 {
        client.send(request, 1, data(250_000, false)).await;
    }
    client.send(request, 1, Body::Cancel(Cancel {})).await;
    client.select(1, INBOX).await;
    let request = client.ask(1, Body::Append(append(8 * 1024 * 1024))).await;
    client.send(request, 1, data(250_000, false)).await;
    drop(client);
    let mut client = world.session(&owner).await;
    assert_eq!(client.select(1, INBOX).await.uids, None);
    assert_eq!(client.append_inbox(1, b"Subject: x\r\n\r\ny\r\n").await, 1);
}

#[tokio::test]
async fn a_fetch_stops_without_credit_and_goes_on_with_it() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let message = large(4 * 1024 * 1024);
    upload(&mut client, &message, Vec::new()).await;
    let inbox = client.select(1, INBOX).await;
    let sections = vec![SectionWanted::default()];
    let fetch = Fetch { folder: inbox.folder, uids: uids(&[1]), sections, ..Fetch::default() };
    let request = client.ask(1, Body::Fetch(fetch)).await;
    let (mut taken, mut octets) = (0, 0);
    while taken < CREDIT_BYTES {
        let (frame, len) = client.next_with_len().await.unwrap();
        let Some(Answer::Fetched(fetched)) = frame.body else { panic!() };
        octets +=
            fetched.messages.iter().flat_map(|each| &each.sections).map(|section| section.data.len()).sum::<usize>();
        taken += len;
    }
    // The window is used up, at most one frame over. Another request is answered though this one stalls.
    assert!(taken < CREDIT_BYTES + 300_000, "{taken}");
    let Answer::FolderStatus(status) = client.call(1, Body::Status(Status { name: INBOX.into() })).await else {
        panic!()
    };
    assert_eq!(status.messages, 1);
    client.send(request, 1, Body::Credit(Credit { bytes: taken })).await;
    let mut done = false;
    while !done {
        let (frame, len) = client.next_with_len().await.unwrap();
        assert_eq!(frame.request, request);
        done = frame.last;
        let Some(Answer::Fetched(fetched)) = frame.body else { panic!() };
        octets +=
            fetched.messages.iter().flat_map(|each| &each.sections).map(|section| section.data.len()).sum::<usize>();
        client.send(request, 1, Body::Credit(Credit { bytes: len })).await;
    }
    assert_eq!(octets, message.len());
}

#[tokio::test]
async fn a_stalled_fetch_keeps_its_bytes_while_others_expunge() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let (mut slow, mut other) = (world.session(&owner).await, world.session(&owner).await);
    let message = large(4 * 1024 * 1024);
    upload(&mut slow, &message, Vec::new()).await;
    let inbox = other.select(1, INBOX).await;
    let sections = vec![SectionWanted::default()];
    let fetch = Fetch { folder: inbox.folder, uids: uids(&[1]), sections, ..Fetch::default() };
    let request = slow.ask(1, Body::Fetch(fetch)).await;
    let (first, mut len) = slow.next_with_len().await.unwrap();
    other.call(1, Body::Store(crate::client::store_flags(inbox.folder, &[1], 8))).await;
    let expunge = Expunge { folder: inbox.folder, ..Expunge::default() };
    let Answer::Expunged(expunged) = other.call(1, Body::Expunge(expunge)).await else { panic!() };
    assert_eq!(expunged.uids.unwrap().bounds, [1, 1]);
    let (mut frame, mut body) = (first, Vec::new());
    loop {
        let last = frame.last;
        let Some(Answer::Fetched(fetched)) = frame.body else { panic!("{frame:?}") };
        body.extend(fetched.messages.into_iter().flat_map(|each| each.sections).flat_map(|section| section.data));
        if last {
            break;
        }
        slow.send(request, 1, Body::Credit(Credit { bytes: len })).await;
        (frame, len) = slow.next_with_len().await.unwrap();
    }
    assert!(body == message, "{} of {} octets", body.len(), message.len());
}

#[tokio::test]
async fn credit_that_was_never_taken_ends_the_request() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    upload(&mut client, &large(4 * 1024 * 1024), Vec::new()).await;
    let inbox = client.select(1, INBOX).await;
    let sections = vec![SectionWanted::default()];
    let fetch = Fetch { folder: inbox.folder, uids: uids(&[1]), sections, ..Fetch::default() };
    let request = client.ask(1, Body::Fetch(fetch)).await;
    client.send(request, 1, Body::Credit(Credit { bytes: u64::MAX })).await;
    loop {
        let frame = client.next().await.unwrap();
        match frame.body.unwrap() {
            Answer::Fetched(_) => assert!(!frame.last, "it went on"),
            Answer::Failure(failure) => break assert_eq!(failure.code, i32::from(FailureCode::Malformed)),
            other => panic!("{other:?}"),
        }
    }
    // A cancelled fetch and one that failed leave the session as it was.
    assert_eq!(client.append_inbox(1, b"Subject: x\r\n\r\ny\r\n").await, 2);
}

#[tokio::test]
async fn flags_alone_may_come_as_columns() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    for _ in 0..3 {
        client.append_inbox(1, b"Subject: x\r\n\r\ny\r\n").await;
    }
    let inbox = client.select(1, INBOX).await;
    let mode = StoreMode::Add.into();
    let keywords = vec!["$work".to_owned()];
    let store = Store { folder: inbox.folder, uids: uids(&[2]), mode, flags: 4, keywords, ..Store::default() };
    assert!(matches!(client.call(1, Body::Store(store)).await, Answer::Stored(_)));
    let flags = Fetch { folder: inbox.folder, uids: uids(&[1, 2, 3]), items: 3, columns: true, ..Fetch::default() };
    let Answer::Fetched(fetched) = client.call(1, Body::Fetch(flags.clone())).await else { panic!() };
    let columns = fetched.columns.unwrap();
    assert_eq!((columns.uids, columns.flags, columns.sets_of), (vec![1, 2, 3], vec![0, 4, 0], vec![0, 1, 0]));
    assert_eq!(columns.sets, [KeywordSet { keywords: vec!["$work".to_owned()] }]);
    // The same as records for who does not ask for columns, or asks for more than flags.
    let records = client.fetch(1, Fetch { columns: false, ..flags.clone() }).await;
    assert_eq!(records.iter().map(|record| record.modseq).collect::<Vec<_>>(), columns.modseqs);
    let with_size = client.fetch(1, Fetch { items: 11, ..flags }).await;
    assert_eq!(
        with_size.iter().map(|record| (record.flags, record.size)).collect::<Vec<_>>(),
        [(0, 17), (4, 17), (0, 17)]
    );
}

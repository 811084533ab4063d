//! Changes of the selected folder, over breaks, in commit order.
#![allow(clippy::unwrap_used, reason = "helpers of tests may take the short way too")]

mod peer;

use node_client::Session;
use peer::*;
use wire::session::client_frame::Body as Ask;
use wire::session::server_frame::Body as Answer;
use wire::session::*;

fn inbox(uids: &[u32], highest_modseq: u64) -> Selected {
    Selected { folder: 1, uid_validity: 9, highest_modseq, uids: runs(uids), ..Selected::default() }
}

fn appended(uid: u32, modseq: u64) -> Changes {
    Changes { folder: 1, highest_modseq: modseq, appended: vec![flags(uid, modseq)], ..Changes::default() }
}

async fn select(session: &Session, script: &mut Script, number: u64, selected: Selected) {
    let ask = Select { name: "INBOX".to_owned(), ..Select::default() };
    let (answer, ()) = tokio::join!(session.select(ask), async {
        let (request, _) = script.ask().await;
        script.send(request, number, Answer::Selected(selected.clone()), true).await;
    });
    assert_eq!(answer, Ok(selected));
}

/// Takes changes until there are so many.
async fn take(session: &Session, count: usize) -> Vec<Changes> {
    let mut all = Vec::new();
    while all.len() < count {
        soon(session.changed()).await;
        all.extend(session.take_changes());
    }
    all
}

#[tokio::test]
async fn what_was_missed_comes_before_what_is_pushed_after() {
    let (peer, _client, mut script, session, number) = opened().await;
    select(&session, &mut script, number, inbox(&[1, 5], 10)).await;
    script.push(number, appended(6, 11)).await;
    assert_eq!(take(&session, 1).await, [appended(6, 11)]);
    drop(script);

    let (mut script, number) = peer.accept_session().await;
    let (request, body) = script.ask().await;
    let again = Select { name: "INBOX".to_owned(), read_only: false, known_uid_validity: 9, known_modseq: 11 };
    assert_eq!(body, Ask::Select(again));
    // In two frames, and a push right behind them.
    let first = Selected { changed: vec![flags(2, 12)], ..inbox(&[2, 5], 13) };
    let second = Selected { uids: runs(&[7, 7]), changed: vec![flags(7, 13)], ..inbox(&[], 13) };
    script.send(request, number, Answer::Selected(first), false).await;
    script.send(request, number, Answer::Selected(Selected { uids: second.uids.clone(), ..second }), true).await;
    script.push(number, appended(8, 14)).await;
    let missed = Changes {
        folder: 1,
        highest_modseq: 13,
        appended: vec![flags(7, 13)],
        changed: vec![flags(2, 12)],
        vanished: runs(&[1, 1, 6, 6]),
        ..Changes::default()
    };
    assert_eq!(take(&session, 2).await, [missed, appended(8, 14)]);
}

#[tokio::test]
async fn nothing_missed_is_nothing_told() {
    let (peer, _client, mut script, session, number) = opened().await;
    select(&session, &mut script, number, inbox(&[1, 5], 10)).await;
    drop(script);
    let (mut script, number) = peer.accept_session().await;
    let (request, _) = script.ask().await;
    script.send(request, number, Answer::Selected(inbox(&[1, 5], 10)), true).await;
    script.push(number, appended(6, 11)).await;
    assert_eq!(take(&session, 1).await, [appended(6, 11)]);
}

#[tokio::test]
async fn a_folder_that_is_gone_after_the_break_is_told() {
    let (peer, _client, mut script, session, number) = opened().await;
    select(&session, &mut script, number, inbox(&[1, 5], 10)).await;
    drop(script);
    let (mut script, _) = peer.accept_session().await;
    let (request, _) = script.ask().await;
    script.fail(request, FailureCode::NoSuchFolder).await;
    assert_eq!(take(&session, 1).await, [Changes { folder: 1, gone: true, ..Changes::default() }]);
    // The session itself lives on.
    let (list, ()) = tokio::join!(session.list(), async {
        let (request, _) = script.ask().await;
        script.send(request, 0, Answer::Folders(Folders::default()), true).await;
    });
    assert!(list.is_ok());
}

#[tokio::test]
async fn a_break_while_selecting_again_is_one_more_break() {
    let (peer, _client, mut script, session, number) = opened().await;
    select(&session, &mut script, number, inbox(&[1, 5], 10)).await;
    drop(script);
    let (mut script, number) = peer.accept_session().await;
    let (request, _) = script.ask().await;
    script.send(request, number, Answer::Selected(inbox(&[1, 9], 12)), false).await;
    drop(script);
    let (mut script, number) = peer.accept_session().await;
    let (request, body) = script.ask().await;
    assert!(matches!(body, Ask::Select(Select { known_modseq: 10, .. })));
    script.send(request, number, Answer::Selected(inbox(&[1, 4], 12)), true).await;
    let missed = Changes { folder: 1, highest_modseq: 12, vanished: runs(&[5, 5]), ..Changes::default() };
    assert_eq!(take(&session, 1).await, [missed]);
}

#[tokio::test]
async fn an_ended_selection_is_not_selected_again() {
    let (peer, _client, mut script, session, number) = opened().await;
    select(&session, &mut script, number, inbox(&[1, 5], 10)).await;
    let (done, ()) = tokio::join!(session.unselect(), async {
        let (request, _) = script.ask().await;
        script.done(request).await;
    });
    assert_eq!(done, Ok(()));
    drop(script);
    let (mut script, number) = peer.accept_session().await;
    let (status, ()) = tokio::join!(session.status(Status::default()), async {
        let (request, body) = script.ask().await;
        assert_eq!(body, Ask::Status(Status::default()));
        script.send(request, number, Answer::FolderStatus(FolderStatus::default()), true).await;
    });
    assert!(status.is_ok());
}

#[tokio::test]
async fn a_select_that_fails_leaves_nothing_selected() {
    let (peer, _client, mut script, session, number) = opened().await;
    select(&session, &mut script, number, inbox(&[1, 5], 10)).await;
    let (answer, ()) = tokio::join!(session.select(Select::default()), async {
        let (request, _) = script.ask().await;
        script.fail(request, FailureCode::NoSuchFolder).await;
    });
    assert_eq!(answer, Err(failure(FailureCode::NoSuchFolder)));
    drop(script);
    let (mut script, number) = peer.accept_session().await;
    let (list, ()) = tokio::join!(session.list(), async {
        let (request, body) = script.ask().await;
        assert_eq!(body, Ask::List(List::default()));
        script.send(request, number, Answer::Folders(Folders::default()), true).await;
    });
    assert!(list.is_ok());
}

#[tokio::test]
async fn a_front_end_that_does_not_listen_selects_again() {
    let (_peer, _client, mut script, session, number) = opened().await;
    select(&session, &mut script, number, inbox(&[1, 5], 10)).await;
    let keywords = vec!["x".repeat(60); 10_000];
    for modseq in 11..15 {
        let changed = vec![FlagChange { keywords: keywords.clone(), ..flags(1, modseq) }];
        script.push(number, Changes { folder: 1, highest_modseq: modseq, changed, ..Changes::default() }).await;
    }
    // The answer to a later request says that all of it has come.
    let (list, ()) = tokio::join!(session.list(), async {
        let (request, _) = script.ask().await;
        script.send(request, number, Answer::Folders(Folders::default()), true).await;
    });
    assert!(list.is_ok());
    assert_eq!(session.take_changes(), [Changes { folder: 1, resync: true, ..Changes::default() }]);
    select(&session, &mut script, number, inbox(&[1, 5], 14)).await;
    script.push(number, appended(6, 15)).await;
    assert_eq!(take(&session, 1).await, [appended(6, 15)]);
}

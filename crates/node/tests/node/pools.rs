//! Limits that mailboxes share, to the octet: over two nodes, open and not, while the directory is away and after.

use crate::client::{INBOX, code, copy_to};
use crate::fleet::{Fleet, append, message, recount, sign_out, until};
use crate::world::delivery_id;
use std::time::Duration;
use wire::node::{Outcome, Verdict};
use wire::session::client_frame::Body;
use wire::session::server_frame::Body as Answer;
use wire::session::{FailureCode, GetQuota, Quota};

/// Long: grants are given back at the end of sessions alone.
const NEVER: Duration = Duration::from_secs(3600);

async fn granted(fleet: &Fleet) -> Vec<(u64, u64)> {
    let stored = fleet.stored().await;
    stored.iter().map(|each| (each.used.unwrap().bytes, each.granted.unwrap().bytes)).collect()
}

#[tokio::test]
async fn an_account_is_one_pool_to_the_octet() {
    let fleet = Fleet::start(NEVER).await;
    fleet.limit(3000, 0).await;
    let (mut first, mut second) = (fleet.sign_in(0).await, fleet.sign_in(1).await);
    assert!(matches!(first.append(1, append(), &message(1000)).await, Answer::Appended(_)));
    assert!(matches!(second.append(1, append(), &message(1500)).await, Answer::Appended(_)));
    assert_eq!(code(first.append(1, append(), &message(501)).await), FailureCode::OverQuota);
    assert!(matches!(first.append(1, append(), &message(500)).await, Answer::Appended(_)));
    // As told when more was asked for.
    assert_eq!(granted(&fleet).await, [(1000, 1500), (0, 1500), (0, 0)]);
    let inbox = second.select(1, INBOX).await.folder;
    assert_eq!(second.refused(1, Body::Copy(copy_to(inbox, &[1], "Sent", false))).await, FailureCode::OverQuota);
    // What only changes its place takes no room.
    let Answer::Copied(_) = second.call(1, Body::Copy(copy_to(inbox, &[1], "Sent", true))).await else { panic!() };

    // Mail for somebody who is away, and for one who is not: there is no room now, or never will be.
    assert_eq!(fleet.deliver(2, delivery_id(1), &message(100)).await.0, Err(Verdict::NoRoom));
    assert_eq!(fleet.deliver(0, delivery_id(2), &message(100)).await.0, Err(Verdict::NoRoom));
    assert_eq!(fleet.deliver(2, delivery_id(3), &message(3001)).await.0, Err(Verdict::OverLimit));
    let Answer::Quota(quota) = first.call(1, Body::GetQuota(GetQuota {})).await else { panic!() };
    let expected = Quota {
        bytes: 1500,
        messages: 2,
        folders: 6,
        folders_max: 10_000,
        account_bytes: 3000,
        account_bytes_max: 3000,
        account_messages: 3,
        ..Quota::default()
    };
    assert_eq!(quota, expected);

    // What one gives up, another has: at the latest when the session ends.
    let sent = second.select(1, "Sent").await.folder;
    let expunge = wire::session::Expunge { folder: sent, ..Default::default() };
    let flags = crate::client::store_flags(sent, &[1], model::Flags::NONE.with(model::Flag::Deleted).bits());
    second.call(1, Body::Store(flags)).await;
    second.call(1, Body::Expunge(expunge)).await;
    sign_out(second).await;
    until("the second gives back", async || granted(&fleet).await[1] == (0, 0)).await;
    let (waits, size) = fleet.deliver(2, delivery_id(4), &message(1400)).await;
    assert_eq!(waits, Ok(Outcome::Waiting));
    assert!(size > 1400);
    // A retry of what waits needs no room.
    assert_eq!(fleet.deliver(2, delivery_id(4), &message(1400)).await.0, Ok(Outcome::Already));
    let left = 1500 - size as usize;
    assert_eq!(code(first.append(1, append(), &message(left + 1)).await), FailureCode::OverQuota);
    assert!(matches!(first.append(1, append(), &message(left)).await, Answer::Appended(_)));

    // The drain is never refused, and what sealing added is given back.
    let mut third = fleet.sign_in(2).await;
    assert_eq!(recount(&mut third).await, (1400, 1));
    sign_out(third).await;
    sign_out(first).await;
    let expected = [(1500 + left as u64, 1500 + left as u64), (0, 0), (1400, 1400)];
    until("all is told", async || granted(&fleet).await == expected).await;
}

#[tokio::test]
async fn while_the_directory_is_away_what_was_granted_goes_on() {
    let mut fleet = Fleet::start(NEVER).await;
    // Its slabs are 256 KiB.
    fleet.limit(16 << 20, 0).await;
    let mut client = fleet.sign_in(0).await;
    assert!(matches!(client.append(1, append(), &message(1000)).await, Answer::Appended(_)));
    assert_eq!(granted(&fleet).await[0], (0, 1000 + 256 * 1024));
    fleet.stop_directory().await;
    assert!(matches!(client.append(1, append(), &message(200_000)).await, Answer::Appended(_)));
    assert_eq!(code(client.append(1, append(), &message(100_000)).await), FailureCode::Unavailable);
    assert_eq!(recount(&mut client).await, (201_000, 2));
    fleet.start_directory().await;
    let appended = async || matches!(client.append(1, append(), &message(100_000)).await, Answer::Appended(_));
    until("there is more again", appended).await;
    sign_out(client).await;
    until("all is told", async || granted(&fleet).await[0] == (301_000, 301_000)).await;
}

#[tokio::test]
async fn a_quiet_mailbox_gives_back_and_a_killed_nodes_grant_is_found_again() {
    let mut fleet = Fleet::start(Duration::from_millis(40)).await;
    fleet.limit(16 << 20, 0).await;
    let mut client = fleet.sign_in(0).await;
    assert!(matches!(client.append(1, append(), &message(5000)).await, Answer::Appended(_)));
    until("it is quiet", async || granted(&fleet).await[0] == (5000, 5000)).await;
    let (waits, size) = fleet.deliver(1, delivery_id(1), &message(3000)).await;
    assert_eq!(waits, Ok(Outcome::Waiting));
    until("it is quiet", async || granted(&fleet).await[1] == (size, size)).await;
    // Granted, not told: as the node is killed.
    fleet.quiet(NEVER);
    fleet.restart(1, true).await;
    assert_eq!(fleet.deliver(1, delivery_id(2), &message(3000)).await.0, Ok(Outcome::Waiting));
    fleet.restart(1, false).await;
    let after = granted(&fleet).await[1];
    assert!(after.1 > 2 * size, "{after:?}");
    // Who takes the mailbox over knows no less than it holds, and exactly when it is opened.
    let mut other = fleet.sign_in(1).await;
    assert_eq!(recount(&mut other).await, (6000, 2));
    sign_out(other).await;
    until("all is told", async || granted(&fleet).await[1] == (6000, 6000)).await;
}

#[tokio::test]
async fn without_limits_the_directory_is_told_and_not_asked() {
    let mut fleet = Fleet::start(NEVER).await;
    let mut client = fleet.sign_in(0).await;
    assert!(matches!(client.append(1, append(), &message(5000)).await, Answer::Appended(_)));
    assert_eq!(granted(&fleet).await[0], (0, 0));
    fleet.stop_directory().await;
    assert!(matches!(client.append(1, append(), &message(5000)).await, Answer::Appended(_)));
    fleet.start_directory().await;
    sign_out(client).await;
    // It may have been told in vain; it is told again when the node ends.
    fleet.restart(0, true).await;
    assert_eq!(granted(&fleet).await[0], (10_000, 10_000));
    // A limit that comes later counts what was there, of whoever has been away since.
    fleet.limit(12_000, 3).await;
    let mut other = fleet.sign_in(1).await;
    let refused = async || code(other.append(1, append(), &message(2001)).await) == FailureCode::OverQuota;
    until("the limit is heard of", refused).await;
    assert!(matches!(other.append(1, append(), &message(100)).await, Answer::Appended(_)));
    assert_eq!(code(other.append(1, append(), &message(100)).await), FailureCode::OverQuota);
}

//! Of a mailbox whose backups nobody keeps no copy is made, nor of its waiting mail; when somebody does again, at the next turn.

use crate::fleet::{Fleet, message, until};
use crate::world::{World, delivery_id};
use jiff::Timestamp;
use model::Role;
use std::time::Duration;
use wire::backup::{Kind, StagedRequest, StateReply, StateRequest};
use wire::node::Outcome;

/// Between two snapshots of a mailbox that changes, where turns are waited for.
const INTERVAL: Duration = Duration::from_millis(200);

async fn choose(fleet: &Fleet, owner: usize, store: &str) {
    let address = format!("u{}@x.test", owner + 1).parse().unwrap();
    fleet.admin.backup_store(&address, Some(store.to_owned())).await.unwrap();
}

/// What waits of the owner, or of queues, and how many messages are in it.
async fn staged(fleet: &Fleet, owner: usize) -> Vec<(Kind, u64)> {
    let request = StagedRequest { wait_ms: 0, at_most: 100, after: None };
    let reply = fleet.world(owner).backups(Role::Backup).staged(request).await.unwrap().into_inner();
    let mailbox = fleet.owners[owner].mailbox.to_string();
    let mine = reply.snapshots.into_iter().filter(|each| each.kind() == Kind::Queue || each.subject == mailbox);
    mine.map(|each| (each.kind(), each.messages)).collect()
}

async fn state(fleet: &Fleet, owner: usize) -> StateReply {
    let request = StateRequest { mailbox_id: fleet.owners[owner].mailbox.to_string() };
    fleet.world(owner).backups(Role::Admin).state(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn turns_are_passed_over_while_nobody_keeps_the_copy() {
    let mut fleet = Fleet::start(Duration::from_secs(3600)).await;
    let settings = fleet.settings();
    let often = |each: &mut node::Settings| {
        settings(each);
        each.snapshot_interval = INTERVAL;
    };
    fleet.worlds[0] = Some(World::with(often).await);
    choose(&fleet, 0, "none").await;
    let (mut nobodys, mut kept) = (fleet.sign_in(0).await, fleet.sign_in(2).await);
    nobodys.append_inbox(1, &message(100)).await;
    for messages in 1..=2 {
        kept.append_inbox(1, &message(100)).await;
        until("a turn came", async || staged(&fleet, 2).await.contains(&(Kind::Mailbox, messages))).await;
    }
    assert!(staged(&fleet, 0).await.iter().all(|(kind, _)| *kind == Kind::Queue));
    // Also when it has changed for more than two intervals it is not late.
    let long_ago = async || {
        let late_ms = 2 * INTERVAL.as_millis() as i64;
        let due_since_ms = state(&fleet, 0).await.due_since_ms;
        due_since_ms > 0 && Timestamp::now().as_millisecond() > due_since_ms + late_ms
    };
    until("it changed long ago", long_ago).await;
    let found = state(&fleet, 0).await;
    assert!(found.newest.is_none() && !found.late, "{found:?}");
    choose(&fleet, 0, "").await;
    until("it is copied again", async || staged(&fleet, 0).await.contains(&(Kind::Mailbox, 1))).await;
}

#[tokio::test]
async fn waiting_mail_that_nobody_keeps_is_not_copied() {
    let mut fleet = Fleet::start(Duration::from_secs(3600)).await;
    choose(&fleet, 1, "none").await;
    assert_eq!(fleet.deliver(1, delivery_id(1), &message(100)).await.0, Ok(Outcome::Waiting));
    // A node looks at what waits when it starts, and at its queues behind that.
    fleet.restart(1, true).await;
    until("the queue is copied", async || !staged(&fleet, 1).await.is_empty()).await;
    assert!(staged(&fleet, 1).await.iter().all(|(kind, _)| *kind == Kind::Queue));
    choose(&fleet, 1, "").await;
    fleet.restart(1, true).await;
    until("what waits is copied", async || staged(&fleet, 1).await.contains(&(Kind::Waiting, 1))).await;
}

//! Follows the directory's change feed and drops from the cache what it names; reconnects for ever, with backoff.

use super::Rpc;
use super::cache::Cache;
use std::sync::Arc;
use std::time::Duration;
use tonic::Status;
use wire::directory::{Change, WatchRequest, change::Subject};

/// Milliseconds after the last sign of the feed for which cached answers are still used: with it, what was revoked is gone
/// from every front-end within a second, also from one that is cut off.
pub const FEED_TRUST_MS_MAX: u64 = 1_000;
/// Milliseconds before the feed is opened again; doubled after each failure up to [`PAUSE_MS_MAX`].
const PAUSE_MS_MIN: u64 = 50;
/// Milliseconds between attempts at most.
const PAUSE_MS_MAX: u64 = 2_000;
/// Milliseconds of silence after which a stream counts as dead: several heartbeats.
const SILENCE_MS_MAX: u64 = 5_000;

/// Runs until it is aborted.
pub(super) async fn follow(rpc: Rpc, cache: Arc<Cache>) {
    let mut since = 0;
    let mut pause = Duration::from_millis(PAUSE_MS_MIN);
    loop {
        let before = since;
        let ended = follow_once(rpc.clone(), &cache, &mut since).await;
        if since != before {
            pause = Duration::from_millis(PAUSE_MS_MIN);
        }
        tracing::debug!(reason = ended.message(), "the directory's change feed ended; opening it again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(PAUSE_MS_MAX));
    }
}

/// One stream, to its end. `since` is what was last seen.
async fn follow_once(mut rpc: Rpc, cache: &Cache, since: &mut u64) -> Status {
    let silence = Duration::from_millis(SILENCE_MS_MAX);
    let mut stream = match tokio::time::timeout(silence, rpc.watch(WatchRequest { since: *since })).await {
        Ok(Ok(answer)) => answer.into_inner(),
        Ok(Err(status)) => return status,
        Err(_) => return Status::deadline_exceeded("no answer"),
    };
    if *since == 0 {
        // The stream says nothing of what changed before it: what is cached from before is not known to be good.
        cache.forget_everything();
    }
    // The first heartbeat ends what was missed.
    let mut caught_up = false;
    loop {
        let change = match tokio::time::timeout(silence, stream.message()).await {
            Ok(Ok(Some(change))) => change,
            Ok(Ok(None)) => return Status::ok("the directory ended it"),
            Ok(Err(status)) => return status,
            Err(_) => return Status::deadline_exceeded("silence"),
        };
        caught_up |= change.subject.is_none();
        *since = change.sequence;
        apply(cache, change);
        if caught_up {
            cache.heard();
        }
    }
}

fn apply(cache: &Cache, change: Change) {
    match change.subject {
        Some(Subject::Alias(address)) => cache.forget_alias(&address),
        Some(Subject::Domain(name)) => cache.forget_domain(&name),
        Some(Subject::Node(_)) => cache.forget_nodes(),
        Some(Subject::Everything(_)) => cache.forget_everything(),
        Some(Subject::Webhook(id)) => cache.forget_webhook(&id),
        Some(Subject::SrsSecrets(_)) => cache.forget_srs_secrets(),
        Some(Subject::Account(id)) => cache.forget_account(&id),
        None => {}
    }
}

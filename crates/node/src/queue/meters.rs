//! Metrics of the queues: how much there is, by destination, and what becomes of it. Names of destinations are bounded.

use super::files::Queues;
use super::limits::{METERED_DESTINATIONS_MAX, METERS_SECONDS};
use mailbox::queue::{Origin, Outcome};
use std::collections::{HashMap, HashSet};
use std::sync::Weak;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The name of all destinations that have none of their own.
const OTHER: &str = "other";

/// A message was taken.
pub fn taken(origin: Origin) {
    let origin = match origin {
        Origin::Submission => "submission",
        Origin::Forward => "forward",
        Origin::Webhook => "webhook",
        Origin::System => "system",
    };
    metrics::counter!("brevdue_queue_taken_total", "origin" => origin).increment(1);
}

/// Recipients were settled.
pub fn settled(outcomes: &[Outcome]) {
    for outcome in outcomes {
        let result = match outcome {
            Outcome::Delivered => "delivered",
            Outcome::Failed => "failed",
            Outcome::Deferred { .. } => "deferred",
        };
        metrics::counter!("brevdue_queue_settled_total", "result" => result).increment(1);
    }
}

/// Looks at the files every few seconds, until the node stops.
pub async fn watch(queues: Weak<Queues>, stop: CancellationToken) {
    let mut named = HashSet::new();
    loop {
        {
            let Some(queues) = queues.upgrade() else { return };
            look(&queues, &mut named).await;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(METERS_SECONDS)) => {}
        }
    }
}

async fn look(queues: &Queues, named: &mut HashSet<String>) {
    let (mut entries, mut octets, mut recipients, mut held) = (0, 0, 0, 0);
    let mut by_name: HashMap<String, u64> = HashMap::new();
    for file in queues.all() {
        let totals = file.writer.totals();
        entries += totals.entries;
        octets += totals.octets;
        recipients += totals.recipients;
        // A file that does not open is the health check's news.
        let found = file.read(|reader| reader.recipients_by_destination(METERED_DESTINATIONS_MAX)).await;
        for (name, count) in found.unwrap_or_default() {
            *by_name.entry(name).or_default() += count;
        }
        held += file.read(mailbox::queue::QueueReader::held).await.unwrap_or_default();
    }
    metrics::gauge!("brevdue_queue_messages").set(entries as f64);
    metrics::gauge!("brevdue_queue_held").set(held as f64);
    metrics::gauge!("brevdue_queue_bytes").set(octets as f64);
    let mut largest: Vec<_> = by_name.iter().collect();
    largest.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    for (name, _) in largest {
        if named.len() < METERED_DESTINATIONS_MAX {
            named.insert(name.clone());
        }
    }
    let mut others = recipients;
    for name in named.iter() {
        let count = by_name.get(name).copied().unwrap_or_default();
        others = others.saturating_sub(count);
        metrics::gauge!("brevdue_queue_recipients", "destination" => name.clone()).set(count as f64);
    }
    metrics::gauge!("brevdue_queue_recipients", "destination" => OTHER).set(others as f64);
}

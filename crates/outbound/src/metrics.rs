//! Names of the metrics, and what they count. Destinations are counted by name only while they are few.

use crate::connection::Security;
use crate::fault::Fault;
use crate::outcome::Verdict;
use smtp::notice::Action;
use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Recipients by `destination` and `result`: `delivered`, `deferred`, `failed`.
pub const RECIPIENTS: &str = "brevdue_outbound_recipients_total";
/// Connections by `security`: `clear`, `encrypted`, `verified`; and `reused`.
pub const CONNECTIONS: &str = "brevdue_outbound_connections_total";
/// Connections that broke in a transaction, by `uncertain`: whether the message may have been taken, and come twice.
pub const BROKEN: &str = "brevdue_outbound_broken_total";
/// Entries under way.
pub const UNDER_WAY: &str = "brevdue_outbound_entries";
/// Leases that were lost to another worker.
pub const LOST: &str = "brevdue_outbound_leases_lost_total";
/// Notices to senders, by `kind`: `failed`, `delayed`, `relayed`.
pub const NOTICES: &str = "brevdue_outbound_notices_total";
/// TLS reports by `way` and `result`.
pub const TLS_REPORTS: &str = "brevdue_outbound_tls_reports_total";
/// Seconds from the arrival in the queue to the delivery.
pub const DELAY_SECONDS: &str = "brevdue_outbound_delay_seconds";

/// Destinations that have a label of their own; those that come later are `other`. A scrape stays small.
pub const DESTINATIONS_MAX: usize = 200;

static DESTINATIONS: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// The destination's label.
fn label(destination: &str) -> String {
    let mut known = DESTINATIONS.lock().unwrap_or_else(PoisonError::into_inner);
    if known.contains(destination) {
        return destination.to_owned();
    }
    // Webhooks are many and their ids say nothing.
    if destination.starts_with(crate::webhook::DESTINATION_PREFIX) {
        return "webhook".to_owned();
    }
    if known.len() >= DESTINATIONS_MAX {
        return "other".to_owned();
    }
    known.insert(destination.to_owned());
    destination.to_owned()
}

pub(crate) fn decided(destination: &str, verdict: Verdict) {
    let result = match verdict {
        Verdict::Delivered { .. } => "delivered",
        Verdict::Deferred => "deferred",
        Verdict::Failed => "failed",
    };
    metrics::counter!(RECIPIENTS, "destination" => label(destination), "result" => result).increment(1);
}

/// Counts an entry as under way until it is dropped.
pub(crate) struct UnderWay;

impl Drop for UnderWay {
    fn drop(&mut self) {
        metrics::gauge!(UNDER_WAY).decrement(1.0);
    }
}

pub(crate) fn under_way() -> UnderWay {
    metrics::gauge!(UNDER_WAY).increment(1.0);
    UnderWay
}

pub(crate) fn delay(ms: i64) {
    metrics::histogram!(DELAY_SECONDS).record(ms.max(0) as f64 / 1_000.0);
}

pub(crate) fn told(action: Action) {
    metrics::counter!(NOTICES, "kind" => action.name()).increment(1);
}

pub(crate) fn opened(security: Security) {
    let security = match security {
        Security::Clear => "clear",
        Security::Encrypted => "encrypted",
        Security::Verified => "verified",
    };
    metrics::counter!(CONNECTIONS, "security" => security).increment(1);
}

pub(crate) fn reused() {
    metrics::counter!(CONNECTIONS, "security" => "reused").increment(1);
}

pub(crate) fn broken(fault: &Fault) {
    let uncertain = if fault.is_uncertain() { "yes" } else { "no" };
    metrics::counter!(BROKEN, "uncertain" => uncertain).increment(1);
}

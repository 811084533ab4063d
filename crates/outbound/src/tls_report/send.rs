//! Once a day (RFC 8460 §4.1), and at the end of a worker: each domain's report goes to where the domain wants it.

use super::{Place, Range, Report, Reports, Subject, Tally, places};
use crate::http::{Ask, Https};
use crate::limits::REPORT_SPREAD_SECONDS_MAX;
use crate::metrics::TLS_REPORTS;
use crate::random;
use crate::sign::Signers;
use bytes::Bytes;
use daemon::clock::Clock;
use dns::{Name, Resolver};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use jiff::Timestamp;
use node_client::queue::{Enqueuer, Queues, notice_envelope};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Octets of an answer to a report: only its status matters.
const ANSWER_BYTES_MAX: usize = 4 * 1024;
/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// Sends reports.
pub struct Reporter {
    /// What was counted.
    pub reports: Arc<Reports>,
    /// Names.
    pub resolver: Resolver,
    /// The way to places that take them by POST.
    pub https: Https,
    /// The queues.
    pub queues: Queues,
    /// The way into them.
    pub enqueuer: Enqueuer,
    /// Our address.
    pub contact: String,
    /// What signs them.
    pub signers: Signers,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Reporter {
    /// Sends what was counted each day, a while after midnight, until `stop`; then what is left.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut start = self.clock.now();
        while !stop.is_cancelled() {
            let midnight = next_midnight(self.clock.now());
            let wait = midnight.duration_since(self.clock.now()).unsigned_abs();
            let ended = tokio::time::timeout(wait, stop.cancelled()).await.is_ok();
            let taken = self.reports.take();
            let end = if ended {
                self.clock.now()
            } else {
                Timestamp::from_second(midnight.as_second() - 1).unwrap_or(midnight)
            };
            if !ended {
                // RFC 8460 §4.1: not all at once.
                let spread = Duration::from_secs(random::below(REPORT_SPREAD_SECONDS_MAX));
                let _ = tokio::time::timeout(spread, stop.cancelled()).await;
            }
            for (domain, policies) in taken {
                self.send(&domain, Range { start, end }, &policies).await;
            }
            start = midnight;
        }
    }

    async fn send(&self, domain: &Name, range: Range, policies: &[(Subject, Tally)]) {
        let Ok(name) = domain.child("_smtp._tls") else { return };
        let Ok(answer) = self.resolver.txt(&name).await else { return };
        let Ok(random) = vault::random::<16>() else { return };
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let organization = self.contact.rsplit('@').next().unwrap_or_default();
        let report = Report { domain: domain.as_str(), range, policies, organization, contact: &self.contact, id: &id };
        for place in places(answer.records.iter().map(Vec::as_slice)) {
            let (way, sent) = match &place {
                Place::Mail(address) => ("mail", self.mail(&report, address).await),
                Place::Post(uri) => ("post", self.post(&report, uri).await),
            };
            let result = if sent.is_ok() { "sent" } else { "failed" };
            metrics::counter!(TLS_REPORTS, "way" => way, "result" => result).increment(1);
            if let Err(reason) = sent {
                tracing::warn!(%domain, way, reason, "a TLS report could not be sent");
            }
        }
    }

    /// RFC 8460 §5.4.
    async fn post(&self, report: &Report<'_>, uri: &Uri) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/tlsrpt+gzip"));
        let body = Bytes::from(report.compressed());
        let ask = Ask { method: Method::POST, uri: uri.clone(), headers, body, answer_bytes_max: ANSWER_BYTES_MAX };
        let answer = self.https.ask(&ask).await.map_err(|error| error.to_string())?;
        if answer.status.is_success() { Ok(()) } else { Err(format!("answered {}", answer.status.as_u16())) }
    }

    /// Through a queue of ours, signed (RFC 8460 §5.3).
    async fn mail(&self, report: &Report<'_>, address: &str) -> Result<(), String> {
        let message = report.message(address, self.clock.now());
        let prefix = self.signers.sign(&self.contact, &message, self.clock.now()).await;
        let envelope = notice_envelope(address, false, false);
        let mut nodes = self.queues.all().await.map_err(|error| error.to_string())?;
        random::shuffle(&mut nodes);
        let node = nodes.first().ok_or("no node has registered")?;
        let begun = self.enqueuer.begin(node.node(), envelope, message.len() as u64).await;
        let mut enqueue = begun.map_err(|error| error.to_string())?;
        enqueue.push(&message).await.map_err(|error| error.to_string())?;
        enqueue.commit(prefix.into_bytes()).await.map_err(|error| error.to_string())
    }
}

fn next_midnight(now: Timestamp) -> Timestamp {
    let day = now.as_second().div_euclid(DAY_SECONDS) + 1;
    Timestamp::from_second(day * DAY_SECONDS).unwrap_or(Timestamp::MAX)
}

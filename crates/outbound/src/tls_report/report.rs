//! One domain's report as JSON (RFC 8460 §4.4) and as a message (§5.3).

use super::gzip::gzip;
use super::{Subject, Tally};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use smtp::notice;

/// Characters in a line of base64 (RFC 2045 §6.8).
const LINE_CHARS: usize = 76;

/// From when to when was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first moment.
    pub start: Timestamp,
    /// The last.
    pub end: Timestamp,
}

/// One domain's report.
pub struct Report<'a> {
    /// The domain that it is for.
    pub domain: &'a str,
    /// When.
    pub range: Range,
    /// What was counted.
    pub policies: &'a [(Subject, Tally)],
    /// Our domain.
    pub organization: &'a str,
    /// Our address.
    pub contact: &'a str,
    /// A text that no other report has.
    pub id: &'a str,
}

impl Report<'_> {
    /// The JSON, compressed.
    pub fn compressed(&self) -> Vec<u8> {
        gzip(self.json().to_string().as_bytes())
    }

    /// The JSON.
    pub fn json(&self) -> Value {
        json!({
            "organization-name": self.organization,
            "date-range": { "start-datetime": time(self.range.start), "end-datetime": time(self.range.end) },
            "contact-info": self.contact,
            "report-id": self.id,
            "policies": self.policies.iter().map(|(subject, tally)| self.policy(subject, tally)).collect::<Vec<_>>(),
        })
    }

    fn policy(&self, subject: &Subject, tally: &Tally) -> Value {
        let mut details: Vec<_> = tally.details.iter().collect();
        details.sort();
        let detail = |(detail, count): (&super::Detail, &u64)| {
            let mut value = json!({ "result-type": detail.failure.name(), "failed-session-count": count });
            if !detail.host.is_empty() {
                value["receiving-mx-hostname"] = detail.host.clone().into();
            }
            if let Some(address) = detail.address {
                value["receiving-ip"] = address.to_string().into();
            }
            value
        };
        json!({
            "policy": {
                "policy-type": subject.kind.name(),
                "policy-string": subject.text,
                "policy-domain": self.domain,
                "mx-host": subject.hosts,
            },
            "summary": { "total-successful-session-count": tally.good, "total-failure-session-count": tally.bad },
            "failure-details": details.into_iter().map(detail).collect::<Vec<_>>(),
        })
    }

    /// The message that carries it to an address, whatever fails about TLS there: that is what it may be about (RFC 8460 §3,
    /// RFC 8689 §3).
    pub fn message(&self, to: &str, now: Timestamp) -> Vec<u8> {
        let (organization, domain) = (self.organization, self.domain);
        let (start, end) = (self.range.start.as_second(), self.range.end.as_second());
        let boundary = format!("=_{}", self.id);
        let encoded = STANDARD.encode(self.compressed());
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(LINE_CHARS).filter_map(|line| str::from_utf8(line).ok()).collect();
        format!(
            "From: <{from}>\r\nTo: <{to}>\r\nSubject: Report Domain: {domain}\r\n Submitter: {organization}\r\n\
             \x20Report-ID: <{id}>\r\nTLS-Report-Domain: {domain}\r\nTLS-Report-Submitter: {organization}\r\n\
             TLS-Required: No\r\nDate: {date}\r\nMessage-ID: <{id}@{organization}>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n\tboundary=\"{boundary}\"\r\n\r\n\
             --{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
             This is a report on TLS sessions with mail servers of {domain}.\r\n\r\n\
             --{boundary}\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment;\r\n\tfilename=\"{organization}!{domain}!{start}!{end}!{id}.json.gz\"\r\n\r\n\
             {body}\r\n--{boundary}--\r\n",
            from = self.contact,
            id = self.id,
            date = notice::date(now),
            body = lines.join("\r\n"),
        )
        .into_bytes()
    }
}

/// RFC 3339.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::super::{Failure, Kind, Reports, Session};
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let (reports, domain) = (Reports::default(), "example.com".parse().unwrap());
        let subject =
            Subject { kind: Kind::Sts, text: vec!["version: STSv1".into()], hosts: vec!["mx.example.com".into()] };
        let session = |result| Session { host: "mx.example.com", address: Some("192.0.2.1".parse().unwrap()), result };
        for result in [Ok(()), Ok(()), Err(Failure::Expired), Err(Failure::Expired)] {
            reports.count(&domain, &subject, &session(result));
        }
        let taken = reports.take();
        assert!(reports.take().is_empty());
        let start = Timestamp::UNIX_EPOCH;
        let report = Report {
            domain: "example.com",
            range: Range { start, end: Timestamp::from_second(86_399).unwrap() },
            policies: &taken[&domain],
            organization: "sender.test",
            contact: "postmaster@sender.test",
            id: "0123",
        };
        let expected = json!({
            "organization-name": "sender.test",
            "date-range": { "start-datetime": "1970-01-01T00:00:00Z", "end-datetime": "1970-01-01T23:59:59Z" },
            "contact-info": "postmaster@sender.test",
            "report-id": "0123",
            "policies": [{
                "policy": {
                    "policy-type": "sts",
                    "policy-string": ["version: STSv1"],
                    "policy-domain": "example.com",
                    "mx-host": ["mx.example.com"]
                },
                "summary": { "total-successful-session-count": 2, "total-failure-session-count": 2 },
                "failure-details": [{
                    "result-type": "certificate-expired",
                    "receiving-mx-hostname": "mx.example.com",
                    "receiving-ip": "192.0.2.1",
                    "failed-session-count": 2
                }]
            }]
        });
        assert_eq!(report.json(), expected);
        let text = String::from_utf8(report.message("reports@example.com", start)).unwrap();
        assert!(text.contains("TLS-Report-Domain: example.com\r\nTLS-Report-Submitter: sender.test\r\n"));
        assert!(text.lines().all(|line| line.len() < 100), "{text}");
    }
}

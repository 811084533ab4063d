//! The records that a domain needs. Pure: names, settings, keys and a certificate go in.

use super::names::Names;
use super::tlsa::KeyDigest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use directory::settings::{Publish, mta_sts_id};
use jiff::Timestamp;
use model::Domain;
use serde::Serialize;
use wire::directory::{DkimKey, DkimState, KeyAlgorithm};

/// Days for which the record of a retired key stays: as long as others try to deliver what it signed (RFC 5321 §4.5.4.1), and
/// then some.
const RETIRED_DAYS: i64 = 7;
/// The preference of the first MX; each next one is ten more.
const PREFERENCE_STEP: usize = 10;

/// What a record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A mail exchanger.
    Mx { preference: usize, host: String },
    /// A text of tags, of which these must be there.
    Tags(String),
    /// An SPF record (RFC 7208).
    Spf(String),
    /// DANE: usage 3, selector 1, matching type 1, and this digest.
    Tlsa(String),
    /// A service.
    Srv { port: u16, host: String },
    /// Another name of a host.
    Cname(String),
    /// The addresses of a host, which only the operator knows; their names lead back to it.
    Addresses,
}

impl Value {
    /// The type of the record.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Mx { .. } => "MX",
            Self::Tags(_) | Self::Spf(_) => "TXT",
            Self::Tlsa(_) => "TLSA",
            Self::Srv { .. } => "SRV",
            Self::Cname(_) => "CNAME",
            Self::Addresses => "A/AAAA",
        }
    }

    /// As people read it, and `dig +short` shows it but for quotes.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Mx { preference, host } => format!("{preference} {host}."),
            Self::Tags(text) | Self::Spf(text) => text.clone(),
            Self::Tlsa(digest) => format!("3 1 1 {digest}"),
            Self::Srv { port, host } => format!("0 1 {port} {host}."),
            Self::Cname(host) => format!("{host}."),
            Self::Addresses => "(the addresses of this host)".to_owned(),
        }
    }
}

/// A record that is needed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Record {
    /// Without a final dot.
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(rename = "value")]
    pub(super) text: String,
    /// What it is for.
    pub(super) purpose: String,
    #[serde(skip)]
    pub(super) value: Value,
}

impl Record {
    fn new(name: String, value: Value, purpose: impl Into<String>) -> Self {
        Self { name, kind: value.kind(), text: value.text(), purpose: purpose.into(), value }
    }

    /// Of a DKIM key (RFC 6376 §3.6.1, RFC 8463 §4); `None` of one that is not known.
    pub(super) fn of_key(domain: &str, key: &DkimKey, purpose: impl Into<String>) -> Option<Self> {
        let algorithm = match key.algorithm() {
            KeyAlgorithm::Rsa2048 => "rsa",
            KeyAlgorithm::Ed25519 => "ed25519",
            KeyAlgorithm::Unspecified => return None,
        };
        let text = format!("v=DKIM1; k={algorithm}; p={}", STANDARD.encode(&key.public_key));
        Some(Self::new(format!("{}._domainkey.{domain}", key.selector), Value::Tags(text), purpose))
    }
}

/// Everything that a domain needs.
pub(super) struct Needs {
    domain: String,
    records: Vec<Record>,
    policy: Option<String>,
}

impl Needs {
    /// What a domain needs with these names, keys and this certificate.
    pub(super) fn new(
        domain: &Domain,
        publish: &Publish,
        names: &Names,
        keys: &[DkimKey],
        certificate: Option<&KeyDigest>,
    ) -> Self {
        let policy = publish.mta_sts_policy(&names.mx);
        let mut needs = Self { domain: domain.to_string(), records: Vec::new(), policy };
        needs.incoming(names);
        needs.sending(publish, names);
        needs.keys(keys);
        needs.reports(publish);
        needs.transport(names, certificate);
        needs.clients(names);
        needs
    }

    /// The records, in the order in which people read them.
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// The MTA-STS policy.
    pub(super) fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    /// Where the policy is to be served.
    pub(super) fn policy_url(&self) -> String {
        format!("https://mta-sts.{}/.well-known/mta-sts.txt", self.domain)
    }

    /// `labels.domain`.
    fn under(&self, labels: &str) -> String {
        format!("{labels}.{}", self.domain)
    }

    fn push(&mut self, name: String, value: Value, purpose: impl Into<String>) {
        self.records.push(Record::new(name, value, purpose));
    }

    fn incoming(&mut self, names: &Names) {
        for (at, host) in names.mx.iter().enumerate() {
            let value = Value::Mx { preference: (at + 1) * PREFERENCE_STEP, host: host.clone() };
            self.push(self.domain.clone(), value, "Mail comes to this host.");
        }
        for host in &names.mx {
            let purpose = "The MX itself; the names of its addresses (PTR) lead back to it.";
            self.push(host.clone(), Value::Addresses, purpose);
        }
    }

    /// RFC 7208.
    fn sending(&mut self, publish: &Publish, names: &Names) {
        let mut terms = vec!["v=spf1".to_owned(), "mx".to_owned()];
        terms.extend(names.send.iter().map(|host| format!("a:{host}")));
        terms.extend(publish.spf_include.iter().map(|domain| format!("include:{domain}")));
        terms.push(publish.spf_all.to_owned());
        self.push(self.domain.clone(), Value::Spf(terms.join(" ")), "SPF: the hosts that send for the domain.");
    }

    fn keys(&mut self, keys: &[DkimKey]) {
        let now = Timestamp::now().as_millisecond();
        for key in keys {
            let purpose = match key.state() {
                DkimState::Active => "DKIM: the key that signs.".to_owned(),
                DkimState::Next => "DKIM: the key that signs after the next rotation.".to_owned(),
                DkimState::Retired => {
                    let until = key.retired_ms + RETIRED_DAYS * 24 * 60 * 60 * 1_000;
                    if until < now {
                        continue;
                    }
                    format!("DKIM: a retired key; its record may go on {}.", day(until))
                }
                DkimState::Unspecified => continue,
            };
            self.records.extend(Record::of_key(&self.domain, key, purpose));
        }
    }

    /// RFC 7489 §6.3, §7.1; RFC 8460 §3.
    fn reports(&mut self, publish: &Publish) {
        let own = format!("postmaster@{}", self.domain);
        let to = if publish.report_address.is_empty() { &own } else { &publish.report_address };
        let dmarc = format!("v=DMARC1; p={}; rua=mailto:{to}", publish.dmarc_policy);
        self.push(self.under("_dmarc"), Value::Tags(dmarc), "DMARC: what others do with mail that fails SPF and DKIM.");
        if let Some((_, elsewhere)) = to.rsplit_once('@').filter(|(_, domain)| *domain != self.domain) {
            let name = format!("{}._report._dmarc.{elsewhere}", self.domain);
            let purpose = "DMARC: the other domain takes reports about this one.";
            self.push(name, Value::Tags("v=DMARC1".to_owned()), purpose);
        }
        let tls = format!("v=TLSRPTv1; rua=mailto:{to}");
        self.push(self.under("_smtp._tls"), Value::Tags(tls), "TLS-RPT: where others report failures of TLS.");
    }

    /// RFC 8461 §3.1, RFC 7672 §3.
    fn transport(&mut self, names: &Names, certificate: Option<&KeyDigest>) {
        if let Some(policy) = &self.policy {
            let text = format!("v=STSv1; id={}", mta_sts_id(policy));
            self.push(
                self.under("_mta-sts"),
                Value::Tags(text),
                "MTA-STS: there is a policy; another id is another policy.",
            );
            self.push(self.under("mta-sts"), Value::Cname(names.client.clone()), "MTA-STS: the host of the policy.");
        }
        let Some(certificate) = certificate else { return };
        for host in &names.mx {
            let purpose = "DANE: the key of the MX's certificate; counts only in a zone signed with DNSSEC.";
            self.push(format!("_25._tcp.{host}"), Value::Tlsa(certificate.hex()), purpose);
        }
    }

    /// RFC 6186 §3, RFC 8314 §5.1.
    fn clients(&mut self, names: &Names) {
        for (service, port) in [("imaps", 993), ("submissions", 465), ("pop3s", 995)] {
            let value = Value::Srv { port, host: names.client.clone() };
            self.push(self.under(&format!("_{service}._tcp")), value, "Where programs find the service.");
        }
        for label in ["autoconfig", "autodiscover"] {
            self.push(self.under(label), Value::Cname(names.client.clone()), "Where programs find their settings.");
        }
    }
}

fn day(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests;

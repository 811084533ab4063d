//! TLS reports (RFC 8460): sessions counted by domain and policy over a day, and the report of each domain. A worker that dies
//! takes its counts along: they are statistics, and every worker reports its own.

mod gzip;
mod place;
mod report;
mod send;

pub use place::{Place, places};
pub use report::{Range, Report};
pub use send::Reporter;

use crate::limits::{REPORT_FAILURES_MAX, REPORT_POLICIES_MAX};
use dns::Name;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use tokio_rustls::rustls::{CertificateError, Error};

/// What a policy is (RFC 8460 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// DANE.
    Tlsa,
    /// MTA-STS.
    Sts,
    /// Neither.
    NoPolicy,
}

impl Kind {
    /// The policy-type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tlsa => "tlsa",
            Self::Sts => "sts",
            Self::NoPolicy => "no-policy-found",
        }
    }
}

/// What went wrong (RFC 8460 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Failure {
    /// No STARTTLS.
    NoStartTls,
    /// A certificate for another name.
    HostMismatch,
    /// One whose time is over or has not come.
    Expired,
    /// One that nobody we trust vouches for.
    NotTrusted,
    /// Anything else about TLS or a policy.
    Validation,
    /// DNSSEC fails.
    DnssecInvalid,
    /// The policy cannot be fetched.
    StsFetch,
    /// It is no policy.
    StsInvalid,
}

impl Failure {
    /// The result-type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoStartTls => "starttls-not-supported",
            Self::HostMismatch => "certificate-host-mismatch",
            Self::Expired => "certificate-expired",
            Self::NotTrusted => "certificate-not-trusted",
            Self::Validation => "validation-failure",
            Self::DnssecInvalid => "dnssec-invalid",
            Self::StsFetch => "sts-policy-fetch-error",
            Self::StsInvalid => "sts-policy-invalid",
        }
    }

    /// What an error of rustls is.
    pub fn of(error: &Error) -> Self {
        let Error::InvalidCertificate(error) = error else { return Self::Validation };
        match error {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::HostMismatch,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::Expired,
            CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Revoked => {
                Self::NotTrusted
            }
            _ => Self::Validation,
        }
    }
}

/// The policy that a session was under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Its kind.
    pub kind: Kind,
    /// Its records or lines.
    pub text: Vec<String>,
    /// The hosts that it names.
    pub hosts: Vec<String>,
}

/// One session.
#[derive(Debug, Clone, Copy)]
pub struct Session<'a> {
    /// The host; empty when it did not come to one.
    pub host: &'a str,
    /// Its address.
    pub address: Option<IpAddr>,
    /// How it went.
    pub result: Result<(), Failure>,
}

/// A kind of failure, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Detail {
    /// What.
    pub failure: Failure,
    /// The host.
    pub host: String,
    /// Its address.
    pub address: Option<IpAddr>,
}

/// Sessions under one policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// That went well.
    pub good: u64,
    /// That did not.
    pub bad: u64,
    /// Which; those over [`REPORT_FAILURES_MAX`] are in `bad` only.
    pub details: HashMap<Detail, u64>,
}

/// What is counted until the next reports.
#[derive(Default)]
pub struct Reports(Mutex<HashMap<(Name, Subject), Tally>>);

impl Reports {
    /// Counts a session with a host of a domain. What is over [`REPORT_POLICIES_MAX`] is not.
    pub fn count(&self, domain: &Name, subject: &Subject, session: &Session<'_>) {
        // No invariant of the map spans a panic.
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (domain.clone(), subject.clone());
        if tallies.len() >= REPORT_POLICIES_MAX && !tallies.contains_key(&key) {
            return;
        }
        let tally = tallies.entry(key).or_default();
        let Err(failure) = session.result else {
            tally.good += 1;
            return;
        };
        tally.bad += 1;
        let detail = Detail { failure, host: session.host.to_owned(), address: session.address };
        if tally.details.len() < REPORT_FAILURES_MAX || tally.details.contains_key(&detail) {
            *tally.details.entry(detail).or_default() += 1;
        }
    }

    /// Everything that was counted, by domain; counting begins anew.
    pub fn take(&self) -> HashMap<Name, Vec<(Subject, Tally)>> {
        let taken = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut domains: HashMap<Name, Vec<(Subject, Tally)>> = HashMap::new();
        for ((domain, subject), tally) in taken {
            domains.entry(domain).or_default().push((subject, tally));
        }
        domains
    }
}

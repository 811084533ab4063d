//! What TLS a destination's host must have: by DANE where DNSSEC vouches for its records, else by MTA-STS, else whatever is
//! offered (RFC 7672 §2.1, RFC 8461 §2); and a note of how it went, for the reports.

use crate::connection::Connection;
use crate::dane::Association;
use crate::fault::Fault;
use crate::mta_sts::{Found, Mode, Policies};
use crate::outcome::{Outcome, Status};
use crate::tls::{Dane, Demand, Note};
use crate::tls_report::{Failure, Kind, Reports, Session, Subject};
use dns::{LookupError, Name, Resolver, Tlsa};
use std::net::IpAddr;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::ServerName;

/// Finds what is demanded.
pub struct TlsPolicies {
    resolver: Resolver,
    /// `None`: MTA-STS is off.
    sts: Option<Policies>,
    dane: bool,
    /// The port of other servers, which stands in the name of TLSA records.
    port: u16,
    /// `None`: no reports.
    reports: Option<Arc<Reports>>,
}

/// What a domain says of its hosts.
pub struct DomainPolicy {
    /// `None` for destinations that nobody reports on.
    domain: Option<Name>,
    exchangers_secure: bool,
    sts: Found,
}

impl DomainPolicy {
    /// Of a destination that has none.
    pub fn none() -> Self {
        Self { domain: None, exchangers_secure: false, sts: Found::default() }
    }
}

/// What is demanded of a host, and on what grounds.
pub struct Judged {
    /// The demand.
    pub demand: Demand,
    /// Somebody vouches that it is a host of the domain's, DNSSEC or MTA-STS: an authority's word on its name is then enough
    /// for a message that requires TLS (RFC 8689 §4.2.1).
    pub is_named: bool,
    grounds: Grounds,
}

enum Grounds {
    Nothing,
    Sts,
    Tlsa(Vec<String>),
}

impl Judged {
    /// Without a policy.
    pub fn plain(demand: Demand) -> Self {
        Self { demand, is_named: false, grounds: Grounds::Nothing }
    }
}

impl TlsPolicies {
    /// With what is switched on.
    pub fn new(
        resolver: Resolver,
        sts: Option<Policies>,
        dane: bool,
        port: u16,
        reports: Option<Arc<Reports>>,
    ) -> Self {
        Self { resolver, sts, dane, port, reports }
    }

    /// What a domain says.
    pub async fn of_domain(&self, domain: &Name, exchangers_secure: bool) -> DomainPolicy {
        let sts = match &self.sts {
            Some(policies) => policies.of(domain).await,
            None => Found::default(),
        };
        let policy = DomainPolicy { domain: Some(domain.clone()), exchangers_secure, sts };
        if let Some(failure) = policy.sts.failure {
            self.count(&policy, &Grounds::Sts, "", None, Err(failure));
        }
        policy
    }

    /// What one of its hosts must have; `addresses_secure`: DNSSEC vouches for its addresses.
    ///
    /// # Errors
    /// The host cannot be used now.
    pub async fn of_host(
        &self,
        policy: &DomainPolicy,
        domain: &Name,
        host: &Name,
        addresses_secure: bool,
    ) -> Result<Judged, Outcome> {
        if self.dane
            && policy.exchangers_secure
            && addresses_secure
            && let Some(judged) = self.dane(policy, domain, host).await?
        {
            return Ok(judged);
        }
        let without = || Judged { is_named: policy.exchangers_secure, ..Judged::plain(Demand::Opportunistic) };
        let Some(sts) = &policy.sts.policy else { return Ok(without()) };
        let demand = match sts.mode {
            Mode::None => return Ok(without()),
            Mode::Enforce => Demand::Authority,
            Mode::Testing => Demand::Noted(Note::default()),
        };
        if !sts.names(host.as_str()) {
            self.count(policy, &Grounds::Sts, host.as_str(), None, Err(Failure::Validation));
            if sts.mode == Mode::Enforce {
                let text = format!("{host} is not among the hosts of the domain's MTA-STS policy");
                return Err(Outcome::deferred(Status::new(4, 7, 5), &text, host.as_str()));
            }
        }
        let is_named = policy.exchangers_secure || sts.names(host.as_str());
        Ok(Judged { demand, is_named, grounds: Grounds::Sts })
    }

    /// RFC 7672 §2.2; `None` without records. A look-up that fails is no leave to go on without them (§2.1.2).
    async fn dane(&self, policy: &DomainPolicy, domain: &Name, host: &Name) -> Result<Option<Judged>, Outcome> {
        let Ok(name) = host.child(&format!("_{}._tcp", self.port)) else { return Ok(None) };
        let records = match self.resolver.tlsa(&name).await {
            Ok(answer) if answer.secure => answer.records,
            Ok(_) | Err(LookupError::NoSuchName | LookupError::NoRecords | LookupError::Off) => return Ok(None),
            Err(error @ (LookupError::Bogus | LookupError::Failed)) => {
                self.count(policy, &Grounds::Tlsa(Vec::new()), host.as_str(), None, Err(Failure::DnssecInvalid));
                let text = format!("TLSA records of {host}: {error}");
                return Err(Outcome::deferred(Status::new(4, 7, 5), &text, host.as_str()));
            }
        };
        let told = records.iter().map(told).collect();
        let usable = |record: &Tlsa| Association::new(record.usage, record.selector, record.matching, &record.data);
        let associations: Vec<_> = records.iter().filter_map(usable).collect();
        if associations.is_empty() {
            return Ok(Some(Judged { demand: Demand::Encrypted, is_named: true, grounds: Grounds::Tlsa(told) }));
        }
        let names = [host, domain].into_iter().filter_map(|name| ServerName::try_from(name.to_string()).ok()).collect();
        let demand = Demand::Dane(Arc::new(Dane { associations, names }));
        Ok(Some(Judged { demand, is_named: true, grounds: Grounds::Tlsa(told) }))
    }

    /// How a connection to one of the hosts went, if it got as far as TLS.
    pub fn note(
        &self,
        policy: &DomainPolicy,
        judged: &Judged,
        host: &str,
        address: IpAddr,
        opened: Result<&Connection, &Fault>,
    ) {
        let result = match (opened, &judged.demand) {
            (Ok(connection), _) if connection.is_clear() => Err(Failure::NoStartTls),
            (Ok(_), Demand::Noted(note)) => note.error().map_or(Ok(()), |error| Err(Failure::of(error))),
            (Ok(_), _) => Ok(()),
            (Err(Fault::NoTls), _) => Err(Failure::NoStartTls),
            (Err(fault @ Fault::Handshake(_)), _) => Err(fault.tls_error().map_or(Failure::Validation, Failure::of)),
            // It did not come to TLS, or TLS was not the matter.
            (Err(_), _) => return,
        };
        self.count(policy, &judged.grounds, host, Some(address), result);
    }

    fn count(
        &self,
        policy: &DomainPolicy,
        grounds: &Grounds,
        host: &str,
        address: Option<IpAddr>,
        result: Result<(), Failure>,
    ) {
        let (Some(reports), Some(domain)) = (&self.reports, &policy.domain) else { return };
        let sts = policy.sts.policy.as_ref();
        let subject = match grounds {
            Grounds::Nothing => Subject { kind: Kind::NoPolicy, text: Vec::new(), hosts: Vec::new() },
            Grounds::Sts => Subject {
                kind: Kind::Sts,
                text: sts.map(|policy| policy.lines()).unwrap_or_default(),
                hosts: sts.map(|policy| policy.patterns.clone()).unwrap_or_default(),
            },
            Grounds::Tlsa(told) => Subject { kind: Kind::Tlsa, text: told.clone(), hosts: vec![host.to_owned()] },
        };
        reports.count(domain, &subject, &Session { host, address, result });
    }
}

/// A record as it stands in a zone, for a report.
fn told(record: &Tlsa) -> String {
    let hex: String = record.data.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} {} {} {hex}", record.usage, record.selector, record.matching)
}

//! The look-ups: from a cache, or from the servers within the time there is.

use crate::answer::{Chase, Outcome, Step};
use crate::cache::{Cache, Found};
use crate::config::ResolverError;
use crate::limits::{CNAMES_MAX, LOOKUP_TIME_MAX, LOOKUPS_MAX};
use crate::name::Name;
use crate::records::{Answer, Data, Kind, LookupError, Mx, Srv, Tlsa, from_wire, to_wire};
use crate::upstream::Upstream;
use daemon::config::Dns;
use daemon::shared::Shared;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Counter: look-ups by where the answer was and how it ended.
const LOOKUPS: &str = "brevdue_dns_lookups_total";
/// What answers are called among front-ends.
const SHARED_KIND: &str = "dns";

/// Looks names up. Clones share caches and servers.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    /// `None`: off.
    upstream: Option<Upstream>,
    cache: Cache,
    shared: Shared,
    permits: Semaphore,
}

impl Resolver {
    /// With the servers of the section, and what front-ends share as second cache. Within a tokio runtime, which then
    /// carries the connections.
    ///
    /// # Errors
    /// When the section cannot be used; no server is asked yet.
    pub fn new(dns: &Dns, shared: Shared) -> Result<Self, ResolverError> {
        let upstream = if dns.enabled { Some(Upstream::new(dns)?) } else { None };
        Ok(Self::with(upstream, shared))
    }

    /// One that looks nothing up: every answer is [`LookupError::Off`].
    pub fn disabled() -> Self {
        Self::with(None, Shared::in_process())
    }

    fn with(upstream: Option<Upstream>, shared: Shared) -> Self {
        Self(Arc::new(Inner { upstream, cache: Cache::new(), shared, permits: Semaphore::new(LOOKUPS_MAX) }))
    }

    /// Whether names are looked up at all.
    pub fn is_enabled(&self) -> bool {
        self.0.upstream.is_some()
    }

    /// The mail exchangers, the most preferred first. A domain without any may still have addresses (RFC 5321 §5.1).
    ///
    /// # Errors
    /// As for every look-up.
    pub async fn mx(&self, name: &Name) -> Result<Answer<Mx>, LookupError> {
        self.records(name, Kind::Mx, |data| match data {
            Data::Mx(preference, exchange) => Some(Mx { preference: *preference, exchange: exchange.clone() }),
            _ => None,
        })
        .await
    }

    /// IPv6 and IPv4 addresses, asked for at once. When one kind cannot be had, the other is the answer.
    ///
    /// # Errors
    /// When there is no address of either kind: the worse of both reasons.
    pub async fn addresses(&self, name: &Name) -> Result<Answer<IpAddr>, LookupError> {
        let (six, four) = tokio::join!(self.ipv6(name), self.ipv4(name));
        match (six, four) {
            (Ok(six), Ok(four)) => Ok(Answer {
                records: six.records.into_iter().chain(four.records).collect(),
                // RFC 7672 §2.2.2: secure is only what is secure as a whole.
                secure: six.secure && four.secure,
                ttl: six.ttl.min(four.ttl),
                canonical: six.canonical,
            }),
            // A forged or failing half makes no secure whole, for whoever withholds it may have a reason.
            (Ok(one), Err(error)) | (Err(error), Ok(one)) => {
                Ok(Answer { secure: one.secure && !error.is_temporary(), ..one })
            }
            (Err(one), Err(other)) if one.is_temporary() || !other.is_temporary() => Err(one),
            (Err(_), Err(other)) => Err(other),
        }
    }

    /// IPv4 addresses.
    ///
    /// # Errors
    /// As for every look-up.
    pub async fn ipv4(&self, name: &Name) -> Result<Answer<IpAddr>, LookupError> {
        self.records(name, Kind::A, Data::address).await
    }

    /// IPv6 addresses.
    ///
    /// # Errors
    /// As for every look-up.
    pub async fn ipv6(&self, name: &Name) -> Result<Answer<IpAddr>, LookupError> {
        self.records(name, Kind::Aaaa, Data::address).await
    }

    /// What an address is called. Nothing vouches for it until the name has that address.
    ///
    /// # Errors
    /// As for every look-up.
    pub async fn reverse(&self, address: IpAddr) -> Result<Answer<Name>, LookupError> {
        self.records(&Name::reverse(address), Kind::Ptr, |data| match data {
            Data::Ptr(name) => Some(name.clone()),
            _ => None,
        })
        .await
    }

    /// TXT records, the strings of each joined.
    ///
    /// # Errors
    /// As for every look-up.
    pub async fn txt(&self, name: &Name) -> Result<Answer<Vec<u8>>, LookupError> {
        self.records(name, Kind::Txt, |data| match data {
            Data::Txt(text) => Some(text.clone()),
            _ => None,
        })
        .await
    }

    /// Certificate associations. They mean something only when [`Answer::secure`] is set (RFC 7672 §2.2).
    ///
    /// # Errors
    /// As for every look-up.
    pub async fn tlsa(&self, name: &Name) -> Result<Answer<Tlsa>, LookupError> {
        self.records(name, Kind::Tlsa, |data| match data {
            Data::Tlsa(usage, selector, matching, data) => {
                Some(Tlsa { usage: *usage, selector: *selector, matching: *matching, data: data.clone() })
            }
            _ => None,
        })
        .await
    }

    /// Where a service is.
    ///
    /// # Errors
    /// As for every look-up.
    pub async fn srv(&self, name: &Name) -> Result<Answer<Srv>, LookupError> {
        self.records(name, Kind::Srv, |data| match data {
            Data::Srv(priority, weight, port, target) => {
                Some(Srv { priority: *priority, weight: *weight, port: *port, target: target.clone() })
            }
            _ => None,
        })
        .await
    }

    /// Whether the name has an IPv4 address, which is how block lists say yes (RFC 5782 §2.1).
    ///
    /// # Errors
    /// When DNS says neither yes nor no.
    pub async fn exists(&self, name: &Name) -> Result<bool, LookupError> {
        match self.ipv4(name).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_absent() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn records<T>(
        &self,
        name: &Name,
        kind: Kind,
        pick: impl Fn(&Data) -> Option<T>,
    ) -> Result<Answer<T>, LookupError> {
        let found = self.0.find(name, kind).await?;
        let records = found.result.as_ref().map_err(|error| *error)?.iter().filter_map(pick).collect();
        Ok(Answer { records, secure: found.secure, ttl: found.ttl(), canonical: found.canonical.clone() })
    }
}

impl Inner {
    async fn find(&self, name: &Name, kind: Kind) -> Result<Arc<Found>, LookupError> {
        let upstream = self.upstream.as_ref().ok_or(LookupError::Off)?;
        if let Some(found) = self.cache.get(name, kind) {
            count("cache", &found);
            return Ok(found);
        }
        let shares = self.shared.is_shared();
        let shared_key = || format!("{kind:?} {name}").into_bytes();
        if shares
            && let Some(bytes) = self.shared.get(SHARED_KIND, &shared_key()).await
            && let Some(found) = Found::decode(&bytes).map(Arc::new)
        {
            self.cache.put(name, kind, &found);
            count("shared", &found);
            return Ok(found);
        }
        let found = Arc::new(self.ask(upstream, name, kind).await);
        count("asked", &found);
        self.cache.put(name, kind, &found);
        if shares
            && found.is_to_share()
            && let Some(bytes) = found.encode()
        {
            self.shared.set(SHARED_KIND, &shared_key(), &bytes, found.ttl()).await;
        }
        Ok(found)
    }

    async fn ask(&self, upstream: &Upstream, name: &Name, kind: Kind) -> Found {
        let asked = async {
            let _permit = self.permits.acquire().await.map_err(|_| LookupError::Failed)?;
            let mut chase = Chase::new(to_wire(name).ok_or(LookupError::NoSuchName)?, kind, upstream.validates());
            // Each query but the first is for where a CNAME led to.
            for _ in 0..=CNAMES_MAX {
                let answered = upstream.ask(chase.name(), kind).await?;
                if let Step::Done(outcome) = chase.take(answered) {
                    let canonical = from_wire(chase.name()).unwrap_or_else(|| name.clone());
                    return Ok((outcome, canonical));
                }
            }
            Err(LookupError::Failed)
        };
        let (outcome, canonical) = match tokio::time::timeout(LOOKUP_TIME_MAX, asked).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => (Outcome::failure(error), name.clone()),
            Err(_) => (Outcome::failure(LookupError::Failed), name.clone()),
        };
        Found::new(outcome.result, outcome.secure, canonical, outcome.ttl)
    }
}

fn count(from: &'static str, found: &Found) {
    let end = match &found.result {
        Ok(_) if found.secure => "secure",
        Ok(_) => "found",
        Err(LookupError::NoSuchName | LookupError::NoRecords) => "absent",
        Err(LookupError::Bogus) => "bogus",
        Err(LookupError::Failed | LookupError::Off) => "failed",
    };
    metrics::counter!(LOOKUPS, "from" => from, "end" => end).increment(1);
}

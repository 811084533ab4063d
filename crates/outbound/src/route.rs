//! Where mail for a destination goes (RFC 5321 §5.1): the hosts to try, in order. How they are spoken to is decided elsewhere.

use crate::limits::HOSTS_MAX;
use crate::outcome::{Outcome, Status};
use crate::random;
use daemon::config;
use directory::client::{DirectoryClient, Lookup};
use dns::{Answer, LookupError, Mx, Name, Resolver};
use model::Address;
use std::net::{IpAddr, Ipv6Addr};

/// A host of our own configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Endpoint {
    /// From `host:port`; an IPv6 host stands in brackets.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }
}

/// The hosts for a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Our own MX roles.
    Local(Vec<Endpoint>),
    /// The smart host.
    Smart(Endpoint),
    /// The exchangers of a domain, most preferred first.
    Exchangers {
        /// The domain.
        domain: Name,
        /// Its hosts.
        hosts: Vec<Name>,
        /// Whether DNSSEC vouches for them.
        secure: bool,
    },
    /// An address literal (RFC 5321 §4.1.3).
    Literal(IpAddr),
}

/// Finds routes.
pub struct Routes {
    resolver: Resolver,
    directory: DirectoryClient,
    own_name: String,
    local: Vec<Endpoint>,
    smart: Option<Endpoint>,
}

impl Routes {
    /// As configured.
    pub fn new(config: &config::Outbound, resolver: Resolver, directory: DirectoryClient) -> Self {
        Self {
            resolver,
            directory,
            own_name: config.hostname.to_ascii_lowercase(),
            local: config.local_mx.iter().filter_map(|text| Endpoint::parse(text)).collect(),
            smart: Endpoint::parse(&config.smart_host),
        }
    }

    /// The hosts for a destination as the queue names it.
    ///
    /// # Errors
    /// The outcome of all its recipients, when there are none.
    pub async fn find(&self, destination: &str) -> Result<Route, Outcome> {
        if self.is_local(destination).await? {
            let mut hosts = self.local.clone();
            random::shuffle(&mut hosts);
            return Ok(Route::Local(hosts));
        }
        if let Some(smart) = &self.smart {
            return Ok(Route::Smart(smart.clone()));
        }
        if destination.starts_with('[') {
            let literal = parse_literal(destination);
            return literal.map(Route::Literal).ok_or_else(|| unroutable("the address literal is malformed"));
        }
        let domain: Name = destination.parse().map_err(|_| unroutable("the domain is malformed"))?;
        let answer = self.resolver.mx(&domain).await;
        let secure = answer.as_ref().is_ok_and(|answer| answer.secure);
        let mut hosts = exchangers(&domain, answer, &self.own_name, random::shuffle)?;
        hosts.truncate(HOSTS_MAX);
        Ok(Route::Exchangers { domain, hosts, secure })
    }

    /// Whether the directory takes mail for the domain.
    async fn is_local(&self, destination: &str) -> Result<bool, Outcome> {
        let Ok(postmaster) = format!("postmaster@{destination}").parse::<Address>() else { return Ok(false) };
        match self.directory.lookup(&postmaster).await {
            Ok(Lookup::UnknownDomain) => Ok(false),
            Ok(Lookup::Found(_) | Lookup::UnknownAlias) => Ok(true),
            Err(error) => Err(Outcome::deferred(Status::new(4, 3, 0), &error.to_string(), "")),
        }
    }
}

fn unroutable(text: &str) -> Outcome {
    Outcome::failed(Status::new(5, 1, 2), text, "")
}

/// The hosts that an answer to an MX question names, in the order to try them.
fn exchangers(
    domain: &Name,
    answer: Result<Answer<Mx>, LookupError>,
    own_name: &str,
    shuffle: impl Fn(&mut [Name]),
) -> Result<Vec<Name>, Outcome> {
    let mut records = match answer {
        Ok(answer) => answer.records,
        // RFC 5321 §5.1: the implicit MX. Its addresses may be signed where their absence of MX is: DANE needs an MX set.
        Err(LookupError::NoRecords) => return Ok(vec![domain.clone()]),
        Err(LookupError::NoSuchName) => return Err(unroutable("the domain does not exist")),
        Err(error @ (LookupError::Bogus | LookupError::Failed | LookupError::Off)) => {
            return Err(Outcome::deferred(Status::new(4, 4, 3), &format!("MX records: {error}"), ""));
        }
    };
    // RFC 7505 §3: alone it says that the domain takes no mail; beside others it says nothing.
    if records.iter().all(|record| record.exchange.is_none()) {
        return Err(Outcome::failed(Status::new(5, 1, 10), "the domain takes no mail (null MX)", ""));
    }
    records.retain(|record| record.exchange.is_some());
    // RFC 5321 §5.1: where we are listed ourselves, those that are not preferred to us are ours to feed.
    let ours = |record: &&Mx| record.exchange.as_ref().is_some_and(|name| name.as_str() == own_name);
    if let Some(own) = records.iter().filter(ours).map(|record| record.preference).min() {
        records.retain(|record| record.preference < own);
        if records.is_empty() {
            return Err(Outcome::failed(
                Status::new(5, 4, 6),
                "the MX of the domain is this host, which does not take its mail",
                "",
            ));
        }
    }
    records.sort_by_key(|record| record.preference);
    let mut hosts = Vec::with_capacity(records.len());
    for equals in records.chunk_by(|a, b| a.preference == b.preference) {
        let mut names: Vec<Name> = equals.iter().filter_map(|record| record.exchange.clone()).collect();
        shuffle(&mut names);
        hosts.append(&mut names);
    }
    Ok(hosts)
}

/// RFC 5321 §4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
fn parse_literal(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    match inner.split_at_checked(5) {
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6:") => address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => inner.parse().ok().filter(IpAddr::is_ipv4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Verdict;
    use std::time::Duration;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn find(records: &[(u16, &str)]) -> Result<Vec<String>, (Verdict, String)> {
        let exchange = |text: &str| (text != ".").then(|| name(text));
        let records = records.iter().map(|&(preference, host)| Mx { preference, exchange: exchange(host) }).collect();
        let answer = Answer { records, secure: false, ttl: Duration::ZERO, canonical: name("example.com") };
        let reverse = |names: &mut [Name]| names.reverse();
        let found = exchangers(&name("example.com"), Ok(answer), "mail.sender.test", reverse);
        found
            .map(|hosts| hosts.iter().map(|host| host.as_str().to_owned()).collect())
            .map_err(|outcome| (outcome.verdict, outcome.status.to_string()))
    }

    #[test]
    fn by_preference_and_equals_by_chance() {
        let hosts = find(&[(20, "c.test"), (10, "a.test"), (10, "b.test"), (0, "z.test")]);
        assert_eq!(hosts.unwrap(), ["z.test", "b.test", "a.test", "c.test"]);
        assert_eq!(find(&[(0, "."), (10, "a.test")]).unwrap(), ["a.test"]);
    }

    #[test]
    fn who_takes_no_mail_and_loops() {
        assert_eq!(find(&[(0, ".")]), Err((Verdict::Failed, "5.1.10".to_owned())));
        assert_eq!(find(&[(10, "mail.sender.test"), (20, "b.test")]), Err((Verdict::Failed, "5.4.6".to_owned())));
        let below = find(&[(5, "a.test"), (10, "mail.sender.test"), (10, "b.test"), (20, "c.test")]);
        assert_eq!(below.unwrap(), ["a.test"]);
    }

    #[test]
    fn what_dns_does_not_say() {
        let find = |error| exchangers(&name("example.com"), Err(error), "x", |_| {});
        assert_eq!(find(LookupError::NoRecords).unwrap(), [name("example.com")]);
        assert_eq!(find(LookupError::NoSuchName).unwrap_err().verdict, Verdict::Failed);
        for error in [LookupError::Bogus, LookupError::Failed, LookupError::Off] {
            assert_eq!(find(error).unwrap_err().verdict, Verdict::Deferred);
        }
    }

    #[test]
    fn literals_and_endpoints() {
        assert_eq!(parse_literal("[192.0.2.1]"), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(parse_literal("[ipv6:2001:db8::1]"), Some("2001:db8::1".parse().unwrap()));
        for bad in ["192.0.2.1", "[2001:db8::1]", "[192.0.2]", "[]", "[IPv6:]", "[\u{e9}\u{e9}\u{e9}]"] {
            assert_eq!(parse_literal(bad), None, "{bad}");
        }
        assert_eq!(Endpoint::parse("[::1]:25"), Some(Endpoint { host: "::1".to_owned(), port: 25 }));
        assert_eq!(Endpoint::parse(""), None);
    }
}

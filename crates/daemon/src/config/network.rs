//! `[dns]` and `[redis]`: what the processes ask of servers that are not Brevdue's own.

use super::error::Wrong;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// DNS servers: more than the time of a look-up lets anyone ask.
pub const DNS_SERVERS_MAX: usize = 16;

/// Where names are looked up.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// Whether names are looked up at all.
    pub enabled: bool,
    /// See [`DnsServer::parse`]; empty: what the system asks.
    pub servers: Vec<String>,
    /// Whether answers are validated.
    pub dnssec: bool,
    /// DNSKEY records to trust instead of the root's; empty for those that are built in.
    pub trust_anchor: PathBuf,
    /// The CA of the DoH servers, PEM; empty: the system's.
    pub ca: PathBuf,
}

impl Default for Dns {
    fn default() -> Self {
        Self { enabled: true, servers: Vec::new(), dnssec: true, trust_anchor: PathBuf::new(), ca: PathBuf::new() }
    }
}

/// One DNS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsServer {
    /// RFC 1035 over UDP, and TCP where an answer is too long.
    Plain(SocketAddr),
    /// RFC 1035 over TCP alone.
    Tcp(SocketAddr),
    /// RFC 8484.
    Https {
        /// Where it is.
        address: SocketAddr,
        /// What its certificate says.
        name: String,
        /// The path of the URI.
        path: String,
    },
}

impl DnsServer {
    /// `udp://192.0.2.1:53`, `tcp://[2001:db8::1]`, `https://192.0.2.1/dns-query` or
    /// `https://dns.example/dns-query#192.0.2.1`: after `#` the address of a server that is called by name, since no name
    /// can be looked up before there is a server. `None` when it is none of these.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        match scheme {
            "udp" => Some(Self::Plain(address(rest, 53)?)),
            "tcp" => Some(Self::Tcp(address(rest, 53)?)),
            "https" => Self::parse_https(rest),
            _ => None,
        }
    }

    fn parse_https(rest: &str) -> Option<Self> {
        let (uri, pinned) = match rest.split_once('#') {
            Some((uri, pinned)) => (uri, Some(pinned.parse::<IpAddr>().ok()?)),
            None => (rest, None),
        };
        let (authority, path) = uri.split_at(uri.find('/')?);
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        if let Some(address) = address(authority, 443) {
            let address = SocketAddr::new(pinned.unwrap_or(address.ip()), address.port());
            return Some(Self::Https { address, name: address.ip().to_string(), path: path.to_owned() });
        }
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)?),
            None => (authority, 443),
        };
        let name = host.parse::<model::Domain>().ok()?;
        Some(Self::Https {
            address: SocketAddr::new(pinned?, port),
            name: name.as_str().to_owned(),
            path: path.to_owned(),
        })
    }
}

/// An address with or without a port.
fn address(text: &str, port: u16) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let given = text.parse::<SocketAddr>().ok().or_else(|| Some(SocketAddr::new(bare.parse().ok()?, port)))?;
    (given.port() > 0).then_some(given)
}

/// What front-ends share.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redis {
    /// `redis://host:port/db` or `rediss://…`; empty: each process counts for itself.
    pub url: String,
    /// A file with its password in the first line; empty: none.
    pub password_file: PathBuf,
    /// The CA of a `rediss` server, PEM; empty: the system's.
    pub ca: PathBuf,
    /// Milliseconds that it has for an answer.
    pub wait_ms: u64,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            url: String::new(),
            password_file: PathBuf::new(),
            ca: PathBuf::new(),
            // Far over what it needs, little beside what a conversation may take.
            wait_ms: 300,
        }
    }
}

/// The values of `[dns]`.
pub(super) fn dns(dns: &Dns) -> Result<(), Wrong> {
    super::check::within("dns.servers", dns.servers.len(), 0..=DNS_SERVERS_MAX)?;
    let Some(wrong) = dns.servers.iter().find(|server| DnsServer::parse(server).is_none()) else {
        return Ok(());
    };
    Err(Wrong {
        key: "dns.servers",
        problem: format!("`{wrong}` is no DNS server"),
        remedy: "write it as https://9.9.9.9/dns-query, https://dns.example/dns-query#192.0.2.1, udp://192.0.2.1:53 or \
                 tcp://192.0.2.1:53",
    })
}

/// The values of `[redis]`. The URL itself is read where it is used; here only what must not stand in a file that many read.
pub(super) fn redis(redis: &Redis) -> Result<(), Wrong> {
    let remedy = "write it as redis://host:6379/0 or rediss://host:6379/0, and the password into password_file";
    super::check::within("redis.wait_ms", redis.wait_ms, 1..=60_000)?;
    let wrong = |problem: &str| Err(Wrong { key: "redis.url", problem: problem.into(), remedy });
    if redis.url.is_empty() {
        return Ok(());
    }
    let Some(("redis" | "rediss", rest)) = redis.url.split_once("://") else {
        return wrong("no redis or rediss URL");
    };
    // `user@` may stand there, `user:password@` may not.
    match rest.split_once('@') {
        Some((user, _)) if user.contains(':') => wrong("it holds a password"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers() {
        let parsed = |text: &str| DnsServer::parse(text);
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let https = |address: &str, name: &str, path: &str| {
            Some(DnsServer::Https { address: at(address), name: name.into(), path: path.into() })
        };
        assert_eq!(parsed("udp://192.0.2.1"), Some(DnsServer::Plain(at("192.0.2.1:53"))));
        assert_eq!(parsed("udp://[2001:db8::1]:5353"), Some(DnsServer::Plain(at("[2001:db8::1]:5353"))));
        assert_eq!(parsed("tcp://[2001:db8::1]"), Some(DnsServer::Tcp(at("[2001:db8::1]:53"))));
        assert_eq!(parsed("https://9.9.9.9/dns-query"), https("9.9.9.9:443", "9.9.9.9", "/dns-query"));
        assert_eq!(parsed("https://[2620:fe::fe]:8443/q"), https("[2620:fe::fe]:8443", "2620:fe::fe", "/q"));
        assert_eq!(
            parsed("https://DNS.Example:8443/dns-query#192.0.2.1"),
            https("192.0.2.1:8443", "dns.example", "/dns-query")
        );
        for bad in [
            "",
            "192.0.2.1",
            "udp://",
            "udp://dns.example",
            "udp://192.0.2.1:0",
            "tls://192.0.2.1",
            "https://192.0.2.1",
            "https://dns.example/q",
            "https://dns.example:0/q#192.0.2.1",
            "https://dns.example/a b#192.0.2.1",
            "https://dns.example/q#x",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_an_operator_is_told() {
        let wrong = dns(&Dns { servers: vec!["9.9.9.9".into()], ..Dns::default() }).unwrap_err();
        assert_eq!((wrong.key, wrong.problem.as_str()), ("dns.servers", "`9.9.9.9` is no DNS server"));
        assert!(dns(&Dns { servers: vec!["udp://9.9.9.9".into(); 17], ..Dns::default() }).is_err());
        let told = |url: &str| redis(&Redis { url: url.into(), ..Redis::default() }).err().map(|wrong| wrong.problem);
        for good in ["", "redis://127.0.0.1:6379/0", "rediss://user@redis.example"] {
            assert_eq!(told(good), None, "{good}");
        }
        assert_eq!(told("http://x").as_deref(), Some("no redis or rediss URL"));
        assert_eq!(told("redis://user:secret@host/0").as_deref(), Some("it holds a password"));
        assert_eq!(told("redis://:secret@host/0").as_deref(), Some("it holds a password"));
    }
}

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
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redis {
    /// `redis://host:port/db` or `rediss://…`; empty: each process counts for itself.
    pub url: String,
    /// A file with its password in the first line; empty: none.
    pub password_file: PathBuf,
    /// The CA of a `rediss` server, PEM; empty: the system's.
    pub ca: PathBuf,
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

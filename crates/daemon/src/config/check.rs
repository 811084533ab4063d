//! Checks of values that their type alone does not make: ranges, and what a role cannot do without.

use super::error::Wrong;
use super::{Config, Imap, Mx, Node, SHARDS_MAX};
use super::{backup, network, outbound, pop3, submission};
use model::limits::MESSAGE_BYTES_MAX;
use model::{Domain, Role};
use std::collections::HashSet;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// Every value of the file, whatever the role.
pub(super) fn values(config: &Config) -> Result<(), Wrong> {
    within("limits.drain_seconds", config.limits.drain_seconds, 1..=600)?;
    endpoint("directory.address", &config.directory.address)?;
    node(&config.node)?;
    imap(&config.imap)?;
    pop3::check(&config.pop3)?;
    submission::check(&config.submission)?;
    mx(&config.mx)?;
    super::mail::check(&config.mail)?;
    outbound::check(&config.outbound)?;
    backup::check(&config.backup)?;
    network::dns(&config.dns)?;
    network::redis(&config.redis)
}

/// What this role needs and has no default.
pub(super) fn role(config: &Config, role: Role) -> Result<(), Wrong> {
    match role {
        Role::Pop3 => pop3::needs(&config.pop3),
        Role::Outbound => outbound::needs(&config.outbound),
        Role::Backup => backup::needs(&config.backup),
        Role::Submission => submission::needs(&config.submission),
        Role::Directory | Role::Admin => Ok(()),
        Role::Node => reachable(&config.node),
        Role::Imap if config.imap.listen.is_none() && config.imap.listen_tls.is_none() => Err(Wrong {
            key: "imap.listen",
            problem: "neither listen nor listen_tls has an address".into(),
            remedy: "set one of them, such as listen_tls = \"[::]:993\"",
        }),
        Role::Imap => Ok(()),
        Role::Mx if config.mx.hostname.is_empty() => Err(Wrong {
            key: "mx.hostname",
            problem: "not set".into(),
            remedy: "give the name that the address of this host resolves to, such as hostname = \"mx.example.com\"",
        }),
        Role::Mx => Ok(()),
    }
}

fn node(node: &Node) -> Result<(), Wrong> {
    within("node.listen_sessions", node.listen_sessions.len(), 1..=SHARDS_MAX)?;
    within("node.open_mailboxes_max", node.open_mailboxes_max, 16..=1_000_000)?;
    within("node.sessions_max", node.sessions_max, 1..=10_000_000)?;
    let distinct: HashSet<_> = node.listen_sessions.iter().filter(|address| address.port() != 0).collect();
    let with_port = node.listen_sessions.iter().filter(|address| address.port() != 0).count();
    if distinct.len() != with_port || distinct.contains(&node.listen_grpc) {
        return Err(Wrong {
            key: "node.listen_sessions",
            problem: "an address stands twice here or is also listen_grpc".into(),
            remedy: "give every shard and listen_grpc a port of their own",
        });
    }
    if node.volumes.is_empty() || node.volumes.iter().collect::<HashSet<_>>().len() != node.volumes.len() {
        return Err(Wrong {
            key: "node.volumes",
            problem: "no folder, or one twice".into(),
            remedy: "name each folder that holds mailbox files once",
        });
    }
    if !node.advertise_sessions.is_empty() && node.advertise_sessions.len() != node.listen_sessions.len() {
        return Err(Wrong {
            key: "node.advertise_sessions",
            problem: format!("{} addresses for {} shards", node.advertise_sessions.len(), node.listen_sessions.len()),
            remedy: "give one for each of listen_sessions, in the same order, or none",
        });
    }
    node.advertise_sessions.iter().try_for_each(|each| endpoint("node.advertise_sessions", each))?;
    if node.advertise_grpc.is_empty() { Ok(()) } else { endpoint("node.advertise_grpc", &node.advertise_grpc) }
}

/// Others cannot connect to `0.0.0.0` or `[::]`.
fn reachable(node: &Node) -> Result<(), Wrong> {
    let unspecified = |problem| Wrong {
        key: problem,
        problem: "empty, while the node listens on every address".into(),
        remedy: "name the host and port at which the other machines reach this node",
    };
    if node.advertise_sessions.is_empty() && node.listen_sessions.iter().any(|each| each.ip().is_unspecified()) {
        return Err(unspecified("node.advertise_sessions"));
    }
    if node.advertise_grpc.is_empty() && node.listen_grpc.ip().is_unspecified() {
        return Err(unspecified("node.advertise_grpc"));
    }
    Ok(())
}

fn imap(imap: &Imap) -> Result<(), Wrong> {
    within("imap.connections_max", imap.connections_max, 1..=1_000_000)?;
    within("imap.connections_per_source_max", imap.connections_per_source_max, 0..=1_000_000)?;
    // RFC 9051 §5.4: an inactivity timer of at least 30 minutes after authentication.
    within("imap.idle_minutes", imap.idle_minutes, 30..=1440)?;
    within("imap.sign_ins_max", imap.sign_ins_max, 1..=1024)?;
    // RFC 9738: a limit below 1,000 would make clients ask too often.
    within("imap.messages_per_command_max", imap.messages_per_command_max, 1_000..=1_000_000)?;
    within("imap.message_bytes_max", imap.message_bytes_max, 1..=MESSAGE_BYTES_MAX)
}

fn mx(mx: &Mx) -> Result<(), Wrong> {
    within("mx.connections_max", mx.connections_max, 1..=1_000_000)?;
    within("mx.connections_per_source_max", mx.connections_per_source_max, 0..=1_000_000)?;
    // RFC 5321 §4.5.3.1.7: 64 K octets at least.
    within("mx.engine_wait_ms", mx.engine_wait_ms, 0..=60_000)?;
    within("mx.message_bytes_max", mx.message_bytes_max, 65_536..=MESSAGE_BYTES_MAX)?;
    if mx.hostname.is_empty() { Ok(()) } else { host_name("mx.hostname", &mx.hostname) }
}

pub(super) fn host_name(key: &'static str, name: &str) -> Result<(), Wrong> {
    if name.parse::<Domain>().is_ok() {
        return Ok(());
    }
    Err(Wrong {
        key,
        problem: "not a host name".into(),
        remedy: "give the name that the address of this host resolves to, such as hostname = \"mx.example.com\"",
    })
}

pub(super) fn within<T: Copy + PartialOrd + Display>(
    key: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), Wrong> {
    if range.contains(&value) {
        return Ok(());
    }
    let problem = format!("{value} is not between {} and {}", range.start(), range.end());
    Err(Wrong { key, problem, remedy: "choose a number in that range" })
}

pub(super) fn endpoint(key: &'static str, text: &str) -> Result<(), Wrong> {
    let host_and_port = text.rsplit_once(':').filter(|(host, port)| {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        !host.is_empty()
            && (bracketed || !host.contains([':', '/', '@', ' ']))
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if host_and_port.is_some() {
        return Ok(());
    }
    Err(Wrong {
        key,
        problem: format!("`{text}` is not host:port"),
        remedy: "write it as node-1.example.com:7409 or [::1]:7409",
    })
}

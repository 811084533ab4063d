//! `[outbound]`: the queue's delivery to other hosts and programs.

use super::check::{endpoint, within};
use super::cidr::Network;
use super::error::Wrong;
use model::{Address, Domain};
use serde::Deserialize;
use std::path::PathBuf;

/// Hosts in `local_mx`: more than anybody has.
pub const LOCAL_MX_MAX: usize = 32;
/// Networks in `webhook_networks`: each address is compared with all of them.
pub const WEBHOOK_NETWORKS_MAX: usize = 64;

/// The queue's delivery.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    /// Its name to the world.
    pub hostname: String,
    /// Where mail for the domains of the directory goes, `host:port`.
    pub local_mx: Vec<String>,
    /// Where all other mail goes, `host:port`; empty: to the MX of its domain.
    pub smart_host: String,
    /// TLS with the smart host.
    pub smart_host_tls: SmartHostTls,
    /// The name to sign in with there; empty: none.
    pub smart_host_user: String,
    /// A file with its password.
    pub smart_host_password_file: PathBuf,
    /// From whom notices and reports come; empty: the postmaster of the host name.
    pub postmaster: String,
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once to one destination.
    pub connections_per_destination_max: usize,
    /// Seconds for which a node keeps for one worker what it handed out, unless the worker asks for more.
    pub lease_seconds: u32,
    /// Hours after which a message is given up.
    pub give_up_hours: u32,
    /// Hours after which the sender is told of a delay.
    pub delay_notice_hours: u32,
    /// Whether MTA-STS policies are obeyed.
    pub mta_sts: bool,
    /// Whether TLSA records are obeyed.
    pub dane: bool,
    /// Whether TLS reports are sent.
    pub tls_reports: bool,
    /// Authorities to trust, PEM; empty: the system's.
    pub ca: PathBuf,
    /// Whether mail may go to private addresses.
    pub allow_private: bool,
    /// Networks besides the public ones that webhooks may call, also without TLS.
    pub webhook_networks: Vec<Network>,
    /// The port of other mail servers.
    pub port: u16,
    /// The port of MTA-STS policies.
    pub https_port: u16,
}

/// TLS with a smart host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmartHostTls {
    /// STARTTLS, with a certificate for its name.
    Required,
    /// From the first octet, with a certificate for its name.
    Implicit,
    /// Whatever it offers.
    Opportunistic,
}

impl Outbound {
    /// From whom notices and reports come.
    pub fn sender(&self) -> String {
        if self.postmaster.is_empty() { format!("postmaster@{}", self.hostname) } else { self.postmaster.clone() }
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            hostname: String::new(),
            local_mx: vec!["127.0.0.1:25".to_owned()],
            smart_host: String::new(),
            smart_host_tls: SmartHostTls::Required,
            smart_host_user: String::new(),
            smart_host_password_file: PathBuf::new(),
            postmaster: String::new(),
            connections_max: 200,
            connections_per_destination_max: 20,
            lease_seconds: 60,
            give_up_hours: 120,
            delay_notice_hours: 4,
            mta_sts: true,
            dane: true,
            tls_reports: true,
            ca: PathBuf::new(),
            allow_private: false,
            webhook_networks: Vec::new(),
            port: 25,
            https_port: 443,
        }
    }
}

pub(super) fn check(outbound: &Outbound) -> Result<(), Wrong> {
    within("outbound.local_mx", outbound.local_mx.len(), 1..=LOCAL_MX_MAX)?;
    outbound.local_mx.iter().try_for_each(|each| endpoint("outbound.local_mx", each))?;
    if !outbound.smart_host.is_empty() {
        endpoint("outbound.smart_host", &outbound.smart_host)?;
    }
    within("outbound.connections_max", outbound.connections_max, 1..=10_000)?;
    within("outbound.connections_per_destination_max", outbound.connections_per_destination_max, 1..=1_000)?;
    within("outbound.webhook_networks", outbound.webhook_networks.len(), 0..=WEBHOOK_NETWORKS_MAX)?;
    within("outbound.lease_seconds", outbound.lease_seconds, 10..=3600)?;
    // RFC 5321 §4.5.4.1: 4 to 5 days at least; fewer are for those who know why.
    within("outbound.give_up_hours", outbound.give_up_hours, 1..=720)?;
    within("outbound.delay_notice_hours", outbound.delay_notice_hours, 1..=720)?;
    within("outbound.port", outbound.port, 1..=u16::MAX)?;
    within("outbound.https_port", outbound.https_port, 1..=u16::MAX)?;
    if !outbound.hostname.is_empty() && outbound.hostname.parse::<Domain>().is_err() {
        return Err(hostname("not a host name"));
    }
    if !outbound.postmaster.is_empty() && outbound.postmaster.parse::<Address>().is_err() {
        return Err(Wrong {
            key: "outbound.postmaster",
            problem: "not an address".into(),
            remedy: "give an address that somebody reads, such as postmaster = \"postmaster@example.com\"",
        });
    }
    Ok(())
}

pub(super) fn needs(outbound: &Outbound) -> Result<(), Wrong> {
    if outbound.hostname.is_empty() { Err(hostname("not set")) } else { Ok(()) }
}

fn hostname(problem: &str) -> Wrong {
    Wrong {
        key: "outbound.hostname",
        problem: problem.into(),
        remedy: "give the name that this host's address resolves to, such as hostname = \"mail.example.com\"",
    }
}

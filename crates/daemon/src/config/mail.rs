//! `[mail]`: the names under which the world finds the whole installation.

use super::check::host_name;
use super::error::Wrong;
use serde::Deserialize;

/// Host names of the installation.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// Where mail comes in, in the order in which it is to be tried; empty: the MX's own name.
    pub mx_hosts: Vec<String>,
    /// Where mail goes out, besides the MX hosts.
    pub send_hosts: Vec<String>,
    /// Where people's programs connect; empty: the first MX host.
    pub client_host: String,
}

/// Hosts of one list: what an SPF record and an MTA-STS policy have room for.
const HOSTS_MAX: usize = 8;

pub(super) fn check(mail: &Mail) -> Result<(), Wrong> {
    for (key, hosts) in [("mail.mx_hosts", &mail.mx_hosts), ("mail.send_hosts", &mail.send_hosts)] {
        if hosts.len() > HOSTS_MAX {
            let problem = format!("more than {HOSTS_MAX} hosts");
            return Err(Wrong { key, problem, remedy: "give one name to several addresses" });
        }
        hosts.iter().try_for_each(|host| host_name(key, host))?;
    }
    if mail.client_host.is_empty() { Ok(()) } else { host_name("mail.client_host", &mail.client_host) }
}

//! What a domain says of itself in DNS and in its MTA-STS policy, as far as settings decide it.

use super::Settings;

/// The settings that go into records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Empty for the configured ones.
    pub mx_hosts: Vec<String>,
    /// Empty for the configured one.
    pub client_host: String,
    /// The last term of the SPF record.
    pub spf_all: &'static str,
    /// Domains of SPF includes.
    pub spf_include: Vec<String>,
    /// The `p=` of DMARC.
    pub dmarc_policy: String,
    /// Empty for postmaster of the domain.
    pub report_address: String,
    /// Of the MTA-STS policy.
    pub mta_sts: MtaStsMode,
    /// The `max_age` of the MTA-STS policy.
    pub mta_sts_seconds: u32,
}

/// The mode of an MTA-STS policy (RFC 8461 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MtaStsMode {
    /// No policy.
    None,
    /// Failures are reported only.
    Testing,
    /// Mail is not delivered without.
    Enforce,
}

impl MtaStsMode {
    /// As the policy has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Testing => "testing",
            Self::Enforce => "enforce",
        }
    }
}

impl From<&Settings> for Publish {
    fn from(settings: &Settings) -> Self {
        Self {
            mx_hosts: settings.list("mx_hosts"),
            client_host: settings.value("client_host").to_owned(),
            spf_all: match settings.value("spf_policy") {
                "softfail" => "~all",
                "neutral" => "?all",
                _ => "-all",
            },
            spf_include: settings.list("spf_include"),
            dmarc_policy: settings.value("dmarc_policy").to_owned(),
            report_address: settings.value("report_address").to_owned(),
            mta_sts: match settings.value("mta_sts") {
                "enforce" => MtaStsMode::Enforce,
                "testing" => MtaStsMode::Testing,
                _ => MtaStsMode::None,
            },
            mta_sts_seconds: settings.number("mta_sts_seconds"),
        }
    }
}

impl Publish {
    /// The MTA-STS policy (RFC 8461 §3.2) for these MX hosts, `None` when there is none.
    pub fn mta_sts_policy(&self, mx_hosts: &[String]) -> Option<String> {
        if self.mta_sts == MtaStsMode::None {
            return None;
        }
        let hosts: String = mx_hosts.iter().map(|host| format!("mx: {host}\r\n")).collect();
        let (mode, seconds) = (self.mta_sts.as_str(), self.mta_sts_seconds);
        Some(format!("version: STSv1\r\nmode: {mode}\r\n{hosts}max_age: {seconds}\r\n"))
    }
}

/// The id of a policy in its TXT record (RFC 8461 §3.1): another for another policy.
pub fn mta_sts_id(policy: &str) -> String {
    vault::digest(policy.as_bytes()).iter().take(ID_OCTETS).map(|byte| format!("{byte:02x}")).collect()
}

/// Octets of the digest in an id: 32 characters are what it may have.
const ID_OCTETS: usize = 16;

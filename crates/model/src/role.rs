//! The roles that processes have, as they stand in certificates and in the table of roles and verbs.

use std::fmt;
use std::str::FromStr;

/// What follows the role in the DNS name of a process's certificate. `.internal` is reserved for private use by ICANN.
pub const INTERNAL_DOMAIN: &str = "brevdue.internal";

/// What a process is for; decides what it may ask of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The catalogue.
    Directory,
    /// A primary with volumes of mailbox files.
    Node,
    /// IMAP front-end.
    Imap,
    /// POP3 front-end.
    Pop3,
    /// SMTP from the internet.
    Mx,
    /// SMTP from the people whose mail it is.
    Submission,
    /// The queue's delivery to other hosts and programs.
    Outbound,
    /// Carries snapshots into stores.
    Backup,
    /// The operator's command line.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 9] = [
        Self::Directory,
        Self::Node,
        Self::Imap,
        Self::Pop3,
        Self::Mx,
        Self::Submission,
        Self::Outbound,
        Self::Backup,
        Self::Admin,
    ];

    /// The name in configuration and certificates.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Node => "node",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Mx => "mx",
            Self::Submission => "submission",
            Self::Outbound => "outbound",
            Self::Backup => "backup",
            Self::Admin => "admin",
        }
    }

    /// The DNS name in the certificate of a process of this role: `<role>.brevdue.internal`.
    pub fn dns_name(self) -> String {
        format!("{self}.{INTERNAL_DOMAIN}")
    }

    /// The role whose [`dns_name`](Self::dns_name) this is.
    pub fn of_dns_name(name: &str) -> Option<Self> {
        name.strip_suffix(INTERNAL_DOMAIN)?.strip_suffix('.')?.parse().ok()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(UnknownRole)
    }
}

/// The text names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a role")]
pub struct UnknownRole;

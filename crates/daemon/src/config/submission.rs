//! `[submission]`: SMTP from the people whose mail it is.

use super::check::{host_name, within};
use super::error::Wrong;
use super::{PlaintextSignIn, everywhere, optional_address};
use model::limits::MESSAGE_BYTES_MAX;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The submission front-end.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Submission {
    /// With STARTTLS.
    #[serde(deserialize_with = "optional_address")]
    pub listen: Option<SocketAddr>,
    /// Inside TLS.
    #[serde(deserialize_with = "optional_address")]
    pub listen_tls: Option<SocketAddr>,
    /// Its name to its users, in trace fields and in Message-ID.
    pub hostname: String,
    /// Public chain, PEM.
    pub cert: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Passwords without TLS.
    pub plaintext_sign_in: PlaintextSignIn,
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once from one source, 0 for no limit.
    pub connections_per_source_max: usize,
    /// Chosen passwords checked at once.
    pub sign_ins_max: usize,
    /// Octets of one message.
    pub message_bytes_max: u64,
    /// The account of the health check; empty for none.
    pub probe_address: String,
    /// The file with its password.
    pub probe_password_file: PathBuf,
}

impl Default for Submission {
    fn default() -> Self {
        Self {
            listen: Some(everywhere(587)),
            listen_tls: Some(everywhere(465)),
            hostname: String::new(),
            cert: "/etc/brevdue/tls/fullchain.pem".into(),
            key: "/etc/brevdue/tls/privkey.pem".into(),
            plaintext_sign_in: PlaintextSignIn::Never,
            connections_max: 5000,
            connections_per_source_max: 50,
            sign_ins_max: 4,
            message_bytes_max: MESSAGE_BYTES_MAX,
            probe_address: String::new(),
            probe_password_file: PathBuf::new(),
        }
    }
}

pub(super) fn check(submission: &Submission) -> Result<(), Wrong> {
    within("submission.connections_max", submission.connections_max, 1..=1_000_000)?;
    within("submission.connections_per_source_max", submission.connections_per_source_max, 0..=1_000_000)?;
    within("submission.sign_ins_max", submission.sign_ins_max, 1..=1024)?;
    within("submission.message_bytes_max", submission.message_bytes_max, 65_536..=MESSAGE_BYTES_MAX)?;
    if submission.hostname.is_empty() { Ok(()) } else { host_name("submission.hostname", &submission.hostname) }
}

/// What the role needs and has no default.
pub(super) fn needs(submission: &Submission) -> Result<(), Wrong> {
    if submission.listen.is_none() && submission.listen_tls.is_none() {
        return Err(Wrong {
            key: "submission.listen",
            problem: "neither listen nor listen_tls has an address".into(),
            remedy: "set one of them, such as listen_tls = \"[::]:465\"",
        });
    }
    if submission.hostname.is_empty() {
        return Err(Wrong {
            key: "submission.hostname",
            problem: "not set".into(),
            remedy: "give the name that clients connect to, such as hostname = \"smtp.example.com\"",
        });
    }
    Ok(())
}

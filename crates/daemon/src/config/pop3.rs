//! `[pop3]`: the POP3 front-end.

use super::check::within;
use super::error::Wrong;
use super::{PlaintextSignIn, everywhere, optional_address};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The POP3 front-end.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pop3 {
    /// With STLS.
    #[serde(deserialize_with = "optional_address")]
    pub listen: Option<SocketAddr>,
    /// Inside TLS.
    #[serde(deserialize_with = "optional_address")]
    pub listen_tls: Option<SocketAddr>,
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
    /// Minutes of silence.
    pub idle_minutes: u32,
    /// Chosen passwords checked at once.
    pub sign_ins_max: usize,
    /// The account of the health check; empty for none.
    pub probe_address: String,
    /// The file with its password.
    pub probe_password_file: PathBuf,
}

impl Default for Pop3 {
    fn default() -> Self {
        Self {
            listen: Some(everywhere(110)),
            listen_tls: Some(everywhere(995)),
            cert: "/etc/brevdue/tls/fullchain.pem".into(),
            key: "/etc/brevdue/tls/privkey.pem".into(),
            plaintext_sign_in: PlaintextSignIn::Never,
            connections_max: 5000,
            connections_per_source_max: 50,
            idle_minutes: 10,
            sign_ins_max: 4,
            probe_address: String::new(),
            probe_password_file: PathBuf::new(),
        }
    }
}

pub(super) fn check(pop3: &Pop3) -> Result<(), Wrong> {
    within("pop3.connections_max", pop3.connections_max, 1..=1_000_000)?;
    within("pop3.connections_per_source_max", pop3.connections_per_source_max, 0..=1_000_000)?;
    // RFC 1939 §3: an inactivity timer of at least 10 minutes.
    within("pop3.idle_minutes", pop3.idle_minutes, 10..=1440)?;
    within("pop3.sign_ins_max", pop3.sign_ins_max, 1..=1024)
}

/// What the role needs and has no default.
pub(super) fn needs(pop3: &Pop3) -> Result<(), Wrong> {
    if pop3.listen.is_some() || pop3.listen_tls.is_some() {
        return Ok(());
    }
    Err(Wrong {
        key: "pop3.listen",
        problem: "neither listen nor listen_tls has an address".into(),
        remedy: "set one of them, such as listen_tls = \"[::]:995\"",
    })
}

//! The configuration file: its sections, their defaults, and errors that say what to do. What a value means is its role's.

mod backup;
mod check;
mod cidr;
mod error;
mod mail;
mod network;
mod outbound;
mod pop3;
mod submission;

pub use backup::{Backup, BackupStore, StoreKind};
pub use cidr::{Network, NotNetwork};
pub use error::ConfigError;
pub use mail::Mail;
pub use network::{DNS_SERVERS_MAX, Dns, DnsServer, Redis};
pub use outbound::{Outbound, SmartHostTls};
pub use pop3::Pop3;
pub use submission::Submission;

use model::limits::MESSAGE_BYTES_MAX;
use model::{NodeId, Role};
use serde::{Deserialize, Deserializer, de};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Bytes of a configuration file: hundreds of times what the reference needs.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Shards of a node: more than machines have cores to give.
pub const SHARDS_MAX: usize = 64;

/// The annotated reference: every key with its default. Parsing it gives [`Config::default`].
pub fn reference() -> &'static str {
    include_str!("../reference.toml")
}

/// A whole file. Sections that a role does not read stay at their defaults.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[log]`
    pub log: Log,
    /// `[internal]`
    pub internal: Internal,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[limits]`
    pub limits: Limits,
    /// `[mail]`
    pub mail: Mail,
    /// `[directory]`
    pub directory: Directory,
    /// `[node]`
    pub node: Node,
    /// `[imap]`
    pub imap: Imap,
    /// `[pop3]`
    pub pop3: Pop3,
    /// `[submission]`
    pub submission: Submission,
    /// `[mx]`
    pub mx: Mx,
    /// `[outbound]`
    pub outbound: Outbound,
    /// `[backup]`
    pub backup: Backup,
    /// `[dns]`
    pub dns: Dns,
    /// `[redis]`
    pub redis: Redis,
}

impl Config {
    /// Reads a file and checks every value that is in it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let config = Self::parse(path, &error::read(path)?)?;
        check::values(&config).map_err(|wrong| wrong.in_file(path))?;
        Ok(config)
    }

    /// [`load`](Self::load), and also checks that what this role needs is there.
    pub fn load_for(path: &Path, role: Role) -> Result<Self, ConfigError> {
        let config = Self::load(path)?;
        check::role(&config, role).map_err(|wrong| wrong.in_file(path))?;
        Ok(config)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::syntax(path, text, &error))
    }
}

/// How the log is written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// For people or for programs.
    pub format: LogFormat,
    /// Level or filter directives.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// What a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Mutual TLS between the processes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Internal {
    /// The internal CA's certificate, PEM.
    pub ca: PathBuf,
    /// This process's certificate, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl Default for Internal {
    fn default() -> Self {
        Self {
            ca: "/etc/brevdue/internal/ca.crt".into(),
            cert: "/etc/brevdue/internal/role.crt".into(),
            key: "/etc/brevdue/internal/role.key".into(),
        }
    }
}

/// Where metrics and health are answered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// `None`: nowhere.
    #[serde(deserialize_with = "optional_address")]
    pub listen: Option<SocketAddr>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { listen: Some(loopback(1090)) }
    }
}

/// Limits that every role has.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Seconds that work under way may take to end.
    pub drain_seconds: u32,
}

impl Limits {
    /// [`drain_seconds`](Self::drain_seconds) as a duration.
    pub fn drain(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.drain_seconds.into())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { drain_seconds: 25 }
    }
}

/// The catalogue.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Directory {
    /// Where the others reach it, `host:port`.
    pub address: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The SQLite file.
    pub database: PathBuf,
    /// The file with the key that seals its secrets.
    pub key: PathBuf,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:7400".to_owned(),
            listen: loopback(7400),
            database: "/var/lib/brevdue/directory/catalogue.db".into(),
            key: "/var/lib/brevdue/directory/directory.key".into(),
        }
    }
}

/// A primary.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Node {
    /// Its name.
    #[serde(deserialize_with = "node_id")]
    pub id: NodeId,
    /// One address per shard.
    pub listen_sessions: Vec<SocketAddr>,
    /// Delivery and administration.
    pub listen_grpc: SocketAddr,
    /// What to tell the directory, one per shard; see [`session_endpoints`](Self::session_endpoints).
    pub advertise_sessions: Vec<String>,
    /// What to tell the directory; see [`grpc_endpoint`](Self::grpc_endpoint).
    pub advertise_grpc: String,
    /// Folders with mailbox files.
    pub volumes: Vec<PathBuf>,
    /// The file with the node's key.
    pub node_key: PathBuf,
    /// Of new mailbox files.
    pub cipher: Cipher,
    /// Mailboxes kept open.
    pub open_mailboxes_max: usize,
    /// Sessions at once.
    pub sessions_max: usize,
    /// Octets that may wait for one alias.
    pub waiting_bytes_max: u64,
    /// Octets that must stay free on a volume.
    pub disk_free_bytes_min: u64,
    /// Messages in the queue of one volume.
    pub queue_messages_max: u64,
    /// Octets of them.
    pub queue_bytes_max: u64,
    /// Octets of all messages of one alias; 0 is no limit.
    pub quota_bytes_max: u64,
    /// Messages of one alias; 0 is no limit.
    pub quota_messages_max: u64,
    /// Hours between two scrubs of a mailbox; 0 is never.
    pub scrub_interval_hours: u32,
    /// Octets a second that a scrub reads.
    pub scrub_bytes_per_second: u64,
}

impl Node {
    /// Where front-ends reach the shards, in shard order, `host:port`.
    pub fn session_endpoints(&self) -> Vec<String> {
        if self.advertise_sessions.is_empty() {
            self.listen_sessions.iter().map(SocketAddr::to_string).collect()
        } else {
            self.advertise_sessions.clone()
        }
    }

    /// Where deliveries reach the node, `host:port`.
    pub fn grpc_endpoint(&self) -> String {
        if self.advertise_grpc.is_empty() { self.listen_grpc.to_string() } else { self.advertise_grpc.clone() }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self {
            id: default_node_id(),
            listen_sessions: vec![loopback(7410)],
            listen_grpc: loopback(7409),
            advertise_sessions: Vec::new(),
            advertise_grpc: String::new(),
            volumes: vec!["/var/lib/brevdue/node/volume-1".into()],
            node_key: "/var/lib/brevdue/node/node.key".into(),
            cipher: Cipher::ChaCha20,
            open_mailboxes_max: 2000,
            sessions_max: 50_000,
            waiting_bytes_max: 1 << 30,
            disk_free_bytes_min: 256 << 20,
            queue_messages_max: 1_000_000,
            queue_bytes_max: 64 << 30,
            quota_bytes_max: 0,
            quota_messages_max: 0,
            scrub_interval_hours: 168,
            scrub_bytes_per_second: 8 << 20,
        }
    }
}

/// The cipher of new mailbox files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cipher {
    /// ChaCha20-Poly1305.
    ChaCha20,
    /// The SQLCipher 4 format.
    SqlCipher4,
}

/// The IMAP front-end.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Imap {
    /// With STARTTLS.
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
    /// Messages of one command.
    pub messages_per_command_max: usize,
    /// Octets of one message.
    pub message_bytes_max: u64,
    /// The account of the health check; empty for none.
    pub probe_address: String,
    /// The file with its password.
    pub probe_password_file: PathBuf,
}

impl Default for Imap {
    fn default() -> Self {
        Self {
            listen: Some(everywhere(143)),
            listen_tls: Some(everywhere(993)),
            cert: "/etc/brevdue/tls/fullchain.pem".into(),
            key: "/etc/brevdue/tls/privkey.pem".into(),
            plaintext_sign_in: PlaintextSignIn::Never,
            connections_max: 20_000,
            connections_per_source_max: 200,
            idle_minutes: 31,
            sign_ins_max: 4,
            messages_per_command_max: 1_000_000,
            message_bytes_max: MESSAGE_BYTES_MAX,
            probe_address: String::new(),
            probe_password_file: PathBuf::new(),
        }
    }
}

/// Whether a password may be sent without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlaintextSignIn {
    /// Never (RFC 8314 §3.3).
    Never,
    /// From this machine only.
    Loopback,
}

impl PlaintextSignIn {
    /// Whether a client at this address may sign in without TLS.
    pub fn allows(self, client: IpAddr) -> bool {
        match self {
            Self::Never => false,
            Self::Loopback => client.to_canonical().is_loopback(),
        }
    }
}

/// SMTP from the internet.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mx {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its name to the world.
    pub hostname: String,
    /// Public chain, PEM.
    pub cert: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once from one source, 0 for no limit.
    pub connections_per_source_max: usize,
    /// Octets of one message.
    pub message_bytes_max: u64,
    /// Whether the domains' policy is for clients on this machine too.
    pub policy_on_loopback: bool,
    /// rspamd's worker, `http://host:port`; empty for none.
    pub rspamd: String,
    /// clamd, `host:port`; empty for none.
    pub clamd: String,
    /// Milliseconds that both may delay a message.
    pub engine_wait_ms: u64,
}

impl Default for Mx {
    fn default() -> Self {
        Self {
            listen: everywhere(25),
            hostname: String::new(),
            cert: "/etc/brevdue/tls/fullchain.pem".into(),
            key: "/etc/brevdue/tls/privkey.pem".into(),
            connections_max: 2000,
            connections_per_source_max: 50,
            message_bytes_max: MESSAGE_BYTES_MAX,
            policy_on_loopback: false,
            rspamd: String::new(),
            clamd: String::new(),
            engine_wait_ms: 5000,
        }
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

const fn everywhere(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)
}

#[allow(clippy::expect_used, reason = "a constant, parsed by a test")]
fn default_node_id() -> NodeId {
    "node-1".parse().expect("a label")
}

fn node_id<'de, D: Deserializer<'de>>(from: D) -> Result<NodeId, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| {
        de::Error::custom("not a node's name: 1 to 64 lower-case letters, digits, `-`, `.` and `_` make one")
    })
}

/// An address, or an empty text for none.
fn optional_address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| de::Error::custom("not an address: give ip:port, or an empty text for none"))
}

#[cfg(test)]
mod tests;

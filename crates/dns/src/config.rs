//! From the section `[dns]` to the library's settings, with errors an operator can act on.

use crate::limits::{QUERY_TIME_MAX, RETRIES_MAX};
use daemon::config::{Dns, DnsServer};
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolveHosts, ResolverOpts, ServerOrderingStrategy,
};
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::system_conf::read_system_conf;
use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use rustls_platform_verifier::BuilderVerifierExt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Octets of a PEM or trust anchor file: far over what one CA or a root's keys take.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why names cannot be looked up with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    /// A file that is named cannot be used.
    #[error("{}: {problem}; check [dns] and that this user may read it", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The system names no server.
    #[error("dns.servers: empty, and the system has none ({0}); name a server, such as \"udp://192.0.2.1:53\"")]
    System(String),
    /// A server is written in none of the known forms.
    #[error("dns.servers: `{0}` is no DNS server; write it as https://9.9.9.9/dns-query or udp://192.0.2.1:53")]
    Server(String),
    /// The library or TLS refuses.
    #[error("DNS cannot be set up: {0}")]
    Setup(String),
}

/// The servers to ask.
pub(crate) fn servers(dns: &Dns) -> Result<Vec<NameServerConfig>, ResolverError> {
    if dns.servers.is_empty() {
        let (config, _) = read_system_conf().map_err(|error| ResolverError::System(error.to_string()))?;
        let servers = config.name_servers().to_vec();
        return if servers.is_empty() { Err(ResolverError::System("no nameserver line".into())) } else { Ok(servers) };
    }
    let server = |text: &String| {
        DnsServer::parse(text).map(|parsed| server_config(&parsed)).ok_or_else(|| ResolverError::Server(text.clone()))
    };
    dns.servers.iter().map(server).collect()
}

fn server_config(server: &DnsServer) -> NameServerConfig {
    let connection = |address: &SocketAddr, protocol| {
        let mut connection = ConnectionConfig::new(protocol);
        connection.port = address.port();
        connection
    };
    let (address, connections) = match server {
        DnsServer::Plain(address) => {
            (address, vec![connection(address, ProtocolConfig::Udp), connection(address, ProtocolConfig::Tcp)])
        }
        DnsServer::Tcp(address) => (address, vec![connection(address, ProtocolConfig::Tcp)]),
        DnsServer::Https { address, name, path } => {
            let protocol =
                ProtocolConfig::Https { server_name: Arc::from(name.as_str()), path: Arc::from(path.as_str()) };
            (address, vec![connection(address, protocol)])
        }
    };
    NameServerConfig::new(address.ip(), true, connections)
}

/// How they are asked. The library's own cache is not in the way: answers are kept here.
pub(crate) fn options(validate: bool) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = QUERY_TIME_MAX;
    options.attempts = RETRIES_MAX;
    options.validate = validate;
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = 0;
    // One at a time: two servers need not both hear every name. The quickest that answers comes first.
    options.num_concurrent_reqs = 1;
    options.server_ordering_strategy = ServerOrderingStrategy::QueryStatistics;
    options.try_tcp_on_error = true;
    options
}

/// TLS to DoH servers: against the CA that is named, or what the system trusts.
pub(crate) fn tls(ca: &Path) -> Result<ClientConfig, ResolverError> {
    let setup = |error: rustls::Error| ResolverError::Setup(error.to_string());
    if ca.as_os_str().is_empty() {
        return Ok(ClientConfig::builder().with_platform_verifier().map_err(setup)?.with_no_client_auth());
    }
    let wrong = |problem: String| ResolverError::File { file: ca.into(), problem };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(read(ca)?.as_bytes()) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("no certificate in it".into()));
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// The keys that validation begins with.
pub(crate) fn trust_anchors(file: &Path) -> Result<TrustAnchors, ResolverError> {
    if file.as_os_str().is_empty() {
        return Ok(TrustAnchors::default());
    }
    let wrong = |problem: String| ResolverError::File { file: file.into(), problem };
    let anchors = read(file)?.parse::<TrustAnchors>().map_err(|error| wrong(error.to_string()))?;
    // A file without a key would make every answer bogus.
    if anchors.is_empty() { Err(wrong("no DNSKEY record in it".into())) } else { Ok(anchors) }
}

fn read(file: &Path) -> Result<String, ResolverError> {
    use std::io::Read;
    let wrong = |error: std::io::Error| ResolverError::File { file: file.into(), problem: error.to_string() };
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(wrong)?;
    opened.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(wrong)?;
    Ok(text)
}

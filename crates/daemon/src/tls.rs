//! TLS configurations: mutual TLS between the processes, and the public servers'. One provider, hybrid key exchange first.

mod pinned;
mod renewal;

pub use pinned::pinned;

use crate::config;
use model::Role;
use renewal::Renewed;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig, client::verify_server_name, version};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Sessions that a public server remembers for TLS 1.2 clients without tickets.
pub const REMEMBERED_SESSIONS: usize = 1024;

/// TLS cannot be set up from the configured files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no such thing.
    #[error("{}: no {what} can be read from it ({problem}); {remedy}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// What is wrong.
        problem: pem::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// The certificate is another role's, or none of ours.
    #[error("{}: the certificate is not for {}; issue one with `brevdue ca issue --dir DIR {role}`", file.display(), role.dns_name())]
    Role {
        /// The file.
        file: PathBuf,
        /// The role that needs it.
        role: Role,
    },
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("{} with {}: {problem}; the key must be the certificate's own", cert.display(), key.display())]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        problem: rustls::Error,
    },
    /// The CA's certificate cannot be used as one.
    #[error("{}: not usable as the internal CA ({problem}); give the file that `brevdue ca create --dir DIR` made", file.display())]
    Ca {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// Makes aws-lc-rs the process's provider, for libraries that ask for the default. First thing in `main`; again is harmless.
pub fn install_provider() {
    // An error says that one was installed before, which is what was wanted.
    let _ = public_provider().install_default();
}

/// Both ends of the links between the processes: TLS 1.3, a certificate of the internal CA on both sides, only the hybrid
/// key exchange and 256-bit ciphers, since both ends are ours and nothing weaker needs to be offered.
#[derive(Debug, Clone)]
pub struct Internal {
    /// Demands a client certificate; the role in it is for the server to look at.
    pub server: Arc<ServerConfig>,
    /// Shows this process's certificate.
    pub client: Arc<ClientConfig>,
}

impl Internal {
    /// From the configured files; the certificate must be one of this role.
    pub fn load(files: &config::Internal, role: Role) -> Result<Self, TlsError> {
        let provider = Arc::new(internal_provider());
        let roots = Arc::new(load_roots(&files.ca)?);
        let chain = load_chain(&files.cert)?;
        check_role(&chain, role).ok_or_else(|| TlsError::Role { file: files.cert.clone(), role })?;
        let pair = |problem| TlsError::Pair { cert: files.cert.clone(), key: files.key.clone(), problem };
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|problem| TlsError::Ca { file: files.ca.clone(), problem: problem.to_string() })?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(pair)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), load_key(&files.key)?)
            .map_err(pair)?;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .map_err(pair)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, load_key(&files.key)?)
            .map_err(pair)?;
        // Links live long, so that resumption would save little, and a resumed session does not look at the certificate again.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        client.resumption = Resumption::disabled();
        Ok(Self { server: Arc::new(server), client: Arc::new(client) })
    }
}

/// A public server's configuration from PEM files: TLS 1.3 and 1.2, hybrid key exchange first, resumption, no ALPN.
///
/// The files are read again when they change, within a minute: a renewal needs no restart.
pub fn public_server(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let pair = |problem| TlsError::Pair { cert: cert.into(), key: key.into(), problem };
    let provider = Arc::new(public_provider());
    let look = Duration::from_secs(renewal::LOOK_SECONDS);
    let certificate = Renewed::load(cert, key, Arc::clone(&provider), look)?;
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(pair)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificate));
    // Mail clients open many connections: tickets spare them the certificate's signature. The keys live in this process
    // and are replaced every six hours.
    server.ticketer = aws_lc_rs::Ticketer::new().map_err(pair)?;
    server.session_storage = ServerSessionMemoryCache::new(REMEMBERED_SESSIONS);
    Ok(Arc::new(server))
}

/// What is offered to the world and taken from it: hybrid key exchange first.
pub fn public_provider() -> CryptoProvider {
    // The order is named here and not left to a crate's feature: X25519MLKEM768 first, then what older clients have.
    let kx_groups = vec![
        aws_lc_rs::kx_group::X25519MLKEM768,
        aws_lc_rs::kx_group::X25519,
        aws_lc_rs::kx_group::SECP256R1,
        aws_lc_rs::kx_group::SECP384R1,
    ];
    CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() }
}

fn internal_provider() -> CryptoProvider {
    use aws_lc_rs::cipher_suite::{TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256};
    CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
        cipher_suites: vec![TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256],
        ..aws_lc_rs::default_provider()
    }
}

fn check_role(chain: &[CertificateDer<'_>], role: Role) -> Option<()> {
    let certificate = ParsedCertificate::try_from(chain.first()?).ok()?;
    let name = ServerName::try_from(role.dns_name()).ok()?;
    verify_server_name(&certificate, &name).ok()
}

fn load_roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in load_chain(file)? {
        roots.add(certificate).map_err(|problem| TlsError::Ca { file: file.into(), problem: problem.to_string() })?;
    }
    Ok(roots)
}

fn load_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let problem = |problem| TlsError::File {
        file: file.into(),
        what: "certificate",
        problem,
        remedy: "give a PEM file with the certificate first and then its issuers",
    };
    let chain =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(problem)?;
    if chain.is_empty() { Err(problem(pem::Error::NoItemsFound)) } else { Ok(chain) }
}

fn load_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(file).map_err(|problem| TlsError::File {
        file: file.into(),
        what: "private key",
        problem,
        remedy: "give an unencrypted PEM file that this user may read",
    })
}

#[cfg(test)]
mod tests;

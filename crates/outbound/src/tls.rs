//! TLS as a client of other mail servers: what is demanded of it, and the configuration that demands it.

mod verifier;

pub(crate) use verifier::Shown;

use crate::dane::Association;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, version};
use verifier::{Rule, Verifier};

/// What TLS a connection must have.
#[derive(Debug, Clone, Default)]
pub enum Demand {
    /// None, though it be offered: for a server whose TLS has failed and needs none.
    Never,
    /// Whatever is offered (RFC 7435).
    #[default]
    Opportunistic,
    /// As opportunistic; what a stricter demand would have refused is noted (RFC 8461 §5).
    Noted(Note),
    /// TLS, whoever it is: TLSA records that are all of no use (RFC 7672 §2.2).
    Encrypted,
    /// A certificate for the server's name that a public authority vouches for.
    Authority,
    /// A certificate that TLSA records name (RFC 7672).
    Dane(Arc<Dane>),
}

/// What DANE has of a server.
#[derive(Debug)]
pub struct Dane {
    /// The associations that are of use; at least one.
    pub associations: Vec<Association>,
    /// Names of which a certificate below a trust anchor has one (RFC 7672 §3.2.2).
    pub names: Vec<ServerName<'static>>,
}

impl Demand {
    /// Whether there is no connection without TLS.
    pub fn is_strict(&self) -> bool {
        match self {
            Self::Never | Self::Opportunistic | Self::Noted(_) => false,
            Self::Encrypted | Self::Authority | Self::Dane(_) => true,
        }
    }

    /// Whether a connection is known to be with the server that was meant.
    pub fn is_verified(&self) -> bool {
        match self {
            Self::Never | Self::Opportunistic | Self::Noted(_) | Self::Encrypted => false,
            Self::Authority | Self::Dane(_) => true,
        }
    }
}

/// Where a verifier that refuses nothing notes what is wrong.
#[derive(Debug, Clone, Default)]
pub struct Note(Arc<OnceLock<rustls::Error>>);

impl Note {
    /// What was wrong, if anything.
    pub fn error(&self) -> Option<&rustls::Error> {
        self.0.get()
    }

    fn set(&self, error: rustls::Error) {
        // The first one stands.
        let _ = self.0.set(error);
    }
}

/// The certificates of authorities cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file is not what it should be.
    #[error("{}: no certificates of authorities can be read from it ({problem}); give a PEM file", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The system has none.
    #[error(
        "this system has no certificates of authorities; install them (ca-certificates), or name a file in outbound.ca"
    )]
    None,
}

/// How TLS is done: the provider, and whom we trust.
pub struct Tls {
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
}

impl Tls {
    /// Trusts the system's authorities, or only those in this PEM file.
    ///
    /// # Errors
    /// There are none.
    pub fn load(ca: Option<&Path>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        match ca {
            Some(file) => {
                let problem = |problem: String| TrustError::File { file: file.into(), problem };
                let all = CertificateDer::pem_file_iter(file).map_err(|error| problem(error.to_string()))?;
                for certificate in all {
                    let certificate = certificate.map_err(|error| problem(error.to_string()))?;
                    roots.add(certificate).map_err(|error| problem(error.to_string()))?;
                }
            }
            None => {
                // What of the system's store cannot be parsed is passed over, as everywhere.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            return Err(TrustError::None);
        }
        Ok(Self { provider: Arc::new(daemon::tls::public_provider()), roots: Arc::new(roots) })
    }

    /// The configuration for a demand, and the name to ask for.
    pub(crate) fn client(&self, demand: &Demand, host: &str) -> io::Result<(Arc<ClientConfig>, ServerName<'static>)> {
        let rule = match demand {
            Demand::Never | Demand::Opportunistic | Demand::Encrypted => Rule::Anyone,
            Demand::Noted(note) => Rule::Noted(note.clone()),
            Demand::Authority => Rule::Authority,
            Demand::Dane(dane) => Rule::Dane(Arc::clone(dane)),
        };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Ok((self.config(rule)?, name))
    }

    /// The configuration for HTTPS.
    pub(crate) fn https(&self) -> io::Result<Arc<ClientConfig>> {
        self.config(Rule::Authority)
    }

    fn config(&self, rule: Rule) -> io::Result<Arc<ClientConfig>> {
        let verifier = Verifier::new(rule, Arc::clone(&self.roots), Arc::clone(&self.provider));
        let config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

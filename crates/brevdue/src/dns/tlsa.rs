//! The DANE record of the MX: what its certificate's key comes to.

use crate::failure::Failure;
use daemon::config::Config;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::Path;
use webpki::EndEntityCert;

/// SHA-256 of the public key of the MX's certificate, as `3 1 1` has it (RFC 7672 §3.1.1): it stays when a certificate is
/// renewed with its key.
pub(super) struct KeyDigest(pub(super) [u8; 32]);

/// The digest for the file that is named, or else for the configured one if it is on this machine.
pub(super) fn certificate(named: Option<&Path>, config: &Config) -> Result<Option<KeyDigest>, Failure> {
    match named {
        Some(file) => digest(file).map(Some),
        None if config.mx.cert.exists() => digest(&config.mx.cert).map(Some),
        None => Ok(None),
    }
}

fn digest(file: &Path) -> Result<KeyDigest, Failure> {
    let bad = |why: &dyn std::fmt::Display| Failure::refused(format!("{}: no certificate: {why}", file.display()));
    // The server's own certificate is the first of the chain.
    let certificate = CertificateDer::from_pem_file(file).map_err(|error| bad(&error))?;
    let parsed = EndEntityCert::try_from(&certificate).map_err(|error| bad(&error))?;
    Ok(KeyDigest(vault::digest(&parsed.subject_public_key_info())))
}

impl KeyDigest {
    /// Lower-case hex.
    pub(super) fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

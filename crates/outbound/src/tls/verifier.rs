//! The certificate verifier: one for every rule, so that the handshake's signature is checked alike under each.

use super::{Dane, Note};
use crate::dane;
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Whom to believe.
#[derive(Debug)]
pub(super) enum Rule {
    /// Anyone.
    Anyone,
    /// Anyone, noting what an authority's rule would have refused.
    Noted(Note),
    /// Whom an authority vouches for.
    Authority,
    /// Whom TLSA records name.
    Dane(Arc<Dane>),
}

#[derive(Debug)]
pub(super) struct Verifier {
    rule: Rule,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    pub(super) fn new(rule: Rule, roots: Arc<RootCertStore>, provider: Arc<CryptoProvider>) -> Self {
        Self { rule, roots, provider }
    }

    fn authority(&self, shown: &Shown<'_>, name: &ServerName<'_>) -> Result<(), Error> {
        let certificate = ParsedCertificate::try_from(shown.end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            shown.intermediates,
            shown.now,
            algorithms,
        )?;
        verify_server_name(&certificate, name)
    }
}

/// What a server shows of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// Its certificate.
    pub(crate) end_entity: &'a CertificateDer<'a>,
    /// Those above it.
    pub(crate) intermediates: &'a [CertificateDer<'a>],
    /// The time.
    pub(crate) now: UnixTime,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Shown { end_entity, intermediates, now };
        match &self.rule {
            Rule::Anyone => {}
            Rule::Noted(note) => {
                if let Err(error) = self.authority(&shown, server_name) {
                    note.set(error);
                }
            }
            Rule::Authority => self.authority(&shown, server_name)?,
            Rule::Dane(wanted) => dane::verify(wanted, &shown, self.provider.signature_verification_algorithms.all)?,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

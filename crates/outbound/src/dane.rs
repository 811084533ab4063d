//! DANE for SMTP (RFC 7672): which TLSA records are of use, and whether what a server shows is what they name. Where the
//! records come from, and that DNSSEC vouches for them, is [`crate::tls_policy`]'s.

use crate::tls::{Dane, Shown};
use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, Error, RootCertStore};

/// What the record is about (RFC 6698 §2.1.1, as RFC 7672 §3.1 leaves of it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// DANE-TA(2): an issuer in the chain that the server sends.
    TrustAnchor,
    /// DANE-EE(3): the server's own certificate.
    EndEntity,
}

/// What of the certificate it names (RFC 6698 §2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selector {
    /// Cert(0)
    Certificate,
    /// SPKI(1)
    PublicKey,
}

/// How it names it (RFC 6698 §2.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matching {
    /// Full(0)
    Full(Vec<u8>),
    /// SHA2-256(1)
    Sha256([u8; 32]),
    /// SHA2-512(2)
    Sha512([u8; 64]),
}

/// One record that is of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    /// About what.
    pub usage: Usage,
    /// What of it.
    pub selector: Selector,
    /// Named how.
    pub matching: Matching,
}

impl Association {
    /// From a record's fields; `None` when it is of no use (RFC 7672 §3.1.3 has PKIX-TA and PKIX-EE be none; unknown fields
    /// and digests of the wrong length are none by RFC 6698 §4.1).
    pub fn new(usage: u8, selector: u8, matching: u8, data: &[u8]) -> Option<Self> {
        let usage = match usage {
            2 => Usage::TrustAnchor,
            3 => Usage::EndEntity,
            _ => return None,
        };
        let selector = match selector {
            0 => Selector::Certificate,
            1 => Selector::PublicKey,
            _ => return None,
        };
        let matching = match matching {
            0 if !data.is_empty() => Matching::Full(data.to_vec()),
            1 => Matching::Sha256(data.try_into().ok()?),
            2 => Matching::Sha512(data.try_into().ok()?),
            _ => return None,
        };
        Some(Self { usage, selector, matching })
    }

    /// Whether it names this certificate.
    pub fn names(&self, certificate: &CertificateDer<'_>) -> bool {
        match self.selector {
            Selector::Certificate => self.matching.is_of(certificate),
            Selector::PublicKey => webpki::EndEntityCert::try_from(certificate)
                .is_ok_and(|parsed| self.matching.is_of(&parsed.subject_public_key_info())),
        }
    }
}

impl Matching {
    fn is_of(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Full(whole) => whole == bytes,
            Self::Sha256(digest) => *digest == vault::digest(bytes),
            Self::Sha512(digest) => *digest == vault::digest512(bytes),
        }
    }
}

/// Whether what a server shows is what its records name.
pub(crate) fn verify(
    wanted: &Dane,
    shown: &Shown<'_>,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> Result<(), Error> {
    // RFC 7672 §3.1.1: with DANE-EE neither names nor dates matter; the record binds the key to the name, for its own time.
    let of_usage = |usage| wanted.associations.iter().filter(move |each| each.usage == usage);
    if of_usage(Usage::EndEntity).any(|association| association.names(shown.end_entity)) {
        return Ok(());
    }
    let anchors =
        shown.intermediates.iter().filter(|issuer| of_usage(Usage::TrustAnchor).any(|each| each.names(issuer)));
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(anchors.map(|issuer| issuer.clone().into_owned()));
    if roots.is_empty() {
        return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
    }
    let certificate = ParsedCertificate::try_from(shown.end_entity)?;
    verify_server_cert_signed_by_trust_anchor(&certificate, &roots, shown.intermediates, shown.now, algorithms)?;
    // RFC 7672 §3.2.2: any one of the names.
    let mut last = Err(Error::InvalidCertificate(CertificateError::NotValidForName));
    for name in &wanted.names {
        last = verify_server_name(&certificate, name);
        if last.is_ok() {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests;

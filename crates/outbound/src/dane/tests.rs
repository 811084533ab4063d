//! Chains that rcgen makes against records about them.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::{ServerName, UnixTime};

struct Chain {
    leaf: CertificateDer<'static>,
    issuer: CertificateDer<'static>,
}

fn chain(name: &str) -> Chain {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_cert = ca.self_signed(&ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    Chain { leaf: leaf.der().clone(), issuer: ca_cert.der().clone() }
}

fn spki(certificate: &CertificateDer<'_>) -> Vec<u8> {
    webpki::EndEntityCert::try_from(certificate).unwrap().subject_public_key_info().to_vec()
}

fn judge(chain: &Chain, associations: Vec<Association>, names: &[&str]) -> Result<(), Error> {
    let names = names.iter().map(|&name| ServerName::try_from(name.to_owned()).unwrap()).collect();
    let shown =
        Shown { end_entity: &chain.leaf, intermediates: std::slice::from_ref(&chain.issuer), now: UnixTime::now() };
    let provider = Arc::new(daemon::tls::public_provider());
    verify(&Dane { associations, names }, &shown, provider.signature_verification_algorithms.all)
}

fn record(usage: u8, selector: u8, matching: u8, data: &[u8]) -> Vec<Association> {
    vec![Association::new(usage, selector, matching, data).unwrap()]
}

#[test]
fn the_servers_own_certificate_in_every_form() {
    let shown = chain("mx.example");
    let (whole, key) = (shown.leaf.to_vec(), spki(&shown.leaf));
    for (selector, bytes) in [(0, &whole), (1, &key)] {
        for (matching, data) in
            [(0, bytes.clone()), (1, vault::digest(bytes).to_vec()), (2, vault::digest512(bytes).to_vec())]
        {
            // Neither the name nor the issuer matters.
            assert_eq!(judge(&shown, record(3, selector, matching, &data), &["other.example"]), Ok(()));
            let mut wrong = data.clone();
            wrong[5] ^= 1;
            assert!(judge(&shown, record(3, selector, matching, &wrong), &["mx.example"]).is_err());
        }
    }
}

#[test]
fn an_issuer_vouches_for_the_name_only() {
    let shown = chain("mx.example");
    let anchor = record(2, 1, 1, &vault::digest(&spki(&shown.issuer)));
    assert_eq!(judge(&shown, anchor.clone(), &["example", "mx.example"]), Ok(()));
    assert!(matches!(
        judge(&shown, anchor.clone(), &["other.example"]),
        Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }))
    ));
    // The issuer of another chain, sent along, signs nothing here.
    let mixed = Chain { leaf: chain("mx.example").leaf, issuer: shown.issuer.clone() };
    assert!(judge(&mixed, anchor, &["mx.example"]).is_err());
    // The server's certificate is no trust anchor of itself, and an issuer is no end entity.
    assert!(judge(&shown, record(2, 0, 0, &shown.leaf), &["mx.example"]).is_err());
    assert!(judge(&shown, record(3, 0, 0, &shown.issuer), &["mx.example"]).is_err());
}

#[test]
fn one_record_that_fits_is_enough() {
    let shown = chain("mx.example");
    let mut both = record(3, 1, 1, &[0; 32]);
    both.extend(record(3, 0, 0, &shown.leaf));
    assert_eq!(judge(&shown, both, &[]), Ok(()));
}

#[test]
fn records_of_no_use() {
    for (usage, selector, matching, data) in [
        (0, 1, 1, &[0; 32][..]),
        (1, 1, 1, &[0; 32]),
        (4, 1, 1, &[0; 32]),
        (3, 2, 1, &[0; 32]),
        (3, 1, 3, &[0; 32]),
        (3, 1, 1, &[0; 31]),
        (3, 1, 2, &[0; 32]),
        (3, 1, 0, &[]),
    ] {
        assert_eq!(Association::new(usage, selector, matching, data), None);
    }
}

//! What is issued is what was asked for, verifies against the CA, and is never written over another.

use super::*;
use rustls::pki_types::{CertificateDer, UnixTime, pem::PemObject};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

fn now() -> Timestamp {
    "2026-02-28T23:59:59Z".parse().unwrap()
}

fn in_days(days: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs((now().as_second() + days * 86_400) as u64))
}

/// Whether the certificate verifies against the CA at that time, as a client's and as a server's.
fn verifies(ca: &Path, cert: &Path, at: UnixTime) -> bool {
    let (ca, cert) = (CertificateDer::from_pem_file(ca).unwrap(), CertificateDer::from_pem_file(cert).unwrap());
    let (anchor, cert) = (anchor_from_trusted_cert(&ca).unwrap(), EndEntityCert::try_from(&cert).unwrap());
    [KeyUsage::server_auth(), KeyUsage::client_auth()].into_iter().all(|usage| {
        cert.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, std::slice::from_ref(&anchor), &[], at, usage, None, None)
            .is_ok()
    })
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_certificate_has_its_names_and_verifies_while_it_is_valid() {
    let dir = tempfile::tempdir().unwrap();
    let (home, stem) = (dir.path().join("ca"), dir.path().join("node-1.a"));
    let ca = create(&home, now()).unwrap();
    assert_eq!(ca, Issued { cert: home.join("ca.crt"), key: home.join("ca.key") });
    let issued = issue(&home, Role::Node, &["node-1.example.com", "192.0.2.1"], &stem, now()).unwrap();
    assert_eq!(issued, Issued { cert: dir.path().join("node-1.a.crt"), key: dir.path().join("node-1.a.key") });
    let der = CertificateDer::from_pem_file(&issued.cert).unwrap();
    let names: Vec<_> = EndEntityCert::try_from(&der).unwrap().valid_dns_names().map(str::to_owned).collect();
    assert_eq!(names, ["node.brevdue.internal", "node-1.example.com"]);
    for (days, valid) in [(-3, false), (0, true), (824, true), (827, false)] {
        assert_eq!(verifies(&ca.cert, &issued.cert, in_days(days)), valid, "in {days} days");
    }
    let other = create(&dir.path().join("other"), now()).unwrap();
    assert!(!verifies(&other.cert, &issued.cert, in_days(0)));
}

#[test]
fn keys_are_for_their_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("ca");
    let ca = create(&home, now()).unwrap();
    let issued = issue(&home, Role::Mx, &[], &dir.path().join("mx"), now()).unwrap();
    assert_eq!((mode(&home), mode(&ca.key), mode(&issued.key)), (0o700, 0o600, 0o600));
}

#[test]
fn nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (home, stem) = (dir.path().join("ca"), dir.path().join("imap"));
    let ca = create(&home, now()).unwrap();
    let before = fs::read(&ca.key).unwrap();
    let again = create(&home, now()).unwrap_err().to_string();
    let what = "exists and is not overwritten; move it away first if it is to be replaced";
    assert_eq!(again, format!("{}: {what}", ca.cert.display()));
    fs::remove_file(&ca.cert).unwrap();
    assert_eq!(create(&home, now()).unwrap_err().to_string(), format!("{}: {what}", ca.key.display()));
    assert_eq!(fs::read(&ca.key).unwrap(), before);
    let issued = issue(&home, Role::Imap, &[], &stem, now()).unwrap();
    let before = fs::read(&issued.key).unwrap();
    assert!(matches!(issue(&home, Role::Imap, &[], &stem, now()), Err(CaError::Exists(_))));
    assert_eq!(fs::read(&issued.key).unwrap(), before);
}

#[test]
fn a_certificate_has_one_role() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), now()).unwrap();
    let stem = dir.path().join("x");
    for name in ["imap.brevdue.internal", "IMAP.Brevdue.Internal.", "brevdue.internal", "x.brevdue.internal"] {
        assert!(matches!(issue(dir.path(), Role::Mx, &[name], &stem, now()), Err(CaError::RoleName(_))), "{name}");
    }
    for name in ["", "a b", "*.example.com", "a@b"] {
        assert!(matches!(issue(dir.path(), Role::Mx, &[name], &stem, now()), Err(CaError::Name(_))), "{name}");
    }
    assert!(!stem.with_extension("key").exists());
}

#[test]
fn without_a_ca_it_says_how_to_get_one() {
    let dir = tempfile::tempdir().unwrap();
    let stem = dir.path().join("x");
    assert!(matches!(issue(dir.path(), Role::Mx, &[], &stem, now()), Err(CaError::Io { .. })));
    fs::write(dir.path().join(KEY_FILE), "not a key").unwrap();
    let error = issue(dir.path(), Role::Mx, &[], &stem, now()).unwrap_err().to_string();
    assert!(error.ends_with("`brevdue ca create --dir DIR` makes one"), "{error}");
}

#[test]
fn a_public_one_for_development() {
    let dir = tempfile::tempdir().unwrap();
    let issued = public_self_signed(&["localhost", "127.0.0.1", "::1"], &dir.path().join("public"), now()).unwrap();
    assert_eq!((mode(&issued.key), mode(&issued.cert)), (0o600, 0o644));
    assert!(matches!(public_self_signed(&[], &dir.path().join("none"), now()), Err(CaError::Name(_))));
}

//! Signing keys: their stored form opens again, and what they sign is verified with what the record would hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use vault::VaultError;
use vault::signing::{Algorithm, PrivateKey};
use zeroize::Zeroizing;

const TEXT: &[u8] = b"from:ann@x.test\r\n";

fn again(key: &PrivateKey) -> PrivateKey {
    PrivateKey::from_pkcs8(key.algorithm(), Zeroizing::new(key.pkcs8().to_vec())).unwrap()
}

#[test]
fn an_rsa_key_signs_for_its_record() {
    let key = PrivateKey::generate(Algorithm::Rsa2048).unwrap();
    assert_eq!(again(&key).public(), key.public());
    let pair = RsaKeyPair::from_pkcs8(key.pkcs8()).unwrap();
    let mut signature = vec![0; 256];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), TEXT, &mut signature).unwrap();
    // 294 octets: a SubjectPublicKeyInfo of rsaEncryption with 2048 bits and the exponent 65537.
    assert_eq!((key.public().len(), key.public().first()), (294, Some(&0x30)));
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public()).verify(TEXT, &signature).unwrap();
}

#[test]
fn an_ed25519_key_signs_for_its_record() {
    let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    assert_eq!((again(&key).public(), key.public().len()), (key.public(), 32));
    let signature = Ed25519KeyPair::from_pkcs8(key.pkcs8()).unwrap().sign(TEXT);
    UnparsedPublicKey::new(&ED25519, key.public()).verify(TEXT, signature.as_ref()).unwrap();
}

#[test]
fn what_is_no_key_of_the_algorithm_is_refused() {
    let rsa = PrivateKey::generate(Algorithm::Rsa2048).unwrap();
    let ed = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    for (algorithm, bytes) in [
        (Algorithm::Ed25519, rsa.pkcs8().to_vec()),
        (Algorithm::Rsa2048, ed.pkcs8().to_vec()),
        (Algorithm::Rsa2048, rsa.pkcs8()[1..].to_vec()),
        (Algorithm::Ed25519, ed.pkcs8()[..ed.pkcs8().len() - 1].to_vec()),
        (Algorithm::Ed25519, Vec::new()),
    ] {
        let refused = PrivateKey::from_pkcs8(algorithm, Zeroizing::new(bytes));
        assert!(matches!(refused, Err(VaultError::Malformed("signing key"))));
    }
}

//! Signing keys of domains (DKIM): made here, kept as PKCS#8; what is signed with them, and how, is left to others.

use crate::VaultError;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

/// What a key signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA with a modulus of 2048 bits: what every verifier knows, and what one TXT record of two strings holds (RFC 8301 §3.2).
    Rsa2048,
    /// Ed25519 (RFC 8463).
    Ed25519,
}

/// A private key, wiped when it is dropped.
pub struct PrivateKey {
    algorithm: Algorithm,
    pkcs8: Zeroizing<Vec<u8>>,
    public: Vec<u8>,
}

impl PrivateKey {
    /// A new key. Blocking: an RSA key takes a tenth of a second.
    ///
    /// # Errors
    /// [`VaultError::Random`] when the operating system gives no random bytes.
    pub fn generate(algorithm: Algorithm) -> Result<Self, VaultError> {
        let pkcs8 = match algorithm {
            Algorithm::Rsa2048 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| VaultError::Random)?;
                let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| VaultError::Encryption)?;
                Zeroizing::new(der.as_ref().to_vec())
            }
            Algorithm::Ed25519 => {
                let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| VaultError::Random)?;
                Zeroizing::new(der.as_ref().to_vec())
            }
        };
        Self::from_pkcs8(algorithm, pkcs8)
    }

    /// A key as [`PrivateKey::pkcs8`] gave it.
    ///
    /// # Errors
    /// [`VaultError::Malformed`] when it is not a key of this algorithm and size.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, VaultError> {
        let malformed = |_| VaultError::Malformed("signing key");
        let public = match algorithm {
            Algorithm::Rsa2048 => {
                let pair = RsaKeyPair::from_pkcs8(&pkcs8).map_err(malformed)?;
                if pair.public_modulus_len() != KeySize::Rsa2048.len() {
                    return Err(VaultError::Malformed("signing key"));
                }
                let der = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key());
                der.map_err(|_| VaultError::Encryption)?.as_ref().to_vec()
            }
            Algorithm::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(malformed)?;
                pair.public_key().as_ref().to_vec()
            }
        };
        Ok(Self { algorithm, pkcs8, public })
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The private key as PKCS#8 (RFC 5958), DER. Who copies it wipes the copy.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public key as the `p=` of a DKIM record has it before base64: a SubjectPublicKeyInfo for RSA (RFC 6376 §3.6.1), the
    /// 32 octets for Ed25519 (RFC 8463 §4).
    pub fn public(&self) -> &[u8] {
        &self.public
    }
}

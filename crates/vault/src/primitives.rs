//! HKDF-SHA-256 and ChaCha20-Poly1305 as the formats use them; knows no format.

use crate::{Secret32, VaultError};
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

/// Octets of an AEAD key.
pub(crate) const KEY_BYTES: usize = 32;
/// Octets of an AEAD nonce (RFC 8439 §2.8).
pub(crate) const NONCE_BYTES: usize = 12;
/// Octets of an AEAD tag.
pub(crate) const TAG_BYTES: usize = 16;

/// HKDF-Extract (RFC 5869 §2.2); labels then take apart what [`Extracted::key`] derives.
pub(crate) struct Extracted(Prk);

impl Extracted {
    pub(crate) fn new(salt: &[u8], secret: &[u8]) -> Self {
        Self(Salt::new(HKDF_SHA256, salt).extract(secret))
    }

    /// HKDF-Expand (RFC 5869 §2.3) to 32 octets; `info` is the label and then what the key is bound to, as the format says.
    pub(crate) fn key(&self, info: &[&[u8]]) -> Result<Secret32, VaultError> {
        Secret32::filled(|out| self.expand(info, out))
    }

    pub(crate) fn expand(&self, info: &[&[u8]], out: &mut [u8]) -> Result<(), VaultError> {
        let okm = self.0.expand(info, Length(out.len())).map_err(|_| VaultError::Encryption)?;
        okm.fill(out).map_err(|_| VaultError::Encryption)
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// ChaCha20-Poly1305 (RFC 8439 §2.8) under one key. The caller keeps nonces apart.
pub(crate) struct Aead(LessSafeKey);

impl Aead {
    pub(crate) fn new(key: &Secret32) -> Result<Self, VaultError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.expose()).map_err(|_| VaultError::Encryption)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Encrypts in place and appends the tag.
    pub(crate) fn seal(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], bytes: &mut Vec<u8>) -> Result<(), VaultError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(nonce, Aad::from(aad), bytes).map_err(|_| VaultError::Encryption)
    }

    /// Decrypts in place; the plain bytes are the start of `bytes`, which is [`TAG_BYTES`] longer.
    pub(crate) fn open<'a>(
        &self,
        nonce: [u8; NONCE_BYTES],
        aad: &[u8],
        bytes: &'a mut [u8],
    ) -> Result<&'a mut [u8], VaultError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.open_in_place(nonce, Aad::from(aad), bytes).map_err(|_| VaultError::WrongKey)
    }
}

/// Whether two byte strings are equal, in a time that does not tell where they differ.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Splits a fixed-size field off the front; `None` when the bytes are too few.
pub(crate) fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(head)
}

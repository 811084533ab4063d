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

#[cfg(test)]
mod tests {
    //! Known answers: what is built on these is only as right as they are.

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// RFC 5869 appendices A.1 and A.3.
    #[test]
    fn hkdf_sha256() {
        let secret = [0x0b; 22];
        let mut out = [0; 42];
        let extracted = Extracted::new(&hex("000102030405060708090a0b0c"), &secret);
        extracted.expand(&[&hex("f0f1f2f3"), &hex("f4f5f6f7f8f9")], &mut out).unwrap();
        let want = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(out.to_vec(), hex(want));
        Extracted::new(&[], &secret).expand(&[], &mut out).unwrap();
        let want = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
        assert_eq!(out.to_vec(), hex(want));
        assert_eq!(Extracted::new(&[], &secret).key(&[]).unwrap().expose().to_vec(), hex(&want[..64]));
    }

    /// RFC 8439 §2.8.2.
    #[test]
    fn chacha20_poly1305() {
        let key: [u8; 32] = std::array::from_fn(|at| 0x80 + at as u8);
        let nonce = hex("070000004041424344454647").try_into().unwrap();
        let aad = hex("50515253c0c1c2c3c4c5c6c7");
        let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let want = hex("d31a8d34648e60db7b86afbc53ef7ec2 a4aded51296e08fea9e2b5a736ee62d6
             3dbea45e8ca9671282fafb69da92728b 1a71de0a9e060b2905d6a5b67ecd3b36
             92ddbd7f2d778b8c9803aee328091b58 fab324e4fad675945585808b4831d7bc
             3ff4def08e4b7a9de576d26586cec64b 6116 1ae10b594f09e26a7e902ecbd0600691");
        let aead = Aead::new(&Secret32::from_slice(&key)).unwrap();
        let mut bytes = text.to_vec();
        aead.seal(nonce, &aad, &mut bytes).unwrap();
        assert_eq!(bytes, want);
        assert_eq!(aead.open(nonce, &aad, &mut bytes).unwrap(), text);
        assert!(matches!(aead.open(nonce, &aad, &mut [0; 15]), Err(VaultError::WrongKey)));
    }

    /// FIPS 180-4, the examples of one and two blocks.
    #[test]
    fn sha256() {
        assert_eq!(
            crate::digest(b"abc").to_vec(),
            hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        );
        let mut running = crate::Digest::default();
        running.update(b"abcdbcdecdefdefgefghfghighij");
        running.update(b"hijkijkljklmklmnlmnomnopnopq");
        assert_eq!(running.finish().to_vec(), hex("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
    }

    #[test]
    fn labels_keep_keys_apart() {
        let extracted = Extracted::new(b"salt", b"secret");
        let [a, b] = [b"a", b"b"].map(|label| *extracted.key(&[label]).unwrap().expose());
        assert_ne!(a, b);
    }
}

//! X-Wing (X25519 + ML-KEM-768) through HPKE (RFC 9180, base mode): one secret of 32 octets to one public key.
//!
//! Suite: KEM 0x647a (X-Wing), KDF 0x0001 (HKDF-SHA-256), AEAD 0x0003 (ChaCha20-Poly1305). `sealing` and `transit` say with
//! `info` and associated data what a box is for.

use crate::primitives::{KEY_BYTES, TAG_BYTES, take};
use crate::{Secret32, VaultError};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem as _, XWing};
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable, setup_receiver, single_shot_seal_with_rng};
use std::convert::Infallible;
use zeroize::{Zeroize, Zeroizing};

type XWingPrivate = <XWing as hpke::Kem>::PrivateKey;
type XWingPublic = <XWing as hpke::Kem>::PublicKey;
type Encapsulated = <XWing as hpke::Kem>::EncappedKey;

/// Version of the stored form of public keys and boxes.
const VERSION: u8 = 1;
/// Octets of an X-Wing public key: ML-KEM-768's 1184 and X25519's 32.
const RAW_PUBLIC_BYTES: usize = 1216;
/// Octets of an encapsulation: ML-KEM-768's 1088 and X25519's 32.
const ENCAPSULATED_BYTES: usize = 1120;
/// Octets of a stored public key: version, key.
pub(crate) const PUBLIC_BYTES: usize = 1 + RAW_PUBLIC_BYTES;
/// Octets of a box: version, encapsulation, encrypted secret, tag.
pub(crate) const BOX_BYTES: usize = 1 + ENCAPSULATED_BYTES + KEY_BYTES + TAG_BYTES;
/// Octets of randomness that one encapsulation takes (draft-connolly-cfrg-xwing-kem §5.4).
const ENCAPSULATION_RANDOM_BYTES: usize = 64;

/// A checked public key.
pub(crate) struct Public(Box<XWingPublic>);

impl Public {
    pub(crate) fn from_bytes(mut bytes: &[u8]) -> Result<Self, VaultError> {
        let [version] = take(&mut bytes).ok_or(VaultError::Malformed("public key"))?;
        if *version != VERSION {
            return Err(VaultError::UnknownVersion(*version));
        }
        let key = XWingPublic::from_bytes(bytes).map_err(|_| VaultError::Malformed("public key"))?;
        Ok(Self(Box::new(key)))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PUBLIC_BYTES);
        out.push(VERSION);
        out.extend_from_slice(&self.0.to_bytes());
        out
    }

    /// Seals 32 secret octets to this key: version, encapsulation, ciphertext and tag.
    pub(crate) fn seal(&self, info: &[u8], aad: &[u8], secret: &Secret32) -> Result<Vec<u8>, VaultError> {
        let mut drawn = Drawn::new()?;
        let (encapsulated, sealed) = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeS::Base,
            &self.0,
            info,
            secret.expose(),
            aad,
            &mut drawn,
        )
        .map_err(|_| VaultError::Encryption)?;
        if drawn.short {
            return Err(VaultError::Random);
        }
        let mut out = Vec::with_capacity(BOX_BYTES);
        out.push(VERSION);
        out.extend_from_slice(&encapsulated.to_bytes());
        out.extend_from_slice(&sealed);
        Ok(out)
    }
}

/// A private key as its 32-octet seed, in locked memory; expanded only while it is used.
pub(crate) struct Private(Secret32);

impl Private {
    pub(crate) fn generate() -> Result<Self, VaultError> {
        Secret32::generate().map(Self)
    }

    pub(crate) fn from_seed(seed: Secret32) -> Self {
        Self(seed)
    }

    pub(crate) fn seed(&self) -> &Secret32 {
        &self.0
    }

    pub(crate) fn public(&self) -> Result<Public, VaultError> {
        Ok(Public(Box::new(XWing::sk_to_pk(&self.expand()?))))
    }

    /// Opens what [`Public::seal`] made under the same `info` and `aad`.
    pub(crate) fn open(&self, info: &[u8], aad: &[u8], mut sealed: &[u8]) -> Result<Secret32, VaultError> {
        const FORM: VaultError = VaultError::Malformed("key box");
        let [version] = take(&mut sealed).ok_or(FORM)?;
        if *version != VERSION {
            return Err(VaultError::UnknownVersion(*version));
        }
        let encapsulated: &[u8; ENCAPSULATED_BYTES] = take(&mut sealed).ok_or(FORM)?;
        if sealed.len() != KEY_BYTES + TAG_BYTES {
            return Err(FORM);
        }
        let encapsulated = Encapsulated::from_bytes(encapsulated).map_err(|_| FORM)?;
        let plain = self.open_hpke(info, aad, &encapsulated, sealed)?;
        let plain: &[u8; KEY_BYTES] = plain.as_slice().try_into().map_err(|_| FORM)?;
        Ok(Secret32::from_slice(plain))
    }

    /// HPKE's single-shot Open (RFC 9180 §6.1).
    fn open_hpke(
        &self,
        info: &[u8],
        aad: &[u8],
        encapsulated: &Encapsulated,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let private = self.expand()?;
        let mut context =
            setup_receiver::<ChaCha20Poly1305, HkdfSha256, XWing>(&OpModeR::Base, &private, encapsulated, info)
                .map_err(|_| VaultError::WrongKey)?;
        context.open(sealed, aad).map(Zeroizing::new).map_err(|_| VaultError::WrongKey)
    }

    fn expand(&self) -> Result<XWingPrivate, VaultError> {
        XWingPrivate::from_bytes(self.0.expose()).map_err(|_| VaultError::Malformed("private key"))
    }
}

/// Random bytes drawn beforehand, because the generator that HPKE takes cannot say that it failed.
struct Drawn {
    bytes: Zeroizing<[u8; ENCAPSULATION_RANDOM_BYTES]>,
    used: usize,
    /// More was asked for than was drawn; what was made of it must not be used.
    short: bool,
}

impl Drawn {
    fn new() -> Result<Self, VaultError> {
        Ok(Self { bytes: Zeroizing::new(crate::random()?), used: 0, short: false })
    }
}

impl TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let end = self.used.saturating_add(out.len());
        match self.bytes.get_mut(self.used..end) {
            Some(drawn) => {
                out.copy_from_slice(drawn);
                drawn.zeroize();
                self.used = end;
            }
            None => self.short = true,
        }
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}

#[cfg(test)]
mod tests {
    //! The published vector of this very suite, and a second implementation that shares no code with the first.

    use super::*;
    use hpke_rs::{Hpke, HpkePrivateKey, HpkePublicKey, Mode, hpke_types};
    use hpke_rs_libcrux::HpkeLibcrux;

    fn vector(name: &str) -> Vec<u8> {
        let line = include_str!("../tests/vectors/hpke-xwing.txt").lines().find_map(|line| line.strip_prefix(name));
        let hex = line.unwrap().strip_prefix(" = ").unwrap();
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn second() -> Hpke<HpkeLibcrux> {
        Hpke::new(
            Mode::Base,
            hpke_types::KemAlgorithm::XWingDraft06,
            hpke_types::KdfAlgorithm::HkdfSha256,
            hpke_types::AeadAlgorithm::ChaCha20Poly1305,
        )
    }

    #[test]
    fn published_vector_opens() {
        let seed: [u8; 32] = vector("skRm").try_into().unwrap();
        let private = Private::from_seed(Secret32::from_slice(&seed));
        assert_eq!(private.public().unwrap().to_bytes()[1..], vector("pkRm"));
        let encapsulated = Encapsulated::from_bytes(&vector("enc")).unwrap();
        let plain = private.open_hpke(&vector("info"), &vector("aad0"), &encapsulated, &vector("ct0")).unwrap();
        assert_eq!(*plain, vector("pt0"));
        let mut wrong = vector("ct0");
        wrong[0] ^= 1;
        assert!(private.open_hpke(&vector("info"), &vector("aad0"), &encapsulated, &wrong).is_err());
    }

    #[test]
    fn second_implementation_opens_what_this_one_seals() {
        let private = Private::generate().unwrap();
        let secret = Secret32::generate().unwrap();
        let sealed = private.public().unwrap().seal(b"info", b"aad", &secret).unwrap();
        assert_eq!(sealed.len(), BOX_BYTES);
        let (encapsulated, ciphertext) = sealed[1..].split_at(ENCAPSULATED_BYTES);
        let key = HpkePrivateKey::new(private.seed().expose().to_vec());
        let plain = second().open(encapsulated, &key, b"info", b"aad", ciphertext, None, None, None).unwrap();
        assert_eq!(plain, secret.expose());
    }

    #[test]
    fn this_implementation_opens_what_the_second_one_seals() {
        let private = Private::generate().unwrap();
        let public = HpkePublicKey::new(private.public().unwrap().to_bytes()[1..].to_vec());
        let (encapsulated, ciphertext) = second().seal(&public, b"info", b"aad", &[42; 32], None, None, None).unwrap();
        let sealed = [&[VERSION], encapsulated.as_slice(), &ciphertext].concat();
        assert_eq!(private.open(b"info", b"aad", &sealed).unwrap().expose(), &[42; 32]);
        assert!(matches!(private.open(b"info", b"aae", &sealed), Err(VaultError::WrongKey)));
        assert!(matches!(private.open(b"infp", b"aad", &sealed), Err(VaultError::WrongKey)));
        assert!(matches!(private.open(b"info", b"aad", &sealed[..100]), Err(VaultError::Malformed(_))));
        assert!(matches!(private.open(b"info", b"aad", &[]), Err(VaultError::Malformed(_))));
        assert!(matches!(private.open(b"info", b"aad", &[7; BOX_BYTES]), Err(VaultError::UnknownVersion(7))));
    }

    #[test]
    fn drawn_randomness_that_runs_short_is_noticed() {
        let mut drawn = Drawn::new().unwrap();
        let mut out = [0; ENCAPSULATION_RANDOM_BYTES];
        drawn.try_fill_bytes(&mut out).unwrap();
        assert!(!drawn.short && out != [0; ENCAPSULATION_RANDOM_BYTES]);
        drawn.try_next_u32().unwrap();
        assert!(drawn.short);
    }
}

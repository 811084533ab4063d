//! The stored form of a wrapped mailbox key (`docs/formats/wrapped-key.md`): header, commitment, encrypted key.

use super::Kind;
use super::kdf::{KdfPolicy, SALT_BYTES};
use crate::primitives::{Aead, Extracted, NONCE_BYTES, TAG_BYTES, equal, take};
use crate::{MailboxKey, Secret32, VaultError};
use model::{CredentialId, MailboxId};
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const COMMITMENT_BYTES: usize = 32;
/// Octets of the header: version, kind, salt, policy.
const HEADER_BYTES: usize = 1 + 1 + SALT_BYTES + 12;
/// Octets of the encrypted key with its tag.
const SEALED_BYTES: usize = 32 + TAG_BYTES;
const BYTES: usize = HEADER_BYTES + COMMITMENT_BYTES + NONCE_BYTES + SEALED_BYTES;

const ENCRYPT_LABEL: &[u8] = b"brevdue wrapped key 1: encrypt";
const COMMIT_LABEL: &[u8] = b"brevdue wrapped key 1: commit";

/// What the password is turned into a key with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) salt: [u8; SALT_BYTES],
    /// Kept for every kind, used for chosen passwords.
    pub(super) policy: KdfPolicy,
}

impl Header {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0] = VERSION;
        out[1] = match self.kind {
            Kind::Generated => 0,
            Kind::Chosen => 1,
            Kind::Recovery => 2,
        };
        out[2..18].copy_from_slice(&self.salt);
        out[18..].copy_from_slice(&self.policy.encode());
        out
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, VaultError> {
        let kind = match bytes[1] {
            0 => Kind::Generated,
            1 => Kind::Chosen,
            2 => Kind::Recovery,
            _ => return Err(VaultError::Malformed("wrapped key")),
        };
        let mut salt = [0; SALT_BYTES];
        salt.copy_from_slice(&bytes[2..18]);
        Ok(Self { kind, salt, policy: KdfPolicy::decode(&bytes[18..])? })
    }
}

/// A wrapped key, taken apart.
pub(super) struct Wrapped {
    pub(super) header: Header,
    commitment: [u8; COMMITMENT_BYTES],
    nonce: [u8; NONCE_BYTES],
    sealed: [u8; SEALED_BYTES],
}

impl Wrapped {
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Self, VaultError> {
        const FORM: VaultError = VaultError::Malformed("wrapped key");
        match bytes.first() {
            None => return Err(FORM),
            Some(&VERSION) => {}
            Some(&version) => return Err(VaultError::UnknownVersion(version)),
        }
        if bytes.len() != BYTES {
            return Err(FORM);
        }
        let header = Header::decode(take(&mut bytes).ok_or(FORM)?)?;
        let commitment = *take(&mut bytes).ok_or(FORM)?;
        let nonce = *take(&mut bytes).ok_or(FORM)?;
        let sealed = *take(&mut bytes).ok_or(FORM)?;
        Ok(Self { header, commitment, nonce, sealed })
    }

    /// What nothing opens, but at the price of trying.
    pub(super) fn nobody(header: Header) -> Self {
        Self { header, commitment: [0; _], nonce: [0; _], sealed: [0; _] }
    }

    pub(super) fn seal(
        extracted: &Extracted,
        header: Header,
        key: &MailboxKey,
        mailbox: &MailboxId,
        credential: &CredentialId,
    ) -> Result<Vec<u8>, VaultError> {
        let header = header.encode();
        let mut sealed = Vec::with_capacity(SEALED_BYTES);
        sealed.extend_from_slice(key.secret().expose());
        let nonce = crate::random()?;
        let aad = bound_to(&header, mailbox, credential);
        Aead::new(&extracted.key(&[ENCRYPT_LABEL, &aad])?)?.seal(nonce, &aad, &mut sealed)?;
        let commitment = extracted.key(&[COMMIT_LABEL, &aad])?;
        Ok([header.as_slice(), commitment.expose(), &nonce, &sealed].concat())
    }

    /// The mailbox key, or [`VaultError::WrongPassword`].
    pub(super) fn open(
        &self,
        extracted: &Extracted,
        mailbox: &MailboxId,
        credential: &CredentialId,
    ) -> Result<MailboxKey, VaultError> {
        let aad = bound_to(&self.header.encode(), mailbox, credential);
        // The AEAD does not commit to its key: without this, a crafted wrapping could open with many passwords at once and
        // turn the sign-in into an oracle for guessing (Len, Grubbs, Ristenpart 2021).
        if !equal(extracted.key(&[COMMIT_LABEL, &aad])?.expose(), &self.commitment) {
            return Err(VaultError::WrongPassword);
        }
        let mut bytes = Zeroizing::new(self.sealed);
        let aead = Aead::new(&extracted.key(&[ENCRYPT_LABEL, &aad])?)?;
        let plain = aead.open(self.nonce, &aad, bytes.as_mut_slice()).map_err(|_| VaultError::WrongPassword)?;
        let plain: &[u8; 32] = plain.first_chunk().ok_or(VaultError::WrongPassword)?;
        Ok(MailboxKey::from(Secret32::from_slice(plain)))
    }
}

/// Header, mailbox and credential: all of fixed length.
fn bound_to(header: &[u8; HEADER_BYTES], mailbox: &MailboxId, credential: &CredentialId) -> Vec<u8> {
    [header.as_slice(), mailbox.as_bytes(), credential.as_bytes()].concat()
}

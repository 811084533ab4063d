//! Mail that waits for its owner: one body sealed under a content key, the content key wrapped for each recipient.
//!
//! The layouts are in `docs/formats/sealing.md`. `X-Wing` makes the wrap; `stream` seals the body segment by segment.

mod stream;

pub use stream::{Opener, SEGMENT_BYTES, Sealer};

use crate::hybrid::{BOX_BYTES, PUBLIC_BYTES, Private, Public};
use crate::primitives::{Aead, Extracted, NONCE_BYTES, TAG_BYTES, take};
use crate::{MailboxKey, Secret32, VaultError};
use model::{DeliveryId, MailboxId};
use zeroize::Zeroizing;

/// Octets of a stored public key.
pub const PUBLIC_KEY_BYTES: usize = PUBLIC_BYTES;
/// Octets of a wrapped content key.
pub const WRAP_BYTES: usize = BOX_BYTES;

const INFO: &[u8] = b"brevdue sealing 1";
const PRIVATE_LABEL: &[u8] = b"brevdue sealing key 1: encrypt";
const VERSION: u8 = 1;
/// Octets of a wrapped private key: version, nonce, encrypted seed, tag.
const WRAPPED_PRIVATE_BYTES: usize = 1 + NONCE_BYTES + 32 + TAG_BYTES;

/// What mail for an alias is sealed to.
pub struct PublicKey(Public);

impl PublicKey {
    /// From the stored form, checked.
    ///
    /// # Errors
    /// [`VaultError::Malformed`], [`VaultError::UnknownVersion`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        Public::from_bytes(bytes).map(Self)
    }

    /// The stored form: [`PUBLIC_KEY_BYTES`] octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }
}

/// What opens mail for an alias; stored only wrapped with the mailbox key.
pub struct PrivateKey(Private);

impl PrivateKey {
    /// A new pair.
    ///
    /// # Errors
    /// [`VaultError::Random`].
    pub fn generate() -> Result<(Self, PublicKey), VaultError> {
        let private = Private::generate()?;
        let public = private.public()?;
        Ok((Self(private), PublicKey(public)))
    }

    /// The public half.
    ///
    /// # Errors
    /// [`VaultError::Malformed`], which a key that was made or unwrapped here never is.
    pub fn public(&self) -> Result<PublicKey, VaultError> {
        self.0.public().map(PublicKey)
    }

    /// Wraps the key with the mailbox's, bound to the mailbox.
    ///
    /// # Errors
    /// [`VaultError::Random`].
    pub fn wrap(&self, key: &MailboxKey, mailbox: &MailboxId) -> Result<Vec<u8>, VaultError> {
        let nonce = crate::random()?;
        let mut sealed = Vec::with_capacity(32 + TAG_BYTES);
        sealed.extend_from_slice(self.0.seed().expose());
        private_aead(key, mailbox)?.seal(nonce, &private_bound_to(mailbox), &mut sealed)?;
        Ok([&[VERSION], nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`PrivateKey::wrap`] made.
    ///
    /// # Errors
    /// [`VaultError::WrongKey`], [`VaultError::Malformed`], [`VaultError::UnknownVersion`].
    pub fn unwrap(mut bytes: &[u8], key: &MailboxKey, mailbox: &MailboxId) -> Result<Self, VaultError> {
        const FORM: VaultError = VaultError::Malformed("wrapped sealing key");
        match bytes.first() {
            None => return Err(FORM),
            Some(&VERSION) => {}
            Some(&version) => return Err(VaultError::UnknownVersion(version)),
        }
        if bytes.len() != WRAPPED_PRIVATE_BYTES {
            return Err(FORM);
        }
        let _version: &[u8; 1] = take(&mut bytes).ok_or(FORM)?;
        let nonce = *take(&mut bytes).ok_or(FORM)?;
        let sealed: &[u8; 32 + TAG_BYTES] = take(&mut bytes).ok_or(FORM)?;
        let mut plain = Zeroizing::new(*sealed);
        let seed = private_aead(key, mailbox)?.open(nonce, &private_bound_to(mailbox), plain.as_mut_slice())?;
        let seed: &[u8; 32] = seed.first_chunk().ok_or(FORM)?;
        Ok(Self(Private::from_seed(Secret32::from_slice(seed))))
    }

    /// The content key in a wrap that [`Sealer::wrap_for`] made for this delivery and mailbox.
    fn content_key(&self, wrap: &[u8], delivery: &DeliveryId, mailbox: &MailboxId) -> Result<Secret32, VaultError> {
        self.0.open(INFO, &wrap_bound_to(delivery, mailbox), wrap)
    }
}

impl PublicKey {
    fn wrap_content_key(
        &self,
        content_key: &Secret32,
        delivery: &DeliveryId,
        mailbox: &MailboxId,
    ) -> Result<Vec<u8>, VaultError> {
        self.0.seal(INFO, &wrap_bound_to(delivery, mailbox), content_key)
    }
}

fn private_aead(key: &MailboxKey, mailbox: &MailboxId) -> Result<Aead, VaultError> {
    Aead::new(&Extracted::new(&[], key.secret().expose()).key(&[PRIVATE_LABEL, mailbox.as_bytes()])?)
}

fn private_bound_to(mailbox: &MailboxId) -> Vec<u8> {
    [&[VERSION], mailbox.as_bytes().as_slice()].concat()
}

fn wrap_bound_to(delivery: &DeliveryId, mailbox: &MailboxId) -> Vec<u8> {
    [&[VERSION], delivery.as_bytes().as_slice(), mailbox.as_bytes()].concat()
}

#[cfg(test)]
mod tests;

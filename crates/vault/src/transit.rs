//! A mailbox key on its way from a front-end to a node: sealed to a key that the node makes at every start (`docs/formats/transit.md`).

use crate::hybrid::{BOX_BYTES, PUBLIC_BYTES, Private, Public};
use crate::{MailboxKey, VaultError};
use model::{MailboxId, NodeId};

/// Octets of a boot key's public bytes.
pub const PUBLIC_KEY_BYTES: usize = PUBLIC_BYTES;
/// Octets of a sealed mailbox key.
pub const SEALED_KEY_BYTES: usize = BOX_BYTES;

const INFO: &[u8] = b"brevdue transit 1";

/// A node's key pair of one start: what is sealed to it cannot be opened after the process has ended.
pub struct BootKey {
    private: Private,
    public: Vec<u8>,
}

impl BootKey {
    /// A new pair.
    ///
    /// # Errors
    /// [`VaultError::Random`].
    pub fn generate() -> Result<Self, VaultError> {
        let private = Private::generate()?;
        let public = private.public()?.to_bytes();
        Ok(Self { private, public })
    }

    /// What front-ends seal to: [`PUBLIC_KEY_BYTES`] octets.
    pub fn public_bytes(&self) -> &[u8] {
        &self.public
    }

    /// Opens what [`seal`] made for this mailbox and node.
    ///
    /// # Errors
    /// [`VaultError::WrongKey`] for another boot, mailbox or node; [`VaultError::Malformed`], [`VaultError::UnknownVersion`].
    pub fn open(&self, sealed: &[u8], mailbox: &MailboxId, node: &NodeId) -> Result<MailboxKey, VaultError> {
        self.private.open(INFO, &bound_to(mailbox, node), sealed).map(MailboxKey::from)
    }
}

/// Seals the key of a mailbox to a node's boot key ([`BootKey::public_bytes`]); the result has [`SEALED_KEY_BYTES`] octets.
///
/// # Errors
/// [`VaultError::Malformed`], [`VaultError::UnknownVersion`] for the public key; [`VaultError::Random`].
pub fn seal(public: &[u8], key: &MailboxKey, mailbox: &MailboxId, node: &NodeId) -> Result<Vec<u8>, VaultError> {
    Public::from_bytes(public)?.seal(INFO, &bound_to(mailbox, node), key.secret())
}

/// The mailbox id has one length, so the node id that follows is unambiguous.
fn bound_to(mailbox: &MailboxId, node: &NodeId) -> Vec<u8> {
    [&[1], mailbox.as_bytes().as_slice(), node.as_str().as_bytes()].concat()
}

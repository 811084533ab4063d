//! The raw keys of SQLite files: a mailbox's, and a waiting-mail file's.

use crate::{Secret32, VaultError};
use zeroize::Zeroizing;

/// The key of one mailbox file. Born with the alias, stored only wrapped.
pub struct MailboxKey(Secret32);

impl MailboxKey {
    /// A new key of 256 random bits.
    ///
    /// # Errors
    /// [`VaultError::Random`].
    pub fn generate() -> Result<Self, VaultError> {
        Secret32::generate().map(Self)
    }

    /// A key from its 32 bytes.
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(Secret32::from_bytes(bytes))
    }

    /// A second copy, said aloud; it never fails, and has a name of its own so that no `clone` makes one by accident.
    pub fn try_clone(&self) -> Self {
        Self(self.0.duplicate())
    }

    /// 64 hex digits, for `PRAGMA key`.
    pub fn raw_key(&self) -> Zeroizing<String> {
        self.0.hex()
    }

    /// Whether it is the same key, in a time that does not tell where they differ.
    pub fn same(&self, other: &Self) -> bool {
        crate::primitives::equal(self.0.expose(), other.0.expose())
    }

    pub(crate) fn secret(&self) -> &Secret32 {
        &self.0
    }
}

impl From<Secret32> for MailboxKey {
    fn from(secret: Secret32) -> Self {
        Self(secret)
    }
}

/// The key of one waiting-mail file, derived from the node key.
pub struct FileKey(Secret32);

impl FileKey {
    /// 64 hex digits, for `PRAGMA key`.
    pub fn raw_key(&self) -> Zeroizing<String> {
        self.0.hex()
    }
}

impl From<Secret32> for FileKey {
    fn from(secret: Secret32) -> Self {
        Self(secret)
    }
}

//! The types that hold secrets: they are wiped when dropped and cannot be printed, cloned or serialised.

use crate::{VaultError, locked::Slot};
use zeroize::{Zeroize, Zeroizing};

/// 32 secret octets in locked memory, wiped on drop.
pub struct Secret32(Slot);

impl Secret32 {
    /// Moves the bytes in; what they were in is wiped as it is dropped.
    #[allow(clippy::needless_pass_by_value, reason = "taking the bytes is what wipes the copy outside")]
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self::from_slice(&bytes)
    }

    /// 256 bits from the operating system, drawn straight into the locked memory.
    ///
    /// # Errors
    /// [`VaultError::Random`].
    pub fn generate() -> Result<Self, VaultError> {
        let mut slot = Slot::zeroed();
        getrandom::fill(slot.bytes_mut()).map_err(|_| VaultError::Random)?;
        Ok(Self(slot))
    }

    /// The bytes. Who copies them wipes the copy.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.bytes()
    }

    pub(crate) fn from_slice(bytes: &[u8; 32]) -> Self {
        let mut slot = Slot::zeroed();
        slot.bytes_mut().copy_from_slice(bytes);
        Self(slot)
    }

    /// Fills a new secret in place; what `fill` returns goes to the caller.
    pub(crate) fn filled<E>(fill: impl FnOnce(&mut [u8; 32]) -> Result<(), E>) -> Result<Self, E> {
        let mut slot = Slot::zeroed();
        fill(slot.bytes_mut())?;
        Ok(Self(slot))
    }

    /// A second copy, on purpose.
    pub(crate) fn duplicate(&self) -> Self {
        Self::from_slice(self.expose())
    }

    /// Lower-case hex, 64 digits.
    pub(crate) fn hex(&self) -> Zeroizing<String> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // The capacity is all that is needed, so that no half-written copy is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(64));
        for byte in self.expose() {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        text
    }
}

/// A password or recovery key as somebody typed it, wiped on drop.
pub struct Password(Zeroizing<String>);

impl Password {
    /// The text. Who copies it wipes the copy.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<Zeroizing<String>> for Password {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl Zeroize for Password {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

//! Keys, credentials, sealing and digests; the only crate with cryptographic primitives.
//!
//! What is stored or sent has its byte layout in `docs/formats/`; every form starts with a version byte. Secrets are types
//! that cannot be printed, cloned or serialised, and live in locked memory that is wiped when they are dropped.

pub mod credential;
mod digest;
mod error;
mod hybrid;
mod keys;
mod locked;
mod mac;
mod node_key;
mod primitives;
pub mod sealing;
mod secret;
pub mod signing;
pub mod transit;

pub use digest::{Digest, digest, digest512};
pub use error::VaultError;
pub use keys::{FileKey, MailboxKey};
pub use locked::memory_is_locked;
pub use mac::{mac, same};
pub use node_key::NodeKey;
pub use secret::{Password, Secret32};

/// `N` bytes from the operating system's generator.
///
/// # Errors
/// [`VaultError::Random`] when the operating system gives none.
pub fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| VaultError::Random)?;
    Ok(bytes)
}

//! Credentials: a mailbox key wrapped with a password. Opening the wrapping is the password check; there is no other verifier.
//!
//! The layout is in `docs/formats/wrapped-key.md`. Where the wrapped keys are kept is the directory's affair.

mod form;
mod kdf;
mod wrapped;

pub use form::{generate_password, generate_recovery_key, kind_of};
pub use kdf::{KdfPolicy, LANES_MAX, MEMORY_KIB_MAX, PASSES_MAX};

use crate::primitives::Extracted;
use crate::{MailboxKey, Password, VaultError};
use kdf::{Ready, SALT_BYTES};
use model::{CredentialId, MailboxId};
use wrapped::Wrapped;

/// What a credential's password is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 256 random bits in the form `bd_…`.
    Generated,
    /// What a person chose; stretched with Argon2id.
    Chosen,
    /// 256 random bits on paper.
    Recovery,
}

/// Wraps a mailbox key with a password; the kind follows from the password's form. For a chosen password this is one
/// Argon2id run: blocking, with the policy's memory.
///
/// A chosen credential should share `salt` with the other chosen ones of its alias ([`salt_of`]) and their policy, so that a
/// sign-in stretches the password once. Without one a salt is drawn.
///
/// # Errors
/// [`VaultError::Random`].
pub fn wrap(
    key: &MailboxKey,
    password: &Password,
    mailbox: &MailboxId,
    credential: &CredentialId,
    policy: &KdfPolicy,
    salt: Option<[u8; SALT_BYTES]>,
) -> Result<Vec<u8>, VaultError> {
    let ready = Ready::new(password);
    let salt = match salt {
        Some(salt) => salt,
        None => crate::random()?,
    };
    let header = wrapped::Header { kind: ready.kind(), salt, policy: *policy };
    Wrapped::seal(&ready.extract(&salt, *policy)?, header, key, mailbox, credential)
}

/// The salt of a chosen credential, to share with the next one of the same alias; `None` for other kinds and for what is not
/// a wrapped key.
pub fn salt_of(wrapped: &[u8]) -> Option<[u8; SALT_BYTES]> {
    let header = Wrapped::parse(wrapped).ok()?.header;
    (header.kind == Kind::Chosen).then_some(header.salt)
}

/// The Argon2id parameters of a chosen credential; `None` as for [`salt_of`].
pub fn policy_of(wrapped: &[u8]) -> Option<KdfPolicy> {
    let header = Wrapped::parse(wrapped).ok()?.header;
    (header.kind == Kind::Chosen).then_some(header.policy)
}

/// Opens the first credential that the password opens and returns its id with the mailbox key.
///
/// Only credentials of the password's kind are tried. A chosen password costs one Argon2id run for each distinct salt and
/// policy among them, and one if there is none, so that the time does not tell. Blocking: call it from `spawn_blocking`, and
/// bound how many run at once, each with the policy's memory.
///
/// # Errors
/// [`VaultError::WrongPassword`]; what is wrong with the rows when none of them could be read.
pub fn unlock(
    password: &Password,
    mailbox: &MailboxId,
    wrapped: &[(CredentialId, Vec<u8>)],
) -> Result<(CredentialId, MailboxKey), VaultError> {
    let ready = Ready::new(password);
    let mut unreadable = None;
    let mut tried = false;
    let mut stretched: Vec<(wrapped::Header, Extracted)> = Vec::new();
    for (credential, bytes) in wrapped {
        let wrapped = match Wrapped::parse(bytes) {
            Ok(wrapped) => wrapped,
            Err(error) => {
                unreadable = Some(error);
                continue;
            }
        };
        if wrapped.header.kind != ready.kind() {
            continue;
        }
        tried = true;
        let known = stretched.iter().position(|(header, _)| *header == wrapped.header);
        let at = known.unwrap_or(stretched.len());
        if known.is_none() {
            stretched.push((wrapped.header, ready.extract(&wrapped.header.salt, wrapped.header.policy)?));
        }
        let Some((_, extracted)) = stretched.get(at) else { continue };
        match wrapped.open(extracted, mailbox, credential) {
            Ok(key) => return Ok((*credential, key)),
            Err(VaultError::WrongPassword) => {}
            Err(error) => return Err(error),
        }
    }
    if !tried {
        spend(&ready);
    }
    match unreadable {
        Some(error) if !tried => Err(error),
        _ => Err(VaultError::WrongPassword),
    }
}

/// Costs what a sign-in with this password costs, so that an unknown user is not told apart by time. Blocking, like [`unlock`].
pub fn unlock_nobody(password: &Password) {
    spend(&Ready::new(password));
}

/// Derives and opens against a credential that nothing opens.
fn spend(ready: &Ready<'_>) {
    let (salt, policy) = ([0; SALT_BYTES], KdfPolicy::default());
    let nobody = (MailboxId::from_bytes([0; MailboxId::LEN]), CredentialId::from_bytes([0; CredentialId::LEN]));
    let header = wrapped::Header { kind: ready.kind(), salt, policy };
    if let Ok(extracted) = ready.extract(&salt, policy) {
        // The refusal is the point: whether it is one does not matter.
        drop(std::hint::black_box(Wrapped::nobody(header).open(&extracted, &nobody.0, &nobody.1)));
    }
}

#[cfg(test)]
mod tests;

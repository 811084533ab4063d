//! From a password to the secret that wraps a mailbox key: nothing to stretch for 256 random bits, Argon2id for what people choose.

use super::{Kind, form};
use crate::primitives::{Extracted, take};
use crate::{Password, Secret32, VaultError};
use argon2::{Algorithm, Argon2, Params, Version};

/// KiB of memory of one Argon2id run that is asked for at most: what a front-end can spare for one sign-in.
pub const MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// Passes of Argon2id at most.
pub const PASSES_MAX: u32 = 32;
/// Lanes of Argon2id at most.
pub const LANES_MAX: u32 = 16;

/// Octets of a credential's salt.
pub(super) const SALT_BYTES: usize = 16;

/// Parameters of Argon2id (RFC 9106).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfPolicy {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl KdfPolicy {
    /// Checked parameters: memory in KiB (8 a lane at least), passes over it, lanes.
    ///
    /// # Errors
    /// [`VaultError::Policy`] outside RFC 9106 §3.1 or over [`MEMORY_KIB_MAX`], [`PASSES_MAX`], [`LANES_MAX`].
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, VaultError> {
        if !(1..=LANES_MAX).contains(&lanes) {
            return Err(VaultError::Policy("lanes"));
        }
        if !(8 * lanes..=MEMORY_KIB_MAX).contains(&memory_kib) {
            return Err(VaultError::Policy("memory"));
        }
        if !(1..=PASSES_MAX).contains(&passes) {
            return Err(VaultError::Policy("passes"));
        }
        Ok(Self { memory_kib, passes, lanes })
    }

    pub(super) fn encode(self) -> [u8; 12] {
        let mut out = [0; 12];
        for (field, value) in out.chunks_exact_mut(4).zip([self.memory_kib, self.passes, self.lanes]) {
            field.copy_from_slice(&value.to_be_bytes());
        }
        out
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Result<Self, VaultError> {
        let mut field = || take::<4>(&mut bytes).map(|field| u32::from_be_bytes(*field));
        match (field(), field(), field()) {
            (Some(memory_kib), Some(passes), Some(lanes)) => Self::new(memory_kib, passes, lanes),
            _ => Err(VaultError::Malformed("key derivation parameters")),
        }
    }
}

/// 64 MiB, 3 passes, 1 lane: the second recommendation of RFC 9106 §4 on one core, so that a busy front-end is not slowed by
/// the threads of others. About 100 ms.
impl Default for KdfPolicy {
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 }
    }
}

/// A password made ready for many credentials: decoded once if generated, stretched on demand if chosen.
pub(super) enum Ready<'a> {
    /// 256 bits that need no stretching, of this kind.
    Strong(Kind, Secret32),
    /// What a person chose.
    Chosen(&'a Password),
}

impl<'a> Ready<'a> {
    pub(super) fn new(password: &'a Password) -> Self {
        match form::secret_of(password) {
            Some((kind, secret)) => Self::Strong(kind, secret),
            None => Self::Chosen(password),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Strong(kind, _) => *kind,
            Self::Chosen(_) => Kind::Chosen,
        }
    }

    /// The secret that a credential's keys are extracted from. Costs an Argon2id run for a chosen password.
    pub(super) fn extract(&self, salt: &[u8; SALT_BYTES], policy: KdfPolicy) -> Result<Extracted, VaultError> {
        match self {
            Self::Strong(_, secret) => Ok(Extracted::new(salt, secret.expose())),
            Self::Chosen(password) => {
                let stretched = argon2id(password.expose().as_bytes(), salt, policy)?;
                Ok(Extracted::new(salt, stretched.expose()))
            }
        }
    }
}

/// Argon2id version 1.3 to 32 octets (RFC 9106 §3.1), straight into locked memory.
fn argon2id(password: &[u8], salt: &[u8], policy: KdfPolicy) -> Result<Secret32, VaultError> {
    let params = Params::new(policy.memory_kib, policy.passes, policy.lanes, Some(32))
        .map_err(|_| VaultError::Policy("Argon2id"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Secret32::filled(|out| argon2.hash_password_into(password, salt, out)).map_err(|_| VaultError::Policy("Argon2id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_bounded() {
        assert!(KdfPolicy::new(8, 1, 1).is_ok());
        for (memory, passes, lanes) in [
            (7, 1, 1),
            (8, 0, 1),
            (8, 1, 0),
            (15, 1, 2),
            (MEMORY_KIB_MAX + 1, 1, 1),
            (8, PASSES_MAX + 1, 1),
            (u32::MAX, 1, 17),
        ] {
            assert!(
                matches!(KdfPolicy::new(memory, passes, lanes), Err(VaultError::Policy(_))),
                "{memory} {passes} {lanes}"
            );
        }
        let policy = KdfPolicy::new(4096, 3, 2).unwrap();
        assert_eq!(KdfPolicy::decode(&policy.encode()).unwrap(), policy);
    }

    /// RFC 9106 §5.3. Secret and associated data are not used here, so the library is asked directly.
    #[test]
    fn argon2id_known_answer() {
        let data = argon2::AssociatedData::new(&[4; 12]).unwrap();
        let params =
            argon2::ParamsBuilder::new().m_cost(32).t_cost(3).p_cost(4).data(data).output_len(32).build().unwrap();
        let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
        let mut out = [0; 32];
        argon2.hash_password_into(&[1; 32], &[2; 16], &mut out).unwrap();
        let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
    }

    /// From the reference implementation's `argon2 somesalt -id -t 2 -m 8 -p 1` for `password`, as its tests have it.
    #[test]
    fn our_argon2id_is_plain_argon2id() {
        let policy = KdfPolicy::new(256, 2, 1).unwrap();
        let out = argon2id(b"password", b"somesalt", policy).unwrap();
        let hex: String = out.expose().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe");
    }
}

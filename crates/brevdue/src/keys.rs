//! The keys of a new alias, and a new credential for one that exists. They are made here; the directory gets them wrapped.

use crate::failure::Failure;
use model::{Address, CredentialId, MailboxId};
use vault::credential::{self, KdfPolicy, Kind};
use vault::{MailboxKey, Password, VaultError, sealing};
use wire::directory::{AddAliasRequest, Credential, CredentialKind, CredentialsReply};

/// The label of the recovery key.
pub const RECOVERY_LABEL: &str = "recovery";
/// Characters of a password of one's own choice: with Argon2id, out of reach of guessing for one that is not a word.
pub const CHOSEN_CHARS_MIN: usize = 10;

/// An alias ready to be added, and the recovery key to show once.
pub struct NewAlias {
    /// For the directory. Account and node are left empty.
    pub request: AddAliasRequest,
    /// For paper.
    pub recovery: Password,
}

/// Makes mailbox key, sealing pair and credentials. Blocking: a chosen password takes an Argon2id run.
pub fn new_alias(address: &Address, password: &Password, label: &str) -> Result<NewAlias, Failure> {
    let mailbox = MailboxId::from_bytes(vault::random()?);
    let key = MailboxKey::generate()?;
    let (private, public) = sealing::PrivateKey::generate()?;
    let recovery = credential::generate_recovery_key()?;
    let credentials = vec![
        wrapped(&key, password, &mailbox, label, None)?,
        wrapped(&key, &recovery, &mailbox, RECOVERY_LABEL, None)?,
    ];
    let request = AddAliasRequest {
        address: address.alias(),
        mailbox_id: mailbox.to_string(),
        sealing_public_key: public.to_bytes().into(),
        wrapped_sealing_key: private.wrap(&key, &mailbox)?.into(),
        credentials,
        ..AddAliasRequest::default()
    };
    Ok(NewAlias { request, recovery })
}

/// One more credential of an alias that `present` opens. Blocking, as [`new_alias`].
pub fn new_credential(
    alias: &CredentialsReply,
    present: &Password,
    password: &Password,
    label: &str,
) -> Result<Credential, Failure> {
    let known = alias.alias.as_ref().ok_or_else(|| Failure::refused("the directory's answer has no alias in it"))?;
    let mailbox: MailboxId = known.mailbox_id.parse()?;
    let wrappings =
        alias.credentials.iter().map(|each| Ok((each.id.parse::<CredentialId>()?, each.wrapped_key.to_vec())));
    let wrappings = wrappings.collect::<Result<Vec<_>, Failure>>()?;
    let (_, key) = credential::unlock(present, &mailbox, &wrappings).map_err(|error| match error {
        VaultError::WrongPassword => {
            Failure::refused("the present password is wrong; give one that signs in, or the recovery key")
        }
        error => error.into(),
    })?;
    // With the salt of the other chosen ones, a sign-in stretches its password once for all of them.
    let salt = wrappings.iter().find_map(|(_, wrapped)| credential::salt_of(wrapped));
    wrapped(&key, password, &mailbox, label, salt)
}

/// Refuses a password of one's own choice that could be guessed.
pub fn check_strength(password: &Password) -> Result<(), Failure> {
    let chosen = credential::kind_of(password) == Kind::Chosen;
    if chosen && password.expose().chars().count() < CHOSEN_CHARS_MIN {
        let why = format!("the password has fewer than {CHOSEN_CHARS_MIN} characters; choose a longer one");
        return Err(Failure::refused(format!("{why}, or leave it out to have one generated")));
    }
    Ok(())
}

fn wrapped(
    key: &MailboxKey,
    password: &Password,
    mailbox: &MailboxId,
    label: &str,
    salt: Option<[u8; 16]>,
) -> Result<Credential, Failure> {
    let id = CredentialId::from_bytes(vault::random()?);
    let kind = match credential::kind_of(password) {
        Kind::Generated => CredentialKind::Generated,
        Kind::Chosen => CredentialKind::Chosen,
        Kind::Recovery => CredentialKind::Recovery,
    };
    let wrapped = credential::wrap(key, password, mailbox, &id, &KdfPolicy::default(), salt)?;
    Ok(Credential {
        id: id.to_string(),
        label: label.to_owned(),
        kind: kind.into(),
        wrapped_key: wrapped.into(),
        created_ms: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_credential_opens_the_same_mailbox() {
        let address: Address = "ann@x.test".parse().unwrap();
        let first = credential::generate_password().unwrap();
        let made = new_alias(&address, &first, "first").unwrap();
        let kinds: Vec<_> = made.request.credentials.iter().map(Credential::kind).collect();
        assert_eq!(kinds, [CredentialKind::Generated, CredentialKind::Recovery]);
        let mut reply = CredentialsReply {
            alias: Some(wire::directory::Alias { mailbox_id: made.request.mailbox_id.clone(), ..Default::default() }),
            credentials: made.request.credentials,
            ..Default::default()
        };
        let second = credential::generate_password().unwrap();
        let added = new_credential(&reply, &made.recovery, &second, "phone").unwrap();
        assert_eq!((added.label.as_str(), added.kind()), ("phone", CredentialKind::Generated));
        reply.credentials.push(added);
        let third = credential::generate_password().unwrap();
        assert!(new_credential(&reply, &second, &third, "laptop").is_ok());
        assert!(new_credential(&reply, &third, &second, "laptop").is_err());
    }

    #[test]
    fn short_passwords_of_ones_own_are_refused() {
        assert!(check_strength(&Password::from("ninechars".to_owned())).is_err());
        assert!(check_strength(&Password::from("tencharsss".to_owned())).is_ok());
        assert!(check_strength(&credential::generate_password().unwrap()).is_ok());
    }
}

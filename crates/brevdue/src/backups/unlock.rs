//! The key of a backup. A mailbox has one key for life, so each password that wraps it now opens every backup; and those of then do,
//! too, because the wrappings of then are kept beside it, for the directory alone to open.

use super::restore::Origin;
use crate::admin::Admin;
use crate::failure::Failure;
use crate::owner::Owner;
use backup::manifest::Manifest;
use directory::client::Error;
use model::{CredentialId, MailboxId};
use vault::{MailboxKey, Password, VaultError, credential};
use wire::directory::Kept;

/// What was opened, and by what.
pub struct Opened {
    /// The mailbox's key.
    pub key: MailboxKey,
    /// The name of the password, where it is one of then that is not the mailbox's now.
    pub then: Option<String>,
}

/// Opens with what the alias has now, or else with what was kept.
pub async fn unlock(
    admin: &Admin,
    origin: &Origin,
    manifest: &Manifest,
    password: Password,
) -> Result<Opened, Failure> {
    if let Some((address, _)) = &origin.alias
        && let Some(proven) = Owner::try_prove(admin, address, &password).await?
    {
        return Ok(Opened { key: proven.into_key(), then: None });
    }
    let wrong = |why: &str| Failure::refused(why).of(&origin.name);
    let Some(kept) = kept(admin, &origin.mailbox, manifest).await.map_err(|failure| failure.of(&origin.name))? else {
        return Err(wrong(match &origin.alias {
            Some(_) => "the password is wrong, and with this backup no keys of then are kept",
            None => "with this backup no keys are kept, so that without its alias nothing opens it",
        }));
    };
    let (mailbox, wrapped) = (origin.mailbox, wrapped(&kept));
    // On a thread of its own: a chosen password takes its time.
    let opened = tokio::task::spawn_blocking(move || credential::unlock(&password, &mailbox, &wrapped)).await?;
    match opened {
        Ok((id, key)) => {
            let id = id.to_string();
            let label = kept.credentials.into_iter().find(|each| each.id == id).map(|each| each.label);
            Ok(Opened { key, then: Some(label.unwrap_or_default()) })
        }
        Err(VaultError::WrongPassword) => Err(wrong(match &origin.alias {
            Some(_) => "the password is wrong: the mailbox does not have it, nor had it when the backup was made",
            None => "the password is wrong: the mailbox did not have it when the backup was made",
        })),
        Err(error) => Err(error.into()),
    }
}

/// What is kept beside a backup, if anything is.
///
/// # Errors
/// This directory cannot open it.
pub async fn kept(admin: &Admin, mailbox: &MailboxId, manifest: &Manifest) -> Result<Option<Kept>, Failure> {
    let Some(sealed) = manifest.sealed_keys() else { return Ok(None) };
    match admin.directory.open_kept(mailbox, sealed).await {
        Ok(kept) => Ok(Some(kept)),
        Err(Error::Refused(why)) => Err(Failure::refused(why)),
        Err(error) => Err(error.into()),
    }
}

fn wrapped(kept: &Kept) -> Vec<(CredentialId, Vec<u8>)> {
    kept.credentials.iter().filter_map(|each| Some((each.id.parse().ok()?, each.wrapped_key.to_vec()))).collect()
}

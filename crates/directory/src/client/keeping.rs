//! What goes with backups: asked by the worker that carries them, and by the operator who restores.

use super::retry::{once, retried};
use super::{DirectoryClient, Error};
use model::{Address, MailboxId};
use wire::directory as proto;

impl DirectoryClient {
    /// Where a mailbox's backup goes, and what is to be kept beside it.
    ///
    /// # Errors
    /// No alias has the mailbox, it is being erased, or as [`DirectoryClient::resolve`].
    pub async fn keeping(&self, mailbox: &MailboxId) -> Result<proto::KeepingReply, Error> {
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), proto::KeepingRequest { mailbox_id: mailbox.to_string() });
            async move { rpc.keeping(request).await }
        });
        answer.await
    }

    /// Opens what was kept beside a backup of a mailbox.
    ///
    /// # Errors
    /// Another directory sealed it, or it is of another mailbox; or as [`DirectoryClient::resolve`].
    pub async fn open_kept(&self, mailbox: &MailboxId, kept: Vec<u8>) -> Result<proto::Kept, Error> {
        let request = proto::OpenKeptRequest { mailbox_id: mailbox.to_string(), kept: kept.into() };
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), request.clone());
            async move { rpc.open_kept(request).await }
        });
        answer.await
    }

    /// Where an alias's backups go; with `store` they go there from now on: a name, `none`, or empty for what its domain says.
    ///
    /// # Errors
    /// The alias is unknown, that is no name, or the directory could not be reached.
    pub async fn backup_store(
        &self,
        address: &Address,
        store: Option<String>,
    ) -> Result<proto::BackupStoreReply, Error> {
        let request = proto::BackupStoreRequest { address: address.alias(), store };
        once(self.0.rpc.clone().backup_store(request)).await
    }
}

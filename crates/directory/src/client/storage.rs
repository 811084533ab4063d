//! What nodes ask about limits and tell of what they store, and the operator's verbs for both.

use super::retry::{once, retried};
use super::{Allowance, DirectoryClient, Error, GrantReply, GrantRequest};
use model::{AccountId, Address, MailboxId};
use wire::directory as proto;

impl DirectoryClient {
    /// What limits a mailbox.
    ///
    /// # Errors
    /// No alias has the mailbox, or as [`DirectoryClient::resolve`].
    pub async fn allowance(&self, mailbox: &MailboxId) -> Result<Allowance, Error> {
        let key = mailbox.to_string();
        if let Some(known) = self.0.cache.allowance(&key) {
            return Ok(known);
        }
        let ticket = self.0.cache.ticket();
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), proto::AllowanceRequest { mailbox_id: key.clone() });
            async move { rpc.allowance(request).await }
        });
        let allowance = answer.await?;
        self.0.cache.put_allowance(ticket, key, allowance.clone());
        Ok(allowance)
    }

    /// Looks at a mailbox's grant or changes it. Harmless to repeat: a change is for one version of it.
    ///
    /// # Errors
    /// As [`DirectoryClient::allowance`].
    pub async fn grant(&self, request: GrantRequest) -> Result<GrantReply, Error> {
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), request.clone());
            async move { rpc.grant(request).await }
        });
        answer.await
    }

    /// [`DirectoryClient::grant`] without a second try, for what can wait.
    ///
    /// # Errors
    /// As [`DirectoryClient::allowance`].
    pub async fn grant_once(&self, request: GrantRequest) -> Result<GrantReply, Error> {
        once(self.0.rpc.clone().grant(request)).await
    }

    /// Sets an account's limits; `None` leaves one as it is, 0 takes it away.
    ///
    /// # Errors
    /// No alias belongs to it, or the directory could not be reached.
    pub async fn limit_account(
        &self,
        account: &AccountId,
        bytes_max: Option<u64>,
        messages_max: Option<u64>,
    ) -> Result<proto::Account, Error> {
        let request = proto::LimitAccountRequest { account: account.to_string(), bytes_max, messages_max };
        once(self.0.rpc.clone().limit_account(request)).await
    }

    /// An account, and what each of its aliases stores.
    ///
    /// # Errors
    /// No alias belongs to it, there are too many to list, or the directory could not be reached.
    pub async fn show_account(&self, account: &AccountId) -> Result<proto::Account, Error> {
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), proto::ShowAccountRequest { account: account.to_string() });
            async move { rpc.show_account(request).await }
        });
        answer.await
    }

    /// Sets an alias's limits; `None` leaves one as it is, 0 takes it away.
    ///
    /// # Errors
    /// The alias is unknown, or the directory could not be reached.
    pub async fn limit_alias(
        &self,
        address: &Address,
        bytes_max: Option<u64>,
        messages_max: Option<u64>,
    ) -> Result<proto::StoredAlias, Error> {
        let request = proto::LimitAliasRequest { address: address.alias(), bytes_max, messages_max };
        once(self.0.rpc.clone().limit_alias(request)).await
    }
}

//! The Directory service (`proto/directory.proto`): checks what comes in, asks the catalogue, translates the answer. Who
//! may call what is decided before, by `wire::authority`.

use super::{answer, domains, input, watch};
use crate::catalogue::{
    AddKey, AddWebhook, Catalogue, EraseAlias, EraseStep, Error, MarkBorn, RemoveKey, RemoveRule, RemoveWebhook,
    RetireKey, Rotate,
};
use crate::settings;
use futures_util::stream::BoxStream;
use model::{AccountId, MailboxId, WebhookId};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use wire::directory as proto;
use wire::directory::directory_server::Directory;

/// The service over one catalogue.
#[derive(Clone)]
pub(crate) struct Service {
    pub(super) catalogue: Arc<Catalogue>,
    /// Ends the streams of watchers, which would hold up a drain for ever.
    pub(super) stop: CancellationToken,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Directory for Service {
    async fn resolve(&self, request: Request<proto::ResolveRequest>) -> Answer<proto::Alias> {
        let address = input::address(&request.get_ref().address)?;
        let row = self.catalogue.alias(&address).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::alias(row, address.subaddress())))
    }

    async fn credentials(&self, request: Request<proto::CredentialsRequest>) -> Answer<proto::CredentialsReply> {
        let address = input::address(&request.get_ref().address)?;
        let row = self.catalogue.alias(&address).await.map_err(|error| answer::status(&error))?;
        let (credentials, wrapped) =
            self.catalogue.credentials(&address).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(proto::CredentialsReply {
            alias: Some(answer::alias(row, address.subaddress())),
            credentials: credentials.into_iter().map(answer::credential).collect(),
            wrapped_sealing_key: wrapped.into(),
        }))
    }

    type WatchStream = BoxStream<'static, Result<proto::Change, Status>>;

    async fn watch(&self, request: Request<proto::WatchRequest>) -> Answer<Self::WatchStream> {
        let catalogue = Arc::clone(&self.catalogue);
        let stream = watch::watch(catalogue, request.get_ref().since, self.stop.clone())
            .await
            .map_err(|error| answer::status(&error))?;
        Ok(Response::new(Box::pin(stream)))
    }

    async fn mark_born(&self, request: Request<proto::MarkBornRequest>) -> Answer<proto::MarkBornReply> {
        let write = MarkBorn(input::parse(&request.get_ref().mailbox_id, "mailbox id")?);
        self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(proto::MarkBornReply {}))
    }

    async fn add_domain(&self, request: Request<proto::AddDomainRequest>) -> Answer<proto::Domain> {
        let domain = input::domain(&request.get_ref().name)?;
        let row = self.new_domain(domain).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::domain(row)))
    }

    async fn list_domains(&self, _: Request<proto::ListDomainsRequest>) -> Answer<proto::ListDomainsReply> {
        let rows = self.catalogue.domains().await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(proto::ListDomainsReply { domains: rows.into_iter().map(answer::domain).collect() }))
    }

    async fn add_alias(&self, request: Request<proto::AddAliasRequest>) -> Answer<proto::Alias> {
        let write = input::add_alias(request.into_inner())?;
        let row = self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::alias(row, None)))
    }

    async fn list_aliases(&self, request: Request<proto::ListAliasesRequest>) -> Answer<proto::ListAliasesReply> {
        let text = &request.get_ref().domain;
        let domain = if text.is_empty() { None } else { Some(input::domain(text)?) };
        let rows = self.catalogue.aliases(domain.as_ref()).await.map_err(|error| answer::status(&error))?;
        let aliases = rows.into_iter().map(|row| answer::alias(row, None)).collect();
        Ok(Response::new(proto::ListAliasesReply { aliases }))
    }

    async fn add_credential(&self, request: Request<proto::AddCredentialRequest>) -> Answer<proto::Credential> {
        let write = input::add_credential(request.into_inner())?;
        let row = self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::credential(row)))
    }

    async fn revoke_credential(
        &self,
        request: Request<proto::RevokeCredentialRequest>,
    ) -> Answer<proto::RevokeCredentialReply> {
        let write = input::revoke_credential(request.into_inner())?;
        self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(proto::RevokeCredentialReply {}))
    }

    async fn register_node(&self, request: Request<proto::NodeInfo>) -> Answer<proto::RegisterNodeReply> {
        let write = input::register_node(request.into_inner())?;
        self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(proto::RegisterNodeReply {}))
    }

    async fn list_nodes(&self, _: Request<proto::ListNodesRequest>) -> Answer<proto::ListNodesReply> {
        let rows = self.catalogue.nodes().await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(proto::ListNodesReply { nodes: rows.into_iter().map(answer::node).collect() }))
    }

    async fn route(&self, request: Request<proto::RouteRequest>) -> Answer<proto::RouteReply> {
        let address = input::address(&request.get_ref().address)?;
        let route = self.catalogue.route(&address).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::route(route)))
    }

    async fn may_send(&self, request: Request<proto::MaySendRequest>) -> Answer<proto::MaySendReply> {
        let (login, sender) = (input::address(&request.get_ref().login)?, input::address(&request.get_ref().sender)?);
        let answer = self.catalogue.may_send(&login, &sender).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::sender(answer, sender.domain())))
    }

    async fn signing_keys(&self, request: Request<proto::SigningKeysRequest>) -> Answer<proto::SigningKeysReply> {
        let domain = input::domain(&request.get_ref().domain)?;
        let keys = self.catalogue.signing_keys(&domain).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(proto::SigningKeysReply { keys: keys.iter().map(answer::signing_key).collect() }))
    }

    async fn srs_secrets(&self, _: Request<proto::SrsSecretsRequest>) -> Answer<proto::SrsSecretsReply> {
        let secrets = self.catalogue.srs_secrets().await.map_err(|error| answer::status(&error))?;
        let secrets = secrets.iter().map(|secret| secret.to_vec().into()).collect();
        Ok(Response::new(proto::SrsSecretsReply { secrets }))
    }

    async fn webhook_by_id(&self, request: Request<proto::WebhookByIdRequest>) -> Answer<proto::Webhook> {
        let id: WebhookId = input::parse(&request.get_ref().id, "webhook")?;
        let (row, secret) = self.catalogue.webhook(&id.to_string()).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::webhook(row, Some(&secret))))
    }

    async fn add_rule(&self, request: Request<proto::AddRuleRequest>) -> Answer<proto::Rule> {
        let write = input::add_rule(request.into_inner())?;
        let row = self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::rule(row)))
    }

    async fn change_rule(&self, request: Request<proto::ChangeRuleRequest>) -> Answer<proto::Rule> {
        let write = input::change_rule(request.into_inner())?;
        let row = self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::rule(row)))
    }

    async fn remove_rule(&self, request: Request<proto::RemoveRuleRequest>) -> Answer<proto::RemoveRuleReply> {
        let write = RemoveRule(input::rule_name(request.into_inner().name)?);
        self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(proto::RemoveRuleReply {}))
    }

    async fn list_rules(&self, request: Request<proto::ListRulesRequest>) -> Answer<proto::ListRulesReply> {
        let text = &request.get_ref().domain;
        let domain = if text.is_empty() { None } else { Some(input::domain(text)?) };
        let rows = self.catalogue.rules(domain.as_ref()).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(proto::ListRulesReply { rules: rows.into_iter().map(answer::rule).collect() }))
    }

    async fn add_webhook(&self, request: Request<proto::AddWebhookRequest>) -> Answer<proto::Webhook> {
        let row = input::add_webhook(request.get_ref())?;
        let (secret, sealed_secret) =
            self.catalogue.new_webhook_secret(&row.id).map_err(|error| answer::status(&error))?;
        let write = AddWebhook { row, sealed_secret };
        let row = self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::webhook(row, Some(&secret))))
    }

    async fn list_webhooks(&self, _: Request<proto::ListWebhooksRequest>) -> Answer<proto::ListWebhooksReply> {
        let rows = self.catalogue.webhooks().await.map_err(|error| answer::status(&error))?;
        let webhooks = rows.into_iter().map(|row| answer::webhook(row, None)).collect();
        Ok(Response::new(proto::ListWebhooksReply { webhooks }))
    }

    async fn change_webhook(&self, request: Request<proto::ChangeWebhookRequest>) -> Answer<proto::Webhook> {
        let mut write = input::change_webhook(request.get_ref())?;
        let mut secret = None;
        if request.get_ref().new_secret {
            let (new, sealed) = self.catalogue.new_webhook_secret(&write.id).map_err(|error| answer::status(&error))?;
            (secret, write.sealed_secret) = (Some(new), Some(sealed));
        }
        let row = self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::webhook(row, secret.as_deref().map(Vec::as_slice))))
    }

    async fn remove_webhook(&self, request: Request<proto::RemoveWebhookRequest>) -> Answer<proto::RemoveWebhookReply> {
        let id: WebhookId = input::parse(&request.get_ref().id, "webhook")?;
        self.catalogue.write(RemoveWebhook(id.to_string())).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(proto::RemoveWebhookReply {}))
    }

    async fn show_domain(&self, request: Request<proto::ShowDomainRequest>) -> Answer<proto::DomainDetails> {
        let domain = input::domain(&request.get_ref().name)?;
        self.details(&domain).await
    }

    async fn set_domain(&self, request: Request<proto::SetDomainRequest>) -> Answer<proto::DomainDetails> {
        let write = input::set_domain(request.into_inner())?;
        let domain = write.domain.clone();
        self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        self.details(&domain).await
    }

    async fn add_dkim_key(&self, request: Request<proto::AddDkimKeyRequest>) -> Answer<proto::DkimKey> {
        let proto::AddDkimKeyRequest { domain, algorithm, selector } = request.into_inner();
        let (domain, algorithm) = (input::domain(&domain)?, input::algorithm(algorithm)?);
        let selector = if selector.is_empty() { None } else { Some(input::selector(&selector)?) };
        let made = async {
            let key = domains::new_key(&self.catalogue, &domain, algorithm, selector).await?;
            self.catalogue.write(AddKey { domain, key }).await
        };
        Ok(Response::new(answer::key(made.await.map_err(|error| answer::status(&error))?)))
    }

    async fn rotate_dkim(&self, request: Request<proto::RotateDkimRequest>) -> Answer<proto::RotateDkimReply> {
        let write = Rotate(input::domain(&request.get_ref().domain)?);
        let rows = self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(proto::RotateDkimReply { keys: answer::keys(rows) }))
    }

    async fn retire_dkim_key(&self, request: Request<proto::RetireDkimKeyRequest>) -> Answer<proto::DkimKey> {
        let proto::RetireDkimKeyRequest { domain, selector } = request.get_ref();
        let write = RetireKey { domain: input::domain(domain)?, selector: input::selector(selector)? };
        let row = self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::key(row)))
    }

    async fn remove_dkim_key(
        &self,
        request: Request<proto::RemoveDkimKeyRequest>,
    ) -> Answer<proto::RemoveDkimKeyReply> {
        let proto::RemoveDkimKeyRequest { domain, selector } = request.get_ref();
        let write = RemoveKey { domain: input::domain(domain)?, selector: input::selector(selector)? };
        self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(proto::RemoveDkimKeyReply {}))
    }

    async fn rotate_srs(&self, _: Request<proto::RotateSrsRequest>) -> Answer<proto::RotateSrsReply> {
        self.catalogue.rotate_srs().await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(proto::RotateSrsReply {}))
    }
    async fn allowance(&self, request: Request<proto::AllowanceRequest>) -> Answer<proto::AllowanceReply> {
        let mailbox: MailboxId = input::parse(&request.get_ref().mailbox_id, "mailbox id")?;
        let allowance = self.catalogue.allowance(&mailbox).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::allowance(allowance)))
    }

    async fn grant(&self, request: Request<proto::GrantRequest>) -> Answer<proto::GrantReply> {
        let (mailbox, write) = input::grant(request.get_ref())?;
        let granted = match write {
            Some(write) => self.catalogue.write(write).await,
            None => self.catalogue.granted(&mailbox).await,
        };
        Ok(Response::new(answer::grant(granted.map_err(|error| answer::status(&error))?)))
    }

    async fn limit_account(&self, request: Request<proto::LimitAccountRequest>) -> Answer<proto::Account> {
        let write = input::limit_account(request.get_ref())?;
        let account = write.account.clone();
        self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        let row = self.catalogue.account(&account).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::account(row)))
    }

    async fn show_account(&self, request: Request<proto::ShowAccountRequest>) -> Answer<proto::Account> {
        let account: AccountId = input::parse(&request.get_ref().account, "account")?;
        let row = self.catalogue.account(&account).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::account(row)))
    }

    async fn erase_alias(&self, request: Request<proto::EraseAliasRequest>) -> Answer<proto::Alias> {
        let proto::EraseAliasRequest { address, forget } = request.get_ref();
        let step = if *forget { EraseStep::Forget } else { EraseStep::Close };
        let write = EraseAlias { address: input::address(address)?, step };
        let row = self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::alias(row, None)))
    }

    async fn limit_alias(&self, request: Request<proto::LimitAliasRequest>) -> Answer<proto::StoredAlias> {
        let write = input::limit_alias(request.get_ref())?;
        let row = self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
        Ok(Response::new(answer::stored(row)))
    }

    async fn keeping(&self, request: Request<proto::KeepingRequest>) -> Answer<proto::KeepingReply> {
        let mailbox: MailboxId = input::parse(&request.get_ref().mailbox_id, "mailbox id")?;
        let row = self.catalogue.keeping(&mailbox).await.map_err(|error| answer::status(&error))?;
        let none = row.store == settings::NO_STORE;
        let store = if none { String::new() } else { row.store.clone() };
        let kept = self.catalogue.seal_kept(&mailbox, &wire::kept::encode(&answer::kept(row)));
        let kept = kept.map_err(|error| answer::status(&error))?;
        Ok(Response::new(proto::KeepingReply { store, none, kept: kept.into() }))
    }

    async fn open_kept(&self, request: Request<proto::OpenKeptRequest>) -> Answer<proto::Kept> {
        let (mailbox, sealed) = input::kept(request.get_ref())?;
        let plain = self.catalogue.open_kept(&mailbox, &sealed).map_err(|error| answer::status(&error))?;
        let kept = wire::kept::decode(&plain).ok_or_else(|| answer::status(&Error::ForeignKept))?;
        Ok(Response::new(kept))
    }

    async fn backup_store(&self, request: Request<proto::BackupStoreRequest>) -> Answer<proto::BackupStoreReply> {
        let (address, write) = input::backup_store(request.get_ref())?;
        let row = match write {
            Some(write) => self.catalogue.write(write).await,
            None => self.catalogue.backup_store(&address).await,
        };
        Ok(Response::new(answer::backup_store(row.map_err(|error| answer::status(&error))?)))
    }
}

//! The operator's verbs for where mail goes and what a domain asks: rules, webhooks, settings, keys. As in `admin`, those that
//! make something are not repeated.

use super::retry::{once, once_with_key, retried};
use super::{DirectoryClient, Error};
use model::Domain;
use wire::directory as proto;

impl DirectoryClient {
    /// Makes a rule.
    ///
    /// # Errors
    /// There is one of this name, it makes no sense, or the directory could not be reached.
    pub async fn add_rule(&self, request: proto::AddRuleRequest) -> Result<proto::Rule, Error> {
        once(self.0.rpc.clone().add_rule(request)).await
    }

    /// Changes a rule; that of an alias without one is made first.
    ///
    /// # Errors
    /// There is none of this name, it would make no sense, or the directory could not be reached.
    pub async fn change_rule(&self, request: proto::ChangeRuleRequest) -> Result<proto::Rule, Error> {
        once(self.0.rpc.clone().change_rule(request)).await
    }

    /// Takes a rule away.
    ///
    /// # Errors
    /// There is none of this name, or the directory could not be reached.
    pub async fn remove_rule(&self, name: proto::RuleName) -> Result<(), Error> {
        once(self.0.rpc.clone().remove_rule(proto::RemoveRuleRequest { name: Some(name) })).await.map(|_| ())
    }

    /// The rules of one domain, or all: exact ones by address, patterns in their order, then the catch-all.
    ///
    /// # Errors
    /// The domain is unknown, there are too many to list, or the directory could not be reached.
    pub async fn list_rules(&self, domain: Option<&Domain>) -> Result<Vec<proto::Rule>, Error> {
        let domain = domain.map(ToString::to_string).unwrap_or_default();
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), proto::ListRulesRequest { domain: domain.clone() });
            async move { rpc.list_rules(request).await }
        });
        Ok(answer.await?.rules)
    }

    /// Makes a webhook; its secret comes back this once.
    ///
    /// # Errors
    /// The URL is none, or the directory could not be reached.
    pub async fn add_webhook(&self, request: proto::AddWebhookRequest) -> Result<proto::Webhook, Error> {
        once(self.0.rpc.clone().add_webhook(request)).await
    }

    /// Every webhook, without secrets.
    ///
    /// # Errors
    /// The directory could not be reached, or has too many to list.
    pub async fn list_webhooks(&self) -> Result<Vec<proto::Webhook>, Error> {
        let answer = retried(|| {
            let mut rpc = self.0.rpc.clone();
            async move { rpc.list_webhooks(proto::ListWebhooksRequest {}).await }
        });
        Ok(answer.await?.webhooks)
    }

    /// Changes a webhook; a new secret comes back this once.
    ///
    /// # Errors
    /// There is none of this id, the URL is none, or the directory could not be reached.
    pub async fn change_webhook(&self, request: proto::ChangeWebhookRequest) -> Result<proto::Webhook, Error> {
        once(self.0.rpc.clone().change_webhook(request)).await
    }

    /// Takes a webhook away that no rule calls.
    ///
    /// # Errors
    /// There is none of this id, rules call it, or the directory could not be reached.
    pub async fn remove_webhook(&self, id: &str) -> Result<(), Error> {
        once(self.0.rpc.clone().remove_webhook(proto::RemoveWebhookRequest { id: id.to_owned() })).await.map(|_| ())
    }

    /// A domain with its settings and DKIM keys.
    ///
    /// # Errors
    /// It is unknown, or the directory could not be reached.
    pub async fn show_domain(&self, domain: &Domain) -> Result<proto::DomainDetails, Error> {
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), proto::ShowDomainRequest { name: domain.to_string() });
            async move { rpc.show_domain(request).await }
        });
        answer.await
    }

    /// Sets one setting of a domain, or with `None` puts it back to its default.
    ///
    /// # Errors
    /// The domain or the setting is unknown, the value is not of its form, or the directory could not be reached.
    pub async fn set_domain(
        &self,
        domain: &Domain,
        setting: &str,
        value: Option<&str>,
    ) -> Result<proto::DomainDetails, Error> {
        let request = proto::SetDomainRequest {
            name: domain.to_string(),
            setting: setting.to_owned(),
            value: value.unwrap_or_default().to_owned(),
            reset: value.is_none(),
        };
        once(self.0.rpc.clone().set_domain(request)).await
    }

    /// Makes a DKIM key, which signs after the next rotation; without a selector it gets one.
    ///
    /// # Errors
    /// The domain is unknown or has too many keys, the selector is taken, or the directory could not be reached.
    pub async fn add_dkim_key(
        &self,
        domain: &Domain,
        algorithm: proto::KeyAlgorithm,
        selector: Option<&str>,
    ) -> Result<proto::DkimKey, Error> {
        let request = proto::AddDkimKeyRequest {
            domain: domain.to_string(),
            algorithm: algorithm.into(),
            selector: selector.unwrap_or_default().to_owned(),
        };
        once_with_key(self.0.rpc.clone().add_dkim_key(request)).await
    }

    /// The next DKIM keys sign from now on; all keys come back.
    ///
    /// # Errors
    /// The domain is unknown or has no next key, or the directory could not be reached.
    pub async fn rotate_dkim(&self, domain: &Domain) -> Result<Vec<proto::DkimKey>, Error> {
        let request = proto::RotateDkimRequest { domain: domain.to_string() };
        Ok(once(self.0.rpc.clone().rotate_dkim(request)).await?.keys)
    }

    /// A DKIM key signs no more.
    ///
    /// # Errors
    /// The domain has no key of this selector, or the directory could not be reached.
    pub async fn retire_dkim_key(&self, domain: &Domain, selector: &str) -> Result<proto::DkimKey, Error> {
        let request = proto::RetireDkimKeyRequest { domain: domain.to_string(), selector: selector.to_owned() };
        once(self.0.rpc.clone().retire_dkim_key(request)).await
    }

    /// A retired DKIM key is forgotten.
    ///
    /// # Errors
    /// The domain has no key of this selector, it is not retired, or the directory could not be reached.
    pub async fn remove_dkim_key(&self, domain: &Domain, selector: &str) -> Result<(), Error> {
        let request = proto::RemoveDkimKeyRequest { domain: domain.to_string(), selector: selector.to_owned() };
        once(self.0.rpc.clone().remove_dkim_key(request)).await.map(|_| ())
    }

    /// A new SRS secret signs from now on.
    ///
    /// # Errors
    /// The directory could not be reached.
    pub async fn rotate_srs(&self) -> Result<(), Error> {
        once(self.0.rpc.clone().rotate_srs(proto::RotateSrsRequest {})).await.map(|_| ())
    }
}

//! What those that move mail ask: routes, who may send as whom, and the keys that sign.

use super::cache::RouteEntry;
use super::retry::retried;
use super::{Alias, DirectoryClient, Disposition, Error, Lookup, Policy, lookup_of};
use model::{Address, Domain};
use std::collections::BTreeSet;
use std::sync::Arc;
use vault::Secret32;
use vault::signing::{Algorithm, PrivateKey};
use wire::directory as proto;
use zeroize::Zeroizing;

/// What is to be done with mail for a recipient.
#[derive(Debug, Clone, PartialEq)]
pub struct Routed {
    /// Whether it is taken.
    pub disposition: Disposition,
    /// What the peer is told when it is not; empty for the usual words.
    pub text: String,
    /// Mailboxes that it goes into.
    pub stores: Vec<Alias>,
    /// Addresses of other hosts.
    pub forwards: Vec<String>,
    /// Ids of webhooks.
    pub webhooks: Vec<String>,
    /// On whose node forwards and webhooks wait, and in whose name; without a sealing key when it has no mailbox.
    pub owner: Alias,
    /// Of the recipient's domain.
    pub policy: Arc<Policy>,
}

/// Whether who signed in may send as somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct MaySend {
    /// Whether.
    pub allowed: bool,
    /// The sender's domain, when it is ours: the one that signs.
    pub sender_domain: Option<Domain>,
    /// Of that domain.
    pub policy: Option<Arc<Policy>>,
    /// Who signed in.
    pub login: Alias,
}

/// A key that signs for a domain.
pub struct SigningKey {
    /// Where its record is: `selector._domainkey.domain`.
    pub selector: String,
    /// The key.
    pub key: PrivateKey,
}

/// A program that is called with mail.
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// Where it is called.
    pub url: String,
    /// Of the call's signature.
    pub secret: Secret32,
    /// Whether the call holds the parsed message.
    pub include_parsed: bool,
    /// Whether it holds the message's octets.
    pub include_raw: bool,
}

impl DirectoryClient {
    /// What is to be done with mail for a recipient.
    ///
    /// # Errors
    /// As [`DirectoryClient::resolve`].
    pub async fn route(&self, address: &Address) -> Result<Lookup<Arc<Routed>>, Error> {
        let key = address.to_string();
        if let Some(known) = self.0.cache.route(&key) {
            return Ok(known);
        }
        let ticket = self.0.cache.ticket();
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), proto::RouteRequest { address: key.clone() });
            async move { rpc.route(request).await }
        });
        let mut depends_on = BTreeSet::from([address.domain().to_string()]);
        let answer = match lookup_of(answer.await)? {
            Lookup::Found(reply) => {
                depends_on.extend(reply.depends_on.iter().cloned());
                Lookup::Found(Arc::new(self.routed(address.domain(), reply)?))
            }
            Lookup::UnknownDomain => Lookup::UnknownDomain,
            Lookup::UnknownAlias => Lookup::UnknownAlias,
        };
        let entry = RouteEntry { answer: answer.clone(), depends_on: Arc::new(depends_on) };
        self.0.cache.put_route(ticket, key, entry);
        Ok(answer)
    }

    fn routed(&self, domain: &Domain, reply: proto::RouteReply) -> Result<Routed, Error> {
        let lacks = |what: &str| Error::Failed(format!("its answer lacks the {what}"));
        let disposition = reply.disposition();
        if disposition == Disposition::Unspecified {
            return Err(lacks("disposition"));
        }
        Ok(Routed {
            disposition,
            text: reply.text,
            stores: reply.stores,
            forwards: reply.forwards,
            webhooks: reply.webhooks,
            owner: reply.owner.ok_or_else(|| lacks("owner"))?,
            policy: self.0.cache.shared_policy(domain, reply.policy.ok_or_else(|| lacks("policy"))?),
        })
    }

    /// Whether who signed in as `login` may send as `sender`. Asked anew each time.
    ///
    /// # Errors
    /// The login is no alias any more, or as [`DirectoryClient::resolve`].
    pub async fn may_send(&self, login: &Address, sender: &Address) -> Result<MaySend, Error> {
        let request = proto::MaySendRequest { login: login.to_string(), sender: sender.to_string() };
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), request.clone());
            async move { rpc.may_send(request).await }
        });
        let reply = answer.await?;
        let ours = !reply.sender_domain.is_empty();
        Ok(MaySend {
            allowed: reply.allowed,
            sender_domain: ours.then(|| sender.domain().clone()),
            policy: reply.policy.map(|policy| self.0.cache.shared_policy(sender.domain(), policy)),
            login: reply.login.ok_or_else(|| Error::Failed("its answer lacks the login".to_owned()))?,
        })
    }

    /// The keys that sign for a domain, RSA first; none for a domain that is none of ours.
    ///
    /// # Errors
    /// As [`DirectoryClient::resolve`].
    pub async fn signing_keys(&self, domain: &Domain) -> Result<Arc<[SigningKey]>, Error> {
        let key = domain.to_string();
        if let Some(known) = self.0.cache.signing_keys(&key) {
            return Ok(known);
        }
        let ticket = self.0.cache.ticket();
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), proto::SigningKeysRequest { domain: key.clone() });
            async move { rpc.signing_keys(request).await }
        });
        let keys: Arc<[SigningKey]> = answer.await?.keys.into_iter().map(signing_key).collect::<Result<_, _>>()?;
        self.0.cache.put_signing_keys(ticket, key, Arc::clone(&keys));
        Ok(keys)
    }

    /// The secrets of rewritten senders: the first signs, the others let bounces home.
    ///
    /// # Errors
    /// As [`DirectoryClient::resolve`].
    pub async fn srs_secrets(&self) -> Result<Arc<[Secret32]>, Error> {
        if let Some(known) = self.0.cache.srs_secrets() {
            return Ok(known);
        }
        let ticket = self.0.cache.ticket();
        let answer = retried(|| {
            let mut rpc = self.0.rpc.clone();
            async move { rpc.srs_secrets(proto::SrsSecretsRequest {}).await }
        });
        let secrets: Arc<[Secret32]> =
            answer.await?.secrets.iter().map(|bytes| secret(bytes)).collect::<Result<_, _>>()?;
        self.0.cache.put_srs_secrets(ticket, Arc::clone(&secrets));
        Ok(secrets)
    }

    /// A webhook, `None` when there is none of this id.
    ///
    /// # Errors
    /// As [`DirectoryClient::resolve`].
    pub async fn webhook(&self, id: &str) -> Result<Option<Arc<Webhook>>, Error> {
        if let Some(known) = self.0.cache.webhook(id) {
            return Ok(known);
        }
        let ticket = self.0.cache.ticket();
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), proto::WebhookByIdRequest { id: id.to_owned() });
            async move { rpc.webhook_by_id(request).await }
        });
        let webhook = match answer.await {
            Ok(reply) => Some(Arc::new(Webhook {
                secret: secret(&reply.secret)?,
                id: reply.id,
                url: reply.url,
                include_parsed: reply.include_parsed,
                include_raw: reply.include_raw,
            })),
            Err(Error::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        self.0.cache.put_webhook(ticket, id.to_owned(), webhook.clone());
        Ok(webhook)
    }
}

fn signing_key(key: proto::SigningKey) -> Result<SigningKey, Error> {
    let algorithm = match key.algorithm() {
        proto::KeyAlgorithm::Rsa2048 => Algorithm::Rsa2048,
        proto::KeyAlgorithm::Ed25519 => Algorithm::Ed25519,
        proto::KeyAlgorithm::Unspecified => {
            return Err(Error::Failed("a signing key of an unknown algorithm".to_owned()));
        }
    };
    let private = PrivateKey::from_pkcs8(algorithm, Zeroizing::new(key.private_key.to_vec()));
    Ok(SigningKey { selector: key.selector, key: private.map_err(|error| Error::Failed(error.to_string()))? })
}

fn secret(bytes: &[u8]) -> Result<Secret32, Error> {
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| Error::Failed("a secret of another size".to_owned()))?;
    Ok(Secret32::from_bytes(Zeroizing::new(bytes)))
}

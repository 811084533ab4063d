//! The verbs of administration. Those that make something are not repeated: an answer that was lost would come back as
//! "exists already".

use super::retry::{once, once_with_key, retried};
use super::{Alias, Credential, DirectoryClient, Error};
use model::{Address, Domain};
use wire::directory as proto;

impl DirectoryClient {
    /// Makes a domain.
    ///
    /// # Errors
    /// It is there already, or the directory could not be reached.
    pub async fn add_domain(&self, domain: &Domain) -> Result<proto::Domain, Error> {
        once_with_key(self.0.rpc.clone().add_domain(proto::AddDomainRequest { name: domain.to_string() })).await
    }

    /// Every domain, by name.
    ///
    /// # Errors
    /// The directory could not be reached, or has too many to list.
    pub async fn list_domains(&self) -> Result<Vec<proto::Domain>, Error> {
        let answer = retried(|| {
            let mut rpc = self.0.rpc.clone();
            async move { rpc.list_domains(proto::ListDomainsRequest {}).await }
        });
        Ok(answer.await?.domains)
    }

    /// Makes an alias with keys that the caller made.
    ///
    /// # Errors
    /// It is there already, its domain is not, no node has registered, or the directory could not be reached.
    pub async fn add_alias(&self, request: proto::AddAliasRequest) -> Result<Alias, Error> {
        once(self.0.rpc.clone().add_alias(request)).await
    }

    /// The aliases of one domain, or all, by address; without their sealing keys.
    ///
    /// # Errors
    /// The domain is unknown, there are too many to list, or the directory could not be reached.
    pub async fn list_aliases(&self, domain: Option<&Domain>) -> Result<Vec<Alias>, Error> {
        let domain = domain.map(ToString::to_string).unwrap_or_default();
        let answer = retried(|| {
            let (mut rpc, request) = (self.0.rpc.clone(), proto::ListAliasesRequest { domain: domain.clone() });
            async move { rpc.list_aliases(request).await }
        });
        Ok(answer.await?.aliases)
    }

    /// Gives an alias one more credential.
    ///
    /// # Errors
    /// The alias is unknown, has a credential of this label, or has too many; or the directory could not be reached.
    pub async fn add_credential(&self, address: &Address, credential: Credential) -> Result<Credential, Error> {
        let request = proto::AddCredentialRequest { address: address.alias(), credential: Some(credential) };
        once(self.0.rpc.clone().add_credential(request)).await
    }

    /// Closes an alias for good: nothing opens its mailbox any more. With `forget` it is forgotten, which it must be closed for.
    /// The alias as it was.
    ///
    /// # Errors
    /// The alias is unknown or not closed, or the directory could not be reached.
    pub async fn erase_alias(&self, address: &Address, forget: bool) -> Result<Alias, Error> {
        once(self.0.rpc.clone().erase_alias(proto::EraseAliasRequest { address: address.alias(), forget })).await
    }

    /// Takes a credential away.
    ///
    /// # Errors
    /// The alias or the label is unknown, it is the last credential, or the directory could not be reached.
    pub async fn revoke_credential(&self, address: &Address, label: &str) -> Result<(), Error> {
        let request = proto::RevokeCredentialRequest { address: address.alias(), label: label.to_owned() };
        once(self.0.rpc.clone().revoke_credential(request)).await.map(|_| ())
    }
}

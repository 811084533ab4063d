//! What takes more than one step with a domain: its first keys, and all that is known of it.

use super::answer;
use super::service::Service;
use crate::catalogue::{AddDomain, AddKey, Catalogue, DomainRow, Error, NewKey};
use model::Domain;
use std::sync::Arc;
use tonic::{Response, Status};
use vault::signing::Algorithm;
use wire::directory as proto;

/// What every domain signs with: RSA for all verifiers, Ed25519 for those that know it (RFC 8463 §5).
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Rsa2048, Algorithm::Ed25519];

impl Service {
    /// A new domain, with keys that sign at once: their records are published with its others.
    pub(super) async fn new_domain(&self, domain: Domain) -> Result<DomainRow, Error> {
        // Looked at before an RSA key is made for nothing; the write looks again.
        if self.catalogue.has_domain(&domain).await? {
            return Err(Error::DomainExists);
        }
        let mut keys = Vec::with_capacity(ALGORITHMS.len());
        for algorithm in ALGORITHMS {
            keys.push(new_key(&self.catalogue, &domain, algorithm, None).await?);
        }
        self.catalogue.write(AddDomain { domain, keys }).await
    }

    /// The domain with its settings and keys.
    pub(super) async fn details(&self, domain: &Domain) -> Result<Response<proto::DomainDetails>, Status> {
        let told = async {
            let row = self.catalogue.domain(domain).await?;
            Ok((row, self.catalogue.settings(domain).await?, self.catalogue.keys(domain).await?))
        };
        let (row, settings, keys) = told.await.map_err(|error: Error| answer::status(&error))?;
        Ok(Response::new(answer::details(row, &settings, keys)))
    }
}

/// A new key; it is made on a thread where it may take its time.
pub(super) async fn new_key(
    catalogue: &Arc<Catalogue>,
    domain: &Domain,
    algorithm: Algorithm,
    selector: Option<String>,
) -> Result<NewKey, Error> {
    let (sealer, domain) = (Arc::clone(catalogue.sealer()), domain.clone());
    let make = move || NewKey::generate(&sealer, &domain, algorithm, selector);
    tokio::task::spawn_blocking(make).await.map_err(|_| Error::Stopped)?
}

/// Gives keys to the domains that an earlier version made without; they sign from the first rotation on, when their records
/// are published.
///
/// # Errors
/// The catalogue failed.
pub(crate) async fn complete(catalogue: &Arc<Catalogue>) -> Result<(), Error> {
    for domain in catalogue.domains_without_keys().await? {
        for algorithm in ALGORITHMS {
            let key = new_key(catalogue, &domain, algorithm, None).await?;
            catalogue.write(AddKey { domain: domain.clone(), key }).await?;
        }
        tracing::info!("DKIM keys made for a domain that had none; publish their records, then rotate");
    }
    Ok(())
}

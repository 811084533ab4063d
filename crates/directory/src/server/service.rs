//! The Directory service (`proto/directory.proto`): checks what comes in, asks the catalogue, translates the answer. Who
//! may call what is decided before, by `wire::authority`.

use super::{answer, input, watch};
use crate::catalogue::{AddDomain, Catalogue, MarkBorn};
use futures_util::stream::BoxStream;
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
        let write = AddDomain(input::domain(&request.get_ref().name)?);
        let row = self.catalogue.write(write).await.map_err(|error| answer::status(&error))?;
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
}

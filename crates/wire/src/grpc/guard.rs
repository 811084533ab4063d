//! The layer in front of every gRPC method that asks the table of roles and verbs.

use crate::authority::Verb;
use crate::peer::Peer;
use futures_util::future::Either;
use http::{Request, Response};
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

/// Puts an [`Authority`] in front of a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct AuthorityLayer;

impl<S> Layer<S> for AuthorityLayer {
    type Service = Authority<S>;
    fn layer(&self, inner: S) -> Authority<S> {
        Authority { inner }
    }
}

/// Lets through what the peer's role may ask, and answers the rest itself.
#[derive(Debug, Clone)]
pub(super) struct Authority<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Authority<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match judge(&request) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(status) => Either::Right(ready(Ok(status.into_http()))),
        }
    }
}

fn judge(request: &Request<Body>) -> Result<(), Box<Status>> {
    let path = request.uri().path();
    let Some(verb) = Verb::of_path(path) else {
        return Err(Box::new(Status::unimplemented("there is no such verb")));
    };
    // The transport puts a peer on every connection; without one there is no authority at all.
    let Some(peer) = request.extensions().get::<Peer>() else {
        return Err(Box::new(Status::unauthenticated("the connection has no role")));
    };
    if verb.allows(peer.role) {
        return Ok(());
    }
    tracing::warn!(role = %peer.role, verb = path, peer = %peer.address, "a role asked for what it may not");
    Err(Box::new(Status::permission_denied(format!("the role {} may not ask for {verb:?}", peer.role))))
}

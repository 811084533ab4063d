//! The server and the channel against each other over loopback, with certificates of a CA made here.

use super::*;
use crate::node::node_server::Node;
use crate::node::{CheckReply, CheckRequest, DeliverReply, DeliverRequest, DeliveryStatusReply, DeliveryStatusRequest};
use crate::peer::Peer;
use model::Role;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, server::WebPkiClientVerifier};
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;
use tokio_stream::StreamExt;
use tonic::{Code, Request, Response, Status, Streaming};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(roots)
    }

    fn issue(&self, name: &str) -> (Vec<rustls::pki_types::CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }

    fn server(&self, role: Role) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(self.roots(), Arc::clone(&provider)).build().unwrap();
        let (chain, key) = self.issue(&role.dns_name());
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
        Arc::new(builder.unwrap().with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap())
    }

    fn client(&self, name: &str) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (chain, key) = self.issue(name);
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
        Arc::new(builder.unwrap().with_root_certificates(self.roots()).with_client_auth_cert(chain, key).unwrap())
    }
}

/// Answers Check with the role that asked, and Deliver with one credit for each step.
struct Echo;

#[tonic::async_trait]
impl Node for Echo {
    type DeliverStream = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<DeliverReply, Status>> + Send>>;

    async fn deliver(
        &self,
        request: Request<Streaming<DeliverRequest>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let credit = crate::node::deliver_reply::Answer::Credit(1);
        let replies = request.into_inner().map(move |step| step.map(|_| DeliverReply { answer: Some(credit.clone()) }));
        Ok(Response::new(Box::pin(replies)))
    }

    async fn delivery_status(
        &self,
        _: Request<DeliveryStatusRequest>,
    ) -> Result<Response<DeliveryStatusReply>, Status> {
        Ok(Response::new(DeliveryStatusReply::default()))
    }

    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckReply>, Status> {
        let peer = request.extensions().get::<Peer>().ok_or_else(|| Status::internal("no peer"))?;
        Ok(Response::new(CheckReply { node_id: peer.role.to_string(), ..Default::default() }))
    }

    async fn erase(&self, _: Request<crate::node::EraseRequest>) -> Result<Response<crate::node::EraseReply>, Status> {
        Ok(Response::new(crate::node::EraseReply::default()))
    }

    async fn list_aside(
        &self,
        _: Request<crate::node::ListAsideRequest>,
    ) -> Result<Response<crate::node::ListAsideReply>, Status> {
        Ok(Response::new(crate::node::ListAsideReply::default()))
    }

    async fn discard_aside(
        &self,
        _: Request<crate::node::DiscardAsideRequest>,
    ) -> Result<Response<crate::node::DiscardAsideReply>, Status> {
        Ok(Response::new(crate::node::DiscardAsideReply::default()))
    }
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<Result<(), ServeError>>,
}

impl Running {
    async fn start(authority: &Authority, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { drop(stopped.await) };
        let served = tokio::spawn(serve(listener, authority.server(Role::Node), node_routes(Echo), shutdown));
        Self { address, stop, served }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
    }
}

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn client(
    authority: &Authority,
    role: Role,
    at: SocketAddr,
) -> node::node_client::NodeClient<tonic::transport::Channel> {
    node_client(connect(&at.to_string(), Role::Node, authority.client(&role.dns_name())).unwrap())
}

#[tokio::test]
async fn each_role_gets_what_the_table_says() {
    let authority = Authority::new();
    let server = Running::start(&authority, ANY_PORT).await;
    for role in Role::ALL {
        let mut node = client(&authority, role, server.address);
        let check = node.check(CheckRequest {}).await;
        let status = node.delivery_status(DeliveryStatusRequest::default()).await;
        if role == Role::Admin {
            assert_eq!(check.unwrap().into_inner().node_id, "admin");
        } else {
            let refused = check.unwrap_err();
            assert_eq!(
                (refused.code(), refused.message()),
                (Code::PermissionDenied, &*format!("the role {role} may not ask for Check"))
            );
        }
        assert_eq!(status.err().map(|refused| refused.code()), (role != Role::Mx).then_some(Code::PermissionDenied));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_verb_that_nobody_offers_is_unimplemented() {
    let authority = Authority::new();
    let server = Running::start(&authority, ANY_PORT).await;
    let tls = authority.client(&Role::Admin.dns_name());
    let channel = connect(&server.address.to_string(), Role::Node, tls).unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/brevdue.node.v1.Node/Sql");
    let codec = tonic_prost::ProstCodec::<CheckRequest, CheckReply>::default();
    let refused = grpc.unary(Request::new(CheckRequest {}), path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_carries_both_ways() {
    let authority = Authority::new();
    let server = Running::start(&authority, ANY_PORT).await;
    let mut node = client(&authority, Role::Mx, server.address);
    let steps = tokio_stream::iter((0..10).map(|_| DeliverRequest { step: None }));
    let replies = node.deliver(steps).await.unwrap().into_inner();
    assert_eq!(replies.filter(Result::is_ok).fold(0, |count, _| count + 1).await, 10);
    drop(node);
    server.stop().await;
}

#[tokio::test]
async fn strangers_get_no_call_through() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Running::start(&authority, ANY_PORT).await;
    let mut no_role =
        node_client(connect(&server.address.to_string(), Role::Node, authority.client("admin.example.com")).unwrap());
    assert!(no_role.check(CheckRequest {}).await.is_err());
    // A certificate of another CA, presented by a client that would trust the server.
    let (chain, key) = other.issue(&Role::Admin.dns_name());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(authority.roots()).with_client_auth_cert(chain, key).unwrap();
    let mut foreign = node_client(connect(&server.address.to_string(), Role::Node, Arc::new(tls)).unwrap());
    assert!(foreign.check(CheckRequest {}).await.is_err());
    // A server of another role than the one that was meant is not talked to.
    let tls = authority.client(&Role::Admin.dns_name());
    let mut wrong = node_client(connect(&server.address.to_string(), Role::Directory, tls).unwrap());
    assert_eq!(wrong.check(CheckRequest {}).await.unwrap_err().code(), Code::Unavailable);
    // None of it disturbs those who may.
    assert!(client(&authority, Role::Admin, server.address).check(CheckRequest {}).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn connections_that_say_nothing_do_not_hold_up_the_others() {
    let authority = Authority::new();
    let server = Running::start(&authority, ANY_PORT).await;
    let mut silent = Vec::new();
    for _ in 0..incoming::HANDSHAKES_MAX - 1 {
        silent.push(tokio::net::TcpStream::connect(server.address).await.unwrap());
    }
    assert!(client(&authority, Role::Admin, server.address).check(CheckRequest {}).await.is_ok());
    // Shutdown closes them, though their handshakes never ended.
    server.stop().await;
    for mut stream in silent {
        assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    }
}

#[tokio::test]
async fn the_channel_connects_again_after_a_restart() {
    let authority = Authority::new();
    // Bound and never listening: nobody else is given the port while the server is away.
    let port = tokio::net::TcpSocket::new_v4().unwrap();
    port.set_reuseaddr(true).unwrap();
    port.bind(ANY_PORT).unwrap();
    let address = port.local_addr().unwrap();
    let server = Running::start(&authority, address).await;
    let mut node = client(&authority, Role::Admin, address);
    assert!(node.check(CheckRequest {}).await.is_ok());
    server.stop().await;
    let down = node.check(CheckRequest {}).await.unwrap_err();
    assert_eq!(down.code(), Code::Unavailable);
    let server = Running::start(&authority, address).await;
    assert!(node.check(CheckRequest {}).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn an_endpoint_is_host_and_port() {
    let tls = Authority::new().client("x");
    for bad in ["", "localhost", "localhost:", "http://localhost:1", "a b:1", "localhost:1/path", "user@localhost:1"] {
        let error = connect(bad, Role::Node, Arc::clone(&tls)).map(drop).unwrap_err();
        assert_eq!(error.to_string(), format!("`{bad}` is not an endpoint: give host:port"));
    }
    for good in ["localhost:1", "127.0.0.1:1", "[::1]:1", "node-1.example.com:7143"] {
        assert!(connect(good, Role::Node, Arc::clone(&tls)).is_ok(), "{good}");
    }
}

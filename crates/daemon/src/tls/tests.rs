//! Handshakes over loopback: what is negotiated, who is refused, and what a wrong file says.

use super::*;
use crate::ca;
use jiff::Timestamp;
use rustls::{HandshakeKind, NamedGroup, ProtocolVersion};
use std::io;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

struct House {
    dir: TempDir,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        ca::create(&dir.path().join("ca"), Timestamp::now()).unwrap();
        Self { dir }
    }

    fn issue(&self, role: Role, now: Timestamp) -> config::Internal {
        let home = self.dir.path().join("ca");
        let issued = ca::issue(&home, role, &[], &self.dir.path().join(role.name()), now).unwrap();
        config::Internal { ca: home.join(ca::CERT_FILE), cert: issued.cert, key: issued.key }
    }

    fn internal(&self, role: Role) -> Internal {
        Internal::load(&self.issue(role, Timestamp::now()), role).unwrap()
    }

    fn public(&self) -> (Arc<ServerConfig>, CertificateDer<'static>) {
        let stem = self.dir.path().join("public");
        let issued = ca::public_self_signed(&["localhost"], &stem, Timestamp::now()).unwrap();
        (public_server(&issued.cert, &issued.key).unwrap(), CertificateDer::from_pem_file(&issued.cert).unwrap())
    }
}

type Ends = (io::Result<client::TlsStream<TcpStream>>, io::Result<server::TlsStream<TcpStream>>);

/// Shakes hands and passes one octet from the server, after which TLS 1.3's tickets and refusals have also arrived.
async fn shake_hands(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, name: &str) -> Ends {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async {
        let mut stream = TlsAcceptor::from(Arc::clone(server)).accept(listener.accept().await?.0).await?;
        stream.write_all(b"!").await?;
        stream.flush().await?;
        Ok(stream)
    };
    let connect = async {
        let (name, tcp) = (ServerName::try_from(name.to_owned()).unwrap(), TcpStream::connect(address).await?);
        let mut stream = TlsConnector::from(Arc::clone(client)).connect(name, tcp).await?;
        stream.read_u8().await?;
        Ok(stream)
    };
    tokio::join!(connect, serve)
}

fn public_client(root: CertificateDer<'static>, provider: CryptoProvider) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12]);
    Arc::new(builder.unwrap().with_root_certificates(roots).with_no_client_auth())
}

#[tokio::test]
async fn processes_meet_with_the_hybrid_and_see_each_other() {
    let house = House::new();
    let (imap, node) = (house.internal(Role::Imap), house.internal(Role::Node));
    for _ in 0..2 {
        let (client, server) = shake_hands(&imap.client, &node.server, "node.brevdue.internal").await;
        let (client, server) = (client.unwrap(), server.unwrap());
        let (_, connection) = client.get_ref();
        assert_eq!(connection.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(connection.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
        assert_eq!(connection.alpn_protocol(), None);
        // Every connection shows its certificate anew: none is resumed.
        assert_eq!(connection.handshake_kind(), Some(HandshakeKind::Full));
        let shown = server.get_ref().1.peer_certificates().unwrap();
        assert!(check_role(shown, Role::Imap).is_some() && check_role(shown, Role::Node).is_none());
    }
}

#[tokio::test]
async fn strangers_are_refused_by_both_sides() {
    let (house, other) = (House::new(), House::new());
    let node = house.internal(Role::Node);
    let (client, server) = shake_hands(&other.internal(Role::Imap).client, &node.server, "node.brevdue.internal").await;
    assert!(client.is_err() && server.is_err());
    // The right CA, but the wrong role behind the address.
    let mx = house.internal(Role::Mx);
    let (client, _) = shake_hands(&mx.client, &node.server, "directory.brevdue.internal").await;
    assert!(client.is_err());
    // No certificate at all.
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(house.dir.path().join("ca/ca.crt")).unwrap()).unwrap();
    let builder =
        ClientConfig::builder_with_provider(Arc::new(public_provider())).with_safe_default_protocol_versions();
    let bare = Arc::new(builder.unwrap().with_root_certificates(roots).with_no_client_auth());
    let (client, server) = shake_hands(&bare, &node.server, "node.brevdue.internal").await;
    assert!(client.is_err() && server.is_err());
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let house = House::new();
    let node = house.internal(Role::Node);
    let long_ago = "2020-01-01T00:00:00Z".parse().unwrap();
    let expired = Internal::load(&house.issue(Role::Mx, long_ago), Role::Mx).unwrap();
    let (client, server) = shake_hands(&expired.client, &node.server, "node.brevdue.internal").await;
    assert!(client.is_err() && server.is_err());
}

#[tokio::test]
async fn a_public_server_prefers_the_hybrid_and_resumes() {
    let (server, root) = House::new().public();
    let client = public_client(root, public_provider());
    let (first, _) = shake_hands(&client, &server, "localhost").await;
    let (_, connection) = first.as_ref().unwrap().get_ref();
    assert_eq!(connection.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
    assert_eq!(connection.handshake_kind(), Some(HandshakeKind::Full));
    let (second, _) = shake_hands(&client, &server, "localhost").await;
    assert_eq!(second.unwrap().get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
}

#[tokio::test]
async fn an_old_client_is_served_with_tls_1_2() {
    let (server, root) = House::new().public();
    let old = CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::SECP256R1], ..aws_lc_rs::default_provider() };
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(old)).with_protocol_versions(&[&version::TLS12]);
    let client = Arc::new(builder.unwrap().with_root_certificates(roots).with_no_client_auth());
    let (client, _) = shake_hands(&client, &server, "localhost").await;
    let client = client.unwrap();
    assert_eq!(client.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    assert_eq!(client.get_ref().1.negotiated_key_exchange_group().unwrap().name(), NamedGroup::secp256r1);
}

#[test]
fn the_default_provider_is_ours_and_installing_twice_is_harmless() {
    install_provider();
    install_provider();
    let first = CryptoProvider::get_default().unwrap().kx_groups[0].name();
    assert_eq!(first, NamedGroup::X25519MLKEM768);
}

#[test]
fn wrong_files_say_which_and_what_to_do() {
    let house = House::new();
    let (mx, imap) = (house.issue(Role::Mx, Timestamp::now()), house.issue(Role::Imap, Timestamp::now()));
    let told = |files: &config::Internal, role| Internal::load(files, role).unwrap_err().to_string();
    assert_eq!(
        told(&mx, Role::Imap),
        format!(
            "{}: the certificate is not for imap.brevdue.internal; issue one with `brevdue ca issue --dir DIR imap`",
            mx.cert.display()
        )
    );
    let mixed = config::Internal { key: imap.key.clone(), ..mx.clone() };
    assert!(told(&mixed, Role::Mx).ends_with("the key must be the certificate's own"));
    let swapped = config::Internal { cert: mx.key.clone(), ..mx.clone() };
    assert!(told(&swapped, Role::Mx).contains("no certificate can be read from it"));
    let no_key = config::Internal { key: mx.cert.clone(), ..mx.clone() };
    assert!(told(&no_key, Role::Mx).contains("no private key can be read from it"));
    let absent = config::Internal { ca: "/nonexistent/ca.crt".into(), ..mx };
    assert!(told(&absent, Role::Mx).starts_with("/nonexistent/ca.crt: no certificate can be read from it"));
}

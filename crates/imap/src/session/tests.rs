//! Sessions over a real socket as far as they go without a mailbox; what needs one is tested through the whole system.

use super::*;
use crate::server::Settings;
use crate::session::transport::Transport;
use daemon::config::PlaintextSignIn;
use daemon::stream::Stream;
use directory::DirectoryClient;
use node_client::NodeClient;
use sign_in::SignIn;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::CancellationToken;

/// Two ends of one connection.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

/// A server that knows nobody: its directory is not there.
struct Server {
    shared: Arc<Shared>,
    files: tempfile::TempDir,
}

impl Server {
    fn new(plaintext_sign_in: PlaintextSignIn) -> Self {
        daemon::tls::install_provider();
        let files = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(files.path().join("cert"), made.cert.pem()).unwrap();
        std::fs::write(files.path().join("key"), made.signing_key.serialize_pem()).unwrap();
        let tls = daemon::tls::public_server(&files.path().join("cert"), &files.path().join("key")).unwrap();
        let client = Arc::new(daemon::tls::pinned(&files.path().join("cert")).unwrap());
        let directory = DirectoryClient::connect("127.0.0.1:1", Arc::clone(&client)).unwrap();
        let nodes = NodeClient::new(directory.clone(), client, "test");
        let settings = Settings {
            plaintext_sign_in,
            idle: Duration::from_secs(1800),
            message_bytes_max: 1_000_000,
            messages_per_command_max: 1_000,
        };
        let sign_in = SignIn::new(directory, nodes, 1);
        let shared = Shared { settings, sign_in, tls, shutdown: CancellationToken::new() };
        Self { shared: Arc::new(shared), files }
    }

    async fn connect(&self) -> Client<TcpStream> {
        let (near, far) = pair().await;
        let peer = far.peer_addr().unwrap();
        let session =
            Session::new(Connection::new(Transport::Open(Stream::Plain(far))), Arc::clone(&self.shared), peer);
        tokio::spawn(session.run());
        let mut client = Client(BufReader::new(near));
        assert!(client.line().await.starts_with("* OK [CAPABILITY IMAP4rev1 "));
        client
    }
}

struct Client<S>(BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line
    }

    async fn rest(&mut self) -> String {
        let mut rest = String::new();
        let _ = self.0.read_to_string(&mut rest).await;
        rest
    }

    /// Sends, and reads up to a line that starts with `until`.
    async fn ask(&mut self, text: &str, until: &str) -> String {
        self.send(text).await;
        let mut heard = String::new();
        loop {
            let line = self.line().await;
            assert!(!line.is_empty(), "the connection ended: {heard}");
            heard.push_str(&line);
            if line.starts_with(until) {
                return heard;
            }
        }
    }
}

#[tokio::test]
async fn passwords_are_not_taken_in_the_clear() {
    let server = Server::new(PlaintextSignIn::Never);
    let mut client = server.connect().await;
    let capabilities = client.ask("a CAPABILITY\r\n", "a ").await;
    assert_eq!(
        capabilities,
        "* CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ ID ENABLE SASL-IR STARTTLS LOGINDISABLED\r\na OK Done\r\n"
    );
    for (text, code) in [
        ("b LOGIN x y\r\n", "b NO [PRIVACYREQUIRED] "),
        ("b AUTHENTICATE PLAIN AHgAeQ==\r\n", "b NO [PRIVACYREQUIRED] "),
        ("b SELECT INBOX\r\n", "b BAD Sign in first"),
    ] {
        assert!(client.ask(text, "b ").await.starts_with(code), "{text}");
    }
}

#[tokio::test]
async fn commands_are_answered_in_order_and_in_step() {
    let server = Server::new(PlaintextSignIn::Loopback);
    let mut client = server.connect().await;
    let heard = client.ask("a NOOP\r\nb ID NIL\r\nc NONSENSE\r\nd NOOP\r\n", "d ").await;
    let tags: Vec<_> = heard.lines().map(|line| &line[..1]).collect();
    assert_eq!(tags, ["a", "*", "b", "c", "d"]);
    // A literal that waits is asked for, and one that does not is passed over when it is refused.
    assert_eq!(client.ask("e LOGIN {1}\r\n", "+ ").await, "+ OK\r\n");
    assert!(client.ask("x\r\n", "e ").await.starts_with("e BAD "));
    let refused = client.ask("f APPEND INBOX {11+}\r\n0123 NOOP\r\n\r\ng NOOP\r\n", "g ").await;
    assert_eq!(refused, "f BAD Sign in first\r\ng OK Done\r\n");
    let waiting = client.ask("h APPEND INBOX {10}\r\ni NOOP\r\n", "i ").await;
    assert_eq!(waiting, "h BAD Sign in first\r\ni OK Done\r\n");
    let long = client.ask(&format!("j LOGIN {}\r\nk NOOP\r\n", "x".repeat(40_000)), "k ").await;
    assert_eq!(long, "j BAD [LIMIT] The command is too long\r\nk OK Done\r\n");
}

#[tokio::test]
async fn what_makes_no_sense_ends() {
    let server = Server::new(PlaintextSignIn::Loopback);
    let mut client = server.connect().await;
    client.send(&"GET / HTTP/1.1\r\n".repeat(10)).await;
    let heard = client.rest().await;
    assert_eq!(heard.matches("GET BAD ").count(), 6, "{heard}");
    assert!(heard.ends_with("* BYE Too many commands that make no sense\r\n"), "{heard}");
    let mut client = server.connect().await;
    client.send("a APPEND INBOX {99999999+}\r\n").await;
    let heard = client.rest().await;
    assert!(heard.contains("a BAD Sign in first\r\n* BYE [TOOBIG] "), "{heard}");
}

#[tokio::test]
async fn sasl_can_be_given_up_and_its_length_is_bounded() {
    let server = Server::new(PlaintextSignIn::Loopback);
    let mut client = server.connect().await;
    assert_eq!(client.ask("a AUTHENTICATE PLAIN\r\n", "+").await, "+ \r\n");
    assert!(client.ask("*\r\n", "a ").await.starts_with("a BAD "));
    for (text, code) in [
        ("b AUTHENTICATE PLAIN ???\r\n", "b BAD "),
        ("b AUTHENTICATE PLAIN =\r\n", "b BAD "),
        ("b AUTHENTICATE CRAM-MD5\r\n", "b NO [CANNOT] "),
        ("b AUTHENTICATE PLAIN eAB5AHo=\r\n", "b NO [AUTHORIZATIONFAILED] "),
    ] {
        assert!(client.ask(text, "b ").await.starts_with(code), "{text}");
    }
    client.ask("c AUTHENTICATE PLAIN\r\n", "+").await;
    let answers = client.ask(&format!("{}\r\nd NOOP\r\n", "A".repeat(40_000)), "d ").await;
    assert_eq!(answers, "c BAD The response is too long\r\nd OK Done\r\n");
}

#[tokio::test]
async fn what_came_in_the_clear_is_not_read_inside_tls() {
    let server = Server::new(PlaintextSignIn::Never);
    let mut client = server.connect().await;
    assert_eq!(client.ask("a STARTTLS\r\nb CAPABILITY\r\n", "a ").await, "a OK Begin\r\n");
    let tls = Arc::new(daemon::tls::pinned(&server.files.path().join("cert")).unwrap());
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(tls).connect(name, client.0.into_inner()).await.unwrap();
    let mut client = Client(BufReader::new(stream));
    let heard = client.ask("c CAPABILITY\r\n", "c ").await;
    assert_eq!(heard, "* CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ ID ENABLE SASL-IR AUTH=PLAIN\r\nc OK Done\r\n");
    assert!(client.ask("d STARTTLS\r\n", "d ").await.starts_with("d BAD "));
    assert_eq!(client.ask("e LOGOUT\r\n", "e ").await, "* BYE Until the next time\r\ne OK Done\r\n");
}

#[tokio::test]
async fn a_shutdown_is_told() {
    let server = Server::new(PlaintextSignIn::Loopback);
    let mut client = server.connect().await;
    client.ask("a NOOP\r\n", "a ").await;
    server.shared.shutdown.cancel();
    assert_eq!(client.rest().await, "* BYE [UNAVAILABLE] The server is shutting down, connect again\r\n");
}

#[tokio::test]
async fn a_session_that_waits_is_small() {
    let server = Server::new(PlaintextSignIn::Loopback);
    let (_near, far) = pair().await;
    let peer = far.peer_addr().unwrap();
    let session = Session::new(Connection::new(Transport::Open(Stream::Plain(far))), Arc::clone(&server.shared), peer);
    let octets = std::mem::size_of_val(&session.run());
    assert!(octets < 4096, "{octets} octets");
}

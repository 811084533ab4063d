//! An SMTP client that says exactly what it is told to.

use smtp::{Reply, ReplyParser};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Far longer than anything here takes; a test that waits so long has failed.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// What is said of a recipient when the directory or a node does not answer.
pub const UNAVAILABLE: &str = "451 4.3.0 Temporarily unavailable, try again later";

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub struct Client {
    pub stream: Box<dyn Stream>,
    parser: ReplyParser,
    unread: Vec<u8>,
}

pub fn text(reply: &Reply) -> String {
    let mut out = Vec::new();
    reply.write_to(&mut out);
    String::from_utf8(out).unwrap().trim_end().to_owned()
}

impl Client {
    pub async fn connect(to: SocketAddr) -> Self {
        Self::over(Box::new(TcpStream::connect(to).await.unwrap()))
    }

    pub fn over(stream: Box<dyn Stream>) -> Self {
        Self { stream, parser: ReplyParser::default(), unread: Vec::new() }
    }

    /// Connected and greeted, and EHLO is done.
    pub async fn greeted(to: SocketAddr) -> Self {
        let mut client = Self::connect(to).await;
        assert_eq!(client.hear().await, "220 mx.example.com ESMTP");
        assert!(client.say("EHLO client.example").await.starts_with("250-mx.example.com greets client.example"));
        client
    }

    /// The next reply, or `(end)`.
    pub async fn hear(&mut self) -> String {
        loop {
            let mut input = &self.unread[..];
            let reply = self.parser.push(&mut input).unwrap();
            self.unread = input.to_vec();
            if let Some(reply) = reply {
                return text(&reply);
            }
            let mut buffer = [0; 4096];
            let read = tokio::time::timeout(DEADLINE, self.stream.read(&mut buffer)).await.expect("no reply in time");
            match read {
                Ok(0) | Err(_) => return "(end)".to_owned(),
                Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
            }
        }
    }

    pub async fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub async fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).await;
        self.hear().await
    }

    /// RCPT with what follows `TO:`, where everybody answers; on a busy machine the directory may have to be asked again.
    pub async fn recipient(&mut self, to: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let reply = self.say(&format!("RCPT TO:{to}")).await;
            if reply != UNAVAILABLE || Instant::now() > end {
                return reply;
            }
        }
    }

    /// MAIL and RCPTs, all of which are taken.
    pub async fn begin(&mut self, recipients: &[&str]) {
        assert_eq!(self.say("MAIL FROM:<sender@client.example>").await, "250 2.1.0 Sender OK");
        for recipient in recipients {
            assert_eq!(self.recipient(&format!("<{recipient}>")).await, "250 2.1.5 Recipient OK");
        }
    }

    /// A whole message; what the server says at its end.
    pub async fn message(&mut self, recipients: &[&str], message: &[u8]) -> String {
        self.begin(recipients).await;
        assert_eq!(self.say("DATA").await, "354 Send the message, end with CRLF.CRLF");
        let mut wire = Vec::new();
        let mut stuffer = smtp::Stuffer::default();
        stuffer.push(message, &mut wire);
        stuffer.finish(&mut wire);
        self.send(&wire).await;
        self.hear().await
    }

    pub async fn start_tls(mut self, roots: RootCertStore) -> Self {
        assert_eq!(self.say("STARTTLS").await, "220 2.0.0 Ready for TLS");
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect("mx.example.com".try_into().unwrap(), self.stream).await.unwrap();
        Self::over(Box::new(stream))
    }
}

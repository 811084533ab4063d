//! One HTTPS request at a time to whoever a name leads to: the address is checked, and the one that was checked is connected
//! to. No connection is kept, no redirect followed by itself.

use crate::guard::Guard;
use crate::limits::{HTTPS_ADDRESSES_MAX, HTTPS_HEADER_BYTES_MAX, HTTPS_SECONDS_MAX};
use crate::tls::Tls;
use bytes::{Bytes, BytesMut};
use dns::{LookupError, Name, Resolver};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;

/// A way to HTTPS servers.
pub struct Https {
    resolver: Resolver,
    connector: TlsConnector,
    guard: Guard,
}

/// What is asked.
pub struct Ask {
    /// GET or POST.
    pub method: Method,
    /// Where.
    pub uri: Uri,
    /// Fields of the header; Host and User-Agent are added.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Octets of the answer that are read; more is an error.
    pub answer_bytes_max: usize,
}

/// What is answered.
#[derive(Debug)]
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// The header.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not a URL that may be asked.
    #[error("not an https:// URL with a host")]
    Url,
    /// Its name leads inward.
    #[error("the host has no public address")]
    Forbidden,
    /// Its name leads nowhere.
    #[error("the host cannot be looked up: {0}")]
    Name(#[from] LookupError),
    /// It cannot be reached, or its certificate is wrong.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It does not speak HTTP.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// It says too much.
    #[error("the answer is too long")]
    TooLong,
    /// It says nothing.
    #[error("no answer in {HTTPS_SECONDS_MAX} s")]
    Slow,
}

impl Https {
    /// To whom the guard lets through. http:// without TLS goes to the networks of the configuration only.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(resolver: Resolver, tls: &Tls, guard: Guard) -> io::Result<Self> {
        Ok(Self { resolver, connector: TlsConnector::from(tls.https()?), guard })
    }

    /// Asks once.
    ///
    /// # Errors
    /// See [`HttpError`]; any status is an answer.
    pub async fn ask(&self, ask: &Ask) -> Result<Answered, HttpError> {
        let limit = Duration::from_secs(HTTPS_SECONDS_MAX);
        tokio::time::timeout(limit, Box::pin(self.ask_in_time(ask))).await.unwrap_or(Err(HttpError::Slow))
    }

    async fn ask_in_time(&self, ask: &Ask) -> Result<Answered, HttpError> {
        let (host, clear) = match (ask.uri.scheme_str(), ask.uri.host()) {
            (Some("https"), Some(host)) => (host, false),
            (Some("http"), Some(host)) => (host, true),
            _ => return Err(HttpError::Url),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = ask.uri.port_u16().unwrap_or(if clear { 80 } else { 443 });
        let mut addresses = self.addresses(bare).await?;
        if clear {
            addresses.retain(|address| self.guard.names(*address));
        }
        if addresses.is_empty() {
            return Err(HttpError::Url);
        }
        let stream = connect(&addresses, port).await?;
        if clear {
            return speak(stream, ask).await;
        }
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| HttpError::Url)?;
        speak(self.connector.connect(name, stream).await?, ask).await
    }

    /// Addresses that may be connected to; what is connected to is one of them, whatever the name says a moment later.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, HttpError> {
        let found = match host.parse::<IpAddr>() {
            Ok(literal) => vec![literal],
            Err(_) => {
                let name: Name = host.parse().map_err(|_| HttpError::Url)?;
                self.resolver.addresses(&name).await?.records
            }
        };
        let allowed = self.guard.order(&found);
        if allowed.is_empty() { Err(HttpError::Forbidden) } else { Ok(allowed) }
    }
}

async fn connect(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses.iter().take(HTTPS_ADDRESSES_MAX) {
        match TcpStream::connect(SocketAddr::new(*address, port)).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks over a connection that is there.
///
/// # Errors
/// See [`HttpError`]; any status is an answer.
#[doc(hidden)]
pub async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ask: &Ask,
) -> Result<Answered, HttpError> {
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HTTPS_HEADER_BYTES_MAX).handshake(TokioIo::new(stream)).await?;
    let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
    let authority = ask.uri.authority().ok_or(HttpError::Url)?;
    // The user that may stand in a URL is not the server's name.
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    let path = ask.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder().method(ask.method.clone()).uri(path);
    if let Some(headers) = request.headers_mut() {
        headers.clone_from(&ask.headers);
    }
    let request = request
        .header(http::header::HOST, host)
        .header(http::header::USER_AGENT, concat!("Brevdue/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(ask.body.clone()))
        .map_err(|_| HttpError::Url)?;
    let answer = sender.send_request(request).await?;
    let (head, mut incoming) = answer.into_parts();
    let mut body = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        if let Ok(data) = frame?.into_data() {
            if body.len() + data.len() > ask.answer_bytes_max {
                return Err(HttpError::TooLong);
            }
            body.extend_from_slice(&data);
        }
    }
    Ok(Answered { status: head.status, headers: head.headers, body: body.freeze() })
}

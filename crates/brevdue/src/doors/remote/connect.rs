//! The way to the other server: TCP, TLS from the first octet or by STARTTLS (RFC 9051 §6.2.1), proven against the system's
//! authorities or one that is named.
//!
//! Invariant: nothing that came in the clear is believed once TLS begins. What it can do is asked anew inside, and whoever has put
//! something behind the answer to STARTTLS, so that it would be taken for what is said inside, ends the connection.

use super::greeting::{Greeting, greeting};
use super::sign_in::capabilities;
use super::wire::{End, Stream, Wire};
use crate::cli::TlsMode;
use crate::doors::limits::REMOTE_CONNECT_MS_MAX;
use crate::failure::Failure;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Connects and hears the greeting. Without TLS a password would be read by whoever stands between: that is for this machine alone.
pub async fn connect(host: &str, port: u16, ca: Option<&Path>, tls: TlsMode) -> Result<(Wire, Greeting), Failure> {
    let limit = Duration::from_millis(REMOTE_CONNECT_MS_MAX);
    let connecting = async {
        let tcp = TcpStream::connect((host, port)).await?;
        tcp.set_nodelay(true)?;
        match tls {
            TlsMode::None => {
                if !tcp.peer_addr()?.ip().is_loopback() {
                    return Err(Failure::refused("--tls none is for servers on this machine; leave it out"));
                }
                greeted(Wire::new(Box::new(tcp))).await
            }
            TlsMode::Implicit => greeted(Wire::new(secured(host, ca, tcp).await?)).await,
            TlsMode::Starttls => {
                let plain = started(Wire::new(Box::new(tcp))).await?;
                // Inside, the server does not greet again.
                Ok((Wire::new(secured(host, ca, plain).await?), Greeting::Hello))
            }
        }
    };
    tokio::time::timeout(limit, connecting).await.map_err(|_| Failure::refused("does not answer"))?
}

async fn greeted(mut wire: Wire) -> Result<(Wire, Greeting), Failure> {
    let greeting = greeting(&mut wire).await?;
    Ok((wire, greeting))
}

/// The connection, when the server is ready for TLS on it.
async fn started(mut wire: Wire) -> Result<Box<dyn Stream>, Failure> {
    match greeting(&mut wire).await? {
        // It takes us for somebody who has signed in, and STARTTLS has no place there: whoever stands between may be its author.
        Greeting::Preauth => {
            return Err(Failure::refused("it lets people in before TLS has begun; try --tls implicit"));
        }
        Greeting::Hello => {}
    }
    if !capabilities(&mut wire).await?.has("STARTTLS") {
        return Err(Failure::refused("it does not offer STARTTLS; try --tls implicit, and its port for that"));
    }
    if let End::Refused(why) = wire.command("STARTTLS", |_| Ok(())).await? {
        return Err(Failure::refused(format!("it does not begin TLS: {why}")));
    }
    wire.into_stream().ok_or_else(|| {
        Failure::refused(
            "somebody sends more behind the answer to STARTTLS, in the clear; that is an attack, or a broken server",
        )
    })
}

async fn secured(host: &str, ca: Option<&Path>, plain: impl Stream + 'static) -> Result<Box<dyn Stream>, Failure> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Failure::refused("the name is no host's"))?;
    let tls = TlsConnector::from(Arc::new(client(ca)?)).connect(name, plain).await;
    let tls =
        tls.map_err(|error| Failure::refused(format!("TLS: {error}; an authority of its own is named with --ca")))?;
    Ok(Box::new(tls))
}

fn client(ca: Option<&Path>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(file) => {
            let subject = file.display().to_string();
            let certificates =
                CertificateDer::pem_file_iter(file).map_err(|error| Failure::refused(error).of(&subject))?;
            for certificate in certificates {
                roots.add(certificate.map_err(|error| Failure::refused(error).of(&subject))?)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        return Err(Failure::refused("there is no authority to trust; name one with --ca FILE"));
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

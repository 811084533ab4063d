//! The way to the other server: TCP and TLS, proven against the system's authorities or one that is named.

use super::wire::{Stream, Wire};
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

/// Connects. Without TLS a password would be read by whoever stands between: that is for this machine alone.
pub async fn connect(host: &str, port: u16, ca: Option<&Path>, plaintext: bool) -> Result<Wire, Failure> {
    let limit = Duration::from_millis(REMOTE_CONNECT_MS_MAX);
    let connecting = async {
        let tcp = TcpStream::connect((host, port)).await?;
        tcp.set_nodelay(true)?;
        if plaintext {
            if !tcp.peer_addr()?.ip().is_loopback() {
                return Err(Failure::refused("--plaintext is for servers on this machine; leave it out"));
            }
            return Ok(Box::new(tcp) as Box<dyn Stream>);
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Failure::refused("the name is no host's"))?;
        let tls = TlsConnector::from(Arc::new(client(ca)?)).connect(name, tcp).await;
        let tls =
            tls.map_err(|error| Failure::refused(format!("TLS: {error}; an authority of its own is named with --ca")))?;
        Ok(Box::new(tls) as Box<dyn Stream>)
    };
    let stream = tokio::time::timeout(limit, connecting).await.map_err(|_| Failure::refused("does not answer"))??;
    Ok(Wire::new(stream))
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

//! The health check of a front-end that people sign in at comes in by its own door, as a client would.

use crate::config::PlaintextSignIn;
use crate::doors::Way;
use crate::stream::Duplex;
use crate::telemetry::{Health, reachable};
use crate::tls;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use zeroize::Zeroizing;

/// How the probe comes in, and as whom.
#[derive(Debug, Clone)]
pub struct Probe {
    address: SocketAddr,
    /// The public certificate's file, where the door begins with TLS.
    cert: Option<PathBuf>,
    account: Option<Account>,
}

/// The configured account of the probe.
#[derive(Debug, Clone)]
pub struct Account {
    address: String,
    password_file: PathBuf,
}

impl Account {
    /// `None` when no address is configured.
    pub fn new(address: &str, password_file: &Path) -> Option<Self> {
        (!address.is_empty()).then(|| Self { address: address.to_owned(), password_file: password_file.to_owned() })
    }

    /// The address it signs in with.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The first line of its file.
    ///
    /// # Errors
    /// What keeps the file from being read, in a line for the operator.
    pub async fn password(&self) -> Result<Zeroizing<String>, String> {
        let text = tokio::fs::read_to_string(&self.password_file).await.map(Zeroizing::new);
        let text = text.map_err(|error| format!("probe_password_file: {error}"))?;
        Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
    }
}

impl Probe {
    /// Through the first door that the account may sign in at; without such a door, or without an account, as far as a
    /// stranger may go. `None`: there is no door.
    pub fn new(ways: &[Way], cert: &Path, plaintext: PlaintextSignIn, account: Option<Account>) -> Option<Self> {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let may_sign_in = |way: &Way| way.through_tls || plaintext.allows(loopback);
        let way = ways.iter().find(|way| may_sign_in(way)).or(ways.first())?;
        Some(Self {
            address: reachable(way.bound),
            cert: way.through_tls.then(|| cert.to_owned()),
            account: account.filter(|_| may_sign_in(way)),
        })
    }

    /// The health check that `converse` is; without a door it fails.
    pub fn health<F>(probe: Option<Self>, converse: impl Fn(Self) -> F + Clone + Send + Sync + 'static) -> Health
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Health::new(move || {
            let (probe, converse) = (probe.clone(), converse.clone());
            async move { converse(probe.ok_or("no listener is configured")?).await }
        })
    }

    /// Who signs in, if anybody.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// Comes in. The certificate must be the very one of the file.
    ///
    /// # Errors
    /// Why not, in a line for the operator.
    pub async fn connect(&self) -> Result<Box<dyn Duplex>, String> {
        let stream = TcpStream::connect(self.address).await.map_err(|error| format!("no connection: {error}"))?;
        let Some(cert) = &self.cert else { return Ok(Box::new(stream)) };
        let tls = tls::pinned(cert).map_err(|error| error.to_string())?;
        let connecting = TlsConnector::from(Arc::new(tls)).connect(ServerName::from(self.address.ip()), stream);
        Ok(Box::new(connecting.await.map_err(|error| format!("no TLS: {error}"))?))
    }
}

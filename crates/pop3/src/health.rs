//! The health check: signs in as the configured probe account through this process's own door and asks for its maildrop.
//! Without a probe account it goes as far as a stranger may.

use daemon::config::Pop3;
use daemon::telemetry::{self, Health};
use daemon::tls;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use zeroize::Zeroizing;

/// Octets of one answer to the probe.
const ANSWER_BYTES_MAX: u64 = 1024;

/// How the probe comes in.
#[derive(Debug, Clone)]
struct Probe {
    address: SocketAddr,
    /// The public certificate's file when the door begins with TLS.
    cert: Option<PathBuf>,
    /// The account and the file with its password.
    account: Option<(String, PathBuf)>,
}

/// A health check that comes in by one of these doors: address, and whether it begins with TLS.
pub(crate) fn check(doors: &[(SocketAddr, bool)], pop3: &Pop3) -> Health {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let may_sign_in = |through_tls: bool| through_tls || pop3.plaintext_sign_in.allows(loopback);
    let door = doors.iter().find(|door| may_sign_in(door.1)).or(doors.first()).copied();
    let account = (pop3.probe_address.clone(), pop3.probe_password_file.clone());
    let account = Some(account).filter(|(address, _)| !address.is_empty());
    let probe = door.map(|(bound, through_tls)| Probe {
        address: telemetry::reachable(bound),
        cert: through_tls.then(|| pop3.cert.clone()),
        account: account.filter(|_| may_sign_in(through_tls)),
    });
    Health::new(move || {
        let probe = probe.clone();
        async move {
            match probe {
                Some(probe) => probe.run().await,
                None => Err("no listener is configured".to_owned()),
            }
        }
    })
}

impl Probe {
    async fn run(self) -> Result<(), String> {
        let stream = TcpStream::connect(self.address).await.map_err(|error| format!("no connection: {error}"))?;
        let Some(cert) = &self.cert else { return self.converse(stream).await };
        let tls = tls::pinned(cert).map_err(|error| error.to_string())?;
        let connecting = TlsConnector::from(Arc::new(tls)).connect(ServerName::from(self.address.ip()), stream);
        let stream = connecting.await.map_err(|error| format!("no TLS: {error}"))?;
        self.converse(stream).await
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Result<(), String> {
        let mut stream = BufReader::new(stream);
        answer(&mut stream, "the greeting").await?;
        if let Some((name, file)) = &self.account {
            let password = tokio::fs::read_to_string(file).await;
            let password = Zeroizing::new(password.map_err(|error| format!("probe_password_file: {error}"))?);
            command(&mut stream, &format!("USER {name}")).await?;
            let pass = Zeroizing::new(format!("PASS {}", password.lines().next().unwrap_or_default()));
            command(&mut stream, &pass).await?;
            command(&mut stream, "STAT").await?;
        }
        command(&mut stream, "QUIT").await
    }
}

async fn command<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, line: &str) -> Result<(), String> {
    let verb = line.split(' ').next().unwrap_or_default();
    let line = Zeroizing::new(format!("{line}\r\n"));
    let failed = |error| format!("{verb}: {error}");
    stream.write_all(line.as_bytes()).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    answer(stream, verb).await
}

async fn answer<S: AsyncRead + Unpin>(stream: &mut BufReader<S>, to: &str) -> Result<(), String> {
    let mut line = String::new();
    stream.take(ANSWER_BYTES_MAX).read_line(&mut line).await.map_err(|error| format!("{to}: {error}"))?;
    if line.starts_with("+OK") { Ok(()) } else { Err(format!("{to} was not answered with +OK")) }
}

//! The health check: signs in as the configured probe account through this process's own door, appends a message, reads it
//! back and deletes it. Without a probe account it goes as far as a stranger may.

use daemon::config::Imap;
use daemon::telemetry::{self, Health};
use daemon::tls;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// Octets of one answer to the probe: its messages are small.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// What is appended and must come back.
const MESSAGE: &str =
    "Subject: Health check\r\n\r\nThis message is written, read and deleted by the server itself.\r\n";

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
pub(crate) fn check(doors: &[(SocketAddr, bool)], imap: &Imap) -> Health {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let may_sign_in = |through_tls: bool| through_tls || imap.plaintext_sign_in.allows(loopback);
    let door = doors.iter().find(|door| may_sign_in(door.1)).or(doors.first()).copied();
    let account = (imap.probe_address.clone(), imap.probe_password_file.clone());
    let account = Some(account).filter(|(address, _)| !address.is_empty());
    let probe = door.map(|(bound, through_tls)| Probe {
        address: telemetry::reachable(bound),
        cert: through_tls.then(|| imap.cert.clone()),
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
        let name = ServerName::from(self.address.ip());
        let connecting = TlsConnector::from(Arc::new(tls)).connect(name, stream);
        let stream = connecting.await.map_err(|error| format!("no TLS: {error}"))?;
        self.converse(stream).await
    }

    async fn converse<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(&self, stream: S) -> Result<(), String> {
        let mut client = Client { stream: BufReader::new(stream), tag: 0 };
        client.greeting().await?;
        let Some((name, file)) = &self.account else {
            client.command("CAPABILITY").await?;
            return client.command("LOGOUT").await.map(drop);
        };
        let password =
            tokio::fs::read_to_string(file).await.map_err(|error| format!("probe_password_file: {error}"))?;
        let password = zeroize::Zeroizing::new(password);
        client
            .command(&format!("LOGIN {} {}", literal(name), literal(password.lines().next().unwrap_or_default())))
            .await?;
        let appended = client.command(&format!("APPEND INBOX (\\Seen) {}", literal(MESSAGE))).await?;
        let uid = append_uid(&appended).ok_or("APPEND answered without APPENDUID")?;
        client.command("SELECT INBOX").await?;
        let fetched = client.command(&format!("UID FETCH {uid} BODY.PEEK[]")).await?;
        if !fetched.contains(MESSAGE) {
            return Err("the message that was appended did not come back".to_owned());
        }
        client.command(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)")).await?;
        client.command(&format!("UID EXPUNGE {uid}")).await?;
        client.command("LOGOUT").await.map(drop)
    }
}

/// A literal that does not wait: any password can be sent so.
fn literal(text: &str) -> String {
    format!("{{{}+}}\r\n{text}", text.len())
}

fn append_uid(answer: &str) -> Option<u32> {
    let (_, code) = answer.split_once("[APPENDUID ")?;
    let (numbers, _) = code.split_once(']')?;
    numbers.split_once(' ')?.1.parse().ok()
}

struct Client<S> {
    stream: BufReader<S>,
    tag: u32,
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Client<S> {
    async fn greeting(&mut self) -> Result<(), String> {
        let mut line = String::new();
        let failed = |error| format!("no greeting: {error}");
        (&mut self.stream).take(ANSWER_BYTES_MAX).read_line(&mut line).await.map_err(failed)?;
        if line.starts_with("* OK ") { Ok(()) } else { Err("the greeting is not OK".to_owned()) }
    }

    /// Sends a command; everything up to its tagged OK.
    async fn command(&mut self, command: &str) -> Result<String, String> {
        self.tag += 1;
        let tag = format!("p{} ", self.tag);
        let verb = command.split(' ').take(2).next().unwrap_or_default();
        let failed = |error: std::io::Error| format!("{verb}: {error}");
        self.stream.write_all(format!("{tag}{command}\r\n").as_bytes()).await.map_err(failed)?;
        self.stream.flush().await.map_err(failed)?;
        let mut answer = String::new();
        let mut limited = (&mut self.stream).take(ANSWER_BYTES_MAX);
        loop {
            let start = answer.len();
            if limited.read_line(&mut answer).await.map_err(failed)? == 0 {
                return Err(format!("{verb}: the connection ended"));
            }
            let status = answer.get(start..).and_then(|line| line.strip_prefix(tag.as_str()));
            match status {
                Some(status) if status.starts_with("OK ") => return Ok(answer),
                Some(_) => return Err(format!("{verb} was refused")),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_an_append_is_read() {
        assert_eq!(append_uid("p2 OK [APPENDUID 7 42] Stored\r\n"), Some(42));
        assert_eq!(append_uid("p2 OK Stored\r\n"), None);
    }
}

//! The health check: signs in as the configured probe account through this process's own door and asks for its maildrop.
//! Without a probe account it goes as far as a stranger may.

use daemon::config::Pop3;
use daemon::doors::Way;
use daemon::probe::{Account, Probe};
use daemon::stream::Duplex;
use daemon::telemetry::Health;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use zeroize::Zeroizing;

/// Octets of one answer to the probe.
const ANSWER_BYTES_MAX: u64 = 1024;

type Stream = BufReader<Box<dyn Duplex>>;

/// A health check that comes in by one of these doors.
pub(crate) fn check(ways: &[Way], pop3: &Pop3) -> Health {
    let account = Account::new(&pop3.probe_address, &pop3.probe_password_file);
    Probe::health(Probe::new(ways, &pop3.cert, pop3.plaintext_sign_in, account), converse)
}

async fn converse(probe: Probe) -> Result<(), String> {
    let mut stream = BufReader::new(probe.connect().await?);
    answer(&mut stream, "the greeting").await?;
    if let Some(account) = probe.account() {
        let password = account.password().await?;
        command(&mut stream, &format!("USER {}", account.address())).await?;
        command(&mut stream, &Zeroizing::new(format!("PASS {}", *password))).await?;
        command(&mut stream, "STAT").await?;
    }
    command(&mut stream, "QUIT").await
}

async fn command(stream: &mut Stream, line: &str) -> Result<(), String> {
    let verb = line.split(' ').next().unwrap_or_default();
    let line = Zeroizing::new(format!("{line}\r\n"));
    let failed = |error| format!("{verb}: {error}");
    stream.write_all(line.as_bytes()).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    answer(stream, verb).await
}

async fn answer(stream: &mut Stream, to: &str) -> Result<(), String> {
    let mut line = String::new();
    stream.take(ANSWER_BYTES_MAX).read_line(&mut line).await.map_err(|error| format!("{to}: {error}"))?;
    if line.starts_with("+OK") { Ok(()) } else { Err(format!("{to} was not answered with +OK")) }
}

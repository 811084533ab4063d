//! The health check: signs in as the configured probe account through this process's own door, appends a message, reads it
//! back and deletes it. Without a probe account it goes as far as a stranger may.

use daemon::config::Imap;
use daemon::doors::Way;
use daemon::probe::{Account, Probe};
use daemon::stream::Duplex;
use daemon::telemetry::Health;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use zeroize::Zeroizing;

/// Octets of one answer to the probe: its messages are small.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// What is appended and must come back.
const MESSAGE: &str =
    "Subject: Health check\r\n\r\nThis message is written, read and deleted by the server itself.\r\n";

/// A health check that comes in by one of these doors.
pub(crate) fn check(ways: &[Way], imap: &Imap) -> Health {
    let account = Account::new(&imap.probe_address, &imap.probe_password_file);
    Probe::health(Probe::new(ways, &imap.cert, imap.plaintext_sign_in, account), converse)
}

async fn converse(probe: Probe) -> Result<(), String> {
    let mut client = Client { stream: BufReader::new(probe.connect().await?), tag: 0 };
    client.greeting().await?;
    let Some(account) = probe.account() else {
        client.command("CAPABILITY").await?;
        return client.command("LOGOUT").await.map(drop);
    };
    let password = account.password().await?;
    let password = Zeroizing::new(literal(&password));
    client.command(&Zeroizing::new(format!("LOGIN {} {}", literal(account.address()), *password))).await?;
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

/// A literal that does not wait: any password can be sent so.
fn literal(text: &str) -> String {
    format!("{{{}+}}\r\n{text}", text.len())
}

fn append_uid(answer: &str) -> Option<u32> {
    let (_, code) = answer.split_once("[APPENDUID ")?;
    let (numbers, _) = code.split_once(']')?;
    numbers.split_once(' ')?.1.parse().ok()
}

struct Client {
    stream: BufReader<Box<dyn Duplex>>,
    tag: u32,
}

impl Client {
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
        let line = Zeroizing::new(format!("{tag}{command}\r\n"));
        self.stream.write_all(line.as_bytes()).await.map_err(failed)?;
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

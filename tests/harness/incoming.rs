//! A `brevdue dev` whose MX asks a zone of DNS and holds its policy against clients on this machine, and swaks as the client.

use crate::dev::{Dev, User, binary};
use crate::zone::Zone;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The system, and the files of its settings.
pub struct Incoming {
    /// The system.
    pub dev: Dev,
    folder: tempfile::TempDir,
}

/// Who sends what to whom.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// The address of this machine that it comes from, within 127.0.0.0/8.
    pub client: &'a str,
    /// EHLO.
    pub hello: &'a str,
    /// MAIL.
    pub from: &'a str,
    /// RCPT.
    pub to: &'a str,
    /// With LF or CRLF.
    pub message: &'a str,
}

impl Incoming {
    /// With these users, DNS of this zone, and these further settings.
    pub fn start(users: &[&str], zone: &Zone, settings: &str) -> Self {
        Self::with_dns(users, &format!("{}enabled = true\n", zone.toml()), settings)
    }

    /// With a `[dns]` section as it stands.
    pub fn with_dns(users: &[&str], dns: &str, settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("incoming-").tempdir().expect("a temporary folder");
        let file = folder.path().join("settings.toml");
        fs::write(&file, format!("{dns}[mx]\npolicy_on_loopback = true\n{settings}")).expect("written");
        let users = users.iter().map(|address| User::new(address)).collect();
        let dev = Dev::start_with(users, &["--settings", file.to_str().expect("UTF-8")]);
        Self { dev, folder }
    }

    /// A setting of a domain. Before its first mail: the MX hears of later changes in a while.
    pub fn set(&self, domain: &str, name: &str, value: &str) {
        admin(&self.dev, &["domain", "set", domain, name, value]);
    }

    /// Sends with swaks; the last reply to RCPT or to the message.
    pub fn send(&self, sent: Sent<'_>) -> String {
        let Sent { client, hello, from, to, message } = sent;
        let file = self.folder.path().join("message");
        fs::write(&file, message).expect("written");
        let output = Command::new("swaks")
            .args(["--server", "127.0.0.1", "--port", &self.dev.port("mx").to_string(), "--timeout", "120"])
            .args([
                "--local-interface",
                client,
                "--ehlo",
                hello,
                "--from",
                from,
                "--to",
                to,
                "--suppress-data",
                "--data",
            ])
            .arg(format!("@{}", file.display()))
            .output()
            .expect("swaks starts; scripts/setup installs it");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let replies: Vec<&str> =
            said.lines().filter_map(|line| line.strip_prefix("<-  ").or_else(|| line.strip_prefix("<** "))).collect();
        let last = replies.iter().rev().find(|reply| !reply.starts_with("221"));
        last.unwrap_or_else(|| panic!("no reply: {said}{}", String::from_utf8_lossy(&output.stderr))).to_string()
    }

    /// A folder for the test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Runs a command of the operator's; what it prints.
pub fn admin(dev: &Dev, words: &[&str]) -> String {
    let config: PathBuf = dev.data().join("config/admin.toml");
    crate::client::stdout(&crate::client::run(Command::new(binary()).arg("--config").arg(config).args(words)))
}

/// The fields of a name in a message's header, unfolded.
pub fn fields(message: &[u8], name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(message);
    let header = text.split_once("\r\n\r\n").map_or(&*text, |(header, _)| header);
    let unfolded = header.replace("\r\n\t", " ").replace("\r\n ", " ");
    let of = |line: &str| line.split_once(':').map(|(field, value)| (field.to_owned(), value.trim().to_owned()));
    let all = unfolded.split("\r\n").filter_map(of);
    all.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

//! A `brevdue dev` that takes part in mail: in a zone of DNS of the test's own, with other servers on loopback at one port.

use crate::dev::binary;
use crate::zone::Zone;
use crate::{Dev, Imap, User, until};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The running system and its zone.
pub struct Exchange {
    /// The system; `example.test` is its domain.
    pub dev: Dev,
    /// What DNS says.
    pub zone: Zone,
    records: String,
    _folder: tempfile::TempDir,
}

impl Exchange {
    /// With these records, other servers at this port, and these further lines of `[outbound]` and sections behind it.
    pub fn start(records: &str, port: u16, settings: &str) -> Self {
        let zone = Zone::start(records);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("settings.toml");
        let toml =
            format!("{}enabled = true\n[outbound]\nport = {port}\nallow_private = true\n{settings}", zone.toml());
        fs::write(&file, toml).expect("written");
        let dev = Dev::start(1, &["--settings", file.to_str().expect("a path in UTF-8")]);
        Self { dev, zone, records: records.to_owned(), _folder: folder }
    }

    /// The operator's configuration, with DNS from the zone.
    pub fn configuration(&self) -> PathBuf {
        configuration(&self.dev, &self.zone)
    }

    /// The answer to an operator's command that must succeed.
    pub fn command(&self, words: &[&str]) -> Value {
        let (code, answer) = brevdue(&self.configuration(), words);
        assert_eq!(code, 0, "{words:?}: {answer}");
        answer
    }

    /// What an operator's command comes to.
    pub fn run(&self, words: &[&str]) -> Output {
        Command::new(binary()).arg("--config").arg(self.configuration()).args(words).output().expect("it runs")
    }

    /// Puts what `brevdue dns` tells into the zone; the MX is this machine.
    pub fn publish(&mut self) {
        let told = self.command(&["dns", "example.test"]);
        let mut lines = zone_lines(&told);
        lines.push("mx.brevdue.test. 60 A 127.0.0.1".to_owned());
        lines.push("1.0.0.127.in-addr.arpa. 60 PTR mx.brevdue.test.".to_owned());
        self.zone.replace(&format!("{}\n{}", self.records, lines.join("\n")));
    }

    /// Submits a message of the first user over the port in the clear; `words` are recipients, and options with a `-`.
    pub fn submit(&self, message: &str, words: &[&str]) {
        let from = self.dev.user(1);
        assert_eq!(submit(&self.dev, from, message, words), "[]", "nobody is refused");
    }

    /// The first user's INBOX, once it has so many messages.
    pub fn inbox(&self, count: usize) -> Vec<String> {
        until("messages come home", || {
            let mut imap = Imap::sign_in(&self.dev, self.dev.user(1));
            let messages = imap.messages("INBOX");
            let text = |(_, bytes): &(u32, Vec<u8>)| String::from_utf8_lossy(bytes).into_owned();
            (messages.len() >= count).then(|| messages.iter().map(text).collect())
        })
    }

    /// What the metrics of all processes say.
    pub fn metrics(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.dev.port("metrics"));
        String::from_utf8_lossy(&Command::new("curl").args(["-sS", &url]).output().expect("curl").stdout).into_owned()
    }

    /// What the queue knows of the recipient, once it was tried `attempts` times.
    pub fn tried(&self, address: &str, attempts: u64) -> Value {
        until("the recipient is tried", || self.attempted(address, attempts))
    }

    /// The recipient, once it is in the queue with so many attempts.
    fn attempted(&self, address: &str, attempts: u64) -> Option<Value> {
        let (code, listed) = brevdue(&self.configuration(), &["queue", "list"]);
        let entries = listed["entries"].as_array().filter(|_| code == 0)?;
        let recipients = entries.iter().flat_map(|entry| entry["recipients"].as_array().into_iter().flatten());
        let mut found = recipients.filter(|one| one["address"] == address);
        found.find(|one| one["attempts"].as_u64() >= Some(attempts)).cloned()
    }

    /// The operator has everything tried again until this recipient has so many attempts.
    pub fn retried(&self, address: &str, attempts: u64) -> Value {
        self.retry_until("the recipient is tried again", || self.attempted(address, attempts))
    }

    /// The operator has everything tried again until there is an answer: an attempt that is under way at the first time may
    /// pause the destination after it.
    pub fn retry_until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        until(what, || {
            self.command(&["queue", "retry", "--all"]);
            ask()
        })
    }
}

/// Submits a message in the clear; the recipients that were refused at once, as Python prints them.
pub fn submit(dev: &Dev, from: &User, message: &str, words: &[&str]) -> String {
    let file = dev.scratch().join("message");
    fs::write(&file, message).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/submit.py");
    let done = Command::new("python3")
        .arg(script)
        .arg(dev.port("submission").to_string())
        .args([&from.address, &from.password])
        .arg(&file)
        .args(words)
        .output()
        .expect("python3 starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// The exit code and the answer of a command on this configuration.
pub fn brevdue(config: &Path, words: &[&str]) -> (i32, Value) {
    let output =
        Command::new(binary()).arg("--config").arg(config).args(words).arg("--json").output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{words:?}: {error}: {text}{}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code().expect("it exits"), answer)
}

/// The operator's configuration, with DNS from the zone.
pub fn configuration(dev: &Dev, zone: &Zone) -> PathBuf {
    let text = fs::read_to_string(dev.data().join("config/admin.toml")).expect("the folder of a dev");
    let on = zone.toml().replacen("[dns]\n", "enabled = true\n", 1);
    let file = dev.scratch().join("admin.toml");
    fs::write(&file, text.replacen("enabled = false\n", &on, 1)).expect("written");
    file
}

/// What `brevdue dns` tells as lines of a zone file; the hosts' addresses are the test's matter.
pub fn zone_lines(told: &Value) -> Vec<String> {
    let records = told["records"].as_array().expect("records").iter().filter(|record| record["type"] != "A/AAAA");
    let line = |record: &Value| {
        let (name, kind) = (record["name"].as_str().expect("a name"), record["type"].as_str().expect("a type"));
        let value = record["value"].as_str().expect("a value");
        let strings = value.as_bytes().chunks(255).map(|part| format!("\"{}\"", String::from_utf8_lossy(part)));
        let value = if kind == "TXT" { strings.collect::<Vec<_>>().join(" ") } else { value.to_owned() };
        format!("{name}. 60 {kind} {value}")
    };
    records.map(line).collect()
}

/// A message as it came to Postfix, with the line ends it had on the way.
pub fn as_sent(stored: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stored.len() + stored.len() / 32);
    for line in stored.split_inclusive(|&byte| byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                out.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

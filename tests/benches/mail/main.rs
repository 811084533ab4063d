//! Mail in and out, beside Debian's Postfix in the same run: `cargo bench -p integration --bench mail`.
//!
//! Rounds alternate between the two, so that noise of the machine falls on both; the ratio is the figure that counts.
//! Environment: `ROUND_MS` (2000), `ROUNDS` (3), `QUEUED` (2000), `CROWD` (100000), `ONLY` (`in`, `out` or `crowd`).

mod crowd;
mod inbound;
mod outgoing;

use harness::meter::processor_us;
use harness::postfix::Postfix;
use harness::zone::Zone;
use harness::{Dev, User};
use std::fs;
use std::process::Command;

/// Octets of a message.
const MESSAGE_BYTES: usize = 10_000;
/// Connections at once.
const CONNECTIONS: usize = 10;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn main() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load before: {}", load.trim());
    type Part = fn();
    let parts: [(&str, Part); 3] = [("in", inbound::run), ("out", outgoing::run), ("crowd", crowd::run)];
    for (_, part) in parts.iter().filter(|(name, _)| only.is_empty() || *name == only) {
        part();
    }
}

/// A `dev` whose DNS is this zone, with these further settings; limits that count messages by the hour are off.
fn start(zone: &Zone, users: usize, settings: &str) -> (Dev, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("settings.toml");
    fs::write(&file, format!("{}enabled = true\n{settings}", zone.toml())).expect("written");
    let users = (1..=users).map(|n| User::new(&format!("good{n}@example.test"))).collect();
    let dev = Dev::start_with(users, &["--settings", file.to_str().expect("UTF-8")]);
    for limit in ["source_messages_per_hour", "recipient_messages_per_hour", "send_recipients_per_hour"] {
        operate(&dev, &["domain", "set", "example.test", limit, "0"]);
    }
    (dev, folder)
}

/// One of the operator's commands.
fn operate(dev: &Dev, words: &[&str]) -> serde_json::Value {
    let mut command = Command::new(harness::dev::binary());
    let asked = command.arg("--data").arg(dev.data()).arg("--json").args(words).output().expect("it runs");
    assert!(asked.status.success(), "{words:?}: {}", String::from_utf8_lossy(&asked.stderr));
    serde_json::from_slice(&asked.stdout).unwrap_or_default()
}

/// Postfix's master, from which its processes descend.
fn master(postfix: &Postfix) -> u32 {
    let file = postfix.folder().join("queue/pid/master.pid");
    fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).expect("Postfix runs")
}

/// The best of several rounds: operations a second, and microseconds of processor time that one took.
#[derive(Clone, Copy)]
struct Best {
    rate: f64,
    used_us: f64,
}

impl Best {
    const NONE: Self = Self { rate: 0.0, used_us: f64::NAN };

    /// One more round of `work`, which does so many operations in so many seconds, by the processes below `pid`.
    fn round(&mut self, pid: Option<u32>, work: impl FnOnce() -> (f64, f64)) {
        let before = pid.map(processor_us);
        let (operations, seconds) = work();
        let used = pid.zip(before).map_or(f64::NAN, |(pid, before)| (processor_us(pid) - before) as f64);
        if operations / seconds > self.rate {
            *self = Self { rate: operations / seconds, used_us: used / operations };
        }
    }

    fn row(self, what: &str, of: Self) {
        let ratio = of.rate / self.rate;
        println!("{what:<44}{:>9.0}{:>9.2}{:>11.0}", self.rate, ratio, self.used_us);
    }
}

fn head(what: &str) {
    println!("\n{what:<44}{:>9}{:>9}{:>11}", "a second", "ratio", "processor µs");
}

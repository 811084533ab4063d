//! Postfix's `smtp-sink`: takes every message, keeps none, and counts.

use crate::port::Port;
use crate::until;
use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A running sink; dropping it kills it.
pub struct Sink {
    child: Child,
    folder: tempfile::TempDir,
    _kept: Port,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
}

/// Connections that may wait to be taken.
const BACKLOG: &str = "200";

impl Sink {
    /// Starts one; `None` where it is not installed.
    pub fn start() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("sink-").tempdir().ok()?;
        let kept = Port::free();
        let port = kept.number();
        let counters = fs::File::create(folder.path().join("counters")).ok()?;
        let mut command = Command::new("smtp-sink");
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "postfix"]);
        }
        let child = command
            .args(["-c", "-m", "1000", &format!("127.0.0.1:{port}"), BACKLOG])
            .stdin(Stdio::null())
            .stdout(counters)
            .spawn()
            .ok()?;
        let sink = Self { child, folder, _kept: kept, port };
        until("smtp-sink listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        Some(sink)
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Messages that it took so far.
    pub fn taken(&self) -> u64 {
        // `sess=3 quit=3 mesg=3`, written over and over.
        let text = fs::read_to_string(self.folder.path().join("counters")).unwrap_or_default();
        let last = text.rsplit('\r').find_map(|counters| counters.split_once("mesg="));
        last.and_then(|(_, count)| count.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

//! A mail server that misbehaves (tests/clients/smtp_peer.py), and what clients said to it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running peer; dropping it kills it.
pub struct Peer {
    child: Child,
    folder: tempfile::TempDir,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
}

impl Peer {
    /// Starts one with this behaviour, which offers these keywords to EHLO.
    pub fn start(behaviour: &str, keywords: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("peer-").tempdir().expect("a temporary folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/smtp_peer.py");
        let mut child = Command::new("python3")
            .arg(script)
            .arg(behaviour)
            .arg(folder.path().join("said"))
            .args(keywords)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let mut first = String::new();
        let output = child.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut first).expect("a port");
        Self { port: first.trim().parse().expect("a port"), child, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("said")
    }

    /// What clients said, a line each.
    pub fn said(&self) -> Vec<String> {
        fs::read_to_string(self.file()).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

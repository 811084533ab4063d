//! A mail server that misbehaves (tests/clients/smtp_peer.py), or asks for TLS (tests/clients/tls_peer.py), and what clients
//! said to it.

use crate::client::{script, whole_lines};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
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
        let mut child = Command::new("python3")
            .arg(script("smtp_peer.py"))
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

    /// Starts one that offers these keywords inside TLS only, at this address.
    pub fn inside_tls((host, port): (&str, u16), certificate: &(PathBuf, PathBuf), keywords: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("peer-").tempdir().expect("a temporary folder");
        let mut command = Command::new("python3");
        command.arg(script("tls_peer.py")).args([host, &port.to_string()]).arg(&certificate.0).arg(&certificate.1);
        command.arg(folder.path().join("said")).args(keywords);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("python3 starts");
        let mut first = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut first).expect("a line");
        assert_eq!(first, "listens\n");
        Self { port, child, folder }
    }

    /// What clients said, a line each.
    pub fn said(&self) -> Vec<String> {
        whole_lines(&self.folder.path().join("said"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

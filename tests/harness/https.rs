//! An HTTPS server with one file (tests/clients/https_file.py), and what it was asked.

use crate::client::{script, whole_lines};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running server; dropping it kills it.
pub struct Https {
    child: Child,
    folder: tempfile::TempDir,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
}

impl Https {
    /// Answers GET with this text of this type.
    pub fn start(certificate: &(PathBuf, PathBuf), text: &str, kind: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("https-").tempdir().expect("a temporary folder");
        let file = folder.path().join("file");
        fs::write(&file, text).expect("written");
        let mut command = Command::new("python3");
        command.arg(script("https_file.py")).arg(&certificate.0).arg(&certificate.1).arg(&file).arg(kind);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("python3 starts");
        let mut first = String::new();
        let output = child.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut first).expect("a port");
        Self { port: first.trim().parse().expect("a port"), child, folder }
    }

    /// Every request so far: method, path, headers, body.
    pub fn asked(&self) -> Vec<Value> {
        let lines = whole_lines(&self.folder.path().join("file.log"));
        lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

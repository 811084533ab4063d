//! An HTTPS server with one file (tests/clients/https_file.py), and what it was asked.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
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
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/https_file.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(&certificate.0).arg(&certificate.1).arg(&file).arg(kind);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("python3 starts");
        let mut first = String::new();
        let output = child.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut first).expect("a port");
        Self { port: first.trim().parse().expect("a port"), child, folder }
    }

    /// Every request so far: method, path, headers, body.
    pub fn asked(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.folder.path().join("file.log")).unwrap_or_default();
        log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

//! Programs that webhooks call (tests/clients/hook.py), and what they were called with.

use crate::client::{script, whole_lines};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Where [`Hook`] redirects to: a host of the own network.
const INWARD: &str = "127.0.0.2";

/// A running server; dropping it kills it.
pub struct Hook {
    child: Child,
    folder: tempfile::TempDir,
    /// Where it listens: on 127.0.0.1 with TLS, on 127.0.0.2 without.
    pub port: u16,
}

impl Hook {
    /// With this certificate and key.
    pub fn start(certificate: &(PathBuf, PathBuf)) -> Self {
        let folder = tempfile::Builder::new().prefix("hook-").tempdir().expect("a temporary folder");
        let mut command = Command::new("python3");
        command.arg(script("hook.py")).arg(&certificate.0).arg(&certificate.1);
        command.arg(folder.path().join("calls")).arg(INWARD);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("python3 starts");
        let mut first = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut first).expect("a port");
        Self { port: first.trim().parse().expect("a port"), child, folder }
    }

    /// Every call so far: host, path, headers, body.
    pub fn calls(&self) -> Vec<Value> {
        let lines = whole_lines(&self.folder.path().join("calls"));
        lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Those with this path.
    pub fn calls_of(&self, path: &str) -> Vec<Value> {
        self.calls().into_iter().filter(|call| call["path"] == path).collect()
    }
}

/// Whether Python's hmac finds the signature of a call good.
pub fn is_signed(call: &Value, secret: &str) -> bool {
    let mut child = Command::new("python3")
        .arg(script("hook_signature.py"))
        .arg(secret)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    child.stdin.take().expect("piped").write_all(call.to_string().as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "hook_signature.py");
    output.stdout == b"good\n"
}

impl Drop for Hook {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

//! Runs the independent implementations of `tests/clients`, with Debian's Python, whose packages they are.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

const PYTHON: &str = "/usr/bin/python3";

fn script(name: &str) -> String {
    format!("{}/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What `vouch.py` prints for a message.
pub fn vouch(arguments: &[&str], message: &[u8]) -> Vec<u8> {
    let mut child = Command::new(PYTHON)
        .arg(script("vouch.py"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Debian's python3 starts; scripts/setup installs it");
    child.stdin.take().unwrap().write_all(message).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "vouch.py {arguments:?}");
    output.stdout
}

/// The same as lines.
pub fn lines(arguments: &[&str], message: &[u8]) -> Vec<String> {
    String::from_utf8(vouch(arguments, message)).unwrap().lines().map(str::to_owned).collect()
}

/// The cases of the SPF suite.
pub fn spf_cases(file: &str) -> serde_json::Value {
    let output = Command::new(PYTHON).arg(script("spf_suite.py")).args(["cases", file]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A server of one scenario's zone; dropping it stops it.
pub struct SpfZone {
    child: Child,
    pub port: u16,
}

impl SpfZone {
    pub fn serve(file: &str, scenario: u64) -> Self {
        let mut child = Command::new(PYTHON)
            .arg(script("spf_suite.py"))
            .args(["serve", file, &scenario.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().expect("a port") }
    }
}

impl Drop for SpfZone {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

//! Runs the independent implementations of `tests/clients`, with Debian's Python, whose packages they are.

use harness::client::script;
use harness::vouch::PYTHON;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

pub use harness::vouch::{lines, vouch};

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

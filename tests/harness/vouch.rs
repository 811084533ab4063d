//! Runs the independent verifiers and signers of `tests/clients/vouch.py`, with Debian's Python, whose packages they are.

use crate::client::script;
use std::io::Write;
use std::process::{Command, Stdio};

/// Debian's own.
pub const PYTHON: &str = "/usr/bin/python3";

/// What `vouch.py` prints for a message with CRLF.
pub fn vouch(arguments: &[&str], message: &[u8]) -> Vec<u8> {
    let mut child = Command::new(PYTHON)
        .arg(script("vouch.py"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Debian's python3 starts; scripts/setup installs it");
    child.stdin.take().expect("piped").write_all(message).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "vouch.py {arguments:?}");
    output.stdout
}

/// The same as lines.
pub fn lines(arguments: &[&str], message: &[u8]) -> Vec<String> {
    String::from_utf8(vouch(arguments, message)).expect("text").lines().map(str::to_owned).collect()
}

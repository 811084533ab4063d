//! Runs the binary from outside.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};

/// What a command ended with.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs it with these words.
pub fn brevdue<A: AsRef<OsStr>>(words: impl IntoIterator<Item = A>) -> Ended {
    with_input(words, "")
}

/// Runs it with these words and this standard input.
pub fn with_input<A: AsRef<OsStr>>(words: impl IntoIterator<Item = A>, input: &str) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brevdue"));
    // Whoever runs the tests may have a `dev` of their own.
    let nowhere = tempfile::tempdir().unwrap();
    let mut child = command
        .env("XDG_DATA_HOME", nowhere.path())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input closes it, which is no failure here.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs it and expects exit code 1 and one line on standard error.
pub fn refused<A: AsRef<OsStr>>(words: impl IntoIterator<Item = A>) -> String {
    let Ended { code, out, err } = brevdue(words);
    assert_eq!((code, out.as_str(), err.lines().count()), (1, "", 1), "{err}");
    err.trim_end().strip_prefix("brevdue: ").unwrap().to_owned()
}

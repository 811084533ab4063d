//! Runs real clients from packages and shows what they printed when they fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs to the end; panics with the output unless the exit is 0.
pub fn run(command: &mut Command) -> Output {
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}; run scripts/setup"));
    assert!(
        output.status.success(),
        "{command:?} exited with {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The lines of a file that another process is writing, as far as they are whole.
pub fn whole_lines(file: &Path) -> Vec<String> {
    let text = std::fs::read(file).unwrap_or_default();
    let whole = text.split_inclusive(|&octet| octet == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    whole.map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

/// A script of `tests/clients`.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

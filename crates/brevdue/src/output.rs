//! What a command answers: lines for people, or one JSON value with --json.

use crate::failure::Failure;
use serde::Serialize;
use std::io::{self, Write};

/// How answers are written to standard output.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// JSON or lines.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Writes the value as JSON, or the lines. A reader that went away is no failure: the work is done.
    pub fn answer(self, value: &impl Serialize, lines: impl FnOnce() -> Vec<String>) -> Result<(), Failure> {
        let text = if self.json { serde_json::to_string(value)? + "\n" } else { joined(&lines()) };
        let written = io::stdout().lock().write_all(text.as_bytes());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }
}

fn joined(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

/// Columns that line up; each row has as many cells as the first.
pub fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A moment as people and programs read it (RFC 3339, UTC).
pub fn moment(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(table(&[row(["a", "b"]), row(["löng", ""])]), ["a     b", "löng"]);
        assert_eq!(table(&[]), Vec::<String>::new());
        assert_eq!(moment(1_700_000_000_000), "2023-11-14T22:13:20Z");
    }
}

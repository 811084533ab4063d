//! How far a command has come: one line on a terminal that is written over, and nothing where nobody sits.

use super::limits::PROGRESS_MS;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Columns of the bar.
const BAR_COLUMNS: u64 = 24;

/// The line. It is cleared when this is dropped.
pub struct Progress {
    what: &'static str,
    total: u64,
    messages: u64,
    octets: u64,
    drawn: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// Of so many messages; 0 when that is not known.
    pub fn new(what: &'static str, total: u64) -> Self {
        Self { what, total, messages: 0, octets: 0, drawn: None, shown: io::stderr().is_terminal() }
    }

    /// There will be more.
    pub fn expect(&mut self, messages: u64) {
        self.total += messages;
    }

    /// Another message was done with.
    pub fn message(&mut self) {
        self.messages += 1;
        self.draw();
    }

    /// Octets went by.
    pub fn octets(&mut self, octets: usize) {
        self.octets += octets as u64;
        self.draw();
    }

    fn draw(&mut self) {
        let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= Duration::from_millis(PROGRESS_MS));
        if !self.shown || !due {
            return;
        }
        self.drawn = Some(Instant::now());
        let line = line(self.what, self.messages, self.total, self.octets);
        // A terminal that went away is told nothing more.
        self.shown = write!(io::stderr(), "\r\x1b[K{line}").is_ok();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown && self.drawn.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(what: &str, messages: u64, total: u64, octets: u64) -> String {
    let megabytes = octets / 1_000_000;
    if total < messages || total == 0 {
        return format!("{what}: {messages} messages, {megabytes} MB");
    }
    let full = (messages * BAR_COLUMNS / total) as usize;
    let bar = "#".repeat(full) + &".".repeat(BAR_COLUMNS as usize - full);
    format!("{what} [{bar}] {messages} of {total} messages, {megabytes} MB")
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn the_bar_fills() {
        assert_eq!(line("export", 0, 0, 5_000_000), "export: 0 messages, 5 MB");
        assert_eq!(line("export", 1, 4, 0), "export [######..................] 1 of 4 messages, 0 MB");
        assert_eq!(line("export", 4, 4, 0), "export [########################] 4 of 4 messages, 0 MB");
        assert_eq!(line("export", 5, 4, 0), "export: 5 messages, 0 MB");
    }
}

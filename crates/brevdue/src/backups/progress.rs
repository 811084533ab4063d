//! A line on the terminal that says how far something is. To nobody else: what is written for programs stays what they expect.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two changes of the line.
const REDRAW: Duration = Duration::from_millis(100);

/// The line.
pub struct Progress {
    what: &'static str,
    total: u64,
    shown: bool,
    next: Instant,
}

impl Progress {
    /// Begins, of so many octets or messages.
    pub fn new(what: &'static str, total: u64) -> Self {
        Self { what, total, shown: std::io::stderr().is_terminal(), next: Instant::now() }
    }

    /// So many are done.
    pub fn at(&mut self, done: u64) {
        if !self.shown || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + REDRAW;
        let percent = done.saturating_mul(100).checked_div(self.total).unwrap_or(100).min(100);
        let bar = "#".repeat(usize::try_from(percent / 5).unwrap_or_default());
        let _ = write!(std::io::stderr(), "\r{} [{bar:<20}] {percent:>3} %", self.what);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

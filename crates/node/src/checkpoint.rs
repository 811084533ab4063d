//! When a mailbox's write-ahead log is worth a checkpoint. How one is made is the mailbox's.
//!
//! A checkpoint leaves the log's file as long as it was and the next commits go over it from the start, so that its length
//! tells little until it grows: commits are counted too.

use crate::limits::{LOG_BYTES_BUSY, LOG_BYTES_IDLE, LOG_COMMITS_BUSY, LOG_COMMITS_IDLE};
use std::cell::Cell;

/// The log since the last checkpoint.
#[derive(Default)]
pub struct Log {
    commits: Cell<u32>,
    bytes: Cell<u64>,
    /// Its length at the last checkpoint.
    floor: Cell<u64>,
}

impl Log {
    /// A commit left it so long.
    pub fn committed(&self, bytes: u64) {
        self.commits.set(self.commits.get().saturating_add(u32::from(bytes > 0)));
        self.bytes.set(bytes);
    }

    /// A checkpoint left it so long.
    pub fn checkpointed(&self, bytes: u64) {
        self.commits.set(0);
        self.bytes.set(bytes);
        self.floor.set(bytes);
    }

    fn grown(&self) -> u64 {
        self.bytes.get().saturating_sub(self.floor.get())
    }

    /// Whether anything was committed since.
    pub fn is_any(&self) -> bool {
        self.commits.get() > 0
    }

    /// Whether a checkpoint is worth it in an idle moment.
    pub fn is_due(&self) -> bool {
        self.grown() >= LOG_BYTES_IDLE || self.commits.get() >= LOG_COMMITS_IDLE
    }

    /// Whether it can wait for an idle moment no longer.
    pub fn is_long(&self) -> bool {
        self.grown() >= LOG_BYTES_BUSY || self.commits.get() >= LOG_COMMITS_BUSY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_and_commits_both_count() {
        let log = Log::default();
        assert!(!log.is_any() && !log.is_due());
        log.committed(LOG_BYTES_IDLE);
        assert!(log.is_any() && log.is_due() && !log.is_long());
        log.checkpointed(LOG_BYTES_IDLE);
        assert!(!log.is_any() && !log.is_due());
        for _ in 0..LOG_COMMITS_IDLE {
            log.committed(LOG_BYTES_IDLE);
        }
        assert!(log.is_due() && !log.is_long());
        log.committed(LOG_BYTES_IDLE + LOG_BYTES_BUSY);
        assert!(log.is_long());
    }
}

//! Which call fails, and how.

use std::io;

/// What is asked of the disk; each of them is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// A file is opened, or made.
    Open,
    /// Octets are read.
    Read,
    /// Octets are written.
    Write,
    /// A file's length is set.
    Truncate,
    /// A file is synced.
    Sync,
    /// A file is named otherwise.
    Rename,
    /// A name is removed.
    Unlink,
    /// A folder is synced.
    SyncFolder,
    /// The index of a log grows.
    Index,
}

impl Call {
    /// Whether it changes what is on the disk, so that a power cut before it differs from one after it.
    pub const fn changes(self) -> bool {
        !matches!(self, Self::Open | Self::Read | Self::Index)
    }

    /// Whether a full disk makes it fail.
    const fn takes_room(self) -> bool {
        matches!(self, Self::Open | Self::Write | Self::Index)
    }
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// EIO; a sync that fails so has stored nothing, and what was to be stored is forgotten.
    Device,
    /// ENOSPC, where the call takes room; other calls go on.
    NoRoom,
}

impl Trouble {
    /// As the system says it.
    pub(crate) fn error(self) -> io::Error {
        match self {
            // EIO has no kind of its own.
            Self::Device => io::Error::from_raw_os_error(5),
            Self::NoRoom => io::Error::from(io::ErrorKind::StorageFull),
        }
    }
}

/// When calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// How.
    pub trouble: Trouble,
    /// Only these calls are counted; `None`: all that the trouble can befall.
    pub call: Option<Call>,
    /// The number of the call that fails, from 0.
    pub at: u64,
    /// All that follow fail too.
    pub lasting: bool,
}

impl Fault {
    /// Whether it befalls such calls at all.
    fn befalls(&self, call: Call) -> bool {
        let possible = match self.trouble {
            Trouble::Device => true,
            Trouble::NoRoom => call.takes_room(),
        };
        possible && self.call.is_none_or(|only| only == call)
    }
}

/// Counts the calls until the fault.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    fault: Option<Fault>,
    seen: u64,
    struck: u64,
}

impl Faults {
    pub(crate) fn set(&mut self, fault: Option<Fault>) {
        *self = Self { fault, seen: 0, struck: 0 };
    }

    /// Calls that failed since the fault was set.
    pub(crate) fn struck(&self) -> u64 {
        self.struck
    }

    pub(crate) fn check(&mut self, call: Call) -> Result<(), Trouble> {
        let Some(fault) = self.fault.filter(|fault| fault.befalls(call)) else { return Ok(()) };
        let number = self.seen;
        self.seen += 1;
        if number == fault.at || (fault.lasting && number > fault.at) {
            self.struck += 1;
            return Err(fault.trouble);
        }
        Ok(())
    }
}

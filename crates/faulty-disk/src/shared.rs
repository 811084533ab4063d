//! The index of a log: memory that all connections of a file share, and the locks on it. A system keeps it in a `-shm` file,
//! whose content is of no use after a crash, so here it is memory alone.
#![allow(unsafe_code, reason = "connections on several threads read and write the same memory, as SQLite demands")]

use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks that SQLite takes on an index.
pub(crate) const LOCKS: usize = 8;
/// What an allocation for SQLite's own structures is aligned to.
const ALIGNMENT: usize = 16;

/// The index of one log.
#[derive(Debug, Default)]
pub(crate) struct Index {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    regions: Vec<Region>,
    /// How many hold each lock shared; -1: one holds it alone.
    pub(crate) held: [i32; LOCKS],
    /// Connections that have it mapped.
    pub(crate) users: u32,
}

/// Memory that is handed to SQLite, at the same place until the index goes.
#[derive(Debug)]
struct Region {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the pointer is to memory of this region alone. Rust code never reads or writes it; SQLite's does, under the locks and
// barriers that it asks of the file layer.
unsafe impl Send for Region {}

impl Region {
    fn new(octets: usize) -> Option<Self> {
        let layout = Layout::from_size_align(octets.max(1), ALIGNMENT).ok()?;
        // SAFETY: the layout has at least one octet.
        let start = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) })?;
        Some(Self { start, layout })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout. Every handle that was given the pointer holds the index that this region
        // is part of, so none is left.
        unsafe { std::alloc::dealloc(self.start.as_ptr(), self.layout) };
    }
}

impl Index {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    pub(crate) fn has(&self, region: usize) -> bool {
        region < self.regions.len()
    }

    /// The region's first octet; those up to it are made. `None`: no memory.
    pub(crate) fn region(&mut self, region: usize, octets: usize) -> Option<NonNull<u8>> {
        while self.regions.len() <= region {
            self.regions.push(Region::new(octets)?);
        }
        self.regions.get(region).map(|region| region.start)
    }
}

//! Slots of 32 octets in memory that is locked (never swapped) and left out of core dumps; knows nothing of what is in them.
//!
//! Invariants:
//! - A slot that is handed out has one owner; a slot in the pool is all zero.
//! - Pages are never given back: what grows is bounded by the most secrets that ever lived at one time, 128 to a page. One
//!   page per secret, with guard pages, would exhaust RLIMIT_MEMLOCK and the kernel's map count at a few thousand sessions.
#![allow(unsafe_code, reason = "locking memory and owning parts of a locked page cannot be said in safe Rust")]

use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroize;

/// Octets of a slot: one key.
const SLOT_BYTES: usize = 32;
/// Octets of what is locked at a time: the smallest page of the supported machines.
const PAGE_BYTES: usize = 4096;

static POOL: Mutex<Pool> = Mutex::new(Pool { free: Vec::new() });
static LOCKED: AtomicBool = AtomicBool::new(true);

/// Whether every secret so far lives in locked memory. False when `RLIMIT_MEMLOCK` was too low; secrets are wiped all the same.
pub fn memory_is_locked() -> bool {
    LOCKED.load(Ordering::Relaxed)
}

/// What is locked at a time.
#[repr(align(4096))]
struct Page {
    _bytes: [u8; PAGE_BYTES],
}

struct Pool {
    free: Vec<NonNull<[u8; SLOT_BYTES]>>,
}

// SAFETY: the pointers are to memory that nothing else refers to while they are in the pool.
unsafe impl Send for Pool {}

impl Pool {
    fn take(&mut self) -> NonNull<[u8; SLOT_BYTES]> {
        match self.free.pop() {
            Some(slot) => slot,
            None => self.grow(),
        }
    }

    /// Adds a page's slots to the pool but for the one that it returns.
    fn grow(&mut self) -> NonNull<[u8; SLOT_BYTES]> {
        const PAGE: Layout = Layout::new::<Page>();
        // SAFETY: the layout is not of size zero.
        let page = unsafe { std::alloc::alloc_zeroed(PAGE) };
        let Some(page) = NonNull::new(page) else { std::alloc::handle_alloc_error(PAGE) };
        // SAFETY: the page is ours, whole and aligned.
        if !unsafe { memsec::mlock(page.as_ptr(), PAGE_BYTES) } {
            LOCKED.store(false, Ordering::Relaxed);
        }
        for at in (SLOT_BYTES..PAGE_BYTES).step_by(SLOT_BYTES) {
            // SAFETY: `at + SLOT_BYTES` is within the page.
            self.free.push(unsafe { page.add(at) }.cast());
        }
        page.cast()
    }
}

/// One slot of locked memory, owned; wiped and given back on drop.
pub(crate) struct Slot(NonNull<[u8; SLOT_BYTES]>);

// SAFETY: a slot has one owner and no interior mutability: it moves and is shared like a Box<[u8; 32]>.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Slot {
    /// A slot of zeros.
    pub(crate) fn zeroed() -> Self {
        Self(POOL.lock().unwrap_or_else(PoisonError::into_inner).take())
    }

    pub(crate) fn bytes(&self) -> &[u8; SLOT_BYTES] {
        // SAFETY: the slot is ours, initialised, and aligned as bytes are.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; SLOT_BYTES] {
        // SAFETY: as above, and `self` is borrowed for writing.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
        POOL.lock().unwrap_or_else(PoisonError::into_inner).free.push(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_disjoint_and_come_back_empty() {
        let mut slots: Vec<Slot> = (0..300).map(|_| Slot::zeroed()).collect();
        for (at, slot) in slots.iter_mut().enumerate() {
            assert_eq!(slot.bytes(), &[0; SLOT_BYTES]);
            slot.bytes_mut().fill(at as u8 | 1);
        }
        for (at, slot) in slots.iter().enumerate() {
            assert_eq!(slot.bytes(), &[at as u8 | 1; SLOT_BYTES]);
        }
        drop(slots);
        let again: Vec<Slot> = (0..300).map(|_| Slot::zeroed()).collect();
        assert!(again.iter().all(|slot| slot.bytes() == &[0; SLOT_BYTES]));
    }

    #[test]
    fn slots_move_between_threads() {
        std::thread::scope(|scope| {
            for value in 1..=4u8 {
                scope.spawn(move || {
                    for _ in 0..1000 {
                        let mut slot = Slot::zeroed();
                        slot.bytes_mut().fill(value);
                        std::thread::yield_now();
                        assert_eq!(slot.bytes(), &[value; SLOT_BYTES]);
                    }
                });
            }
        });
    }
}

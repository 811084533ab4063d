//! A disk in memory for tests, under SQLite and beside it. It loses, tears and reorders what was not synced when its power is
//! cut, and fails calls on demand: EIO, ENOSPC, a sync that fails and forgets. Nothing but tests depends on it.
//!
//! The model is what POSIX promises and no more: a file's octets are stored once `fsync` of the file returned, a name once
//! `fsync` of its folder did; until then each change may be on the disk or not, in any combination, and a write may be there in
//! part, by sectors of [`SECTOR_BYTES`]. What the engine may count on beyond that, it says itself: an octet that is not written
//! does not change (`SQLITE_IOCAP_POWERSAFE_OVERWRITE`, as on every system where it runs in production).
//!
//! SQLite's own layer for Unix stands between SQLite and the system in production. Ours behaves as that one does where it
//! matters: the first sync of a log that was just made syncs its folder too, and a delete does where SQLite asks for it.

mod dice;
mod disk;
mod faults;
mod model;
mod shared;
mod trial;
mod vfs;

pub use dice::Dice;
pub use disk::{FaultyDisk, History};
pub use faults::{Call, Fault, Trouble};
pub use model::{Fate, Image, Op, SECTOR_BYTES};
pub use trial::{Acknowledged, Trial, fresh_disk};

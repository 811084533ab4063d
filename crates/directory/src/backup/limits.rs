//! Limits of snapshots of the catalogue: name, unit, reason.

/// Between two looks at whether a snapshot is due: short against the shortest interval, and a look is one read.
pub(super) const LOOK_MS: u64 = 15_000;
/// Between a copy that failed, on a full disk say, and the next try.
pub(super) const RETRY_MS: u64 = 60_000;
/// How old the first change of a catalogue is that was never copied before it is: a new installation has no older copy to fall
/// back on, and is filled in its first minutes.
pub(super) const FIRST_AGE_MS_MAX: i64 = 300_000;
/// Intervals after which what changed and is in no store is late.
pub(super) const LATE_INTERVALS: i64 = 2;
/// How long a worker may wait for a snapshot.
pub(super) const STAGED_WAIT_MS_MAX: u32 = 60_000;
/// Octets of one piece of a snapshot on its way.
pub(super) const PIECE_BYTES: usize = 256 * 1024;
/// Snapshots that are read at once: one worker reads one, and may come again before its broken connection is noticed.
pub(super) const TRANSFERS_MAX: usize = 4;

//! Limits of snapshots: name, unit, reason.

/// Hours between two snapshots of a mailbox that changes, unless the configuration says otherwise.
pub const INTERVAL_HOURS: u32 = 24;
/// Between two looks at whether an open mailbox is due, at most: a turn is late by no more than this.
pub const LOOK_MS_MAX: u64 = 60_000;
/// At least: a look asks the ledger.
pub const LOOK_MS_MIN: u64 = 100;
/// Looks within an interval between snapshots, where that is short.
pub const LOOKS_PER_INTERVAL: u64 = 10;
/// How old the last snapshot is, or the first change without one, when the last sign-out makes another: somebody who comes and
/// goes all day makes one an hour.
pub const SIGN_OUT_AGE_MS_MIN: i64 = 3_600_000;
/// Intervals after which what changed and is not in a store is late.
pub const LATE_INTERVALS: i64 = 2;
/// Snapshots in one answer to a worker.
pub const STAGED_PER_ANSWER_MAX: u32 = 1024;
/// How long a worker may wait for a snapshot.
pub const STAGED_WAIT_MS_MAX: u32 = 60_000;
/// Octets of one piece of a snapshot on its way.
pub const PIECE_BYTES: usize = 256 * 1024;
/// Pieces that wait for a worker which is slow.
pub const PIECES_MAX: usize = 4;
/// Snapshots that are read, and restores that come in, at once.
pub const TRANSFERS_MAX: usize = 16;
/// How long a restore may be silent.
pub const RESTORE_SILENCE_MS_MAX: u64 = 60_000;
/// How long a restore waits for what is under way in the mailbox: a commit, a step of a read. One batch of the text index may be a
/// whole large message, which takes seconds where the machine is busy; who has the mailbox open goes on meanwhile.
pub const RESTORE_CLOSE_MS_MAX: u64 = 60_000;
/// Between two looks at whether that has ended.
pub const RESTORE_CLOSE_LOOK_MS: u64 = 5;
/// Between two rounds through the waiting mail and the queues to see what is due.
pub const ROUND_MS: u64 = 300_000;
/// How long a turn waits for the directory to say whether anybody keeps the copy: it is made when nothing is said.
pub const KEPT_WAIT_MS_MAX: u64 = 2_000;
/// What is late and looked at one by one in a round, on each volume; what is beyond is not counted.
pub const LATE_LOOKED_AT_MAX: u32 = 100_000;
/// Volumes that have a copy made at the same time.
pub const COPIES_AT_ONCE_MAX: usize = 4;

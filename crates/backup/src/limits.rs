//! The worker's own limits: name, unit, reason.

/// Snapshots that are asked of a node at once: a page of work.
pub(crate) const SNAPSHOTS_PER_PAGE: u32 = 256;
/// Milliseconds that a node may wait for work before it answers that there is none.
pub(crate) const STAGED_WAIT_MS: u32 = 20_000;
/// Milliseconds between two looks at which nodes there are, before one has registered: a worker may start before its nodes do.
pub(crate) const FIRST_NODES_POLL_MS: u64 = 250;
/// Milliseconds between two looks at which nodes there are.
pub(crate) const NODES_POLL_MS: u64 = 5_000;
/// First and longest pause after a failed upload, milliseconds: a store that is down is asked again soon, and then every few
/// minutes.
pub(crate) const RETRY_MS: (u64, u64) = (1_000, 300_000);
/// Snapshots that wait and of which something is remembered: some 30 MB of them. What is beyond waits until there are fewer.
pub(crate) const REMEMBERED_MAX: usize = 200_000;
/// Uploads to one store that wait for a place there, so that the next need not be looked for when one ends.
pub(crate) const QUEUED_PER_STORE_MAX: usize = 256;
/// Snapshots about which the directory is asked at once, and erasures that are under way.
pub(crate) const ASKED_AT_ONCE_MAX: usize = 256;
/// Milliseconds after each further page of a node's list: looking through a long one again and again is not to keep the node busy.
pub(crate) const PAUSE_MS_PER_PAGE: u64 = 100;
/// Intervals between snapshots after which one that waits is late, as nodes count it.
pub(crate) const LATE_INTERVALS: i64 = 2;
/// Milliseconds of an interval hour.
pub(crate) const HOUR_MS: i64 = 3_600_000;
/// Seconds that a node may take for an answer that is no stream.
pub(crate) const ANSWER_SECONDS_MAX: u64 = 20;
/// Seconds that a node may take for the next piece of a snapshot.
pub(crate) const PIECE_SECONDS_MAX: u64 = 60;
/// Seconds that a store may take to accept a connection.
pub(crate) const STORE_CONNECT_SECONDS_MAX: u64 = 10;
/// Seconds in which a store must say that it is there before an upload begins: one that hangs is found out soon.
pub(crate) const STORE_CHECK_SECONDS_MAX: u64 = 20;
/// Seconds that a health check waits for each of the nodes and the stores: less than it may take itself, so that it says which.
pub(crate) const HEALTH_PART_SECONDS_MAX: u64 = 4;
/// Stores that a reason names; further ones are counted.
pub(crate) const STORES_NAMED_MAX: usize = 5;
/// Seconds that one request to a store may take, a part's upload too: 16 MiB at 128 KiB a second.
pub(crate) const STORE_REQUEST_SECONDS_MAX: u64 = 150;
/// Tries of one request before the upload counts as failed.
pub(crate) const STORE_TRIES_MAX: u32 = 3;
/// Parts of one object: what S3 allows, less a few.
pub(crate) const PARTS_MAX: u64 = 9_900;
/// Octets of a manifest, the wrapped keys of a full list of credentials in it, or of a note about an upload.
pub(crate) const SMALL_BYTES_MAX: usize = 64 * 1024;
/// Names that one listing holds: years of backups of one mailbox.
pub(crate) const LISTED_MAX: usize = 20_000;
/// Hours after which something without a manifest is no upload that will go on, but what one left behind.
pub(crate) const LEFT_OVER_HOURS: i64 = 48;
/// Mailboxes, and what else has a folder of its own, that one look through a store finds: their names are held in memory.
pub(crate) const SUBJECTS_MAX: usize = 200_000;
/// Milliseconds between the beginnings of two rounds through all stores.
pub(crate) const SWEEP_EVERY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Milliseconds between two subjects of a round at most: with few of them it ends sooner than in a day, and is slow still.
pub(crate) const SWEEP_PAUSE_MS_MAX: u64 = 1_000;
/// Seconds that a node may take to look at a whole snapshot that is said to be damaged: a large one on a slow disk.
pub(crate) const LOOK_SECONDS_MAX: u64 = 600;
/// Seconds that the directory may take to copy its catalogue and look at every page of it: some millions of aliases on a slow disk.
pub(crate) const TAKE_SECONDS_MAX: u64 = 600;

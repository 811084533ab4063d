//! The node's own limits: name, unit, reason. What other crates must agree on is in `model::limits`.

/// Links that one shard serves at once: every front-end holds one, so this is the size of the fleet.
pub const LINKS_PER_SHARD_MAX: usize = 1024;
/// Sessions on one link: what one front-end process can sensibly carry.
pub const SESSIONS_PER_LINK_MAX: usize = 50_000;
/// Sessions of a node: memory for their key and view, some KB each.
pub const SESSIONS_MAX: usize = 50_000;
/// Requests of one session that are under way: IMAP front-ends have few, and each costs a task.
pub const REQUESTS_PER_SESSION_MAX: usize = 32;
/// Requests of one link that are under way, over all its sessions: bounds the tasks that one front-end can start.
pub const REQUESTS_PER_LINK_MAX: usize = 20_000;
/// How long a new connection may take for TLS, the WebSocket handshake and its Hello.
pub const HANDSHAKE_MS_MAX: u64 = 10_000;
/// Silence after which the node pings a link.
pub const LINK_PING_MS: u64 = 15_000;
/// Silence after which a link is given up: a front-end answers pings, so this one is gone.
pub const LINK_SILENCE_MS_MAX: u64 = 60_000;
/// Octets of data frames (FETCH, long lists) that wait on one link; requests wait for room beyond it.
pub const LINK_DATA_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Answers that wait on one link: several for each session. A request leaves those under way when it is answered or refused,
/// not when the answer is written, so a front-end that only asks and never listens must be cut off.
pub const LINK_ANSWERS_MAX: usize = 4 * SESSIONS_PER_LINK_MAX;
/// Octets of those answers; far above what the first frames of all answers to a front-end that listens come to.
pub const LINK_ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Octets of pushes that wait on one link; sessions beyond it are told to select again.
pub const LINK_PUSH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Octets of pushes that wait for one session; beyond it the session is told to select again.
pub const SESSION_PUSH_BYTES_MAX: usize = 1024 * 1024;
/// Octets of frames that are handed to the socket at once: fewer writes, and still little to hold.
pub const LINK_WRITE_BYTES: usize = 128 * 1024;
/// Entries of one answer frame, so that a list of any length stays far under `FRAME_BYTES_MAX`.
pub const ENTRIES_PER_FRAME: usize = 2000;
/// Octets of keywords for which a flag change counts as one entry more: it can have 16 KB of them.
pub const ENTRY_BYTES: usize = 128;
/// Octets of names in one frame of a folder list.
pub const NAME_BYTES_PER_FRAME: usize = 256 * 1024;

/// Page cache of one connection to a mailbox, KiB: thousands are open at once, and a larger one brought nothing when measured.
pub const CACHE_KIB: u32 = 256;
/// Writes that wait for one mailbox's writer; beyond it the answer is LIMIT.
pub const QUEUED_WRITES_MAX: usize = 1024;
/// Writes that share one commit: bounds how long the first of them waits for the last.
pub const WRITES_PER_COMMIT_MAX: usize = 256;
/// Growth of a write-ahead log at which the mailbox is checkpointed when its writer has nothing else to do.
pub const LOG_BYTES_IDLE: u64 = 4 * 1024 * 1024;
/// Growth of a write-ahead log at which the checkpoint no longer waits for an idle moment.
pub const LOG_BYTES_BUSY: u64 = 32 * 1024 * 1024;
/// Commits after which the mailbox is checkpointed in an idle moment: some 4 MiB of log when they are small.
pub const LOG_COMMITS_IDLE: u32 = 256;
/// Commits after which the checkpoint no longer waits.
pub const LOG_COMMITS_BUSY: u32 = 2048;
/// Steps of the collection of unreferenced content when a mailbox is closed; what is left waits for the next time.
pub const GARBAGE_CALLS_MAX: u32 = 16;
/// Between two collections of unreferenced content in one mailbox, unless it is being closed.
pub const GARBAGE_MS_MIN: u64 = 10_000;

/// Jobs that wait for one pool of threads; beyond it the answer is UNAVAILABLE.
pub const POOL_JOBS_MAX: usize = 8192;
/// Steps of a FETCH that run on the shard's own thread; what is longer goes on in the pool and holds nobody up.
pub const FETCH_STEPS_IN_PLACE: usize = 4;
/// A read on the shard's own thread after which it lets others run before the next one.
pub const SLOW_READ_MICROS: u128 = 500;
/// Messages that one step of a SEARCH looks at before it can be cancelled.
pub const SEARCH_STEP_MESSAGES: usize = 256;
/// Messages of its first step; each that follows has twice as many, so that the first results are told within a millisecond.
pub const SEARCH_FIRST_STEP_MESSAGES: usize = 16;
/// Messages that one step of a SORT or THREAD reads before it can be cancelled: some 5 ms of reading.
pub const SORT_STEP_MESSAGES: usize = 2048;
/// Mailboxes of a node whose text index is filled at the same time: the rest of the processors is the clients'.
pub const INDEXING_AT_ONCE: usize = 1;
/// Messages that one batch adds to the text index; fewer when they are long (the mailbox's own limit on octets).
pub const INDEX_BATCH_MESSAGES: usize = 64;
/// Time without a write to the mailbox after which the next batch is made.
pub const INDEX_QUIET_MS: u64 = 250;
/// How long writes that do not end can keep a batch waiting: the index keeps up, slowly, with a mailbox that is never quiet.
pub const INDEX_WAIT_MS_MAX: u64 = 2_000;
/// Octets of an upload up to which it is hashed and compressed on the shard's own thread (about 0.2 ms).
pub const INGEST_IN_PLACE_BYTES: usize = 64 * 1024;
/// How long a FETCH may wait for credit, or an APPEND for its next frame: as long as an IMAP client may be idle (RFC 9051
/// §5.4). Then it gives back what it keeps: content, an open file, staged pieces.
pub const TRANSFER_STALL_MS_MAX: u64 = 30 * 60_000;
/// Upload frames of one request that wait; credit keeps honest clients under it (their frames are merged up to 64 KiB).
pub const UPLOAD_FRAMES_MAX: usize = 4096;

/// Deliveries under way on a node; each holds up to `CREDIT_BYTES` of a body.
pub const DELIVERIES_MAX: usize = 512;
/// Requests that wait for one shard from the gRPC side.
pub const SHARD_REQUESTS_MAX: usize = 1024;
/// Steps of one delivery that wait for one recipient: the body flows at the pace of the slowest, in little memory.
pub const LEG_STEPS_MAX: usize = 2;
/// Octets of a sealed body that are kept in memory before they are written as one chunk.
pub const SEALED_CHUNK_BYTES: usize = 256 * 1024;
/// How long a delivery may stay without a frame from the MX: RFC 5321 §4.5.3.2 lets a sender be silent for minutes.
pub const DELIVERY_SILENCE_MS_MAX: u64 = 11 * 60_000;
/// Octets that are promised for the fields that come in front of a delivery, beyond the size that its sender declares: those
/// of the MX, and what sealing adds to a message that waits. Where less is left, room is looked for at its end.
pub const PREFIX_ROOM_BYTES: u64 = 4 * 1024;
/// How long nothing is stored in a mailbox until it gives back what it was granted and did not use, and the directory is told
/// what it holds.
pub const QUOTA_QUIET_MS: u64 = 10_000;
/// Mailboxes of a shard whose use of storage is followed when nobody has them open.
pub const ROOMS_MAX: usize = 10_000;
/// Mailboxes of a shard of which the directory is told at the same time.
pub const SETTLING_AT_ONCE: usize = 16;
/// How long a write waits for limits that may have changed, when those before are known.
pub const ALLOWANCE_WAIT_MS_MAX: u64 = 250;
/// How long the limits of before hold after the directory was silent, until it is asked again.
pub const ALLOWANCE_DEAF_MS: u64 = 1_000;
/// Times that a write asks for room that others of the same mailbox took while it asked.
pub const GRANT_ASKS_MAX: u32 = 4;
/// Times that a grant is asked for anew because its version was another: once after a lost answer, and once more.
pub const GRANT_VERSIONS_TRIED_MAX: u32 = 3;
/// Messages that wait for one owner.
pub const WAITING_MESSAGES_MAX: u64 = 100_000;
/// Octets that wait for one owner: 64 of the largest messages.
pub const WAITING_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Milliseconds that a waiting-mail file stays open after its last use: a list's or a sender's burst comes within them.
pub const WAITING_LINGER_MS: u64 = 5_000;
/// Waiting-mail files that a shard keeps open without a use: each has 256 KiB of page cache at most, and three descriptors.
pub const WAITING_LINGER_FILES_MAX: usize = 64;
/// Room that stays free on a volume, so that flags can be set and mail expunged on a disk that is full for deliveries.
pub const VOLUME_RESERVE_BYTES: u64 = 64 * 1024 * 1024;
/// Commits that are remembered to answer DeliveryStatus for a mailbox that has been closed since, per shard.
pub const REMEMBERED_DELIVERIES_MAX: usize = 10_000;
/// Messages in one queue file: days of a large host's mail to destinations that are down.
pub const QUEUE_MESSAGES_MAX: u64 = 1_000_000;
/// Octets of messages in one queue file.
pub const QUEUE_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// How long a RCPT waits for a front-end's KeyOffer.
pub const KEY_WAIT_MS: u64 = 250;
/// How long after a node's start or a broken link front-ends are asked for keys.
pub const KEY_WANTED_MS: u64 = 60_000;
/// Mailboxes of which it is remembered that their link broke, or that nobody had the key, per shard.
pub const KEY_MEMORY_MAX: usize = 10_000;
/// How long an Open waits for the drain of waiting mail before it answers and lets the drain go on.
pub const DRAIN_WAIT_MS: u64 = 5_000;
/// Waiting messages that are drained in one commit: their syncs are shared, and a sign-in waits for less than a large mailbox.
pub const DRAIN_MESSAGES_PER_COMMIT: usize = 64;
/// Octets that they keep in memory until then, but for the last of them.
pub const DRAIN_HELD_BYTES_HIGH: usize = 1024 * 1024;
/// Between two tries of a drain that could not write.
pub const DRAIN_RETRY_MS: u64 = 5_000;
/// Probe of `Check`: how long it may take before the node counts as ill.
pub const CHECK_MS_MAX: u64 = 10_000;
/// How long the shards may take to finish and close everything at shutdown.
pub const SHUTDOWN_MS_MAX: u64 = 20_000;
/// First and longest wait between two tries to register with the directory.
pub const REGISTER_RETRY_MS: (u64, u64) = (100, 5_000);

/// Milliseconds that an open waits for a place when every open mailbox is in use: longer than a request or a batch of the text
/// index takes, shorter than a client's patience.
pub const OPEN_ROOM_WAIT_MS_MAX: u64 = 2_000;
/// Milliseconds between two looks for such a place.
pub const OPEN_ROOM_POLL_MS: u64 = 5;

/// Octets that one step of a scrub reads, as the rate counts them: 256 pages.
pub const SCRUB_STEP_BYTES: u64 = 1024 * 1024;
/// Mailboxes of a node that are scrubbed at once: it is work that nobody waits for.
pub const SCRUBS_AT_ONCE: usize = 2;
/// How long after a mailbox was opened its scrub may begin: a short session is left alone.
pub const SCRUB_DELAY_MS: u64 = 2_000;
/// Between two looks for waiting-mail files and queues that are due: each look reads the folders of a volume.
pub const SCRUB_FILES_LOOK_MS: u64 = 600_000;
/// Between two looks whether a mailbox that stays open is due.
pub const SCRUB_LOOK_MS: u64 = 60_000;
/// How long nobody may have asked for anything before the next step.
pub const SCRUB_QUIET_MS: u64 = 100;
/// How long such work can keep a step waiting: the scrub comes to its end in a mailbox that is never quiet.
pub const SCRUB_WAIT_MS_MAX: u64 = 5_000;
/// Mailboxes of which it is remembered when they were scrubbed, per shard.
pub const SCRUBS_REMEMBERED_MAX: usize = 50_000;
/// Between two frames of a check that found nothing: somebody looks at its progress.
pub const CHECK_PROGRESS_MS: u64 = 200;
/// Steps of a file that does not open after which the search for the reason is given up: its tables are at its front.
pub const FIRST_FINDING_STEPS_MAX: usize = 64;
/// Files that were moved aside and are listed in one answer: an operator who has more looks into the folder.
pub const ASIDE_LISTED_MAX: usize = 1_000;
/// Checks of a node that run at once: each reads and decodes a whole mailbox.
pub const CHECKS_AT_ONCE: usize = 4;

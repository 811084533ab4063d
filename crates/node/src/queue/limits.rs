//! The queues' limits: name, unit, reason.

/// Messages that are put in at once; each holds a chunk of text and a prefix.
pub const ENQUEUES_MAX: usize = 256;
/// Recipients of one queued message: an alias that forwards to a list has more than an SMTP transaction may.
pub const RECIPIENTS_MAX: usize = 1000;
/// Octets of an address, in UTF-8: local-part, `@` and domain (RFC 5321 §4.5.3.1), with room for quotes.
pub const ADDRESS_BYTES_MAX: usize = 512;
/// Characters of ENVID and ORCPT (RFC 3461 §4.4 and §4.2), xtext and all.
pub const DSN_TEXT_BYTES_MAX: usize = 600;
/// Octets of what a remote host said that are kept for the operator and the DSN; what is longer is cut.
pub const STATUS_BYTES_MAX: usize = 1024;
/// Octets of a host's or worker's name.
pub const NAME_BYTES_MAX: usize = 255;
/// Entries of one lease: several rounds of work for one worker.
pub const LEASE_ENTRIES_MAX: u32 = 256;
/// Destinations that one lease can pass over.
pub const NOT_DESTINATIONS_MAX: usize = 4096;
/// Seconds of a lease, at least: renewing has to have a chance.
pub const LEASE_SECONDS_MIN: u32 = 10;
/// Seconds of a lease, at most: so long is a message kept from others when its worker dies.
pub const LEASE_SECONDS_MAX: u32 = 3600;
/// Milliseconds that a Lease waits for something to be due.
pub const LEASE_WAIT_MS_MAX: u32 = 60_000;
/// Leases that one Renew is about.
pub const RENEWED_MAX: usize = 1024;
/// Leases and their like that wait at once: a fleet of workers asks with one each.
pub const LEASES_AT_ONCE_MAX: usize = 256;
/// Bodies that are read at once; each has a few chunks under way.
pub const READS_MAX: usize = 256;
/// Chunks of one body that wait to be sent.
pub const READ_CHUNKS_MAX: usize = 2;
/// Reports that come with one settlement: one each for success, failure and delay.
pub const NOTICES_MAX: usize = 8;
/// Entries on a page of a list.
pub const LISTED_MAX: u32 = 1000;
/// Destinations on an operator's list.
pub const DESTINATIONS_LISTED_MAX: u32 = 10_000;
/// Jobs that wait for one file's writer; who comes later waits for a place.
pub const QUEUED_JOBS_MAX: usize = 1024;
/// Jobs that share one commit: bounds how long the first waits for the last.
pub const JOBS_PER_COMMIT_MAX: usize = 256;
/// Milliseconds without a job after which the writer looks after its file.
pub const IDLE_MS: u64 = 250;
/// Reading connections that stay open for one file.
pub const READERS_KEPT_MAX: usize = 4;
/// Seconds between two looks of the metrics at the files.
pub const METERS_SECONDS: u64 = 15;
/// Destinations that have a metric of their own; all others are `other`. Names are given once and never taken back, so this
/// bounds the metrics for the life of the process.
pub const METERED_DESTINATIONS_MAX: usize = 100;
/// Queue files of one node: their number is an octet of an entry's number.
pub const FILES_MAX: usize = 256;

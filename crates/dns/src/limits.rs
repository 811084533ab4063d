//! What a look-up may take.

use std::time::Duration;

/// How long a look-up may take with all its queries: a client at the other end waits no longer for a step (RFC 5321
/// §4.5.3.2 gives minutes, and one message asks for dozens of names).
pub const LOOKUP_TIME_MAX: Duration = Duration::from_secs(10);
/// How long one server has for one query, before another is asked.
pub const QUERY_TIME_MAX: Duration = Duration::from_millis(2500);
/// Times that a query is sent again, to another server where there is one.
pub const RETRIES_MAX: usize = 2;
/// Look-ups at once in a process; the next one waits within its own time.
pub const LOOKUPS_MAX: usize = 1024;
/// CNAMEs that are followed from one name: chains in use have two or three. A loop ends here.
pub const CNAMES_MAX: usize = 8;
/// Records that are kept of an answer; no mail domain has a use for more, and a message of 64 KB holds thousands.
pub const RECORDS_MAX: usize = 128;
/// Octets that are kept of the TXT records of an answer: an RSA key of 4096 bits has 750.
pub const TXT_BYTES_MAX: usize = 16 * 1024;
/// How long an answer is kept, however long it says.
pub const TTL_MAX: Duration = Duration::from_secs(86_400);
/// How long an answer is kept at least: one message asks for the same name several times.
pub const TTL_MIN: Duration = Duration::from_secs(5);
/// How long "there is none" is kept (RFC 2308 §5 advises one to three hours).
pub const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(3600);
/// The same, where the answer does not say how long.
pub const NEGATIVE_TTL: Duration = Duration::from_secs(60);
/// How long a failure is kept: RFC 9520 §3.2 asks for a second at least and five minutes at most.
pub const FAILURE_TTL: Duration = Duration::from_secs(5);
/// Octets of the process's cache.
pub const CACHE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// What the validator remembers of record sets: each takes about a kilobyte.
pub const VALIDATIONS_MAX: usize = 16 * 1024;

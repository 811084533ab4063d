//! What a check may take.

use std::time::Duration;

/// Octets of a message's header that are kept for the checks. Headers in use have 5 to 50 KB; one over this is neither
/// verified nor signed.
pub const HEADER_BYTES_MAX: usize = 256 * 1024;
/// DKIM signatures of a message that are looked at, from the top: each may cost a look-up and a public key operation.
/// RFC 6376 §8.4 asks for a limit; mail in use has one to four.
pub const SIGNATURES_MAX: usize = 10;
/// Names of fields in `h=` of one signature, that of a chain included. The library looks through the whole header for each, and
/// through all names before it: a header full of them took seconds. Signatures in use name ten to fifty.
pub const SIGNED_NAMES_MAX: usize = 200;
/// ARC sets of a chain (RFC 8617 §4.2.1).
pub const ARC_SETS_MAX: usize = 50;
/// Domains in the From field that DMARC is asked of. There should be one (RFC 9989 §5.3.1); more is a permanent error.
pub const FROM_DOMAINS_MAX: usize = 4;
/// Keys that are looked up at once for a message.
pub const KEY_LOOKUPS_MAX: usize = 8;
/// How long the look-ups of one check may take together (RFC 7208 §4.6.4 asks for 20 seconds at least for SPF).
pub const CHECK_TIME_MAX: Duration = Duration::from_secs(20);
/// Terms of an SPF record that cause look-ups (RFC 7208 §4.6.4).
pub const SPF_LOOKUPS_MAX: u32 = 10;
/// Look-ups that find nothing (RFC 7208 §4.6.4).
pub const SPF_VOID_LOOKUPS_MAX: u32 = 2;
/// Hosts of an `mx`, names of a `ptr` (RFC 7208 §4.6.4).
pub const SPF_HOSTS_MAX: usize = 10;
/// Octets of an explanation that are passed on: it goes into one SMTP reply line (RFC 5321 §4.5.3.1.5).
pub const SPF_EXPLANATION_BYTES_MAX: usize = 400;
/// Names of an address that are tried (RFC 8601 §3 asks for a limit, as SPF has one).
pub const REVERSE_NAMES_MAX: usize = 10;

//! How much of one message is described: every limit of this crate, beside those in `model::limits`.
//!
//! ENVELOPE, BODY and BODYSTRUCTURE of one message travel in one frame of a session link
//! (`model::limits::FRAME_BYTES_MAX`), so together they stay under 960 KiB: an envelope under 256 KiB and two forms of
//! the structure under 352 KiB each.

/// Octets of the header of a part below the top that are looked at: fifty times what mail in the wild has.
pub const PART_HEADER_BYTES_MAX: usize = 48 * 1024;
/// Octets of the fields that are put in front of a message: trace, authentication results and an ARC set take some 4 KiB; the
/// results of a message with dozens of signatures several times that.
pub const PREFIX_BYTES_MAX: usize = 64 * 1024;
/// Octets of a line that can be a delimiter, with its line end (RFC 5322 §2.1.1: 998 and CRLF).
pub const DELIMITER_LINE_BYTES_MAX: usize = 1000;
/// Octets of a boundary. RFC 2046 §5.1.1 has 70; some senders exceed it.
pub const BOUNDARY_BYTES_MAX: usize = 250;
/// Octets of the structure's description after which no further part is described.
pub const DESCRIPTION_BYTES_MAX: usize = 224 * 1024;
/// Octets of one part's description; over it the part is described by its type alone.
pub const PART_DESCRIPTION_BYTES_MAX: usize = 64 * 1024;
/// What one part costs in the description besides its strings: parentheses, numbers, NILs.
pub const PART_OVERHEAD_BYTES: usize = 64;
/// Parameters of one field that are described.
pub const PARAMETERS_MAX: usize = 256;
/// Octets of one string (a subject, a parameter's value) in a description; what is longer is cut.
pub const STRING_BYTES_MAX: usize = 16 * 1024;
/// Octets of one string of an address; a path has 256 at most (RFC 5321 §4.5.3.1.3), a display name has no limit.
pub const ADDRESS_STRING_BYTES_MAX: usize = 1024;
/// Octets from which a string is a literal whatever it holds, so that quoting never doubles a long one.
pub const QUOTED_BYTES_MAX: usize = 1024;
/// Octets of an encoded word. RFC 2047 §2 has 75; whole subjects in one word are seen. Bounds the search for its end.
pub const ENCODED_WORD_BYTES_MAX: usize = 4096;
/// Octets of a subject that its base is taken from: prefixes are peeled off one by one, in quadratic time at worst.
pub const BASE_SUBJECT_BYTES_MAX: usize = 998;
/// Message ids of one field that are kept: longer threads have their oldest ids left out.
pub const MESSAGE_IDS_MAX: usize = 1000;
/// Octets of one message id (RFC 5322 §2.1.1: an id cannot be folded, a line has 998 at most).
pub const MESSAGE_ID_BYTES_MAX: usize = 998;
/// Octets of a charset's name that is kept (RFC 2978 §2.3 has 40).
pub const CHARSET_BYTES_MAX: usize = 40;
/// Octets of a leaf's body from which storing it once is worth a row of its own.
pub const SHARE_BYTES_MIN: u64 = 32 * 1024;

/// How large an envelope may grow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EnvelopeLimits {
    /// Octets of one string.
    pub(crate) string: usize,
    /// Octets of each of from, sender and reply-to.
    pub(crate) senders: usize,
    /// Octets after which no further address is added.
    pub(crate) addresses: usize,
}

/// The message's own envelope: under 256 KiB, some 3,000 recipients.
pub(crate) const ENVELOPE: EnvelopeLimits =
    EnvelopeLimits { string: STRING_BYTES_MAX, senders: 16 * 1024, addresses: 192 * 1024 };
/// The envelope of a message within the message: under 64 KiB.
pub(crate) const EMBEDDED_ENVELOPE: EnvelopeLimits =
    EnvelopeLimits { string: 4 * 1024, senders: 4 * 1024, addresses: 32 * 1024 };

//! Every limit of an SMTP conversation: name, unit, reason.

/// Octets of a command line with its CRLF: 512 (RFC 5321 §4.5.3.1.4), and what the extensions on offer may add to MAIL
/// and RCPT (SIZE 26, BODY 17, SMTPUTF8 10, RET 9, ENVID 107, REQUIRETLS 11, AUTH 506; NOTIFY 28, ORCPT 507), doubled for
/// addresses whose UTF-8 form is longer than the A-labels we count.
pub const COMMAND_LINE_BYTES_MAX: usize = 2_400;
/// Octets of a line of a SASL exchange with its CRLF (RFC 4954 §4).
pub const SASL_LINE_BYTES_MAX: usize = 12 * 1024;
/// Octets of one over-long command line that are skipped to find its end, so that its sender can be told; then we close.
pub const SKIPPED_LINE_BYTES_MAX: usize = 64 * 1024;
/// Octets of a path with its angle brackets and source route (RFC 5321 §4.5.3.1.3 asks for 256 at least).
pub const PATH_BYTES_MAX: usize = 512;
/// Octets of the name in HELO and EHLO, as for any domain (RFC 5321 §4.5.3.1.2).
pub const HELLO_BYTES_MAX: usize = 255;
/// Octets of one line of text with its CRLF. RFC 5321 §4.5.3.1.6 has senders keep to 1,000, and many do not (HTML in one
/// line); nothing here holds a line, so the limit only stops what no person wrote.
pub const TEXT_LINE_BYTES_MAX: u64 = 1024 * 1024;
/// Octets that are read and thrown away after a message was refused in mid-transfer, so that the sender reads the reply
/// and not a reset; then we close.
pub const DISCARDED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Syntax and sequence errors of one connection before it is closed: more than a person at a terminal makes.
pub const ERRORS_MAX: u32 = 20;
/// Failed sign-ins of one connection before it is closed.
pub const FAILED_SIGN_INS_MAX: u32 = 3;
/// Recipients refused on one connection before it is closed: a whole transaction of them, but no dictionary.
pub const REFUSED_RECIPIENTS_MAX: u32 = 100;
/// Recipients over the limit of a transaction that are put off (452) on one connection before it is closed: a list's sender
/// may name all of them in one go (RFC 5321 §4.5.3.1.10) and must not lose those that were taken.
pub const SURPLUS_RECIPIENTS_MAX: u32 = 10_000;
/// Commands in a row that bring no message nearer (NOOP, RSET, VRFY, HELP, EHLO …) before the connection is closed.
pub const IDLE_COMMANDS_MAX: u32 = 100;
/// Transactions of one connection; a busy sender opens another (advertised as MAILMAX, RFC 9422).
pub const TRANSACTIONS_MAX: u32 = 1_000;
/// Octets of one reply line with its CRLF (RFC 5321 §4.5.3.1.5).
pub const REPLY_LINE_BYTES_MAX: usize = 512;
/// Lines of one reply that a client reads: no server known sends 40.
pub const REPLY_LINES_MAX: usize = 128;

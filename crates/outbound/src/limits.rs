//! Every limit of outbound: name, unit, reason. What SMTP's grammar bounds is in `smtp::limits`.

/// Seconds to reach one address: three lost SYN segments.
pub const CONNECT_SECONDS_MAX: u64 = 20;
/// Seconds for the greeting (RFC 5321 §4.5.3.2.1).
pub const GREETING_SECONDS_MAX: u64 = 300;
/// Seconds for the answers to EHLO, HELO, STARTTLS, AUTH and RSET, for which RFC 5321 names none: as to MAIL.
pub const HELLO_SECONDS_MAX: u64 = 300;
/// Seconds for a TLS handshake: slow machines, but no parking place.
pub const HANDSHAKE_SECONDS_MAX: u64 = 60;
/// Seconds for the answer to MAIL (RFC 5321 §4.5.3.2.2).
pub const MAIL_SECONDS_MAX: u64 = 300;
/// Seconds for the answer to RCPT (RFC 5321 §4.5.3.2.3).
pub const RCPT_SECONDS_MAX: u64 = 300;
/// Seconds for the answer to DATA (RFC 5321 §4.5.3.2.4).
pub const DATA_SECONDS_MAX: u64 = 120;
/// Seconds for the server to take one block of text (RFC 5321 §4.5.3.2.5).
pub const BLOCK_SECONDS_MAX: u64 = 180;
/// Seconds for the answer to the final dot (RFC 5321 §4.5.3.2.6): giving up earlier makes duplicates.
pub const END_SECONDS_MAX: u64 = 600;
/// Seconds for a server that broke off to have said why: what it sent before is on its way already.
pub const LAST_WORD_SECONDS_MAX: u64 = 5;
/// Seconds for the answer to QUIT: nobody needs it.
pub const QUIT_SECONDS_MAX: u64 = 2;
/// Seconds without text from the node before a message is given up for now.
pub const TEXT_SECONDS_MAX: u64 = 60;

/// Octets read from a server at once.
pub const READ_BYTES: usize = 8 * 1024;
/// Octets of text that are written at once.
pub const BLOCK_BYTES: usize = 64 * 1024;
/// Recipients in one transaction: what every server must take (RFC 5321 §4.5.3.1.8).
pub const TRANSACTION_RECIPIENTS_MAX: usize = 100;
/// Messages over one connection, so that load balancers of big destinations get to spread us.
pub const CONNECTION_MESSAGES_MAX: u32 = 100;
/// Seconds that an unused connection is kept: more than between two messages of a burst, less than annoys.
pub const IDLE_SECONDS_MAX: u64 = 5;
/// Hosts of a destination that one attempt goes through: a working one is among the first.
pub const HOSTS_MAX: usize = 10;
/// Addresses of one host that one attempt goes through.
pub const HOST_ADDRESSES_MAX: usize = 4;
/// Octets of a server's text that are kept for the sender's notice and the operator.
pub const REPLY_TEXT_BYTES_MAX: usize = 1_000;
/// Connections that wait for the next message, to all destinations together: descriptors of the process.
pub const IDLE_CONNECTIONS_MAX: usize = 256;

/// Seconds for one HTTPS request as a whole: a policy (RFC 8461 §3.3 proposes a minute), a webhook's answer, a report.
pub const HTTPS_SECONDS_MAX: u64 = 30;
/// Octets of the header of an HTTPS answer.
pub const HTTPS_HEADER_BYTES_MAX: usize = 16 * 1024;
/// Addresses of one HTTPS host that are tried.
pub const HTTPS_ADDRESSES_MAX: usize = 3;
/// Redirects that a webhook's call follows.
pub const REDIRECTS_MAX: usize = 3;
/// Octets of a webhook's answer that are read: only its status matters.
pub const WEBHOOK_ANSWER_BYTES_MAX: usize = 4 * 1024;
/// Octets of a message that a webhook is called with; its JSON is held in memory, with attachments in base64.
pub const WEBHOOK_MESSAGE_BYTES_MAX: u64 = 25 * 1024 * 1024;
/// Webhooks with big messages that are called at once: each holds several times the message.
pub const WEBHOOK_BIG_CALLS_MAX: usize = 2;
/// Octets from which a webhook's message is big.
pub const WEBHOOK_BIG_BYTES_MIN: u64 = 1024 * 1024;
/// Parts of a message that a webhook's JSON lists.
pub const WEBHOOK_PARTS_MAX: usize = 1_000;
/// Fields of a message that a webhook's JSON lists.
pub const WEBHOOK_FIELDS_MAX: usize = 1_000;

/// Octets of an MTA-STS policy (RFC 8461 §3.3 lets a sender stop there).
pub const POLICY_BYTES_MAX: usize = 64 * 1024;
/// MX patterns of a policy.
pub const POLICY_PATTERNS_MAX: usize = 100;
/// Seconds that a policy may be kept at most: a year (RFC 8461 §3.2).
pub const POLICY_SECONDS_MAX: u64 = 31_557_600;
/// Seconds for which a policy that could not be fetched is not fetched again (RFC 8461 §3.3: no more than every five minutes).
pub const POLICY_RETRY_SECONDS: u64 = 300;

/// Domains with policies that one day's TLS reports hold.
pub const REPORT_POLICIES_MAX: usize = 10_000;
/// Kinds of failure of one policy that a report tells apart.
pub const REPORT_FAILURES_MAX: usize = 100;
/// Places that one domain's report goes to.
pub const REPORT_PLACES_MAX: usize = 5;
/// Seconds over which the sending of a day's reports is spread (RFC 8460 §4.1: no burst at midnight).
pub const REPORT_SPREAD_SECONDS_MAX: u64 = 4 * 3600;

//! What the session says, with the codes of RFC 5321 §4.2 and RFC 3463; the one place where errors become replies.

use super::Config;
use crate::command::CommandError;
use crate::content::ContentFault;
use crate::limits::TRANSACTIONS_MAX;
use crate::reply::Reply;
use std::borrow::Cow;

/// Plain success.
pub const OK: Reply = Reply::new(250, 0, 0, "OK");
/// For [`super::Event::Mail`].
pub const SENDER_OK: Reply = Reply::new(250, 1, 0, "Sender OK");
/// For [`super::Event::Recipient`].
pub const RECIPIENT_OK: Reply = Reply::new(250, 1, 5, "Recipient OK");
/// For [`super::Event::Data`].
pub const START_INPUT: Reply = Reply::bare(354, Cow::Borrowed("Send the message, end with CRLF.CRLF"));
/// For [`super::Event::Auth`] (RFC 4954 §6).
pub const SIGNED_IN: Reply = Reply::new(235, 7, 0, "Welcome");
/// For [`super::Event::Auth`]: the same words for an unknown name and a wrong password.
pub const WRONG_PASSWORD: Reply = Reply::new(535, 7, 8, "Wrong name or password");
/// For [`super::Session::close`] before the greeting.
pub const EARLY_TALKER: Reply = Reply::new(521, 5, 1, "Wait for the greeting");
/// For [`super::Session::close`] when too long nothing came (RFC 5321 §4.5.3.2.7).
pub const TIMED_OUT: Reply = Reply::new(421, 4, 2, "Timed out, closing");
/// For [`super::Session::close`] when a message takes too long, however steadily it trickles.
pub const TOO_SLOW: Reply = Reply::new(421, 4, 2, "The message takes too long, closing");
/// For [`super::Session::close`] when this process stops.
pub const SHUTTING_DOWN: Reply = Reply::new(421, 3, 2, "Shutting down, try again");
/// For [`super::Session::close`] at the door.
pub const TOO_MANY_CONNECTIONS: Reply = Reply::new(421, 7, 0, "Too many connections, try again later");

pub(super) const BYE: Reply = Reply::new(221, 0, 0, "Bye");
pub(super) const CANNOT_VERIFY: Reply = Reply::new(252, 0, 0, "Not verified; send the message to find out");
pub(super) const HELP: Reply = Reply::new(214, 0, 0, "RFC 5321 describes the commands");
pub(super) const READY_FOR_TLS: Reply = Reply::new(220, 0, 0, "Ready for TLS");

pub(super) const SIGN_IN_FIRST: Reply = Reply::new(530, 7, 0, "Sign in first");
pub(super) const TLS_FIRST: Reply = Reply::new(530, 7, 0, "Say STARTTLS first");
pub(super) const NO_PASSWORD_IN_THE_CLEAR: Reply = Reply::new(538, 7, 11, "Passwords are taken through TLS only");
pub(super) const SIGNED_IN_ALREADY: Reply = Reply::new(503, 5, 1, "Somebody is signed in already");
pub(super) const AUTH_IN_TRANSACTION: Reply = Reply::new(503, 5, 1, "AUTH cannot stand within a transaction");
pub(super) const NO_SUCH_MECHANISM: Reply = Reply::new(504, 5, 4, "The mechanisms are PLAIN and LOGIN");
pub(super) const NOT_BASE64: Reply = Reply::new(501, 5, 2, "The response is not base64");
pub(super) const SASL_GIVEN_UP: Reply = Reply::new(501, 7, 0, "Given up");
pub(super) const SASL_LINE_TOO_LONG: Reply = Reply::new(500, 5, 6, "The response is too long");
pub(super) const TOO_MANY_SIGN_INS: Reply = Reply::new(421, 7, 0, "Too many failed sign-ins, closing");
pub(super) const BARE_LF: Reply = Reply::new(500, 5, 2, "LF without CR");
pub(super) const LINE_TOO_LONG: Reply = Reply::new(500, 5, 2, "Line too long");
pub(super) const LINE_ENDLESS: Reply = Reply::new(421, 5, 2, "Line too long, closing");
pub(super) const HELLO_FIRST: Reply = Reply::new(503, 5, 1, "Say EHLO or HELO first");
pub(super) const NESTED_MAIL: Reply = Reply::new(503, 5, 1, "MAIL was given already");
pub(super) const MAIL_FIRST: Reply = Reply::new(503, 5, 1, "Give MAIL first");
pub(super) const RECIPIENT_FIRST: Reply = Reply::new(503, 5, 1, "Give RCPT first");
pub(super) const NO_RECIPIENT: Reply = Reply::new(554, 5, 1, "No valid recipients");
pub(super) const DATA_AFTER_BDAT: Reply = Reply::new(503, 5, 1, "DATA cannot follow BDAT");
pub(super) const NO_EXPN: Reply = Reply::new(502, 5, 1, "EXPN is not implemented");
pub(super) const NO_STARTTLS: Reply = Reply::new(503, 5, 1, "STARTTLS is not on offer now");
pub(super) const TALKED_ACROSS_STARTTLS: Reply = Reply::new(421, 5, 1, "Wait for TLS, closing");
pub(super) const PARAMETER: Reply = Reply::new(555, 5, 4, "Parameter not recognised or not implemented");
pub(super) const UTF8_NOT_ASKED: Reply = Reply::new(553, 6, 7, "The address needs SMTPUTF8");
pub(super) const TOO_BIG: Reply = Reply::new(552, 3, 4, "Message too big");
pub(super) const TOO_MANY_RECIPIENTS: Reply =
    Reply::new(452, 5, 3, "Too many recipients, send to the rest in another message");
pub(super) const TOO_MANY_REFUSED: Reply = Reply::new(421, 7, 0, "Too many recipients refused, closing");
pub(super) const TOO_MANY_ERRORS: Reply = Reply::new(421, 7, 0, "Too many errors, closing");
pub(super) const TOO_MANY_COMMANDS: Reply = Reply::new(421, 7, 0, "Too many commands without a message, closing");
pub(super) const TOO_MANY_TRANSACTIONS: Reply =
    Reply::new(421, 7, 0, "Too many messages on one connection, connect again");

pub(super) fn greeting(hostname: &str) -> Reply {
    Reply::bare(220, format!("{hostname} ESMTP").into())
}

pub(super) fn helo(hostname: &str) -> Reply {
    Reply::bare(250, hostname.to_owned().into())
}

/// RFC 5321 §4.1.1.1, and what is on offer now.
pub(super) fn ehlo(config: &Config, client: &str, tls: bool) -> Reply {
    let Config { hostname, size_max, recipients_max, starttls, dsn, sign_in } = config;
    let mut text = format!("{hostname} greets {client}\nPIPELINING\nSIZE {size_max}\n8BITMIME\nSMTPUTF8\nCHUNKING\n");
    if *starttls && !tls {
        text.push_str("STARTTLS\n");
    }
    if *dsn {
        text.push_str("DSN\n");
    }
    if *dsn && tls {
        text.push_str("REQUIRETLS\n");
    }
    if sign_in.takes_passwords(tls) {
        text.push_str("AUTH PLAIN LOGIN\n");
    }
    text.push_str("ENHANCEDSTATUSCODES\n");
    // RFC 9422.
    text.push_str(&format!("LIMITS MAILMAX={TRANSACTIONS_MAX} RCPTMAX={recipients_max}"));
    Reply::bare(250, text.into())
}

pub(super) fn chunk_taken(size: u64) -> Reply {
    Reply::with_text(250, 0, 0, format!("{size} octets received"))
}

pub(super) fn for_error(error: CommandError) -> Reply {
    match error {
        CommandError::Unknown => Reply::new(500, 5, 2, "Command not recognised"),
        CommandError::NotImplemented => Reply::new(502, 5, 1, "Command not implemented"),
        CommandError::Foreign => Reply::new(421, 5, 2, "This is SMTP, closing"),
        CommandError::BareCr => Reply::new(500, 5, 2, "CR without LF"),
        CommandError::Octet => Reply::new(500, 5, 2, "Control character or malformed UTF-8"),
        CommandError::Name => Reply::new(501, 5, 4, "Expected a domain or an address literal"),
        CommandError::Argument(expected) => Reply::with_text(501, 5, 4, format!("Expected {expected}")),
        CommandError::ChunkSize => Reply::new(421, 5, 4, "Malformed chunk size, closing"),
        CommandError::ReversePath(why) => Reply::with_text(501, 1, 7, format!("Bad sender address: {why}")),
        CommandError::ForwardPath(why) => Reply::with_text(501, 1, 3, format!("Bad recipient address: {why}")),
        CommandError::Parameter => PARAMETER,
        CommandError::ParameterValue => Reply::new(501, 5, 4, "Malformed parameter"),
    }
}

pub(super) fn for_fault(fault: ContentFault) -> Reply {
    match fault {
        ContentFault::BareCr => Reply::new(554, 5, 2, "Message has a CR without LF"),
        ContentFault::BareLf => Reply::new(554, 5, 2, "Message has a LF without CR"),
        ContentFault::Nul => Reply::new(554, 6, 0, "Message has a NUL octet"),
        ContentFault::LineTooLong => Reply::new(554, 6, 0, "Message has a line that is too long"),
        ContentFault::TooBig => TOO_BIG,
    }
}

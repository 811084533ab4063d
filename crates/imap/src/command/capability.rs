//! CAPABILITY (RFC 3501 §6.1.1): what the connection can do in the state it is in.

use crate::session::Session;
use crate::session::answer::{Answer, Outcome};

/// Always there.
const COMMON: &str = "IMAP4rev1 LITERAL+ ID ENABLE SASL-IR";
/// Only after sign-in: they say nothing to those who are not.
const SIGNED_IN: &str = "IDLE NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE SPECIAL-USE CREATE-SPECIAL-USE CONDSTORE";

/// The capabilities, separated by spaces.
pub fn list(session: &Session) -> String {
    if session.account.is_some() {
        return format!("{COMMON} {SIGNED_IN}");
    }
    let starttls = if session.can_start_tls() { " STARTTLS" } else { "" };
    // RFC 3501 §6.2.3: LOGINDISABLED where a password would go over the wire in the clear.
    let sign_in = if session.may_sign_in() { "AUTH=PLAIN" } else { "LOGINDISABLED" };
    format!("{COMMON}{starttls} {sign_in}")
}

/// Answers it.
///
/// # Errors
/// None.
pub fn run(session: &mut Session) -> Outcome {
    let line = format!("* CAPABILITY {}\r\n", list(session));
    session.connection.out.extend_from_slice(line.as_bytes());
    Ok(Answer::ok("Done"))
}

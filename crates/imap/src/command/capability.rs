//! CAPABILITY (RFC 3501 §6.1.1): what the connection can do in the state it is in.

use crate::session::Session;
use crate::session::answer::{Answer, Outcome};

/// Always there.
const COMMON: &str = "IMAP4rev1 IMAP4rev2 LITERAL+ ID ENABLE SASL-IR";
/// Only after sign-in: they say nothing to those who are not.
const SIGNED_IN: &str = "IDLE NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS \
    STATUS=SIZE LIST-METADATA METADATA QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE QUOTA=RES-MAILBOX CONDSTORE";

/// Likewise: what a session is told, and in which form.
const STATE: &str = "QRESYNC NOTIFY UTF8=ACCEPT UIDONLY UNAUTHENTICATE INPROGRESS MESSAGELIMIT=";

/// Likewise: messages in and out.
const MESSAGES: &str = "APPENDLIMIT= BINARY CATENATE COMPRESS=DEFLATE MULTIAPPEND OBJECTID PREVIEW REPLACE SAVEDATE";

/// Likewise: finding messages.
const FIND: &str = "ESEARCH SEARCHRES WITHIN SEARCH=FUZZY MULTISEARCH PARTIAL UIDBATCHES SORT SORT=DISPLAY ESORT \
    THREAD=ORDEREDSUBJECT THREAD=REFERENCES THREAD=REFS CONTEXT=SEARCH CONTEXT=SORT I18NLEVEL=1 XREGEX";

/// The capabilities, separated by spaces.
pub fn list(session: &Session) -> String {
    if session.account.is_some() {
        // RFC 7889 §2: one limit for all folders.
        let limit = format!("APPENDLIMIT={}", session.shared.settings.message_bytes_max);
        return format!(
            "{COMMON} {SIGNED_IN} {STATE}{} {FIND} {}",
            session.shared.settings.messages_per_command_max,
            MESSAGES.replace("APPENDLIMIT=", &limit)
        );
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

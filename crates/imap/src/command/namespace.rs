//! NAMESPACE (RFC 2342): one personal namespace without a prefix.

use crate::session::Session;
use crate::session::answer::{Answer, Outcome};

/// Answers it.
///
/// # Errors
/// BAD before sign-in.
pub fn run(session: &mut Session) -> Outcome {
    session.account()?;
    session.connection.out.extend_from_slice(b"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
    Ok(Answer::ok("Done"))
}

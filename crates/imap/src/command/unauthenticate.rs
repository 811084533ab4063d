//! UNAUTHENTICATE (RFC 8437): the owner leaves, the connection stays.

use crate::session::Session;
use crate::session::answer::{Answer, Outcome, Updates};

/// Back to the not authenticated state. The selected folder is left without expunging, and what was enabled is not any more
/// (RFC 8437 §3); TLS stays as it is.
///
/// # Errors
/// BAD before sign-in.
pub fn run(session: &mut Session) -> Outcome {
    session.account()?;
    session.signed_out();
    Ok(Answer::ok("Signed out").telling(Updates::Nothing))
}

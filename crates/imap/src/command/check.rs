//! CHECK (RFC 3501 §6.4.1): a checkpoint. Every change is on stable storage before its answer, so there is nothing to do.

use crate::session::Session;
use crate::session::answer::{Answer, Outcome};

/// Answers it.
///
/// # Errors
/// BAD without a selected folder.
pub fn run(session: &mut Session) -> Outcome {
    session.selected()?;
    Ok(Answer::ok("Everything is stored"))
}

//! LOGOUT (RFC 3501 §6.1.3).

use crate::session::Session;
use crate::session::answer::{Answer, End, Outcome};

/// Says BYE and OK, and ends the connection.
///
/// # Errors
/// Always [`End::Logout`], or the connection's own end.
pub async fn run(session: &mut Session, tag: &str) -> Outcome {
    session.connection.out.extend_from_slice(b"* BYE Until the next time\r\n");
    Answer::ok("Done").write(&mut session.connection.out, Some(tag));
    session.connection.flush().await?;
    Err(End::Logout.into())
}

//! STARTTLS (RFC 3501 §6.2.1).

use crate::session::Session;
use crate::session::answer::{Answer, End, Outcome, Stop};
use crate::session::transport::Transport;
use daemon::doors::HANDSHAKE;

/// Answers in the clear, then goes on inside TLS as though the connection were new.
///
/// # Errors
/// BAD when it is not possible; the connection's end.
pub async fn run(session: &mut Session, tag: &str) -> Outcome {
    if session.connection.transport.is_tls() {
        return Ok(Answer::bad("TLS is on already"));
    }
    if session.account.is_some() {
        return Ok(Answer::bad("Somebody is signed in already"));
    }
    if session.connection.transport.is_compressed() {
        return Ok(Answer::bad("TLS goes below compression, not into it"));
    }
    Answer::ok("Begin").write(&mut session.connection.out, Some(tag));
    session.connection.flush().await?;
    // What came in the clear after STARTTLS could be anybody's, and must not be read as though it came through TLS
    // (RFC 9051 §6.2.1; CVE-2011-0411).
    session.connection.input.clear();
    let transport = std::mem::replace(&mut session.connection.transport, Transport::Closed);
    let Transport::Open(stream) = transport else { return Err(End::Broken.into()) };
    session.connection.transport = Transport::Open(stream.start_tls(&session.shared.tls, HANDSHAKE).await?);
    // The tagged answer has been given: there is none inside.
    Err(Stop::Answered)
}

//! COMPRESS (RFC 4978): from the answer on, everything is deflated in both directions.

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::session::Session;
use crate::session::answer::{Answer, Outcome, Stop};

/// Reads the algorithm, of which there is one.
///
/// # Errors
/// It is another one.
pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.space()?;
    let known = cursor.atom()?.eq_ignore_ascii_case("DEFLATE");
    if known { Ok(()) } else { Err(Malformed("The only algorithm is DEFLATE")) }
}

/// Answers as it is, then goes on deflated.
///
/// # Errors
/// BAD before sign-in, or when something follows that was sent without waiting; NO when it is on already.
pub async fn run(session: &mut Session, tag: &str) -> Outcome {
    session.account()?;
    if session.connection.transport.is_compressed() {
        return Ok(Answer::refused("COMPRESSIONACTIVE", "Everything is deflated already"));
    }
    // RFC 4978 §3: the client sends nothing before it knows the answer; what is here could be read in two ways.
    if session.connection.input.is_midway() {
        return Ok(Answer::bad("COMPRESS cannot be pipelined: wait for its answer"));
    }
    Answer::ok("DEFLATE active").write(&mut session.connection.out, Some(tag));
    session.connection.flush().await?;
    session.connection.transport.compress();
    // The tagged answer has been given.
    Err(Stop::Answered)
}

//! ID (RFC 2971): what program each side is. What the client says is checked and forgotten.

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::limits::ID_FIELDS_MAX;
use crate::session::Session;
use crate::session::answer::{Answer, Outcome};

/// Reads `NIL` or a list of field and value pairs.
///
/// # Errors
/// It is neither.
pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.space()?;
    if cursor.peek() != Some(b'(') {
        return match cursor.nstring()? {
            None => Ok(()),
            Some(_) => Err(Malformed("Expected NIL or a list of fields")),
        };
    }
    cursor.list(ID_FIELDS_MAX, |cursor| {
        cursor.string()?;
        cursor.space()?;
        cursor.nstring().map(drop)
    })?;
    Ok(())
}

/// Answers it.
///
/// # Errors
/// None.
pub fn run(session: &mut Session) -> Outcome {
    let line = concat!("* ID (\"name\" \"Brevdue\" \"version\" \"", env!("CARGO_PKG_VERSION"), "\")\r\n");
    session.connection.out.extend_from_slice(line.as_bytes());
    Ok(Answer::ok("Pleased to meet you"))
}

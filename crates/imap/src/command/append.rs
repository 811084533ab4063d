//! APPEND (RFC 3501 §6.3.11) of one message or several (RFC 3502), made of pieces or not (RFC 4469), and REPLACE (RFC 8508),
//! with APPENDUID (RFC 4315 §3). Here is how such a command begins; `transfer` takes the messages to the node as they come.

mod grammar;
mod transfer;
mod url;

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::sequence::Bound;
use crate::codec::{Announced, Name, SequenceSet, name};
use crate::session::answer::{Outcome, Stop};
use crate::session::{Enabled, Session};
use grammar::{Chunk, Ending, Place};
use model::Uid;

/// APPEND or REPLACE, up to the octets of its first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The message that is replaced.
    replaces: Option<Replaces>,
    /// Where to.
    to: Name,
    /// What stands before the octets.
    first: Chunk,
}

/// Which message a REPLACE replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Replaces {
    /// UID REPLACE.
    by_uid: bool,
    /// The one message.
    number: SequenceSet,
}

/// What a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// An APPEND or REPLACE; the literal that the text announces, if any, is octets of its message.
    Message(String, Box<Append>),
    /// One that goes wrong before its message.
    Bad(String, Malformed),
    /// Another command, or one whose literal is not octets of a message.
    Other,
}

/// Looks at a text. `announces`: it ends with the announcement of a literal, which has not been read.
pub fn head(text: &[u8], announces: bool, enabled: Enabled) -> Head {
    let mut cursor = Cursor::new(text).with_utf8_names(enabled.utf8_names());
    let Ok(tag) = cursor.tag() else { return Head::Other };
    let replaces = match cursor.take(b' ').then(|| verb(&mut cursor)) {
        Some(Some(verb)) => verb,
        Some(None) | None => return Head::Other,
    };
    let bad = |malformed| Head::Bad(tag.to_owned(), malformed);
    let replaces = match replaces.map(|by_uid| Replaces::parse(&mut cursor, by_uid)).transpose() {
        Ok(replaces) => replaces,
        Err(malformed) => return bad(malformed),
    };
    // The literal at the end of the text has not been read, so it cannot be the folder if it starts here and now.
    let one_line = || memchr::memchr(b'\n', cursor.rest()) == cursor.rest().len().checked_sub(1);
    if announces && cursor.peek() == Some(b'{') && one_line() {
        return Head::Other;
    }
    match Append::parse(&mut cursor, replaces, announces) {
        Ok(append) if append.first.ending == Ending::Text => Head::Other,
        Ok(append) => Head::Message(tag.to_owned(), Box::new(append)),
        Err(malformed) => bad(malformed),
    }
}

/// `None` for another verb; for REPLACE, whether it is by UID.
fn verb(cursor: &mut Cursor<'_>) -> Option<Option<bool>> {
    let verbs = [("APPEND ", None), ("REPLACE ", Some(false)), ("UID REPLACE ", Some(true))];
    verbs.into_iter().find_map(|(verb, replaces)| cursor.word(verb).then_some(replaces))
}

impl Replaces {
    /// `seq-number` or `uniqueid`, and a space.
    fn parse(cursor: &mut Cursor<'_>, by_uid: bool) -> Parsed<Self> {
        let bound = if !by_uid && cursor.take(b'*') { Bound::Star } else { Bound::Number(cursor.nz_number()?) };
        cursor.space()?;
        let number = SequenceSet::new(vec![(bound, bound)]).ok_or(Malformed("Expected the number of a message"))?;
        Ok(Self { by_uid, number })
    }

    /// The message's folder and UID.
    fn resolve(&self, session: &mut Session) -> Result<(u64, Option<Uid>), Stop> {
        let selected = session.selected_for_change()?;
        let uids = selected.uids(&self.number, self.by_uid)?;
        Ok((selected.view.folder, uids.first()))
    }
}

impl Append {
    fn parse(cursor: &mut Cursor<'_>, replaces: Option<Replaces>, announces: bool) -> Parsed<Self> {
        let to = name::parse(cursor)?;
        let first = grammar::chunk(Place::First, cursor, announces, replaces.is_some())?;
        Ok(Self { replaces, to, first })
    }

    /// Takes the messages and stores them, all or none.
    ///
    /// # Errors
    /// BAD in the wrong state; NO with TRYCREATE, TOOBIG, OVERQUOTA, BADURL, UNKNOWN-CTE; the end of the connection.
    pub async fn run(self, session: &mut Session, announced: Option<Announced>) -> Outcome {
        let outcome = transfer::run(self, session, announced).await;
        // An OK has read the command to its end. Else what is left of it must not be read as another one.
        if !matches!(&outcome, Ok(answer) if answer.is_ok()) {
            session.connection.input.give_up();
        }
        outcome
    }
}

#[cfg(test)]
mod tests;

//! APPEND (RFC 3501 §6.3.11), with APPENDUID (RFC 4315 §3). The message goes to the node as it comes.
//!
//! Invariant: the node is told that the message is whole only after the rest of the command has been read and is well formed.

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::{Announced, FlagList, Name, Step, date, name};
use crate::limits::{READ_STALL, UPLOAD_PIECE_BYTES};
use crate::session::answer::{Answer, Code, End, Outcome, Stop, failure_of_target};
use crate::session::{Enabled, Session};
use model::Uid;
use node_client::Upload;
use tokio::time::timeout;
use wire::convert::keyword_texts;
use wire::session::Appended;

/// APPEND, but for its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub to: Name,
    /// The message's flags.
    pub flags: FlagList,
    /// Its INTERNALDATE in milliseconds since 1970-01-01 UTC; now when it is not given.
    pub internal_date_ms: Option<i64>,
}

/// What a text is that announces a literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// The head of an APPEND, and the literal is the message.
    Message(String, Append),
    /// An APPEND that goes wrong before its message.
    Bad(String, Malformed),
    /// Another command, or an APPEND whose folder is the literal.
    Other,
}

/// Looks at a text that announces a literal at its end.
pub fn head(text: &[u8], enabled: Enabled) -> Head {
    let mut cursor = Cursor::new(text).with_utf8_names(enabled.utf8_names());
    let Ok(tag) = cursor.tag() else { return Head::Other };
    if !(cursor.take(b' ') && cursor.word("APPEND ")) {
        return Head::Other;
    }
    // The literal at the end of the text has not been read, so it cannot be the folder if it starts here and now.
    if cursor.peek() == Some(b'{') && memchr::memchr(b'\n', cursor.rest()) == cursor.rest().len().checked_sub(1) {
        return Head::Other;
    }
    match Append::parse(&mut cursor) {
        Ok(append) => Head::Message(tag.to_owned(), append),
        Err(malformed) => Head::Bad(tag.to_owned(), malformed),
    }
}

impl Append {
    fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let to = name::parse(cursor)?;
        cursor.space()?;
        let mut flags = FlagList::default();
        if cursor.peek() == Some(b'(') {
            flags = FlagList::parse(cursor)?;
            cursor.space()?;
        }
        let mut internal_date_ms = None;
        if cursor.peek() == Some(b'"') {
            internal_date_ms = Some(date::date_time(cursor)?);
            cursor.space()?;
        }
        announcement(cursor)?;
        Ok(Self { to, flags, internal_date_ms })
    }

    /// Takes the message and stores it.
    ///
    /// # Errors
    /// BAD in the wrong state; NO with TRYCREATE, TOOBIG, OVERQUOTA; the end of the connection.
    pub async fn run(self, session: &mut Session, announced: Announced) -> Outcome {
        match self.begin(session, announced).await {
            Ok(upload) => receive(session, announced, upload).await,
            Err(stop) => {
                session.connection.input.refuse();
                Err(stop)
            }
        }
    }

    async fn begin(self, session: &mut Session, announced: Announced) -> Result<Upload, Stop> {
        let bytes_max = session.shared.settings.message_bytes_max;
        let account = session.account()?;
        let to = super::folder(self.to)?;
        if announced.octets > bytes_max {
            return Err(Answer::refused("TOOBIG", format!("A message has {bytes_max} octets at most")).into());
        }
        if announced.octets == 0 {
            // RFC 3502 §6.3.11: an empty literal is how a client gives up an append.
            return Err(Answer::no("An empty message is not stored").into());
        }
        if self.flags.overlong {
            let text = format!("A keyword has {} octets at most", model::limits::KEYWORD_BYTES_MAX);
            return Err(Answer::refused("LIMIT", text).into());
        }
        let append = wire::session::Append {
            folder: to.as_str().to_owned(),
            flags: self.flags.flags.bits(),
            keywords: keyword_texts(&self.flags.keywords),
            // On the wire 0 means now, so the epoch itself is off by the least there is.
            internal_date_ms: self.internal_date_ms.map_or(0, |ms| if ms == 0 { 1 } else { ms }),
            size: announced.octets,
            ..wire::session::Append::default()
        };
        account.node.append(append).await.map_err(|error| failure_of_target(&error).into())
    }
}

/// The announcement that the decoder found, and nothing else.
fn announcement(cursor: &mut Cursor<'_>) -> Parsed<()> {
    const EXPECTED: &str = "Expected flags, a date, or the message as a literal";
    cursor.expect(b'{', EXPECTED)?;
    let _ = cursor.while_(|byte| byte.is_ascii_digit());
    let _ = cursor.take(b'+');
    cursor.expect(b'}', EXPECTED)?;
    let _ = cursor.take(b'\r');
    cursor.expect(b'\n', EXPECTED)?;
    cursor.end()
}

async fn receive(session: &mut Session, announced: Announced, mut upload: Upload) -> Outcome {
    let connection = &mut session.connection;
    connection.input.stream();
    if announced.waits {
        connection.out.extend_from_slice(b"+ Ready for the message\r\n");
    }
    connection.flush().await?;
    while connection.input.literal_left() > 0 {
        let piece = connection.input.literal_piece(UPLOAD_PIECE_BYTES);
        if piece.is_empty() {
            stalled(connection.read_much()).await?;
            continue;
        }
        let sent = if memchr::memchr(0, &piece).is_some() {
            // CHAR8 = %x01-ff (RFC 3501 §9): it could never be sent back in a literal either.
            Err(Answer::refused("CANNOT", "A message with NUL octets cannot be stored"))
        } else {
            upload.send(piece).await.map_err(|error| failure_of_target(&error))
        };
        if let Err(answer) = sent {
            connection.input.abandon();
            return Ok(answer);
        }
    }
    end_of_command(session).await?;
    let appended = upload.finish().await.map_err(|error| failure_of_target(&error))?;
    Ok(answer(&appended))
}

/// After the message the command must end.
async fn end_of_command(session: &mut Session) -> Result<(), Stop> {
    loop {
        match session.connection.input.step() {
            Step::More => stalled(session.connection.read()).await?,
            Step::Command(rest) => return Ok(Cursor::new(&rest).end().map_err(Answer::from)?),
            Step::Literal(_) => {
                session.connection.input.refuse();
                return Err(Answer::bad("Only one message can be appended at once").into());
            }
            Step::Overlong(_) => return Err(Answer::bad("Unexpected text after the message").into()),
            Step::Hopeless => return Err(End::Bye(Some("TOOBIG"), "That is more than is worth reading").into()),
        }
    }
}

async fn stalled(read: impl Future<Output = Result<(), End>>) -> Result<(), End> {
    timeout(READ_STALL, read).await.unwrap_or(Err(End::Bye(None, "The message stayed unfinished for too long")))
}

fn answer(appended: &Appended) -> Answer {
    let answer = Answer::ok("Stored");
    match Uid::new(appended.uid) {
        Some(uid) => answer.with(Code::AppendUid(appended.uid_validity, uid)),
        None => answer,
    }
}

#[cfg(test)]
mod tests;

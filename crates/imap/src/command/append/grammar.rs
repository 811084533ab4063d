//! Reads the text of an APPEND or REPLACE between its literals (RFC 3501 §9, RFC 3502 §6.3.11, RFC 3516 §4.4, RFC 4469 §4,
//! RFC 6855 §4, RFC 8508 §4). What is done with what it says is left to the transfer.
//!
//! A message's literal is never part of a text: the text ends with its announcement, and the next one begins behind it.

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::{FlagList, date};
use crate::limits::CATENATE_PARTS_MAX;

/// Where a text begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the options of the first message, and the space before them.
    First,
    /// Behind a message.
    Behind,
    /// In the list of CATENATE, with so many parts before.
    Parts(usize),
    /// Behind the literal of UTF8, before its parenthesis.
    Utf8,
}

/// What stands before a message's octets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Options {
    /// The message's flags.
    pub(super) flags: FlagList,
    /// Its INTERNALDATE in milliseconds since 1970-01-01 UTC; now when it is not given.
    pub(super) internal_date_ms: Option<i64>,
    /// It is one literal, and so its size is known.
    pub(super) whole: bool,
}

/// One thing that a text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A message begins.
    Message(Options),
    /// The next octets of the message are where this URL says.
    Url(Vec<u8>),
}

/// How a text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With the command.
    Command,
    /// With a literal that is octets of the message: literal8 or not.
    Octets { binary: bool },
    /// With a literal that belongs to the text.
    Text,
}

/// What a text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) events: Vec<Event>,
    pub(super) ending: Ending,
    /// Where the next text begins.
    pub(super) next: Place,
}

/// Reads a text from `place` on. `announces`: it ends with the announcement of a literal. `one`: there is only one message.
pub(super) fn chunk(place: Place, cursor: &mut Cursor<'_>, announces: bool, one: bool) -> Parsed<Chunk> {
    let mut reader = Reader { cursor, announces, one, events: Vec::new() };
    let mut place = place;
    loop {
        let step = match place {
            Place::First => reader.message()?,
            Place::Behind => reader.behind()?,
            Place::Parts(count) => reader.part(count)?,
            Place::Utf8 => {
                reader.cursor.expect(b')', "Expected the closing parenthesis of UTF8")?;
                Step::To(Place::Behind)
            }
        };
        match step {
            Step::To(next) => place = next,
            Step::End(ending, next) => return Ok(Chunk { events: reader.events, ending, next }),
        }
    }
}

enum Step {
    To(Place),
    End(Ending, Place),
}

struct Reader<'a, 't> {
    cursor: &'a mut Cursor<'t>,
    announces: bool,
    one: bool,
    events: Vec<Event>,
}

impl Reader<'_, '_> {
    /// `append-message`, with the space before it.
    fn message(&mut self) -> Parsed<Step> {
        const EXPECTED: Malformed = Malformed("Expected flags, a date, or the message as a literal");
        self.cursor.space()?;
        let mut options = Options::default();
        if self.cursor.peek() == Some(b'(') {
            options.flags = FlagList::parse(self.cursor)?;
            self.cursor.space()?;
        }
        if self.cursor.peek() == Some(b'"') {
            options.internal_date_ms = Some(date::date_time(self.cursor)?);
            self.cursor.space()?;
        }
        if let Some(binary) = self.literal() {
            options.whole = true;
            self.events.push(Event::Message(options));
            return Ok(Step::End(Ending::Octets { binary }, Place::Behind));
        }
        if self.cursor.word("CATENATE (") {
            self.events.push(Event::Message(options));
            return Ok(Step::To(Place::Parts(0)));
        }
        if self.cursor.word("UTF8 (") {
            // RFC 6855 §4: its literal is a literal8.
            let binary = self.literal().filter(|binary| *binary).ok_or(Malformed("UTF8 holds a literal8"))?;
            options.whole = true;
            self.events.push(Event::Message(options));
            return Ok(Step::End(Ending::Octets { binary }, Place::Utf8));
        }
        Err(EXPECTED)
    }

    /// The end, or another message.
    fn behind(&mut self) -> Parsed<Step> {
        if !self.announces && self.cursor.end().is_ok() {
            return Ok(Step::End(Ending::Command, Place::Behind));
        }
        if self.one {
            return Err(Malformed("REPLACE takes one message"));
        }
        // The space is one (RFC 3502 §7), but Python's imapclient sends two between messages.
        if self.cursor.rest().starts_with(b"  ") {
            let _ = self.cursor.take(b' ');
        }
        self.message()
    }

    /// `cat-part`, or the end of the list.
    fn part(&mut self, count: usize) -> Parsed<Step> {
        if count > 0 {
            if self.cursor.take(b')') {
                return Ok(Step::To(Place::Behind));
            }
            self.cursor.space()?;
        }
        if count == CATENATE_PARTS_MAX {
            return Err(Malformed("CATENATE has too many parts"));
        }
        let next = Place::Parts(count + 1);
        if self.cursor.word("TEXT ") {
            let binary = self.literal().ok_or(Malformed("TEXT is followed by a literal"))?;
            return Ok(Step::End(Ending::Octets { binary }, next));
        }
        if !self.cursor.word("URL ") {
            return Err(Malformed("CATENATE is made of TEXT and URL"));
        }
        if self.literal() == Some(false) {
            return Ok(Step::End(Ending::Text, next));
        }
        let url = self.cursor.astring()?.into_owned();
        self.events.push(Event::Url(url));
        Ok(Step::To(next))
    }

    /// Takes the announcement at the end of the text, if it stands here; says whether it is of a literal8.
    fn literal(&mut self) -> Option<bool> {
        if !self.announces {
            return None;
        }
        let mut ahead = self.cursor.clone();
        let binary = ahead.take(b'~');
        announcement(&mut ahead).ok()?;
        *self.cursor = ahead;
        Some(binary)
    }
}

/// The announcement that the decoder found, and nothing else.
fn announcement(cursor: &mut Cursor<'_>) -> Parsed<()> {
    const EXPECTED: &str = "Expected a literal";
    cursor.expect(b'{', EXPECTED)?;
    let _ = cursor.while_(|byte| byte.is_ascii_digit());
    let _ = cursor.take(b'+');
    cursor.expect(b'}', EXPECTED)?;
    let _ = cursor.take(b'\r');
    cursor.expect(b'\n', EXPECTED)?;
    if cursor.rest().is_empty() { Ok(()) } else { Err(Malformed(EXPECTED)) }
}

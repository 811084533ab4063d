//! The keys of a SEARCH (RFC 3501 §9 search-key), as the client wrote them.

use super::charset::Charset;
use crate::codec::SequenceSet;
use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::date;
use crate::codec::object_id::{self, Object};
use model::{Flag, Keyword};
use wire::session::DateRelation;

/// Depth of parentheses, NOT and OR that is read at all: what is deeper than `model::limits::SEARCH_DEPTH_MAX` is then
/// refused with a NO, and this only guards the stack.
const PARSE_DEPTH_MAX: usize = 100;

/// A search key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// ALL
    All,
    /// Keys in parentheses: all hold.
    And(Vec<Self>),
    /// OR
    Or(Box<Self>, Box<Self>),
    /// NOT
    Not(Box<Self>),
    /// Message numbers.
    Numbers(SequenceSet),
    /// UID
    Uids(SequenceSet),
    /// A system flag is set.
    Flag(Flag),
    /// KEYWORD; `None` for one that no message can have.
    Keyword(Option<Keyword>),
    /// RECENT
    Recent,
    /// HEADER, and BCC, CC, FROM, SUBJECT, TO.
    Header(String, String),
    /// BODY
    Body(String),
    /// TEXT
    Text(String),
    /// BEFORE, ON, SINCE, with days since 1970-01-01.
    InternalDate(DateRelation, i32),
    /// SENTBEFORE, SENTON, SENTSINCE
    SentDate(DateRelation, i32),
    /// LARGER
    Larger(u64),
    /// SMALLER
    Smaller(u64),
    /// MODSEQ
    ModSeq(u64),
    /// SAVEDBEFORE, SAVEDON, SAVEDSINCE (RFC 8514)
    SavedDate(DateRelation, i32),
    /// OLDER, in seconds (RFC 5032)
    Older(u32),
    /// YOUNGER
    Younger(u32),
    /// EMAILID (RFC 8474)
    Email(u64),
    /// THREADID
    Thread(u64),
    /// What no message can have: an id that was never given out.
    Nothing,
    /// FUZZY (RFC 6203)
    Fuzzy(Box<Self>),
    /// XREGEX (docs/xregex.md)
    Pattern(Place, String),
}

/// Where a pattern is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the fields of this name.
    Field(String),
    /// In the body.
    Body,
    /// In header and body.
    Text,
}

impl Key {
    /// Reads one key.
    ///
    /// # Errors
    /// It is malformed, not known, or nested too deep.
    pub fn parse(cursor: &mut Cursor<'_>, charset: &Charset, depth: usize) -> Parsed<Self> {
        if depth > PARSE_DEPTH_MAX {
            return Err(Malformed("The search is nested too deep"));
        }
        if SequenceSet::starts(cursor) {
            return SequenceSet::parse(cursor).map(Self::Numbers);
        }
        if cursor.peek() == Some(b'(') {
            let keys = cursor.list(model::limits::SEARCH_KEYS_MAX, |cursor| Self::parse(cursor, charset, depth + 1))?;
            return if keys.is_empty() { Err(Malformed("Expected a search key")) } else { Ok(Self::And(keys)) };
        }
        let name = cursor.atom().map_err(|_| Malformed("Expected a search key"))?.to_ascii_uppercase();
        if let Some(key) = without_argument(&name) {
            return Ok(key);
        }
        if !takes_argument(&name) {
            return Err(Malformed("There is no such search key"));
        }
        cursor.space()?;
        Self::with_argument(&name, cursor, charset, depth)
    }

    fn with_argument(name: &str, cursor: &mut Cursor<'_>, charset: &Charset, depth: usize) -> Parsed<Self> {
        use DateRelation::{Before, On, Since};
        Ok(match name {
            "NOT" => Self::Not(Box::new(Self::parse(cursor, charset, depth + 1)?)),
            "OR" => {
                let either = Self::parse(cursor, charset, depth + 1)?;
                cursor.space()?;
                Self::Or(Box::new(either), Box::new(Self::parse(cursor, charset, depth + 1)?))
            }
            "UID" => Self::Uids(SequenceSet::parse(cursor)?),
            "KEYWORD" => Self::Keyword(Keyword::parse(cursor.atom()?)),
            "UNKEYWORD" => Self::Not(Box::new(Self::Keyword(Keyword::parse(cursor.atom()?)))),
            "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => Self::Header(name.to_owned(), text(cursor, charset)?),
            "HEADER" => {
                let field = field_name(cursor)?;
                cursor.space()?;
                Self::Header(field, text(cursor, charset)?)
            }
            "BODY" => Self::Body(text(cursor, charset)?),
            "TEXT" => Self::Text(text(cursor, charset)?),
            "BEFORE" => Self::InternalDate(Before, date::date(cursor)?),
            "ON" => Self::InternalDate(On, date::date(cursor)?),
            "SINCE" => Self::InternalDate(Since, date::date(cursor)?),
            "SENTBEFORE" => Self::SentDate(Before, date::date(cursor)?),
            "SENTON" => Self::SentDate(On, date::date(cursor)?),
            "SENTSINCE" => Self::SentDate(Since, date::date(cursor)?),
            "LARGER" => Self::Larger(cursor.number64()?),
            "SMALLER" => Self::Smaller(cursor.number64()?),
            "MODSEQ" => Self::ModSeq(modseq(cursor)?),
            "SAVEDBEFORE" => Self::SavedDate(Before, date::date(cursor)?),
            "SAVEDON" => Self::SavedDate(On, date::date(cursor)?),
            "SAVEDSINCE" => Self::SavedDate(Since, date::date(cursor)?),
            "OLDER" => Self::Older(cursor.nz_number()?),
            "YOUNGER" => Self::Younger(cursor.nz_number()?),
            "EMAILID" => object_id::parse(&cursor.astring()?, Object::Email).map_or(Self::Nothing, Self::Email),
            "THREADID" => object_id::parse(&cursor.astring()?, Object::Thread).map_or(Self::Nothing, Self::Thread),
            "FUZZY" => Self::Fuzzy(Box::new(Self::parse(cursor, charset, depth + 1)?)),
            "XREGEX" => pattern(cursor, charset)?,
            _ => return Err(Malformed("There is no such search key")),
        })
    }

    /// Whether a key for which this holds stands anywhere in it.
    pub fn any(&self, holds: &dyn Fn(&Self) -> bool) -> bool {
        holds(self)
            || match self {
                Self::And(keys) => keys.iter().any(|key| key.any(holds)),
                Self::Or(either, other) => either.any(holds) || other.any(holds),
                Self::Not(key) | Self::Fuzzy(key) => key.any(holds),
                Self::All
                | Self::Numbers(_)
                | Self::Uids(_)
                | Self::Flag(_)
                | Self::Keyword(_)
                | Self::Recent
                | Self::Header(..)
                | Self::Body(_)
                | Self::Text(_)
                | Self::InternalDate(..)
                | Self::SentDate(..)
                | Self::Larger(_)
                | Self::Smaller(_)
                | Self::ModSeq(_)
                | Self::SavedDate(..)
                | Self::Older(_)
                | Self::Younger(_)
                | Self::Email(_)
                | Self::Thread(_)
                | Self::Nothing
                | Self::Pattern(..) => false,
            }
    }
}

fn without_argument(name: &str) -> Option<Key> {
    let not = |key| Key::Not(Box::new(key));
    Some(match name {
        // RFC 8514 §4.2: every folder keeps save dates.
        "ALL" | "SAVEDATESUPPORTED" => Key::All,
        "ANSWERED" => Key::Flag(Flag::Answered),
        "DELETED" => Key::Flag(Flag::Deleted),
        "DRAFT" => Key::Flag(Flag::Draft),
        "FLAGGED" => Key::Flag(Flag::Flagged),
        "SEEN" => Key::Flag(Flag::Seen),
        "UNANSWERED" => not(Key::Flag(Flag::Answered)),
        "UNDELETED" => not(Key::Flag(Flag::Deleted)),
        "UNDRAFT" => not(Key::Flag(Flag::Draft)),
        "UNFLAGGED" => not(Key::Flag(Flag::Flagged)),
        "UNSEEN" => not(Key::Flag(Flag::Seen)),
        "RECENT" => Key::Recent,
        "OLD" => not(Key::Recent),
        "NEW" => Key::And(vec![Key::Recent, not(Key::Flag(Flag::Seen))]),
        _ => return None,
    })
}

fn takes_argument(name: &str) -> bool {
    const NAMES: [&str; 31] = [
        "NOT",
        "OR",
        "UID",
        "KEYWORD",
        "UNKEYWORD",
        "BCC",
        "CC",
        "FROM",
        "SUBJECT",
        "TO",
        "HEADER",
        "BODY",
        "TEXT",
        "BEFORE",
        "ON",
        "SINCE",
        "SENTBEFORE",
        "SENTON",
        "SENTSINCE",
        "LARGER",
        "SMALLER",
        "MODSEQ",
        "SAVEDBEFORE",
        "SAVEDON",
        "SAVEDSINCE",
        "OLDER",
        "YOUNGER",
        "EMAILID",
        "THREADID",
        "FUZZY",
        "XREGEX",
    ];
    NAMES.contains(&name)
}

/// A string to search for.
fn text(cursor: &mut Cursor<'_>, charset: &Charset) -> Parsed<String> {
    charset.text(&cursor.astring()?)
}

/// `header-fld-name`
fn field_name(cursor: &mut Cursor<'_>) -> Parsed<String> {
    Charset::UTF_8.text(&cursor.astring()?)
}

/// `("SUBJECT" / "BODY" / "TEXT" / "HEADER" SP header-fld-name) SP pattern`
fn pattern(cursor: &mut Cursor<'_>, charset: &Charset) -> Parsed<Key> {
    let place = match cursor.atom()?.to_ascii_uppercase().as_str() {
        "SUBJECT" => Place::Field("Subject".to_owned()),
        "BODY" => Place::Body,
        "TEXT" => Place::Text,
        "HEADER" => {
            cursor.space()?;
            Place::Field(field_name(cursor)?)
        }
        _ => return Err(Malformed("XREGEX is followed by SUBJECT, BODY, TEXT or HEADER and a name")),
    };
    cursor.space()?;
    Ok(Key::Pattern(place, text(cursor, charset)?))
}

/// `MODSEQ ["/flags/…" priv|shared|all] n`. There is one MODSEQ for all of a message's flags, so the entry says nothing.
fn modseq(cursor: &mut Cursor<'_>) -> Parsed<u64> {
    if cursor.peek() == Some(b'"') {
        let entry = cursor.string()?;
        if !entry.to_ascii_lowercase().starts_with(b"/flags/") {
            return Err(Malformed("The entry of MODSEQ has the form \"/flags/name\""));
        }
        cursor.space()?;
        if !["priv", "shared", "all"].iter().any(|kind| cursor.word(kind)) {
            return Err(Malformed("The entry of MODSEQ is priv, shared or all"));
        }
        cursor.space()?;
    }
    cursor.number64()
}
